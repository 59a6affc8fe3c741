//! Charts over two axes: dots, crosses, lines, steps and areas, with a legend that wraps.

use super::axis::{Axis, Ticks};
use super::shapes::{columns, crosses, dots, polyline, steps};
use super::svg::{Anchor, Svg, clipped, number, text_width};

/// Size of labels.
const LABEL: f64 = 12.0;
/// From one row of the legend to the next.
const LEGEND_ROW: f64 = 20.0;
/// Room left of the frame for tick words.
const LEFT: f64 = 56.0;
/// Room right of the frame.
const RIGHT: f64 = 16.0;
/// Room below the frame for ticks and the axis' name.
const BOTTOM: f64 = 44.0;

/// A chart before it has a size.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) struct Chart {
    pub(in crate::report) x: Axis,
    pub(in crate::report) y: Axis,
    /// Stretches of the x axis with a word at their top.
    pub(in crate::report) bands: Vec<Band>,
    /// Drawn in order; the legend has the same order.
    pub(in crate::report) marks: Vec<Mark>,
}

/// A shaded stretch of the x axis.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) struct Band {
    pub(in crate::report) from: f64,
    pub(in crate::report) to: f64,
    pub(in crate::report) word: String,
    /// How dark, 0 to 1.
    pub(in crate::report) shade: f64,
}

/// One series.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) struct Mark {
    pub(in crate::report) shape: Shape,
    /// Which colour and dash, from 0; series that belong together share one.
    pub(in crate::report) series: usize,
    /// Its word in the legend; none when it needs none.
    pub(in crate::report) word: Option<String>,
    pub(in crate::report) points: Vec<(f64, f64)>,
}

/// How a series is drawn.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) enum Shape {
    /// A small dot for each point.
    Dots,
    /// A cross for each point.
    Crosses,
    /// A large dot for each of few points.
    Discs,
    /// Straight from point to point.
    Line,
    /// Level until the next point.
    Step,
    /// Filled between the points and these lower ones, at the same places.
    Area(Vec<(f64, f64)>),
    /// A thin line that only guides the eye.
    Guide,
    /// Filled likewise, as one of several parts of a whole.
    Stack(Vec<(f64, f64)>),
    /// A column from the axis to each point; half its width at the same place.
    Columns(Vec<f64>),
}

impl Shape {
    /// Its word for the page's script, which reads points back from paths.
    fn word(&self) -> &'static str {
        match self {
            Self::Dots | Self::Discs => "dots",
            Self::Crosses => "crosses",
            Self::Line | Self::Guide => "line",
            Self::Step => "step",
            Self::Area(_) => "area",
            Self::Stack(_) => "stack",
            Self::Columns(_) => "columns",
        }
    }
}

