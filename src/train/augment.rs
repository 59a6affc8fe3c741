//! Augmentation: training images varied before they are standardised, each draw found by name.
//!
//! An image is numbers between 0 and 255 here. What comes in from outside a picture is the channel's
//! mean over the training images, which standardisation turns into 0.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::net::Shape;
use crate::seed::{Seed, Stream};

/// One way to vary a training image; drawn anew for each image at each step, never at evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(tag = "kind")]
pub enum Augmentation {
    /// Left and right are exchanged half of the time.
    Mirror,
    /// Above and below are exchanged half of the time.
    MirrorVertical,
    /// Turned by none, one, two or three quarters, all as likely; by none or two where images are not
    /// square.
    Rot90,
    /// Turned about the centre by any angle up to `degrees` each way, with bilinear interpolation; what
    /// turns in is the channel's mean.
    Rotate {
        /// Largest angle.
        #[serde(default = "fifteen")]
        #[schemars(range(min = 0.0, max = 180.0))]
        degrees: f64,
    },
    /// Made lighter or darker, then cut to the range of bytes.
    Gain {
        /// The image is multiplied with a number up to this far from 1.
        #[serde(default = "fifth")]
        #[schemars(range(min = 0.0, max = 1.0))]
        image: f64,
        /// Each channel is besides multiplied with a number of its own up to this far from 1.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 1.0))]
        channel: f64,
    },
    /// Moved by up to `pixels` each way, rows and columns by themselves, as a random crop of the padded
    /// image is; what moves in is the channel's mean.
    Shift {
        /// Largest move.
        #[serde(default = "four")]
        #[schemars(range(min = 0, max = 1024))]
        pixels: usize,
    },
    /// A square around a pixel anywhere in the image becomes the channel's mean; near the border less than
    /// the square is inside (`DeVries` and Taylor 2017).
    Cutout {
        /// Side of the square, in pixels.
        #[serde(default = "sixteen")]
        #[schemars(range(min = 1, max = 4096))]
        side: usize,
    },
}

fn fifteen() -> f64 {
    15.0
}

fn fifth() -> f64 {
    0.2
}

fn four() -> usize {
    4
}

fn sixteen() -> usize {
    16
}

/// An image on its way: numbers by row, column and channel.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Picture<'a> {
    pub(super) shape: Shape,
    pub(super) numbers: Vec<f64>,
    /// What lies outside, by channel.
    pub(super) outside: &'a [f64],
}

/// Varies a picture in all ways of `list`, in their order. `seed` is the step's and `image` the image's
/// number, so that neither its place in a batch nor the other images matter.
pub(super) fn vary(picture: &mut Picture<'_>, list: &[Augmentation], seed: &Seed, image: usize) {
    for (place, way) in list.iter().enumerate() {
        // By place too: a way that stands twice draws twice.
        let mut stream = seed.nth(place as u64).stream("augment", image as u64);
        way.apply(picture, &mut stream);
    }
}

impl Augmentation {
    fn apply(&self, picture: &mut Picture<'_>, stream: &mut Stream) {
        let Shape { height, width, .. } = picture.shape;
        match *self {
            Self::Mirror => {
                if stream.below(2) == 1 {
                    picture.rearrange(|row, column| Some((row, width - 1 - column)));
                }
            }
            Self::MirrorVertical => {
                if stream.below(2) == 1 {
                    picture.rearrange(|row, column| Some((height - 1 - row, column)));
                }
            }
            Self::Rot90 => picture.quarters(stream.below(4)),
            Self::Rotate { degrees } => picture.rotate(stream.range(-degrees, degrees)),
            Self::Gain { image, channel } => {
                let whole = stream.range(1.0 - image, 1.0 + image);
                let mut own = || whole * stream.range(1.0 - channel, 1.0 + channel);
                let gains: Vec<f64> = (0..picture.shape.channels).map(|_| own()).collect();
                picture.gain(&gains);
            }
            Self::Shift { pixels } => {
                let reach = pixels.cast_signed();
                let mut shift = || stream.index(2 * pixels + 1).cast_signed() - reach;
                picture.shift(shift(), shift());
            }
            Self::Cutout { side } => {
                let centre = (stream.index(height), stream.index(width));
                picture.cut_out(centre, side);
            }
        }
    }
}

