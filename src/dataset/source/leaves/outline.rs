//! The outline: how far the leaf reaches in each direction, and where its veins run.
//!
//! Works in the leaf's own frame, in f64 with `libm` alone, and knows nothing of pixels.

use std::f64::consts::{PI, TAU};

use super::species::{Form, Veins, Wave};
use super::table::Table;
use super::variation::FormVariation;

/// A place in the leaf's frame: across, and along from the base (-1) to the tip (1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub(super) u: f64,
    pub(super) v: f64,
}

impl Form {
    /// This form as one leaf has it.
    pub(super) fn varied(self, by: FormVariation) -> Self {
        let mut form = self;
        for (exponent, factor) in form.gielis.n.iter_mut().zip(by.exponents) {
            *exponent *= factor;
        }
        form.width *= by.width;
        form.asymmetry += by.asymmetry;
        form.margin.frequency *= by.frequency;
        form.margin.depth *= by.depth;
        match &mut form.veins {
            Veins::Pinnate { degrees, spacing } => {
                *degrees *= by.degrees;
                *spacing *= by.spacing;
            }
            Veins::Palmate { degrees } => *degrees *= by.degrees,
            Veins::Parallel { spacing } => *spacing *= by.spacing,
        }
        form
    }

    /// Radius of the outline at `phi`, 0 to pi from the tip; the tip itself has radius 1 before cuts.
    fn radius(&self, phi: f64) -> f64 {
        let shape = self.gielis_radius(phi);
        // The lens of small exponents is too slim for a leaf.
        let shape = if self.is_lens() { libm::pow(shape, 0.55) } else { shape };
        let lobed = 1.0 - 0.625 * self.lobes.depth * (1.0 - libm::cos(self.lobes.count * phi));
        shape * lobed * (1.0 - self.margin.depth * self.tooth(phi))
    }

    fn is_lens(&self) -> bool {
        self.gielis.m < 3.0 && self.gielis.n[0] < 1.5
    }

    /// Gielis' superformula; 1 at the tip, so it needs no normalising.
    fn gielis_radius(&self, phi: f64) -> f64 {
        let [n1, n2, n3] = self.gielis.n;
        let angle = self.gielis.m * phi / 4.0;
        let sum = libm::pow(libm::cos(angle).abs(), n2) + libm::pow(libm::sin(angle).abs(), n3);
        libm::pow(sum, -1.0 / n1)
    }

    /// How deep the margin is cut, 0 to 1. Saw teeth fall off on the side of the tip, so they point there.
    fn tooth(&self, phi: f64) -> f64 {
        let turns = self.margin.frequency * phi / TAU;
        match self.margin.wave {
            Wave::Saw => turns - libm::floor(turns),
            Wave::Cosine => 0.5 - 0.5 * libm::cos(TAU * turns),
        }
    }

    /// Distance from a vein of the sides, or nothing where none runs.
    pub(super) fn vein_distance(&self, Place { u, v }: Place, offset: f64) -> Option<f64> {
        match self.veins {
            Veins::Pinnate { degrees, spacing } => {
                let angle = degrees.to_radians();
                let (sine, cosine) = (libm::sin(angle), libm::cos(angle));
                let along = (v - u.abs() * cosine / sine) / spacing + offset;
                Some(to_nearest(along) * spacing * sine)
            }
            Veins::Palmate { degrees } => {
                let step = degrees.to_radians();
                let (u, v) = (u, v - PALM);
                let off = to_nearest(libm::atan2(u, v) / step) * step;
                Some(hypotenuse(u, v) * libm::sin(off))
            }
            Veins::Parallel { spacing } => {
                // Lines keep their share of the half width, which closes towards tip and base.
                let half =
                    self.width * libm::pow((1.0 - v * v).max(0.0), 0.7) / self.asymmetry_factor(v);
                let local = spacing * half / self.width;
                (local > 0.05).then(|| to_nearest(u / local) * local)
            }
        }
    }

    /// What moves the widest place: below 1 the leaf is wider than its form, above 1 narrower.
    fn asymmetry_factor(&self, v: f64) -> f64 {
        1.0 + 1.6 * self.asymmetry * v
    }
}

/// Height of the point that palmate veins leave from.
const PALM: f64 = -0.55;

/// Distance to the nearest whole number, 0 to 1/2.
fn to_nearest(x: f64) -> f64 {
    (x - libm::floor(x + 0.5)).abs()
}

fn hypotenuse(a: f64, b: f64) -> f64 {
    libm::sqrt(a * a + b * b)
}

/// The outline of one leaf, ready to be asked often.
#[derive(Debug, Clone)]
pub(super) struct Outline {
    form: Form,
    /// By the angle from the tip: the superformula costs four powers, and a picture asks for it tens of
    /// thousands of times.
    radii: Table,
}

/// Steps from tip to base; a tooth has more than fifty.
const STEPS: usize = 1024;
/// No outline reaches as far, so that places beyond it need no angle.
const BEYOND: f64 = 1.25;

impl Outline {
    pub(super) fn of(form: Form) -> Self {
        Self { radii: Table::of(STEPS, PI, |phi| form.radius(phi)), form }
    }

    /// The leaf's form.
    pub(super) fn form(&self) -> &Form {
        &self.form
    }

    /// How far inside the outline a place lies, along its ray from the middle; negative outside.
    pub(super) fn depth(&self, Place { u, v }: Place) -> f64 {
        let across = u / self.form.width * self.form.asymmetry_factor(v);
        let rho = hypotenuse(across, v);
        if rho > BEYOND {
            return 1.0 - rho;
        }
        self.radii.at(libm::atan2(across, v).abs()) - rho
    }
}

#[cfg(test)]
mod tests {
    use super::super::species::Species;
    use super::*;

    #[test]
    fn the_table_follows_the_formula() {
        for species in Species::ALL {
            let outline = Outline::of(species.form());
            for i in 0..5000 {
                let phi = PI * f64::from(i) / 5000.0;
                let (fast, slow) = (outline.radii.at(phi), outline.form.radius(phi));
                // A saw falls within one step; everything else is smooth at a pixel's thousandth.
                let near_fall = species.form().margin.wave == Wave::Saw
                    && to_nearest(species.form().margin.frequency * phi / TAU) < 0.02;
                assert!(slow < BEYOND - 0.05);
                assert!(near_fall || (fast - slow).abs() < 1e-3, "{species:?} at {phi}");
            }
        }
    }

    #[test]
    fn the_first_three_species_share_one_outline() {
        let reach = |species: Species, phi: f64| species.form().radius(phi);
        for phi in [0.0, 0.7, 1.5, 3.0] {
            let plain = reach(Species::OvateEntire, phi);
            assert!((plain - reach(Species::OvateParallel, phi)).abs() < 1e-12);
            let cut = reach(Species::OvateSerrate, phi);
            assert!(cut <= plain && cut >= plain * 0.88);
        }
    }

    #[test]
    fn tip_and_base_lie_on_the_axis() {
        let outline = Outline::of(Species::OvateEntire.form());
        assert!(outline.depth(Place { u: 0.0, v: 0.97 }) > 0.0);
        assert!(outline.depth(Place { u: 0.0, v: 1.03 }) < 0.0);
        assert!(outline.depth(Place { u: 0.0, v: -0.97 }) > 0.0);
        assert!(outline.depth(Place { u: 0.7, v: 0.0 }) < 0.0);
    }
}
