//! One picture: leaf, veins, skin, ground, shadow, light and sensor, pixel by pixel.
//!
//! Works in f64 with `libm` alone and rounds to bytes once, at the end: the same bytes on every platform.

use super::Preset;
use super::noise::mix;
use super::outline::{Outline, Place};
use super::species::Species;
use super::table::Table;
use super::variation::{Blemish, Ground, GroundKind, Light, Pose, Skin, Variation};
use crate::seed::Stream;

/// Samples of a pixel along each side.
const SAMPLES: usize = 2;
/// A sample's share of its pixel.
const SAMPLE_WEIGHT: f64 = 0.25;
const BROWN: Colour = [0.36, 0.22, 0.10];

type Colour = [f64; 3];

/// Draws the picture that `stream` holds: `size * size` pixels of three bytes.
pub(super) fn draw(mut stream: Stream, species: Species, preset: Preset, size: usize) -> Vec<u8> {
    let variation = Variation::draw(&mut stream, preset);
    let scene = Scene::new(species, &variation, size);
    let sensor = Sensor::new(variation.light);
    let depths = scene.depths();
    let mut bytes = Vec::with_capacity(size * size * 3);
    for row in 0..size {
        for column in 0..size {
            let seen = sensor.sense(scene.pixel(row, column, &depths));
            bytes.extend(seen.map(|value| to_byte(value + sensor.noise(&mut stream))));
        }
    }
    bytes
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte")]
fn to_byte(value: f64) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}

/// A leaf on its ground, seen by a grid of samples.
struct Scene<'a> {
    outline: Outline,
    pose: Turned,
    variation: &'a Variation,
    leaf_colour: Colour,
    /// Samples along a side of the picture.
    samples: usize,
    /// Side of a sample in the leaf's frame.
    sample_side: f64,
}

impl<'a> Scene<'a> {
    #[expect(clippy::cast_precision_loss, reason = "a picture's side")]
    fn new(species: Species, variation: &'a Variation, size: usize) -> Self {
        let samples = size * SAMPLES;
        Self {
            outline: Outline::of(species.form().varied(variation.form)),
            pose: Turned::new(variation.pose),
            leaf_colour: from_hsv(variation.skin.hue_saturation_value),
            sample_side: 2.0 / (samples as f64 * variation.pose.scale),
            samples,
            variation,
        }
    }

    /// The picture's coordinates (right and up, -1 to 1) of a sample's middle.
    #[expect(clippy::cast_precision_loss, reason = "a picture's side")]
    fn at(&self, row: usize, column: usize) -> [f64; 2] {
        let middle = |index: usize| (2 * index + 1) as f64 / self.samples as f64 - 1.0;
        [middle(column), -middle(row)]
    }

    /// Depth inside the outline of each sample, and of one more row and column for its slope.
    fn depths(&self) -> Vec<f64> {
        let side = self.samples + 1;
        (0..side * side)
            .map(|i| self.outline.depth(self.pose.place(self.at(i / side, i % side))))
            .collect()
    }

    /// Light that a pixel sends: the mean of its samples.
    fn pixel(&self, row: usize, column: usize, depths: &[f64]) -> Colour {
        let [mut sum, ground] = [[0.0; 3], self.ground(self.at(row * SAMPLES, column * SAMPLES))];
        for down in 0..SAMPLES {
            for across in 0..SAMPLES {
                let (row, column) = (row * SAMPLES + down, column * SAMPLES + across);
                let sample = self.sample(row, column, ground, depths);
                for (sum, value) in sum.iter_mut().zip(sample) {
                    *sum += value;
                }
            }
        }
        let brightness = self.variation.light.at(self.at(row * SAMPLES, column * SAMPLES));
        sum.map(|value| value * brightness * SAMPLE_WEIGHT)
    }

    fn sample(&self, row: usize, column: usize, ground: Colour, depths: &[f64]) -> Colour {
        let place = self.pose.place(self.at(row, column));
        let stalk = self.stalk(place);
        let blade = self.blade(row, column, depths);
        if stalk <= 0.0 && blade <= 0.0 {
            return ground;
        }
        let vein = self.leaf_colour.map(|value| value * self.variation.skin.vein_factor);
        let with_stalk = blend(ground, vein, stalk);
        if blade <= 0.0 { with_stalk } else { blend(with_stalk, self.skin(place), blade) }
    }

    /// How much of a sample the blade covers: its depth in units of the slope there.
    fn blade(&self, row: usize, column: usize, depths: &[f64]) -> f64 {
        let side = self.samples + 1;
        let depth = depths[row * side + column];
        let across = depths[row * side + column + 1] - depth;
        let down = depths[(row + 1) * side + column] - depth;
        let slope = libm::sqrt(across * across + down * down);
        covered(depth, slope)
    }

    fn stalk(&self, Place { u, v }: Place) -> f64 {
        if v <= -1.32 || v >= -0.8 { 0.0 } else { covered(STALK_WIDTH - u.abs(), self.sample_side) }
    }

    /// Colour of the blade.
    fn skin(&self, place: Place) -> Colour {
        let Skin { vein_factor, blemishes, .. } = &self.variation.skin;
        let texture = 1.0 + 0.25 * self.variation.noises.skin.at(place.u, place.v);
        let vein = mix(1.0, *vein_factor, self.vein(place));
        let colour = self.leaf_colour.map(|value| value * texture * vein);
        blemishes.iter().fold(colour, |colour, blemish| blend(colour, BROWN, blemish.at(place)))
    }

