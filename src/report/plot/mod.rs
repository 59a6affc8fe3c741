//! Pictures as SVG: charts, heat maps and layers, with text as text.
//!
//! Our own small writer instead of a plotting crate: text must stay text, colours must come from one
//! colour-blind-safe palette that follows light and dark by CSS, and the bytes must stay the same when a
//! dependency is raised, since a report is an artifact with a digest. The crates at hand fix colours in
//! attributes and lay out by font metrics of their own; the four pictures of a report need less code
//! than bending them would. It knows nothing of trials and networks.
//!
//! PNG files are rasterised from the SVG by `resvg`, with a font of our own: the reader's machine has no
//! part in them.

mod axis;
mod chart;
mod png;
mod shapes;
mod svg;

pub(super) use axis::{Axis, Ticks};
pub(super) use chart::{Band, Chart, Mark, Shape, thinned};
pub(super) use svg::{Anchor, Svg, clipped, escape, text_width, turns_text};

/// The style that every picture needs, in the page and in a file of its own.
const STYLE: &str = include_str!("../templates/figure.css");

/// A picture with its words; some have a second form for narrow screens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// Stem of its file, unique in a report.
    pub name: String,
    /// What it shows, in a few words.
    pub title: String,
    /// What to see in it, a sentence or two.
    pub caption: String,
    /// For screens and paper of ordinary width.
    pub(super) wide: Svg,
    /// For telephones.
    pub(super) narrow: Option<Svg>,
}

impl Figure {
    /// The picture for a page: both forms, of which the page's style shows one.
    #[must_use]
    pub fn inline(&self) -> String {
        let wide = self.wide.render(&format!("{}-wide", self.name), &self.title, &self.caption);
        let Some(narrow) = &self.narrow else { return wide };
        let narrow = narrow.render(&format!("{}-narrow", self.name), &self.title, &self.caption);
        format!("<div class=\"wide\">{wide}</div>\n<div class=\"narrow\">{narrow}</div>")
    }

    /// The picture as PNG, in the colours of paper and twice as many pixels as it is wide and high.
    #[must_use]
    pub fn png(&self) -> Vec<u8> {
        png::of(&self.file())
    }

    /// The picture as a file that carries its style.
    #[must_use]
    pub fn file(&self) -> String {
        self.wide.render_alone(&self.name, &self.title, &self.caption, STYLE)
    }
}
