//! Image files: the picture in the bytes of a PNG or JPEG file.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, metadata::Orientation};

use super::PictureError;
use crate::dataset::Picture;
use crate::net::Shape;

/// Larger sides are taken for damage, or for an attack.
const SIDE_MAX: u32 = 20_000;
/// What decoding one image may allocate.
const DECODED_MAX: u64 = 1 << 30;

/// The format that a name's ending promises.
pub(super) fn format_of(name: &str) -> Option<ImageFormat> {
    let (_, ending) = name.rsplit_once('.')?;
    match ending.to_ascii_lowercase().as_str() {
        "png" => Some(ImageFormat::Png),
        "jpg" | "jpeg" => Some(ImageFormat::Jpeg),
        _ => None,
    }
}

/// The picture in an image file's bytes: upright as its camera says, in three channels, and on white
/// where it is transparent.
pub(super) fn decode(name: &str, bytes: &[u8]) -> Result<Picture, PictureError> {
    let broken = |reason, detail: String| PictureError::Broken { reason, detail };
    if bytes.is_empty() {
        return Err(broken("empty file", "0 bytes".to_owned()));
    }
    if format_of(name).is_none() {
        return Err(broken("not a PNG or JPEG image", "by its name".to_owned()));
    }
    // Names lie: a JPEG called .png is a good image.
    let Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg)) = image::guess_format(bytes) else {
        return Err(broken("not a PNG or JPEG image", "by its first bytes".to_owned()));
    };
    // The decoder fills what is missing of a JPEG with grey and calls it good.
    if format == ImageFormat::Jpeg && !jpeg_is_whole(bytes) {
        return Err(broken("damaged", "it is cut off".to_owned()));
    }
    let image = decoded(bytes, format).map_err(|error| broken("damaged", error.to_string()))?;
    Ok(opaque(&image))
}

/// Whether an end marker follows the picture's data; thumbnails in the head have one of their own.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let [0xff, marker, high, low, ..] = *rest {
        if marker == START_OF_SCAN {
            return rest.windows(2).any(|pair| pair == END_OF_IMAGE);
        }
        // A marker may be padded with more of its first byte; else a segment says its length.
        let len = if marker == 0xff { 1 } else { 2 + usize::from(u16::from_be_bytes([high, low])) };
        rest = rest.get(len..).unwrap_or_default();
    }
    false
}

fn decoded(bytes: &[u8], format: ImageFormat) -> Result<DynamicImage, image::ImageError> {
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(DECODED_MAX);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image)
}

fn opaque(image: &DynamicImage) -> Picture {
    let pixels = if image.color().has_alpha() {
        image.to_rgba8().pixels().flat_map(|pixel| on_white(pixel.0)).collect()
    } else {
        image.to_rgb8().into_raw()
    };
    let shape =
        Shape { channels: 3, height: image.height() as usize, width: image.width() as usize };
    Picture { shape, pixels }
}

fn on_white([r, g, b, alpha]: [u8; 4]) -> [u8; 3] {
    let alpha = u32::from(alpha);
    [r, g, b].map(|value| {
        let mixed = (u32::from(value) * alpha + 255 * (255 - alpha) + 127) / 255;
        u8::try_from(mixed).expect("a mean of two bytes is a byte")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transparency_lies_on_white() {
        assert_eq!(on_white([10, 20, 30, 255]), [10, 20, 30]);
        assert_eq!(on_white([10, 20, 30, 0]), [255, 255, 255]);
        assert_eq!(on_white([0, 255, 100, 128]), [127, 255, 177]);
    }
}