    /// How much of a sample veins cover: the midrib, tapering to the tip, and side veins.
    fn vein(&self, place: Place) -> f64 {
        let Skin { vein_width, vein_offset, .. } = self.variation.skin;
        let midrib = vein_width * (1.35 - 0.65 * place.v) - place.u.abs();
        let side = self
            .outline
            .form()
            .vein_distance(place, vein_offset)
            .map_or(0.0, |distance| covered(vein_width - distance, self.sample_side));
        side.max(covered(midrib, self.sample_side))
    }

    /// Light from behind the leaf, its shadow taken off.
    fn ground(&self, at: [f64; 2]) -> Colour {
        let Ground { shadow, .. } = self.variation.ground;
        let colour = self.open_ground(at);
        let Some(shadow) = shadow else { return colour };
        let place = self.pose.place([at[0] - shadow.offset[0], at[1] - shadow.offset[1]]);
        // Shadows have soft edges: a tenth of the leaf's half length.
        let cover = covered(self.outline.depth(place), 0.1);
        colour.map(|value| value * (1.0 - shadow.strength * cover))
    }

    fn open_ground(&self, [x, y]: [f64; 2]) -> Colour {
        let Ground { kind, brightness, tint, .. } = self.variation.ground;
        let noises = &self.variation.noises;
        let (coarse, fine) = (noises.coarse.at(x, y), noises.fine.at(x, y));
        match kind {
            GroundKind::Paper => {
                let white = mix(0.78, 0.97, brightness) + 0.02 * coarse + 0.015 * fine;
                [white + 0.03 * tint[0], white, white - 0.02 + 0.04 * tint[1]]
            }
            GroundKind::Soil => {
                let grain = mix(0.22, 0.42, brightness) * (1.0 + 0.2 * coarse + 0.45 * fine);
                [grain * (1.15 + 0.1 * tint[0]), grain * 0.85, grain * (0.6 + 0.1 * tint[1])]
            }
            GroundKind::Greenery => {
                let leaf = mix(0.25, 0.5, brightness) * (1.0 + 0.55 * coarse + 0.08 * fine);
                [leaf * (0.7 + 0.25 * tint[0]), leaf, leaf * (0.45 + 0.15 * tint[1])]
            }
        }
    }
}

/// Half of the stalk's width.
const STALK_WIDTH: f64 = 0.03;

/// How much of a sample lies inside an edge at `depth`, when the depth changes by `slope` over it.
fn covered(depth: f64, slope: f64) -> f64 {
    if slope <= 0.0 {
        return if depth > 0.0 { 1.0 } else { 0.0 };
    }
    (depth / slope + 0.5).clamp(0.0, 1.0)
}

fn blend(under: Colour, over: Colour, cover: f64) -> Colour {
    std::array::from_fn(|channel| mix(under[channel], over[channel], cover))
}

/// A pose with its sine and cosine at hand.
struct Turned {
    pose: Pose,
    sine: f64,
    cosine: f64,
}

impl Turned {
    fn new(pose: Pose) -> Self {
        Self { pose, sine: libm::sin(pose.rotation), cosine: libm::cos(pose.rotation) }
    }

    /// The place in the leaf's frame of a point in the picture.
    fn place(&self, [x, y]: [f64; 2]) -> Place {
        let Pose { scale, shift, shear, mirror, bend, .. } = self.pose;
        let (x, y) = ((x - shift[0]) / scale, (y - shift[1]) / scale);
        let (u, v) = (x * self.cosine + y * self.sine, y * self.cosine - x * self.sine);
        let u = (u + shear * v) * mirror;
        Place { u: u - bend * (v * v - 0.35), v }
    }
}

impl Blemish {
    /// How brown it makes a place.
    fn at(&self, Place { u, v }: Place) -> f64 {
        let (across, along) = (u - self.u, v - self.v);
        let distance = libm::sqrt(across * across + along * along) / self.radius;
        self.strength * (1.5 - 1.5 * distance).clamp(0.0, 1.0)
    }
}

impl Light {
    /// Brightness at a place of the picture: full on one side, less towards the other.
    fn at(&self, [x, y]: [f64; 2]) -> f64 {
        let along = x * self.direction[0] + y * self.direction[1];
        1.0 - self.gradient * (0.5 - 0.5 * along.clamp(-1.0, 1.0))
    }
}

/// What makes numbers of light.
struct Sensor {
    light: Light,
    gamma: Table,
}

impl Sensor {
    fn new(light: Light) -> Self {
        Self { gamma: Table::of(1024, 1.0, |value| libm::pow(value, light.gamma)), light }
    }

    /// A pixel's value before noise.
    fn sense(&self, light: Colour) -> Colour {
        std::array::from_fn(|channel| {
            self.gamma.at((light[channel] * self.light.gains[channel]).clamp(0.0, 1.0))
        })
    }

    fn noise(&self, stream: &mut Stream) -> f64 {
        self.light.noise * stream.normal()
    }
}

/// Red, green and blue of hue, saturation and value, all 0 to 1.
fn from_hsv([hue, saturation, value]: [f64; 3]) -> Colour {
    [0.0, 1.0, 2.0].map(|third| {
        // Distance round the wheel from the channel's own hue, in sixths, 0 to 3.
        let turned = hue * 6.0 - 2.0 * third;
        let wrapped = turned - 6.0 * libm::floor(turned / 6.0 + 0.5);
        let share = (2.0 - wrapped.abs()).clamp(0.0, 1.0);
        value * (1.0 - saturation * (1.0 - share))
    })
}
