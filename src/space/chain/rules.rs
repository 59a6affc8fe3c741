//! What may follow what in a chain (Baker et al. 2017, sec. 4.2): the one function that says what is
//! legal, for sampling, parsing and mutation alike.
//!
//! A walk keeps the true side of the feature map; the Q-table sees only its bin.

use std::fmt;

use super::{ChainConfig, Layer};
use crate::space::{Rules, Token};

/// A place in a chain: all that later choices depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// The layer before; none at the start.
    pub last: Option<Layer>,
    /// Layers so far, the softmax not counted.
    pub depth: usize,
    /// Side of the feature map; 1 after a global pooling, 0 after a fully connected layer.
    pub side: usize,
    /// Fully connected layers in a row.
    pub fcs: usize,
}

/// Why a layer may not follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Illegal {
    /// The space's tables do not have it.
    NotInTables,
    /// The chain has ended.
    AfterEnd,
    /// Only the softmax may follow.
    LimitReached(usize),
    /// Only the softmax may follow.
    AfterGap,
    /// Only smaller ones and the softmax may follow.
    AfterFc,
    /// The first layer is no pooling.
    PoolFirst,
    /// Two poolings never stand side by side.
    PoolAfterPool,
    /// The kernel does not fit the bin.
    KernelAboveBin { kernel: usize, bin: usize },
    /// The map is too large to be flattened.
    FcAboveBin { bin: usize, bin_max: usize },
    /// There are enough fully connected layers.
    TooManyFcs(usize),
    /// Fully connected layers never grow.
    FcGrows(usize),
}

impl fmt::Display for Illegal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInTables => write!(f, "is not in the tables of this space"),
            Self::AfterEnd => write!(f, "cannot follow the end"),
            Self::LimitReached(limit) => write!(f, "cannot follow {limit} layers, the limit"),
            Self::AfterGap => write!(f, "cannot follow a global pooling, only `SM` can"),
            Self::AfterFc => write!(f, "cannot follow a fully connected layer"),
            Self::PoolFirst => write!(f, "cannot be first: a pooling follows a convolution"),
            Self::PoolAfterPool => write!(f, "cannot follow another pooling"),
            Self::KernelAboveBin { kernel, bin } => {
                write!(f, "has kernel {kernel}, which must be below the side's bin, {bin}")
            }
            Self::FcAboveBin { bin, bin_max } => {
                write!(f, "needs a side in bin {bin_max} or less and finds bin {bin}")
            }
            Self::TooManyFcs(most) => {
                write!(f, "cannot follow {most} fully connected layers, the limit")
            }
            Self::FcGrows(last) => write!(f, "cannot be larger than the {last} units before it"),
        }
    }
}

/// The rules of one space: its tables for images of one side and a number of classes.
#[derive(Debug, Clone)]
pub(super) struct ChainRules {
    config: ChainConfig,
    side: usize,
    /// Every layer that may ever be chosen; a token is an index into it.
    layers: Vec<Layer>,
}

impl ChainRules {
    /// The rules for images of `side` pixels and `classes` classes.
    pub(super) fn new(config: &ChainConfig, side: usize, classes: usize) -> Self {
        let convs = config.filters.iter().flat_map(|&filters| {
            let conv = move |&kernel| Layer::Conv { filters, kernel, stride: 1 };
            config.kernels.iter().map(conv)
        });
        let pools = config.pools.iter().map(|&[kernel, stride]| Layer::Pool { kernel, stride });
        // A layer below the number of classes would squeeze the logits through fewer numbers.
        let wide = config.fc_sizes.iter().filter(|&&units| units >= classes);
        let fcs = wide.map(|&units| Layer::Fc { units });
        let ends = [Layer::Gap { classes }, Layer::Softmax { classes }];
        let layers = convs.chain(pools).chain(fcs).chain(ends).collect();
        Self { config: config.clone(), side, layers }
    }

    /// Every layer that may ever be chosen, by token.
    pub(super) fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The bin of a side, 0 where there is no map.
    pub(super) fn bin(&self, side: usize) -> usize {
        self.config.bins.iter().copied().filter(|&bin| bin <= side).max().unwrap_or(0)
    }

