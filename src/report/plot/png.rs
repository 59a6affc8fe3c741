//! Pictures as PNG: the SVG with its colours written out, rasterised with a font that comes along.

use std::sync::{Arc, LazyLock};

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder as _};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use super::STYLE;

/// Pixels of a file for each of the drawing: sharp in print and on dense screens.
const SCALE: f32 = 2.0;

/// `DejaVu` Sans, cut to Latin, Greek, Cyrillic and a few signs; see the README beside it.
const FONT: &[u8] = include_bytes!("../fonts/DejaVuSans.ttf");

static OPTIONS: LazyLock<Options<'static>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(FONT.to_vec());
    fonts.set_sans_serif_family("DejaVu Sans");
    Options { fontdb: Arc::new(fonts), font_family: "DejaVu Sans".to_owned(), ..Options::default() }
});

/// The style without variables and without the dark colours, which rasterisers do not know.
static PLAIN_STYLE: LazyLock<String> = LazyLock::new(|| without_variables(STYLE));

/// The PNG of an SVG file of ours.
///
/// # Panics
/// When it is not one.
pub(super) fn of(svg: &str) -> Vec<u8> {
    let svg = svg.replacen(STYLE, &PLAIN_STYLE, 1);
    let tree = Tree::from_str(&svg, &OPTIONS).expect("BUG: our own drawing is no SVG");
    let size = tree.size().to_int_size();
    let size = size.scale_by(SCALE).expect("BUG: a drawing has a size");
    let mut pixels = Pixmap::new(size.width(), size.height()).expect("BUG: a drawing has a size");
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    // Paper covers all of it, so there is nothing to see through.
    let rgb: Vec<u8> =
        pixels.data().chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect();
    let mut file = Vec::new();
    // Flat colours: unfiltered rows repeat themselves, filtered ones do not.
    PngEncoder::new_with_quality(&mut file, CompressionType::Default, FilterType::NoFilter)
        .write_image(&rgb, size.width(), size.height(), ExtendedColorType::Rgb8)
        .expect("BUG: a whole picture is written into memory");
    file
}

/// Puts the values of the first `:root` into all `var(…)` and leaves out rules that only set them.
fn without_variables(style: &str) -> String {
    let (_, after) = style.split_once(":root {").expect("BUG: the style begins with its colours");
    let (colours, rest) = after.split_once('}').expect("BUG: a rule ends");
    let begin = rest.find("svg.figure").expect("BUG: the rules follow the colours");
    let mut plain = rest[begin..].to_owned();
    for (name, value) in colours.split(';').filter_map(|one| one.trim().split_once(": ")) {
        plain = plain.replace(&format!("var({name})"), value);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::super::{Anchor, Figure, Svg};
    use super::*;

    #[test]
    fn no_variable_is_left_and_no_rule_of_the_screen() {
        let plain = without_variables(STYLE);
        assert!(!plain.contains("var(") && !plain.contains("@media"), "{plain}");
        assert!(plain.contains(".figure .s0 { stroke: #0072b2; }"), "{plain}");
    }

    #[test]
    fn text_and_colours_reach_the_pixels() {
        let mut wide = Svg::new(60, 20);
        wide.rect("heat right", (0.0, 0.0), (20.0, 20.0), 1.0);
        wide.text("label", (30.0, 15.0), Anchor::Start, "MM");
        let words = ("x".to_owned(), "t".to_owned(), "c".to_owned());
        let figure = Figure { name: words.0, title: words.1, caption: words.2, wide, narrow: None };
        let picture = image::load_from_memory(&figure.png()).unwrap().into_rgb8();
        assert_eq!(picture.dimensions(), (120, 40));
        assert_eq!(picture.get_pixel(20, 20).0, [0x00, 0x72, 0xb2]);
        let ink = picture.pixels().filter(|pixel| pixel.0.iter().all(|&x| x < 0x60)).count();
        assert!(ink > 60, "{ink} dark pixels of two letters");
        assert_eq!(picture.get_pixel(118, 2).0, [255; 3]);
    }
}
