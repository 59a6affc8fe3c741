//! Small spaces of every kind, for whatever must hold in all of them.

use phytotron::net::Shape;
use phytotron::space::chain::ChainConfig;
use phytotron::space::layerwise::LayerwiseConfig;
use phytotron::space::nasbench201::Nasbench201Config;
use phytotron::space::nasnet::{CellOp, Combiner, NasnetConfig};
use phytotron::space::{Space, SpaceConfig};

/// Many networks, which are small enough to build many of.
pub(crate) fn configs() -> Vec<SpaceConfig> {
    vec![
        SpaceConfig::Chain(ChainConfig { layers_max: 5, ..ChainConfig::default() }),
        SpaceConfig::Nasnet(NasnetConfig {
            cells: 1,
            filters: 4,
            blocks: 2,
            ..NasnetConfig::default()
        }),
        SpaceConfig::Layerwise(LayerwiseConfig {
            layers: 4,
            strides: vec![1, 2, 3],
            pools_after: vec![2],
            ..LayerwiseConfig::default()
        }),
        SpaceConfig::Nasbench201(Nasbench201Config { cells: 1, ..Nasbench201Config::default() }),
    ]
}

/// A dozen networks or two, which every search soon has seen; NAS-Bench-201 cannot be made as small.
pub(crate) fn tiny() -> Vec<SpaceConfig> {
    vec![
        SpaceConfig::Chain(ChainConfig {
            filters: vec![8],
            kernels: vec![1, 3],
            pools: vec![[2, 2]],
            layers_max: 2,
            ..ChainConfig::default()
        }),
        SpaceConfig::Nasnet(NasnetConfig {
            cells: 1,
            filters: 2,
            blocks: 1,
            operations: vec![CellOp::Identity],
            combiners: vec![Combiner::Add],
            ..NasnetConfig::default()
        }),
        SpaceConfig::Layerwise(LayerwiseConfig {
            layers: 2,
            heights: vec![1, 3, 5],
            widths: vec![3],
            filters: vec![8],
            ..LayerwiseConfig::default()
        }),
    ]
}

/// A space of square images and ten classes.
pub(crate) fn open(config: &SpaceConfig, side: usize) -> Box<dyn Space> {
    config.open(Shape { channels: 3, height: side, width: side }, 10).expect("squares suit all")
}
