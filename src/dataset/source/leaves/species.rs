//! The ten species: outline, margin and veins as numbers.
//!
//! The first four share one outline and differ only in margin and veins, two or three pixels wide, so a
//! network that throws resolution away early cannot tell them apart. That makes architecture matter.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A kind of leaf that the generator can draw; a class of the dataset.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Species {
    /// Egg-shaped, smooth margin, feather veins.
    OvateEntire,
    /// Egg-shaped, saw-toothed margin, feather veins.
    OvateSerrate,
    /// Egg-shaped, smooth margin, parallel veins.
    OvateParallel,
    /// Egg-shaped with the wide end up, scalloped margin, feather veins.
    ObovateCrenate,
    /// Round, smooth margin, veins like a hand.
    RoundPalmate,
    /// Round, scalloped margin, veins like a hand.
    RoundCrenate,
    /// Narrow, smooth margin, feather veins.
    LanceEntire,
    /// Five lobes with teeth.
    #[serde(rename = "maple-5lobe")]
    Maple,
    /// Long, with round lobes.
    OakLobed,
    /// Seven smooth lobes.
    #[serde(rename = "star-7lobe")]
    Star,
}

impl Species {
    /// All of them, in the order of their class numbers.
    pub const ALL: [Self; 10] = [
        Self::OvateEntire,
        Self::OvateSerrate,
        Self::OvateParallel,
        Self::ObovateCrenate,
        Self::RoundPalmate,
        Self::RoundCrenate,
        Self::LanceEntire,
        Self::Maple,
        Self::OakLobed,
        Self::Star,
    ];

    /// The class name, which is also the word in YAML.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::OvateEntire => "ovate-entire",
            Self::OvateSerrate => "ovate-serrate",
            Self::OvateParallel => "ovate-parallel",
            Self::ObovateCrenate => "obovate-crenate",
            Self::RoundPalmate => "round-palmate",
            Self::RoundCrenate => "round-crenate",
            Self::LanceEntire => "lance-entire",
            Self::Maple => "maple-5lobe",
            Self::OakLobed => "oak-lobed",
            Self::Star => "star-7lobe",
        }
    }

    /// Its form.
    pub(super) fn form(self) -> Form {
        match self {
            Self::OvateEntire => OVATE,
            Self::OvateSerrate => Form { margin: Margin::saw(34.0, 0.11), ..OVATE },
            Self::OvateParallel => Form { veins: Veins::Parallel { spacing: 0.17 }, ..OVATE },
            Self::ObovateCrenate => Form {
                asymmetry: -0.22,
                margin: Margin::cosine(20.0, 0.10),
                veins: Veins::Pinnate { degrees: 40.0, spacing: 0.26 },
                ..OVATE
            },
            Self::RoundPalmate => ROUND,
            Self::RoundCrenate => Form { margin: Margin::cosine(22.0, 0.09), ..ROUND },
            Self::LanceEntire => Form {
                width: 0.32,
                asymmetry: 0.10,
                veins: Veins::Pinnate { degrees: 30.0, spacing: 0.16 },
                ..OVATE
            },
            Self::Maple => Form {
                gielis: Gielis { m: 5.0, n: [1.6, 2.2, 2.2] },
                width: 0.98,
                asymmetry: 0.05,
                margin: Margin::saw(30.0, 0.06),
                lobes: Lobes { count: 5.0, depth: 0.26 },
                veins: Veins::Palmate { degrees: 36.0 },
            },
            Self::OakLobed => Form {
                gielis: Gielis { m: 2.0, n: [1.2, 1.2, 1.2] },
                width: 0.60,
                asymmetry: -0.06,
                margin: Margin::cosine(9.0, 0.22),
                lobes: Lobes::NONE,
                veins: Veins::Pinnate { degrees: 55.0, spacing: 0.24 },
            },
            Self::Star => Form {
                gielis: Gielis { m: 7.0, n: [1.6, 2.2, 2.2] },
                width: 0.98,
                asymmetry: 0.05,
                margin: Margin::NONE,
                lobes: Lobes { count: 7.0, depth: 0.26 },
                veins: Veins::Palmate { degrees: 27.0 },
            },
        }
    }
}

const OVATE: Form = Form {
    gielis: Gielis { m: 2.0, n: [1.0, 1.0, 1.0] },
    width: 0.62,
    asymmetry: 0.18,
    margin: Margin::NONE,
    lobes: Lobes::NONE,
    veins: Veins::Pinnate { degrees: 50.0, spacing: 0.22 },
};

const ROUND: Form = Form {
    gielis: Gielis { m: 2.0, n: [2.0, 2.0, 2.0] },
    width: 0.95,
    asymmetry: 0.02,
    margin: Margin::NONE,
    lobes: Lobes::NONE,
    veins: Veins::Palmate { degrees: 35.0 },
};

/// What makes a leaf one of its species, in the leaf's own frame (tip at height 1, base at -1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Form {
    pub(super) gielis: Gielis,
    /// Half of the width in halves of the length.
    pub(super) width: f64,
    /// Moves the widest place towards the base, or the tip when negative.
    pub(super) asymmetry: f64,
    pub(super) margin: Margin,
    pub(super) lobes: Lobes,
    pub(super) veins: Veins,
}

/// Parameters of Gielis' superformula (Gielis 2003) with equal axes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gielis {
    /// Symmetry.
    pub(super) m: f64,
    /// Exponents n1, n2, n3.
    pub(super) n: [f64; 3],
}

/// A wave along the margin: `frequency` teeth around the leaf, cut `depth` of the radius deep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Margin {
    pub(super) wave: Wave,
    pub(super) frequency: f64,
    pub(super) depth: f64,
}

/// Form of a tooth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wave {
    /// Serrate: teeth that point to the tip.
    Saw,
    /// Crenate: round teeth.
    Cosine,
}

impl Margin {
    const NONE: Self = Self::cosine(0.0, 0.0);

    const fn saw(frequency: f64, depth: f64) -> Self {
        Self { wave: Wave::Saw, frequency, depth }
    }

    const fn cosine(frequency: f64, depth: f64) -> Self {
        Self { wave: Wave::Cosine, frequency, depth }
    }
}

/// Big lobes of the outline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Lobes {
    pub(super) count: f64,
    pub(super) depth: f64,
}

impl Lobes {
    const NONE: Self = Self { count: 0.0, depth: 0.0 };
}

/// How the side veins run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Veins {
    /// Like a feather: off the midrib at `degrees`, every `spacing`.
    Pinnate { degrees: f64, spacing: f64 },
    /// Like a hand: rays every `degrees` from a point near the base.
    Palmate { degrees: f64 },
    /// Along the margins, `spacing` apart at the widest place.
    Parallel { spacing: f64 },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_yaml_words_in_class_order() {
        let words = Species::ALL.map(|species| serde_json::to_value(species).unwrap());
        assert_eq!(words, Species::ALL.map(Species::word));
        assert!(Species::ALL.is_sorted());
    }
}