impl Chart {
    /// Draws it `width` by `height` pixels; the legend adds to the height.
    pub(in crate::report) fn draw(&self, width: u32, height: u32) -> Svg {
        let legend = self.legend(f64::from(width));
        let rows = legend.last().map_or(0.0, |entry| entry.row + 1.0);
        let top = 32.0 + rows * LEGEND_ROW + if self.bands.is_empty() { 0.0 } else { 18.0 };
        let frame = Frame {
            left: LEFT,
            right: f64::from(width) - RIGHT,
            top,
            bottom: f64::from(height) + rows * LEGEND_ROW - BOTTOM,
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few hundred pixels"
        )]
        let mut svg = Svg::new(width, (frame.bottom + BOTTOM) as u32);
        self.draw_bands(&mut svg, &frame);
        self.draw_axes(&mut svg, &frame);
        self.open_plot(&mut svg, &frame);
        for (i, mark) in self.marks.iter().enumerate() {
            let key = self.key(i).to_string();
            let word = mark.word.as_deref().unwrap_or_default();
            let data = [("key", key.as_str()), ("word", word), ("shape", mark.shape.word())];
            svg.open("series", &data);
            self.draw_mark(&mut svg, &frame, mark);
            svg.close();
        }
        svg.close();
        let label = clipped(&self.y.label, LABEL, f64::from(width) - 8.0);
        svg.text("name", (4.0, 14.0), Anchor::Start, &label);
        for entry in &legend {
            entry.draw(&mut svg);
        }
        svg
    }

    /// Says how pixels are numbers, so that the page's script can say numbers of pixels.
    fn open_plot(&self, svg: &mut Svg, frame: &Frame) {
        let scale = |from: f64, to: f64, axis: &Axis| {
            format!("{} {} {} {}", number(from), number(to), axis.low, axis.high)
        };
        let x = scale(frame.left, frame.right, &self.x);
        let y = scale(frame.bottom, frame.top, &self.y);
        let ticks = format!("{} {}", word_of(self.x.ticks), word_of(self.y.ticks));
        let data = [
            ("x", x.as_str()),
            ("y", &y),
            ("ticks", &ticks),
            ("x-name", &self.x.label),
            ("y-name", &self.y.label),
        ];
        svg.open("plot", &data);
    }

    /// The mark in whose legend entry the `i`-th is: its own, or that of the mark it belongs to.
    fn key(&self, i: usize) -> usize {
        let mark = &self.marks[i];
        if mark.word.is_some() {
            return i;
        }
        let named = |other: &Mark| other.word.is_some() && other.series == mark.series;
        let alike = |other: &Mark| named(other) && other.shape.word() == mark.shape.word();
        let place = self.marks.iter().position(alike);
        place.or_else(|| self.marks.iter().position(named)).unwrap_or(i)
    }

    fn legend(&self, width: f64) -> Vec<Entry<'_>> {
        let (mut x, mut row) = (4.0, 0.0);
        let mut entries = Vec::new();
        for (key, mark) in self.marks.iter().enumerate() {
            let Some(word) = &mark.word else { continue };
            let word = clipped(word, LABEL, width - 48.0);
            let needs = 26.0 + text_width(&word, LABEL) + 14.0;
            if x > 4.0 && x + needs > width {
                (x, row) = (4.0, row + 1.0);
            }
            entries.push(Entry { mark, key, word, x, row, width: needs - 8.0 });
            x += needs;
        }
        entries
    }

    fn draw_bands(&self, svg: &mut Svg, frame: &Frame) {
        let mut free_from = f64::NEG_INFINITY;
        for band in &self.bands {
            let left = frame.x(self.x.share(band.from));
            let right = frame.x(self.x.share(band.to));
            let size = (right - left, frame.bottom - frame.top);
            svg.rect("band", (left, frame.top), size, band.shade);
            // A word that would run into its neighbour's is left out; the table has all of them.
            let half = text_width(&band.word, 11.0) / 2.0;
            let middle = f64::midpoint(left, right).min(frame.right - half);
            if middle - half >= free_from {
                svg.text("small", (middle, frame.top - 6.0), Anchor::Middle, &band.word);
                free_from = middle + half + 6.0;
            }
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a dozen ticks in a drawing"
    )]
    fn draw_axes(&self, svg: &mut Svg, frame: &Frame) {
        for (value, word) in self.y.marks(((frame.bottom - frame.top) / 48.0) as usize) {
            let y = frame.y(self.y.share(value));
            svg.line("grid", (frame.left, y), (frame.right, y));
            svg.text("tick", (frame.left - 8.0, y + 4.0), Anchor::End, &word);
        }
        svg.line("axis", (frame.left, frame.bottom), (frame.right, frame.bottom));
        for (value, word) in self.x.marks(((frame.right - frame.left) / 76.0) as usize) {
            let x = frame.x(self.x.share(value));
            svg.line("axis", (x, frame.bottom), (x, frame.bottom + 5.0));
            // A long word at the end of the axis moves in rather than being cut.
            let most = frame.right + RIGHT - 1.0 - text_width(&word, LABEL) / 2.0;
            svg.text("tick", (x.min(most), frame.bottom + 18.0), Anchor::Middle, &word);
        }
        let middle = f64::midpoint(frame.left, frame.right);
        let label = clipped(&self.x.label, LABEL, frame.right - frame.left);
        svg.text("name", (middle, frame.bottom + 36.0), Anchor::Middle, &label);
    }

    fn draw_mark(&self, svg: &mut Svg, frame: &Frame, mark: &Mark) {
        let place = |&(x, y): &(f64, f64)| {
            (frame.x(self.x.share(x)), frame.y(self.y.share(y).clamp(0.0, 1.0)))
        };
        let places: Vec<(f64, f64)> = mark.points.iter().map(place).collect();
        if places.is_empty() {
            return;
        }
        let series = Series(mark.series);
        let (class, path) = match &mark.shape {
            Shape::Dots => (format!("dots {series}"), dots(&places)),
            Shape::Discs => (format!("discs {series}"), dots(&places)),
            Shape::Crosses => (format!("crosses {series}"), crosses(&places)),
            Shape::Line => (format!("line {series}"), polyline(&places)),
            Shape::Step => (format!("line {series}"), steps(&places, frame.right)),
            Shape::Guide => ("guide".to_owned(), polyline(&places)),
            Shape::Area(lower) | Shape::Stack(lower) => {
                let back: Vec<(f64, f64)> = lower.iter().rev().map(place).collect();
                let outline =
                    format!("{}{}Z", polyline(&places), polyline(&back).replacen('M', "L", 1));
                (format!("{} {series}", mark.shape.word()), outline)
            }
            Shape::Columns(halves) => {
                let side = |(x, _): &(f64, f64), half: f64| frame.x(self.x.share(x + half));
                let sides = mark.points.iter().zip(halves).map(|(point, half)| {
                    (side(point, -half).max(frame.left), side(point, *half).min(frame.right))
                });
                (format!("columns {series}"), columns(&places, sides, frame.bottom))
            }
        };
        svg.path(&class, &path);
    }
}