    /// Whether `layer` may follow, and if not, why.
    pub(super) fn legal(&self, place: &Place, layer: Layer) -> Result<(), Illegal> {
        if !self.layers.contains(&layer) {
            return Err(Illegal::NotInTables);
        }
        match (place.last, layer) {
            (Some(Layer::Softmax { .. }), _) => return Err(Illegal::AfterEnd),
            (_, Layer::Softmax { .. }) => return Ok(()),
            _ if place.depth >= self.config.layers_max => {
                return Err(Illegal::LimitReached(self.config.layers_max));
            }
            (Some(Layer::Gap { .. }), _) => return Err(Illegal::AfterGap),
            (Some(Layer::Fc { units: last }), Layer::Fc { units }) => {
                return self.fc_after_fc(place, last, units);
            }
            (Some(Layer::Fc { .. }), _) => return Err(Illegal::AfterFc),
            (None, Layer::Pool { .. }) => return Err(Illegal::PoolFirst),
            (Some(Layer::Pool { .. }), Layer::Pool { .. }) => return Err(Illegal::PoolAfterPool),
            _ => {}
        }
        let (bin, bin_max) = (self.bin(place.side), self.config.fc_bin_max);
        match layer {
            Layer::Conv { kernel, .. } | Layer::Pool { kernel, .. } if kernel >= bin => {
                Err(Illegal::KernelAboveBin { kernel, bin })
            }
            Layer::Fc { .. } if bin > bin_max => Err(Illegal::FcAboveBin { bin, bin_max }),
            Layer::Fc { .. } if self.config.fc_max == 0 => Err(Illegal::TooManyFcs(0)),
            _ => Ok(()),
        }
    }

    fn fc_after_fc(&self, place: &Place, last: usize, units: usize) -> Result<(), Illegal> {
        if place.fcs >= self.config.fc_max {
            Err(Illegal::TooManyFcs(self.config.fc_max))
        } else if units > last {
            Err(Illegal::FcGrows(last))
        } else {
            Ok(())
        }
    }

    /// The place after a legal layer.
    pub(super) fn step(place: &Place, layer: Layer) -> Place {
        let on = Place { last: Some(layer), depth: place.depth + 1, ..*place };
        match layer {
            Layer::Conv { .. } | Layer::Dropout { .. } => on,
            Layer::Pool { kernel, stride } => {
                Place { side: pooled(place.side, kernel, stride), ..on }
            }
            Layer::Gap { .. } => Place { side: 1, ..on },
            Layer::Fc { .. } => Place { side: 0, fcs: place.fcs + 1, ..on },
            // All ends are one.
            Layer::Softmax { .. } => Place { last: Some(layer), depth: 0, side: 0, fcs: 0 },
        }
    }

    fn token(index: usize) -> Token {
        Token(u16::try_from(index).expect("the config's check bounds the tables"))
    }
}

/// Side after a pooling without padding: `ceil((side - kernel + 1) / stride)`, the floor rule.
pub(super) fn pooled(side: usize, kernel: usize, stride: usize) -> usize {
    (side - kernel + 1).div_ceil(stride)
}

impl Rules for ChainRules {
    type State = Place;
    /// (last layer, depth, bin, consecutive fully connected layers): the key of the paper's Q-table.
    type Seen = (Option<Layer>, usize, usize, usize);

    fn start(&self) -> Place {
        Place { last: None, depth: 0, side: self.side, fcs: 0 }
    }

    fn actions(&self, place: &Place) -> Vec<(Token, Place)> {
        let all = self.layers.iter().enumerate();
        let legal = all.filter(|(_, layer)| self.legal(place, **layer).is_ok());
        legal.map(|(index, layer)| (Self::token(index), Self::step(place, *layer))).collect()
    }

    fn seen(&self, place: &Place) -> Self::Seen {
        (place.last, place.depth, self.bin(place.side), place.fcs)
    }

    fn name(&self, place: &Place) -> String {
        let last = place.last.map_or_else(|| "start".to_owned(), |layer| layer.name());
        match place.last {
            Some(Layer::Softmax { .. }) => "end".to_owned(),
            Some(Layer::Fc { .. }) => format!("{} {last} #{}", place.depth, place.fcs),
            _ => format!("{} {last} bin {}", place.depth, self.bin(place.side)),
        }
    }

    fn vocabulary(&self) -> Vec<String> {
        self.layers.iter().map(Layer::name).collect()
    }
}
