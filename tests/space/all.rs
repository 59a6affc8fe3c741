//! What holds for every space: legality, texts, counts, neighbours, uniform draws.

use std::collections::{BTreeMap, BTreeSet};

use phytotron::net::{Network, Op};
use phytotron::seed::Seed;
use phytotron::space::layerwise::LayerwiseConfig;
use phytotron::space::nasbench201::Nasbench201Config;
use phytotron::space::nasnet::{CellOp, Combiner, NasnetConfig, Stem};
use phytotron::space::{Genotype, Space, SpaceConfig};
use proptest::prelude::*;

use super::small::{self, open};

/// Spaces of every kind, and of the options that change what networks are made of.
fn configs() -> Vec<SpaceConfig> {
    let nasnet = NasnetConfig { cells: 1, filters: 4, ..NasnetConfig::default() };
    let layerwise = LayerwiseConfig { layers: 4, ..LayerwiseConfig::default() };
    let more = [
        SpaceConfig::Nasnet(nasnet.clone()),
        SpaceConfig::Nasnet(NasnetConfig {
            blocks: 3,
            stem: Stem::Imagenet,
            filters: 12,
            skip_reduction_input: true,
            auxiliary: true,
            dropout: 0.5,
            ..nasnet.clone()
        }),
        SpaceConfig::Nasnet(NasnetConfig { cells: 2, filters: 5, blocks: 1, ..nasnet.clone() }),
        // Cells that repeat each other.
        SpaceConfig::Nasnet(NasnetConfig { cells: 7, blocks: 2, ..nasnet.clone() }),
        SpaceConfig::Nasnet(NasnetConfig { cells: 6, skip_reduction_input: true, ..nasnet }),
        SpaceConfig::Layerwise(layerwise.clone()),
        SpaceConfig::Layerwise(LayerwiseConfig { skips: false, ..layerwise }),
    ];
    small::configs().into_iter().chain(more).collect()
}

/// Spaces of every kind whose networks can be listed.
fn tiny() -> Vec<SpaceConfig> {
    let more = [
        SpaceConfig::Nasnet(NasnetConfig {
            cells: 1,
            filters: 2,
            blocks: 1,
            operations: vec![CellOp::Identity, CellOp::MaxPool3x3],
            combiners: vec![Combiner::Add],
            ..NasnetConfig::default()
        }),
        SpaceConfig::Nasbench201(Nasbench201Config { cells: 1, ..Nasbench201Config::default() }),
    ];
    small::tiny().into_iter().chain(more).collect()
}

fn drawn(space: &dyn Space, seed: u64) -> Genotype {
    let mut genotype = Genotype::default();
    space.process().draw(&mut Seed::root(seed).stream("draw", 0), &mut genotype);
    genotype
}

fn enumerated(space: &dyn Space) -> Vec<Genotype> {
    let nth = |index| {
        let mut genotype = Genotype::default();
        space.process().nth(index, &mut genotype);
        genotype
    };
    (0..space.process().count().expect("tiny")).map(nth).collect()
}

/// Parametric operations on the longest path.
fn depth(network: &Network) -> u32 {
    let mut depths: Vec<u32> = Vec::new();
    for node in network.nodes() {
        let before = node.inputs.iter().map(|input| depths[input.0]).max().unwrap_or(0);
        let parametric = matches!(node.op, Op::Conv { .. } | Op::Dense { .. });
        depths.push(before + u32::from(parametric));
    }
    depths[depths.len() - 1]
}

/// Whether every node that is no auxiliary head leads to the logits, and every path is another.
fn is_tidy(network: &Network) -> bool {
    let nodes = network.nodes();
    let leads = nodes.iter().zip(network.used());
    let paths: BTreeSet<&str> = nodes.iter().map(|node| node.path.as_str()).collect();
    let idle = leads.filter(|(node, used)| !used && !node.path.starts_with("auxiliary"));
    paths.len() == nodes.len() && idle.count() == 0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn what_is_drawn_or_mutated_is_legal_and_survives_its_text(
        config in proptest::sample::select(configs()), side in 3_usize..70, seed: u64
    ) {
        let space = open(&config, side);
        let mut stream = Seed::root(seed).stream("mutate", 0);
        let mut genotype = drawn(&*space, seed);
        for _ in 0..4 {
            prop_assert!(space.process().is_complete(&genotype));
            let text = space.text(&genotype);
            prop_assert_eq!(space.parse(&text).unwrap(), genotype.clone(), "{}", text);
            let spaced = text.replace(',', " , ").replace('|', " | ").replace(':', "\t:  ");
            prop_assert_eq!(space.parse(&spaced).unwrap(), genotype.clone(), "{}", spaced);
            let mutated = space.mutate(&genotype, &mut stream).unwrap();
            prop_assert_ne!(&mutated, &genotype);
            genotype = mutated;
        }
    }

    #[test]
    fn features_are_what_the_network_counts(
        config in proptest::sample::select(configs()), side in 3_usize..70, seed: u64
    ) {
        let space = open(&config, side);
        let genotype = drawn(&*space, seed);
        let (features, network) = (space.features(&genotype), space.network(&genotype));
        prop_assert_eq!(features.parameters, network.parameters());
        prop_assert_eq!(features.multiply_adds, network.multiply_adds());
        prop_assert_eq!(features.activations, network.activations());
        let has_path = features.depth > 0;
        prop_assert!(!has_path || features.depth == depth(&network));
        prop_assert_eq!(network.classes(), 10);
        prop_assert_eq!(network.image(), space.image());
        prop_assert!(is_tidy(&network));
        let mean = network.nodes().iter().find(|node| node.op == Op::GlobalAvgPool);
        if !matches!(config, SpaceConfig::Chain(_)) {
            let read = network.node(mean.unwrap().inputs[0]).shape.height;
            #[expect(clippy::cast_precision_loss, reason = "small sides")]
            let halvings = (side as f64 / read as f64).log2();
            prop_assert!((features.halvings - halvings).abs() < 1e-12);
        }
    }

    #[test]
    fn drawings_name_only_blocks_that_stand_before(
        config in proptest::sample::select(configs()), seed: u64
    ) {
        let space = open(&config, 16);
        for diagram in space.drawing(&drawn(&*space, seed)).diagrams {
            for (place, block) in diagram.blocks.iter().enumerate() {
                prop_assert!(block.reads.iter().all(|read| *read < place));
            }
        }
    }
}

