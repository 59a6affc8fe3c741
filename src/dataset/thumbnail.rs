//! Images as small PNG files, for people to look at.

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _};

use super::picture::{Picture, Preparation};
use crate::net::Shape;

/// The image as PNG, scaled down where a side is longer than `side_max`; never enlarged.
///
/// `pixels` are bytes in (row, column, channel) order. Of images that have neither one nor three channels
/// the first is shown.
///
/// # Panics
/// When there are not as many bytes as `shape` says.
#[must_use]
pub fn thumbnail(pixels: &[u8], shape: Shape, side_max: usize) -> Vec<u8> {
    assert_eq!(pixels.len(), shape.len(), "BUG: an image has as many bytes as its shape");
    let channels = if shape.channels == 3 { 3 } else { 1 };
    let shown = |pixel: &[u8]| pixel[..channels].to_vec();
    let pixels: Vec<u8> = pixels.chunks_exact(shape.channels).flat_map(shown).collect();
    let picture = Picture { shape: Shape { channels, ..shape }, pixels };
    let longest = shape.height.max(shape.width);
    let scaled = |side: usize| (side * side_max / longest).max(1);
    let size = (scaled(shape.height), scaled(shape.width));
    let resize = (longest > side_max).then_some(size);
    let picture = Preparation { resize, ..Preparation::default() }.apply(picture);
    encoded(&picture)
}

fn encoded(picture: &Picture) -> Vec<u8> {
    let Shape { channels, height, width } = picture.shape;
    let side = |side: usize| u32::try_from(side).expect("BUG: a side was bounded");
    let colour = if channels == 3 { ExtendedColorType::Rgb8 } else { ExtendedColorType::L8 };
    let mut file = Vec::new();
    PngEncoder::new(&mut file)
        .write_image(&picture.pixels, side(width), side(height), colour)
        .expect("BUG: a whole picture is written into memory");
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(file: &[u8]) -> (u32, u32, u8) {
        let image = image::load_from_memory(file).unwrap();
        (image.height(), image.width(), image.color().channel_count())
    }

    #[test]
    fn large_images_shrink_in_proportion_and_small_ones_stay() {
        let shape = |channels, height, width| Shape { channels, height, width };
        let of = |shape: Shape| size(&thumbnail(&vec![7; shape.len()], shape, 16));
        assert_eq!(of(shape(3, 64, 32)), (16, 8, 3));
        assert_eq!(of(shape(1, 8, 8)), (8, 8, 1));
        assert_eq!(of(shape(4, 3, 3)), (3, 3, 1));
    }

    #[test]
    fn pixels_are_as_they_were() {
        let shape = Shape { channels: 1, height: 1, width: 2 };
        let image = image::load_from_memory(&thumbnail(&[3, 250], shape, 16)).unwrap();
        assert_eq!(image.into_luma8().into_raw(), [3, 250]);
    }
}
