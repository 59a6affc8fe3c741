//! The decisions of a layer: rows, columns and number of its filters, its strides when there is a choice,
//! and for every earlier layer whether it is read (Zoph & Le 2017, sec. 3).

use super::LayerwiseConfig;
use crate::space::{Rules, Token};

/// What one decision is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Rows of the kernel.
    Height,
    /// Columns of the kernel.
    Width,
    /// Number of filters.
    Filters,
    /// Step down.
    StrideDown,
    /// Step to the right.
    StrideRight,
    /// Whether the output of an earlier layer is read.
    Anchor(usize),
}

/// The walk of a space: places and their decisions. Which choices are legal never depends on those before,
/// so the place is the whole state.
#[derive(Debug, Clone)]
pub(super) struct LayerRules {
    config: LayerwiseConfig,
    /// Layer and decision of each place.
    places: Vec<(usize, Decision)>,
}

impl LayerRules {
    pub(super) fn new(config: &LayerwiseConfig) -> Self {
        let mut places = Vec::new();
        for layer in 0..config.layers {
            let anchors = if config.skips { layer } else { 0 };
            let own = operations(config).iter().copied();
            let decisions = own.chain((0..anchors).map(Decision::Anchor));
            places.extend(decisions.map(|decision| (layer, decision)));
        }
        Self { config: config.clone(), places }
    }

    /// Layer and decision of each place of the walk.
    pub(super) fn places(&self) -> &[(usize, Decision)] {
        &self.places
    }

    /// The values that a decision chooses among; 0 and 1 for an anchor.
    pub(super) fn values(&self, decision: Decision) -> &[usize] {
        match decision {
            Decision::Height => &self.config.heights,
            Decision::Width => &self.config.widths,
            Decision::Filters => &self.config.filters,
            Decision::StrideDown | Decision::StrideRight => &self.config.strides,
            Decision::Anchor(_) => &[0, 1],
        }
    }

    /// What tokens mean, in their order.
    fn meanings(&self) -> impl Iterator<Item = (Decision, usize)> {
        let decisions = operations(&self.config).iter().copied();
        let decisions = decisions.chain([Decision::Anchor(0)]);
        decisions.flat_map(|decision| self.values(decision).iter().map(move |v| (decision, *v)))
    }
}

/// Decisions of every layer before its anchors.
fn operations(config: &LayerwiseConfig) -> &'static [Decision] {
    use Decision::{Filters, Height, StrideDown, StrideRight, Width};
    if config.strides.len() > 1 {
        &[Height, Width, Filters, StrideDown, StrideRight]
    } else {
        &[Height, Width, Filters]
    }
}

impl Rules for LayerRules {
    type State = usize;
    type Seen = usize;

    fn start(&self) -> usize {
        0
    }

    fn actions(&self, place: &usize) -> Vec<(Token, usize)> {
        let Some(&(_, decision)) = self.places.get(*place) else { return Vec::new() };
        let kind = match decision {
            Decision::Anchor(_) => Decision::Anchor(0),
            other => other,
        };
        let tokens = self.meanings().enumerate().filter(|(_, (of, _))| *of == kind);
        let token = |index| Token(u16::try_from(index).expect("the schema bounds the tables"));
        tokens.map(|(index, _)| (token(index), place + 1)).collect()
    }

    fn seen(&self, place: &usize) -> usize {
        *place
    }

    fn name(&self, place: &usize) -> String {
        let Some((layer, decision)) = self.places.get(*place) else { return "end".to_owned() };
        match decision {
            Decision::Height => format!("layer {layer} height"),
            Decision::Width => format!("layer {layer} width"),
            Decision::Filters => format!("layer {layer} filters"),
            Decision::StrideDown => format!("layer {layer} stride down"),
            Decision::StrideRight => format!("layer {layer} stride right"),
            Decision::Anchor(from) => format!("layer {layer} reads {from}"),
        }
    }

    fn vocabulary(&self) -> Vec<String> {
        let word = |(decision, value): (Decision, usize)| match decision {
            Decision::Height => format!("height {value}"),
            Decision::Width => format!("width {value}"),
            Decision::Filters => format!("filters {value}"),
            Decision::StrideDown => format!("stride down {value}"),
            Decision::StrideRight => format!("stride right {value}"),
            Decision::Anchor(_) => if value == 0 { "apart" } else { "read" }.to_owned(),
        };
        self.meanings().map(word).collect()
    }

    /// A layer stands for the last decision about its operation.
    fn anchor(&self, place: &usize) -> Option<usize> {
        let &(_, Decision::Anchor(from)) = self.places.get(*place)? else { return None };
        let own = |(layer, decision): &(usize, Decision)| {
            *layer == from && !matches!(decision, Decision::Anchor(_))
        };
        self.places.iter().rposition(own)
    }
}