#[test]
fn neighbours_are_legal_distinct_and_mutual() {
    for config in tiny() {
        let space = open(&config, 8);
        let all = enumerated(&*space);
        let step = (all.len() / 200).max(1);
        for genotype in all.iter().step_by(step) {
            let neighbours = space.neighbours(genotype);
            let distinct: BTreeSet<&Genotype> = neighbours.iter().collect();
            assert_eq!(distinct.len(), neighbours.len());
            for neighbour in &neighbours {
                assert_ne!(neighbour, genotype);
                assert!(space.process().is_complete(neighbour));
                // Each edit can be taken back: a layer that went is put in again, a choice is restored.
                let back = space.neighbours(neighbour).contains(genotype);
                assert!(back, "{} and {}", space.text(genotype), space.text(neighbour));
            }
        }
    }
}

#[test]
fn mutations_are_neighbours_and_reach_all_of_them() {
    for config in tiny() {
        let space = open(&config, 8);
        let genotype = drawn(&*space, 3);
        let mut stream = Seed::root(4).stream("mutate", 0);
        let neighbours: BTreeSet<Genotype> = space.neighbours(&genotype).into_iter().collect();
        let mutated: BTreeSet<Genotype> =
            (0..3000).filter_map(|_| space.mutate(&genotype, &mut stream)).collect();
        assert_eq!(mutated, neighbours, "{}", space.text(&genotype));
    }
}

#[test]
fn counting_is_enumeration() {
    for config in tiny() {
        let space = open(&config, 8);
        let texts: BTreeSet<String> =
            enumerated(&*space).iter().map(|genotype| space.text(genotype)).collect();
        assert_eq!(texts.len() as u128, space.process().count().unwrap());
        assert!(texts.len() > 10, "{} of {config:?}", texts.len());
        for text in texts.iter().step_by(17) {
            assert_eq!(&space.text(&space.parse(text).unwrap()), text);
        }
    }
}

#[test]
fn a_uniform_draw_gives_every_network_its_share() {
    for config in tiny() {
        let space = open(&config, 8);
        let count = space.process().count().unwrap();
        if count > 1000 {
            continue;
        }
        let mut stream = Seed::root(9).stream("draw", 0);
        let mut shares: BTreeMap<Genotype, f64> = BTreeMap::new();
        let mut genotype = Genotype::default();
        #[expect(clippy::cast_precision_loss, reason = "few networks")]
        let (networks, draws) = (count as f64, 100.0 * count as f64);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "few draws")]
        for _ in 0..draws as usize {
            space.process().draw_uniform(&mut stream, &mut genotype);
            *shares.entry(genotype.clone()).or_default() += 1.0;
        }
        assert_eq!(shares.len() as u128, count);
        // Chi-squared of `networks - 1` degrees: mean and twice that for the variance.
        let chi: f64 = shares.values().map(|share| (share - 100.0).powi(2) / 100.0).sum();
        assert!((chi - networks).abs() < 5.0 * (2.0 * networks).sqrt(), "{chi} of {networks}");
    }
}

#[test]
fn components_name_every_space() {
    let known: BTreeSet<(&str, u32)> = phytotron::space::COMPONENTS.iter().copied().collect();
    let used: BTreeSet<(&str, u32)> = configs().iter().map(SpaceConfig::component).collect();
    assert_eq!(known, used);
}

#[test]
fn networks_beyond_a_guard_rail_are_not_allowed() {
    for config in configs() {
        let space = open(&config, 16);
        let features = space.features(&drawn(&*space, 1));
        let mut limits = space.limits();
        assert!(limits.allow(&features));
        limits.memory_max = features.memory(limits.memory_batch);
        assert!(limits.allow(&features));
        limits.memory_max -= 1;
        assert!(!limits.allow(&features));
    }
}
