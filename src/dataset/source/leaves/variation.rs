//! Chance: everything that differs between two leaves of one species, drawn in one fixed order.
//!
//! Every number is drawn whether it is used or not, so presets, sizes and species differ in what they do
//! with the numbers and never in which numbers they get.

use super::Preset;
use super::noise::Lattice;
use crate::seed::Stream;

/// Numbers of one image.
#[derive(Debug, Clone)]
pub(super) struct Variation {
    pub(super) form: FormVariation,
    pub(super) pose: Pose,
    pub(super) skin: Skin,
    pub(super) ground: Ground,
    pub(super) light: Light,
    pub(super) noises: Noises,
}

/// Factors on a species' form.
#[derive(Debug, Clone, Copy)]
pub(super) struct FormVariation {
    /// On n1, n2, n3.
    pub(super) exponents: [f64; 3],
    pub(super) width: f64,
    pub(super) frequency: f64,
    pub(super) depth: f64,
    pub(super) degrees: f64,
    pub(super) spacing: f64,
    /// Added to the asymmetry.
    pub(super) asymmetry: f64,
}

/// Where the leaf lies in the picture, whose half side is 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pose {
    /// Radians.
    pub(super) rotation: f64,
    pub(super) scale: f64,
    /// Right and up.
    pub(super) shift: [f64; 2],
    pub(super) shear: f64,
    /// 1 or -1.
    pub(super) mirror: f64,
    pub(super) bend: f64,
}

/// Colour, veins and blemishes.
#[derive(Debug, Clone)]
pub(super) struct Skin {
    /// Each 0 to 1.
    pub(super) hue_saturation_value: [f64; 3],
    /// Factor on the colour where a vein runs.
    pub(super) vein_factor: f64,
    /// Half of a vein's width in the leaf's frame.
    pub(super) vein_width: f64,
    /// Where side veins begin, in spacings.
    pub(super) vein_offset: f64,
    pub(super) blemishes: Vec<Blemish>,
}

/// A brown spot, in the leaf's frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blemish {
    pub(super) u: f64,
    pub(super) v: f64,
    pub(super) radius: f64,
    /// 0 to 1.
    pub(super) strength: f64,
}

/// What lies behind the leaf.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ground {
    pub(super) kind: GroundKind,
    /// 0 to 1, spread over the kind's range.
    pub(super) brightness: f64,
    /// -1 to 1 each, red and blue against green.
    pub(super) tint: [f64; 2],
    pub(super) shadow: Option<Shadow>,
}

/// Kind of background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GroundKind {
    /// Nearly even and bright.
    Paper,
    /// Brown grains.
    Soil,
    /// Blurred greenery.
    Greenery,
}

/// The leaf's shadow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shadow {
    /// Right and up, in half sides of the picture.
    pub(super) offset: [f64; 2],
    /// Share of light it takes.
    pub(super) strength: f64,
}

/// Light and camera.
#[derive(Debug, Clone, Copy)]
pub(super) struct Light {
    /// How much darker the dark side is.
    pub(super) gradient: f64,
    /// Direction of the bright side, a unit vector.
    pub(super) direction: [f64; 2],
    /// Of each channel, the common one multiplied in.
    pub(super) gains: [f64; 3],
    pub(super) gamma: f64,
    /// Standard deviation of the sensor's noise.
    pub(super) noise: f64,
}

/// Smooth fields of chance.
#[derive(Debug, Clone)]
pub(super) struct Noises {
    /// Of the leaf's skin.
    pub(super) skin: Lattice,
    /// Of the background, large and small.
    pub(super) coarse: Lattice,
    pub(super) fine: Lattice,
}

/// Ranges that a preset sets.
struct Ranges {
    /// Degrees to either side.
    rotation: f64,
    scale: [f64; 2],
    shift: f64,
    shear: f64,
    bend: f64,
    contrast: [f64; 2],
    /// Shares of paper, and of paper and soil.
    grounds: [f64; 2],
}

impl Preset {
    fn ranges(self) -> Ranges {
        match self {
            Self::Easy => Ranges {
                rotation: 45.0,
                scale: [0.78, 0.97],
                shift: 0.06,
                shear: 0.08,
                bend: 0.12,
                contrast: [0.35, 0.6],
                grounds: [4.0 / 6.0, 5.0 / 6.0],
            },
            Self::Standard => Ranges {
                rotation: 180.0,
                scale: [0.62, 0.92],
                shift: 0.13,
                shear: 0.18,
                bend: 0.28,
                contrast: [0.25, 0.6],
                grounds: [2.0 / 6.0, 4.0 / 6.0],
            },
        }
    }
}