/// Colours in the palette; with dashes, so that they differ without colour too.
const COLOURS: usize = 6;

/// The class of a series. Once all colours are taken they come again, their lines dotted.
struct Series(usize);

impl std::fmt::Display for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let again = if self.0 / COLOURS % 2 == 1 { " again" } else { "" };
        write!(f, "s{}{again}", self.0 % COLOURS)
    }
}

/// The rectangle that data is drawn in.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Frame {
    fn x(&self, share: f64) -> f64 {
        self.left + share * (self.right - self.left)
    }

    fn y(&self, share: f64) -> f64 {
        self.bottom - share * (self.bottom - self.top)
    }
}

/// A series' place in the legend.
struct Entry<'a> {
    mark: &'a Mark,
    /// Which mark it is.
    key: usize,
    word: String,
    x: f64,
    row: f64,
    width: f64,
}

impl Entry<'_> {
    fn draw(&self, svg: &mut Svg) {
        let series = Series(self.mark.series);
        let y = 24.0 + self.row * LEGEND_ROW + 8.0;
        let (x, middle) = (self.x, self.x + 10.0);
        svg.open("key", &[("key", &self.key.to_string())]);
        // What can be pressed is as large as a finger needs, and cannot be seen.
        svg.rect("press", (x - 4.0, y - 10.0), (self.width, LEGEND_ROW), 1.0);
        match self.mark.shape {
            Shape::Dots | Shape::Discs => {
                svg.path(&format!("dots solid {series}"), &dots(&[(middle, y)]));
            }
            Shape::Crosses => svg.path(&format!("crosses {series}"), &crosses(&[(middle, y)])),
            Shape::Area(_) | Shape::Stack(_) | Shape::Columns(_) => {
                let class = format!("{} {series}", self.mark.shape.word());
                svg.rect(&class, (x, y - 6.0), (20.0, 12.0), 1.0);
            }
            Shape::Guide => svg.line("guide", (x, y), (x + 20.0, y)),
            Shape::Line | Shape::Step => {
                svg.path(&format!("line {series}"), &polyline(&[(x, y), (x + 20.0, y)]));
            }
        }
        svg.text("label", (x + 26.0, y + 4.0), Anchor::Start, &self.word);
        svg.close();
    }
}