impl Picture<'_> {
    /// Puts at every pixel what `from` says stands there now, or what lies outside.
    fn rearrange(&mut self, from: impl Fn(usize, usize) -> Option<(usize, usize)>) {
        let Shape { channels, width, .. } = self.shape;
        let old = self.numbers.clone();
        for (place, pixel) in self.numbers.chunks_exact_mut(channels).enumerate() {
            match from(place / width, place % width) {
                Some((row, column)) => {
                    pixel.copy_from_slice(&old[(row * width + column) * channels..][..channels]);
                }
                None => pixel.copy_from_slice(self.outside),
            }
        }
    }

    /// Turns by quarters, counter-clockwise.
    fn quarters(&mut self, quarters: u64) {
        let Shape { height, width, .. } = self.shape;
        match quarters {
            2 => self.rearrange(|row, column| Some((height - 1 - row, width - 1 - column))),
            1 if height == width => self.rearrange(|row, column| Some((column, width - 1 - row))),
            3 if height == width => self.rearrange(|row, column| Some((height - 1 - column, row))),
            // A quarter of an image that is not square would not fit: three quarters stand for a half.
            3 => self.quarters(2),
            _ => {}
        }
    }

    /// Moves down and right; negative numbers up and left.
    fn shift(&mut self, down: isize, right: isize) {
        let Shape { height, width, .. } = self.shape;
        self.rearrange(|row, column| {
            let row = row.checked_add_signed(-down).filter(|&row| row < height)?;
            let column = column.checked_add_signed(-right).filter(|&column| column < width)?;
            Some((row, column))
        });
    }

    /// Turns about the centre.
    #[expect(clippy::cast_precision_loss, reason = "pixels of an image")]
    fn rotate(&mut self, degrees: f64) {
        let Shape { channels, height, width } = self.shape;
        let (sin, cos) = (libm::sin(degrees.to_radians()), libm::cos(degrees.to_radians()));
        let centre = ((height - 1) as f64 / 2.0, (width - 1) as f64 / 2.0);
        let old = self.clone();
        for (place, pixel) in self.numbers.chunks_exact_mut(channels).enumerate() {
            let (y, x) = ((place / width) as f64 - centre.0, (place % width) as f64 - centre.1);
            let (y, x) = (centre.0 + cos * y + sin * x, centre.1 - sin * y + cos * x);
            for (channel, number) in pixel.iter_mut().enumerate() {
                *number = old.between(y, x, channel);
            }
        }
    }

    /// A number between four pixels, by bilinear interpolation.
    fn between(&self, y: f64, x: f64, channel: usize) -> f64 {
        let (top, left) = (y.floor(), x.floor());
        let (down, right) = (y - top, x - left);
        let above = self.number(top, left, channel) * (1.0 - right)
            + self.number(top, left + 1.0, channel) * right;
        let below = self.number(top + 1.0, left, channel) * (1.0 - right)
            + self.number(top + 1.0, left + 1.0, channel) * right;
        above * (1.0 - down) + below * down
    }

    /// The number at a whole place.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "whole places inside the image"
    )]
    fn number(&self, y: f64, x: f64, channel: usize) -> f64 {
        let Shape { channels, height, width } = self.shape;
        if y < 0.0 || x < 0.0 || y >= height as f64 || x >= width as f64 {
            return self.outside[channel];
        }
        self.numbers[(y as usize * width + x as usize) * channels + channel]
    }

    fn gain(&mut self, gains: &[f64]) {
        for pixel in self.numbers.chunks_exact_mut(gains.len()) {
            for (number, gain) in pixel.iter_mut().zip(gains) {
                *number = (*number * gain).clamp(0.0, 255.0);
            }
        }
    }

    /// Covers the square of `side` pixels whose middle (of two, the lower right) is `centre`.
    fn cut_out(&mut self, centre: (usize, usize), side: usize) {
        let Shape { channels, width, .. } = self.shape;
        let covers =
            |at: usize, centre: usize| at + side / 2 >= centre && at + side / 2 < centre + side;
        for (place, pixel) in self.numbers.chunks_exact_mut(channels).enumerate() {
            if covers(place / width, centre.0) && covers(place % width, centre.1) {
                pixel.copy_from_slice(self.outside);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of one channel, with 100 outside.
    fn picture(rows: &[&[u8]]) -> Picture<'static> {
        let numbers = rows.concat().into_iter().map(f64::from).collect();
        let shape = Shape { channels: 1, height: rows.len(), width: rows[0].len() };
        Picture { shape, numbers, outside: &[100.0] }
    }

    fn near(found: &Picture<'_>, rows: &[&[u8]]) {
        let expected = picture(rows);
        for (a, b) in found.numbers.iter().zip(&expected.numbers) {
            assert!((a - b).abs() < 1e-9, "{:?} instead of {:?}", found.numbers, expected.numbers);
        }
    }

    fn after(rows: &[&[u8]], change: impl Fn(&mut Picture<'_>)) -> Picture<'static> {
        let mut picture = picture(rows);
        change(&mut picture);
        picture
    }

    #[test]
    fn shifts_bring_in_the_mean() {
        let moved = after(&[&[1, 2, 3], &[4, 5, 6]], |picture| picture.shift(1, -1));
        near(&moved, &[&[100, 100, 100], &[2, 3, 100]]);
    }

    #[test]
    fn quarters_turn_squares_and_halves_turn_the_rest() {
        let square: &[&[u8]] = &[&[1, 2], &[3, 4]];
        near(&after(square, |p| p.quarters(1)), &[&[2, 4], &[1, 3]]);
        near(&after(square, |p| p.quarters(2)), &[&[4, 3], &[2, 1]]);
        near(&after(square, |p| p.quarters(3)), &[&[3, 1], &[4, 2]]);
        let wide: &[&[u8]] = &[&[1, 2, 3]];
        for (quarters, expected) in [(0, [1, 2, 3]), (1, [1, 2, 3]), (2, [3, 2, 1]), (3, [3, 2, 1])]
        {
            near(&after(wide, |p| p.quarters(quarters)), &[&expected]);
        }
    }

    #[test]
    fn a_rotation_by_a_quarter_is_exact_and_an_odd_one_interpolates() {
        let rows: &[&[u8]] = &[&[1, 2, 3], &[4, 5, 6], &[7, 8, 9]];
        near(&after(rows, |p| p.rotate(90.0)), &[&[3, 6, 9], &[2, 5, 8], &[1, 4, 7]]);
        let turned = after(&[&[0, 0, 0], &[0, 80, 0], &[0, 0, 0]], |p| p.rotate(45.0));
        assert!((turned.numbers[4] - 80.0).abs() < 1e-9);
        // A corner is turned in from outside: partly the mean.
        assert!(turned.numbers[0] > 0.0 && turned.numbers[0] < 100.0, "{:?}", turned.numbers);
    }

    #[test]
    fn gains_stay_inside_the_range_of_bytes() {
        near(&after(&[&[0, 100, 250]], |p| p.gain(&[1.5])), &[&[0, 150, 255]]);
    }

    #[test]
    fn a_cutout_ends_at_the_border() {
        let rows: &[&[u8]] = &[&[1, 2, 3], &[4, 5, 6], &[7, 8, 9]];
        near(&after(rows, |p| p.cut_out((0, 2), 3)), &[&[1, 100, 100], &[4, 100, 100], &[7, 8, 9]]);
        near(&after(rows, |p| p.cut_out((1, 1), 2)), &[&[100, 100, 3], &[100, 100, 6], &[7, 8, 9]]);
    }

    #[test]
    fn each_way_draws_by_its_place_and_the_image() {
        let rows: &[&[u8]] = &[&[1, 2, 3, 4, 5, 6, 7, 8]];
        let list = [Augmentation::Shift { pixels: 3 }, Augmentation::Shift { pixels: 3 }];
        let varied = |list: &[Augmentation], step: u64, image: usize| {
            after(rows, |picture| vary(picture, list, &Seed::root(3).nth(step), image)).numbers
        };
        assert_eq!(varied(&list, 0, 5), varied(&list, 0, 5));
        let of = |step, image| varied(&list[..1], step, image);
        assert!((0..20).any(|step| of(step, 0) != of(0, 0)));
        assert!((0..20).any(|image| of(0, image) != of(0, 0)));
        assert!((0..20).any(|step| varied(&list, step, 0) != of(step, 0)));
    }
}
