//! One picture, and what is done to it before it joins a dataset.
//!
//! Whole numbers throughout but for the resampling filter, which adds in a fixed order.

use image::imageops::{self, FilterType};
use image::{GrayImage, RgbImage};

use crate::net::Shape;
use crate::results::Fit;

/// Bytes in (row, column, channel) order; one channel or three.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    /// Its shape.
    pub(crate) shape: Shape,
    /// Its bytes.
    pub(crate) pixels: Vec<u8>,
}

/// What every picture goes through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Preparation {
    /// Rows and columns to scale to; equal ones where `fit` is to crop.
    pub(crate) resize: Option<(usize, usize)>,
    /// How it becomes square.
    pub(crate) fit: Fit,
    /// Whether colours become one grey channel.
    pub(crate) grayscale: bool,
}

impl Preparation {
    /// The picture as the dataset wants it.
    pub(crate) fn apply(self, picture: Picture) -> Picture {
        let picture = match self.resize {
            Some(size) => resized(picture, size, self.fit),
            None => picture,
        };
        if self.grayscale { greyed(picture) } else { picture }
    }
}

/// Scales by the triangle filter: bilinear, widened when it shrinks so that no pixel is lost.
fn resized(picture: Picture, size: (usize, usize), fit: Fit) -> Picture {
    let picture = match fit {
        Fit::Stretch => picture,
        Fit::Crop => cropped(&picture),
    };
    let Shape { channels, height, width } = picture.shape;
    if (height, width) == size {
        return picture;
    }
    let (w, h) = (whole(width), whole(height));
    let (rows, columns) = (whole(size.0), whole(size.1));
    let pixels = if channels == 1 {
        let grey = GrayImage::from_raw(w, h, picture.pixels).expect("BUG: a picture is full");
        imageops::resize(&grey, columns, rows, FilterType::Triangle).into_raw()
    } else {
        let colour = RgbImage::from_raw(w, h, picture.pixels).expect("BUG: a picture is full");
        imageops::resize(&colour, columns, rows, FilterType::Triangle).into_raw()
    };
    Picture { shape: Shape { channels, height: size.0, width: size.1 }, pixels }
}

fn whole(side: usize) -> u32 {
    u32::try_from(side).expect("BUG: a side was bounded when it was read")
}

/// The largest square in the middle; an odd rest stays on the right and below.
fn cropped(picture: &Picture) -> Picture {
    let Shape { channels, height, width } = picture.shape;
    let side = height.min(width);
    let (top, left) = ((height - side) / 2, (width - side) / 2);
    let pixels = (top..top + side)
        .flat_map(|row| {
            let start = (row * width + left) * channels;
            &picture.pixels[start..start + side * channels]
        })
        .copied()
        .collect();
    Picture { shape: Shape { channels, height: side, width: side }, pixels }
}

/// Luma of ITU-R BT.601, rounded in whole numbers.
fn greyed(picture: Picture) -> Picture {
    if picture.shape.channels == 1 {
        return picture;
    }
    let luma = |rgb: &[u8]| {
        let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(u32::from);
        u8::try_from((299 * r + 587 * g + 114 * b + 500) / 1000).expect("weights sum to 1000")
    };
    let pixels = picture.pixels.chunks_exact(3).map(luma).collect();
    Picture { shape: Shape { channels: 1, ..picture.shape }, pixels }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(channels: usize, height: usize, width: usize, pixels: &[u8]) -> Picture {
        Picture { shape: Shape { channels, height, width }, pixels: pixels.to_vec() }
    }

    #[test]
    fn grey_is_luma() {
        let colour = picture(3, 1, 3, &[255, 0, 0, 0, 255, 0, 255, 255, 255]);
        let preparation = Preparation { grayscale: true, ..Preparation::default() };
        assert_eq!(preparation.apply(colour), picture(1, 1, 3, &[76, 150, 255]));
    }

    #[test]
    fn cropping_takes_the_middle() {
        let wide = picture(1, 2, 5, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let preparation =
            Preparation { resize: Some((2, 2)), fit: Fit::Crop, ..Preparation::default() };
        assert_eq!(preparation.apply(wide), picture(1, 2, 2, &[1, 2, 6, 7]));
    }

    #[test]
    fn shrinking_loses_no_pixel() {
        let checked: Vec<u8> =
            (0..64).map(|i| if (i / 8 + i) % 2 == 0 { 255 } else { 0 }).collect();
        let preparation = Preparation { resize: Some((2, 2)), ..Preparation::default() };
        let shrunk = preparation.apply(picture(1, 8, 8, &checked));
        assert!(shrunk.pixels.iter().all(|&pixel| (120..=135).contains(&pixel)), "{shrunk:?}");
    }

    #[test]
    fn stretching_keeps_corners_apart() {
        let preparation = Preparation { resize: Some((4, 4)), ..Preparation::default() };
        let grown = preparation.apply(picture(1, 1, 2, &[0, 200]));
        assert_eq!((grown.pixels[0], grown.pixels[15]), (0, 200));
    }
}