/// How the page's script writes an axis' numbers.
fn word_of(ticks: Ticks) -> &'static str {
    match ticks {
        Ticks::Whole => "whole",
        Ticks::Percent => "percent",
        Ticks::Decimal => "decimal",
    }
}

/// At most about `most` of `points`, evenly spaced, with the first and the last; and whether some went.
pub(in crate::report) fn thinned(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    let stride = points.len().div_ceil(most.max(2)).max(1);
    let mut kept: Vec<(f64, f64)> = points.iter().copied().step_by(stride).collect();
    if let Some(&last) = points.last()
        && kept.last() != Some(&last)
    {
        kept.push(last);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::Ticks;

    fn chart(words: &[&str]) -> Chart {
        let mark = |(series, word): (usize, &&str)| Mark {
            shape: Shape::Line,
            series,
            word: Some((*word).to_owned()),
            points: vec![(0.0, 0.0), (1.0, 1.0)],
        };
        Chart {
            x: Axis::exact("x", 0.0, 1.0, Ticks::Decimal),
            y: Axis::exact("y", 0.0, 1.0, Ticks::Decimal),
            bands: Vec::new(),
            marks: words.iter().enumerate().map(mark).collect(),
        }
    }

    #[test]
    fn a_long_legend_wraps_and_makes_the_picture_higher() {
        let long = ["strategy=q_learning"; 4];
        let rows: Vec<f64> = chart(&long).legend(380.0).iter().map(|entry| entry.row).collect();
        assert_eq!(rows, [0.0, 0.0, 1.0, 1.0]);
        let height =
            |svg: Svg| svg.render("a", "", "").split("height=\"").nth(1).unwrap()[..3].to_owned();
        assert_eq!(height(chart(&long).draw(380, 200)), "240");
        assert_eq!(height(chart(&["a"]).draw(380, 200)), "220");
    }

    #[test]
    fn a_dozen_lines_differ_in_colour_or_dash() {
        let words = ["a"; 12];
        let text = chart(&words).draw(760, 380).render("a", "", "");
        let lines = text.lines().filter(|line| line.starts_with("<path class=\"line "));
        let classes: std::collections::BTreeSet<&str> =
            lines.map(|line| line.split('"').nth(1).unwrap()).collect();
        assert_eq!(classes.len(), 12, "{classes:?}");
        assert!(classes.contains("line s1 again"), "{classes:?}");
    }

    #[test]
    fn thinning_keeps_both_ends() {
        let points: Vec<(f64, f64)> = (0..10_000).map(|i| (f64::from(i), 0.0)).collect();
        let kept = thinned(&points, 3000);
        assert!(kept.len() <= 3001, "{}", kept.len());
        assert_eq!((kept[0], kept[kept.len() - 1]), (points[0], points[9_999]));
        assert_eq!(thinned(&points[..5], 3000), points[..5]);
    }

    #[test]
    fn a_band_without_a_word_is_in_the_entry_of_its_line_and_a_guide_in_that_of_its_kind() {
        let mut chart = chart(&["other", "chosen"]);
        let mut add = |place: usize, shape: Shape, series: usize| {
            let points = vec![(0.0, 0.5), (1.0, 0.5)];
            chart.marks.insert(place, Mark { shape, series, word: None, points });
        };
        add(0, Shape::Area(vec![(0.0, 0.1), (1.0, 0.1)]), 1);
        add(3, Shape::Guide, 0);
        let keys: Vec<usize> = (0..4).map(|i| chart.key(i)).collect();
        assert_eq!(keys, [2, 1, 2, 1]);
    }

    #[test]
    fn a_plot_says_how_pixels_are_numbers() {
        let text = chart(&["a"]).draw(380, 200).render("a", "", "");
        assert!(text.contains("data-x=\"56 364 0 1\" data-y=\"176 52 0 1\""), "{text}");
    }
}