impl Variation {
    /// Draws one image's numbers; what follows in the stream is the sensor's noise, pixel by pixel.
    pub(super) fn draw(stream: &mut Stream, preset: Preset) -> Self {
        let ranges = preset.ranges();
        // Fields are evaluated in the order written here, which is the order of the draws.
        Self {
            form: FormVariation::draw(stream),
            pose: Pose::draw(stream, &ranges),
            skin: Skin::draw(stream, &ranges),
            ground: Ground::draw(stream, &ranges),
            light: Light::draw(stream),
            noises: Noises {
                skin: Lattice::draw(stream, 14),
                coarse: Lattice::draw(stream, 6),
                fine: Lattice::draw(stream, 30),
            },
        }
    }
}

/// A factor within `share` of 1.
fn factor(stream: &mut Stream, share: f64) -> f64 {
    around(stream, 1.0, share)
}

fn around(stream: &mut Stream, middle: f64, reach: f64) -> f64 {
    stream.range(middle - reach, middle + reach)
}

fn pair(stream: &mut Stream, reach: f64) -> [f64; 2] {
    [around(stream, 0.0, reach), around(stream, 0.0, reach)]
}

fn within(stream: &mut Stream, [low, high]: [f64; 2]) -> f64 {
    stream.range(low, high)
}

impl FormVariation {
    fn draw(stream: &mut Stream) -> Self {
        Self {
            exponents: [factor(stream, 0.12), factor(stream, 0.12), factor(stream, 0.12)],
            width: factor(stream, 0.10),
            frequency: factor(stream, 0.10),
            depth: factor(stream, 0.20),
            degrees: factor(stream, 0.12),
            spacing: factor(stream, 0.12),
            asymmetry: around(stream, 0.0, 0.05),
        }
    }
}

impl Pose {
    fn draw(stream: &mut Stream, ranges: &Ranges) -> Self {
        Self {
            rotation: around(stream, 0.0, ranges.rotation).to_radians(),
            scale: within(stream, ranges.scale),
            shift: pair(stream, ranges.shift),
            shear: around(stream, 0.0, ranges.shear),
            mirror: if stream.unit() < 0.5 { 1.0 } else { -1.0 },
            bend: around(stream, 0.0, ranges.bend),
        }
    }
}

impl Skin {
    fn draw(stream: &mut Stream, ranges: &Ranges) -> Self {
        let (is_green, green, autumn) =
            (stream.unit() < 0.8, stream.range(0.13, 0.40), stream.range(0.0, 0.13));
        let hue = if is_green { green } else { autumn };
        let hue_saturation_value = [hue, stream.range(0.3, 0.85), stream.range(0.35, 0.85)];
        let is_lighter = stream.unit() < 2.0 / 3.0;
        let contrast = within(stream, ranges.contrast);
        let vein_factor = if is_lighter { 1.0 + contrast } else { 1.0 - contrast };
        let vein_width = stream.range(0.014, 0.023);
        let vein_offset = stream.unit();
        let count = stream.index(5);
        let mut blemishes: Vec<Blemish> = (0..4).map(|_| Blemish::draw(stream)).collect();
        blemishes.truncate(count);
        Self { hue_saturation_value, vein_factor, vein_width, vein_offset, blemishes }
    }
}

impl Blemish {
    fn draw(stream: &mut Stream) -> Self {
        Self {
            u: around(stream, 0.0, 0.5),
            v: around(stream, 0.0, 0.8),
            radius: stream.range(0.04, 0.13),
            strength: stream.range(0.4, 0.9),
        }
    }
}

impl Ground {
    fn draw(stream: &mut Stream, ranges: &Ranges) -> Self {
        let choice = stream.unit();
        let kind = match ranges.grounds {
            [paper, _] if choice < paper => GroundKind::Paper,
            [_, soil] if choice < soil => GroundKind::Soil,
            _ => GroundKind::Greenery,
        };
        let (brightness, tint) = (stream.unit(), pair(stream, 1.0));
        let is_shaded = stream.unit() < 0.35;
        // Four pixels of 64 are an eighth of a half side.
        let shadow = Shadow { offset: pair(stream, 0.125), strength: stream.range(0.25, 0.55) };
        Self { kind, brightness, tint, shadow: is_shaded.then_some(shadow) }
    }
}

impl Light {
    fn draw(stream: &mut Stream) -> Self {
        let gradient = stream.range(0.0, 0.35);
        let angle = stream.range(0.0, 2.0 * std::f64::consts::PI);
        let channels = [stream.range(0.8, 1.15), stream.range(0.8, 1.15), stream.range(0.8, 1.15)];
        let gain = stream.range(0.75, 1.15);
        Self {
            gradient,
            direction: [libm::cos(angle), libm::sin(angle)],
            gains: channels.map(|channel| channel * gain),
            gamma: stream.range(0.8, 1.25),
            noise: stream.range(0.005, 0.03),
        }
    }
}
