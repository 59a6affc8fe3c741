//! The chain space: whatever is drawn is legal, printable, countable and buildable.

use std::collections::BTreeSet;

use phytotron::net::{Network, Op, Shape};
use phytotron::seed::Seed;
use phytotron::space::chain::{Chain, ChainConfig, ChainSpace, Layer};
use phytotron::space::{Genotype, Space, SpaceConfig, SpaceError};
use proptest::prelude::*;

fn square(side: usize) -> Shape {
    Shape { channels: 3, height: side, width: side }
}

fn open(config: &ChainConfig, side: usize) -> ChainSpace {
    ChainSpace::open(config, square(side), 10).expect("square images suit")
}

fn drawn(space: &ChainSpace, seed: u64) -> Genotype {
    let mut genotype = Genotype::default();
    space.process().draw(&mut Seed::root(seed).stream("draw", 0), &mut genotype);
    genotype
}

/// A space of a few thousand networks with every kind of layer.
fn tiny() -> ChainConfig {
    ChainConfig {
        filters: vec![8, 16],
        kernels: vec![1, 3],
        pools: vec![[2, 2], [3, 2]],
        fc_sizes: vec![32, 16],
        layers_max: 4,
        ..ChainConfig::default()
    }
}

fn configs() -> impl Strategy<Value = ChainConfig> {
    (1_usize..14, 0_usize..4, any::<bool>(), any::<bool>()).prop_map(
        |(layers_max, fc_max, batch_norm, dropout)| ChainConfig {
            layers_max,
            fc_max,
            batch_norm,
            dropout,
            ..ChainConfig::default()
        },
    )
}

/// Parametric operations on the longest path, counted on the graph.
fn depth(network: &Network) -> u32 {
    let mut depths: Vec<u32> = Vec::new();
    for node in network.nodes() {
        let before = node.inputs.iter().map(|input| depths[input.0]).max().unwrap_or(0);
        let parametric = matches!(node.op, Op::Conv { .. } | Op::Dense { .. });
        depths.push(before + u32::from(parametric));
    }
    depths[depths.len() - 1]
}

/// Side of the map that the head reads: before the global pooling's convolution or the flattening.
fn side_before_head(network: &Network) -> usize {
    let is_head = |op: &Op| matches!(op, Op::GlobalAvgPool | Op::Flatten | Op::Dense { .. });
    let head = network.nodes().iter().find(|node| is_head(&node.op));
    let head = head.expect("every chain has a head");
    network.node(head.inputs[0]).shape.height
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_drawn_genotype_survives_its_text(config in configs(), side in 1_usize..70, seed: u64) {
        let space = open(&config, side);
        let genotype = drawn(&space, seed);
        let text = space.text(&genotype);
        prop_assert_eq!(space.parse(&text).unwrap(), genotype.clone());
        prop_assert_eq!(Chain::parse(&text).unwrap().to_string(), text.clone());
        let spaced = text.replace(',', "  ,\t").replace('(', " ( ");
        prop_assert_eq!(space.parse(&spaced).unwrap(), genotype);
    }

    #[test]
    fn features_are_what_the_network_counts(config in configs(), side in 1_usize..70, seed: u64) {
        let space = open(&config, side);
        let genotype = drawn(&space, seed);
        let (features, network) = (space.features(&genotype), space.network(&genotype));
        prop_assert_eq!(features.parameters, network.parameters());
        prop_assert_eq!(features.multiply_adds, network.multiply_adds());
        prop_assert_eq!(features.activations, network.activations());
        prop_assert_eq!(features.depth, depth(&network));
        let dense: u64 = network
            .nodes()
            .iter()
            .filter(|node| matches!(node.op, Op::Dense { .. }))
            .map(|node| network.node_parameters(node))
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let share = dense as f64 / network.parameters() as f64;
        prop_assert!((features.dense_share - share).abs() < 1e-12);
        #[expect(clippy::cast_precision_loss, reason = "small sides")]
        let halvings = (side as f64 / side_before_head(&network) as f64).log2();
        prop_assert!((features.halvings - halvings).abs() < 1e-12);
        let count = |test: fn(&Op) -> bool| network.nodes().iter().filter(|n| test(&n.op)).count();
        let pools = count(|op| matches!(op, Op::MaxPool { .. }));
        let gaps = count(|op| matches!(op, Op::GlobalAvgPool));
        let convs = count(|op| matches!(op, Op::Conv { .. })) - gaps;
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let pool_share = if pools == 0 { 0.0 } else { pools as f64 / (pools + convs) as f64 };
        prop_assert!((features.pool_share - pool_share).abs() < 1e-12);
        prop_assert_eq!(network.classes(), 10);
    }

    #[test]
    fn chains_keep_the_published_rules(side in 1_usize..70, seed: u64) {
        let space = open(&ChainConfig::default(), side);
        let chain = space.chain(&drawn(&space, seed));
        let layers = chain.layers();
        prop_assert!(layers.len() <= 13);
        let pool_first = matches!(layers[0], Layer::Pool { .. });
        prop_assert!(!pool_first);
        let fcs = layers.iter().filter(|layer| matches!(layer, Layer::Fc { .. })).count();
        prop_assert!(fcs <= 2);
        for pair in layers.windows(2) {
            let fine = match (pair[0], pair[1]) {
                (Layer::Pool { .. }, Layer::Pool { .. }) | (Layer::Softmax { .. }, _) => false,
                (Layer::Fc { units: before }, Layer::Fc { units }) => units <= before,
                (Layer::Fc { .. } | Layer::Gap { .. }, next) => {
                    matches!(next, Layer::Softmax { .. })
                }
                _ => true,
            };
            prop_assert!(fine, "{} in {}", pair[1], chain);
        }
    }
}

#[test]
fn neighbours_are_the_legal_chains_one_layer_away() {
    let space = open(&tiny(), 16);
    let one_edit = |a: &[Layer], b: &[Layer]| {
        let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
        let (a, b) = (&a[same..], &b[same..]);
        match a.len().cmp(&b.len()) {
            std::cmp::Ordering::Less => a == &b[1..],
            std::cmp::Ordering::Equal => !a.is_empty() && a[1..] == b[1..],
            std::cmp::Ordering::Greater => &a[1..] == b,
        }
    };
    let count = space.process().count().unwrap();
    let all: Vec<Genotype> = (0..count)
        .map(|index| {
            let mut genotype = Genotype::default();
            space.process().nth(index, &mut genotype);
            genotype
        })
        .collect();
    for genotype in all.iter().step_by(97) {
        let chain = space.chain(genotype);
        let expected: BTreeSet<&Genotype> = all
            .iter()
            .filter(|other| one_edit(chain.layers(), space.chain(other).layers()))
            .collect();
        let neighbours = space.neighbours(genotype);
        assert_eq!(neighbours.iter().collect::<BTreeSet<_>>(), expected, "{chain}");
        assert_eq!(neighbours.len(), expected.len(), "{chain}: one is listed twice");
    }
}

#[test]
fn mutations_of_a_chain_are_neighbours_and_reach_most_of_them() {
    let space = open(&tiny(), 16);
    let mut stream = Seed::root(5).stream("mutate", 0);
    for seed in 0..8 {
        let genotype = drawn(&space, seed);
        let neighbours: BTreeSet<Genotype> = space.neighbours(&genotype).into_iter().collect();
        let mutated: BTreeSet<Genotype> =
            (0..2000).filter_map(|_| space.mutate(&genotype, &mut stream)).collect();
        assert!(mutated.is_subset(&neighbours));
        assert!(mutated.len() * 10 > neighbours.len() * 9, "of {}", neighbours.len());
    }
}

#[test]
fn every_network_of_a_small_space_is_enumerated_once() {
    let space = open(&tiny(), 16);
    let count = space.process().count().unwrap();
    let mut texts: Vec<String> = (0..count)
        .map(|index| {
            let mut genotype = Genotype::default();
            space.process().nth(index, &mut genotype);
            space.text(&genotype)
        })
        .collect();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len() as u128, count);
    assert!(count > 1000, "{count}");
    for text in &texts {
        space.parse(text).unwrap();
    }
}

#[test]
fn an_illegal_layer_is_named_with_its_column_and_reason() {
    let space = open(&ChainConfig { layers_max: 6, ..ChainConfig::default() }, 32);
    let cases = [
        ("[P(2,2), SM(10)]", "column 2: `P(2,2)` cannot be first: a pooling follows a convolution"),
        (
            "[C(64,3,1), P(2,2), P(3,2), SM(10)]",
            "column 21: `P(3,2)` cannot follow another pooling",
        ),
        (
            "[C(64,3,1), FC(128), SM(10)]",
            "column 13: `FC(128)` needs a side in bin 4 or less and finds bin 8",
        ),
        (
            "[C(64,3,1), P(5,3), C(64,3,1), P(2,2), C(64,5,1), SM(10)]",
            "column 40: `C(64,5,1)` has kernel 5, which must be below the side's bin, 4",
        ),
        (
            "[GAP(10), C(64,3,1), SM(10)]",
            "column 11: `C(64,3,1)` cannot follow a global pooling, only `SM` can",
        ),
        ("[C(65,3,1), SM(10)]", "column 2: `C(65,3,1)` is not in the tables of this space"),
        ("[C(64,3,2), SM(10)]", "column 2: `C(64,3,2)` is not in the tables of this space"),
        ("[D(1,2), SM(10)]", "column 2: `D(1,2)` is not in the tables of this space"),
        ("[C(64,3,1), SM(9)]", "column 13: `SM(9)` is not in the tables of this space"),
        (
            "[C(64,1,1), P(5,3), C(64,1,1), P(2,2), FC(128), FC(256), SM(10)]",
            "column 49: `FC(256)` cannot be larger than the 128 units before it",
        ),
        (
            "[C(64,1,1), C(64,1,1), C(64,1,1), C(64,1,1), C(64,1,1), C(64,1,1), C(64,1,1), SM(10)]",
            "column 68: `C(64,1,1)` cannot follow 6 layers, the limit",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(space.parse(text).unwrap_err().to_string(), expected, "{text}");
    }
    let text = "[C(64,1,1), P(5,3), C(64,1,1), P(2,2), FC(128), C(64,1,1), SM(10)]";
    let error = space.parse(text).unwrap_err().to_string();
    assert_eq!(error, "column 49: `C(64,1,1)` cannot follow a fully connected layer");
}

#[test]
fn fully_connected_layers_end_at_their_limit() {
    let small = open(&ChainConfig { fc_max: 1, ..ChainConfig::default() }, 4);
    let error = small.parse("[FC(256), FC(128), SM(10)]").unwrap_err().to_string();
    assert_eq!(error, "column 11: `FC(128)` cannot follow 1 fully connected layers, the limit");
    let none = open(&ChainConfig { fc_max: 0, ..ChainConfig::default() }, 4);
    assert!(none.parse("[FC(256), SM(10)]").is_err());
    let wide = ChainSpace::open(&ChainConfig::default(), square(4), 200).unwrap();
    assert!(wide.parse("[FC(256), SM(200)]").is_ok());
    assert!(wide.parse("[FC(128), SM(200)]").is_err(), "fewer units than classes");
}

#[test]
fn batch_norm_takes_the_place_of_the_bias() {
    let config = ChainConfig { batch_norm: true, ..ChainConfig::default() };
    let space = open(&config, 32);
    let genotype = space.parse("[C(64,3,1), P(2,2), SM(10)]").unwrap();
    // 165,642 with a bias: 64 biases go, 64 scales and 64 shifts come.
    assert_eq!(space.network(&genotype).parameters(), 165_642 + 64);
}

#[test]
fn dropout_is_in_the_network_and_not_in_the_text() {
    let space = open(&ChainConfig::default(), 32);
    let text = "[C(64,3,1), C(64,3,1), P(2,2), SM(10)]";
    let network = space.network(&space.parse(text).unwrap());
    let rates = |network: &Network| -> Vec<f64> {
        let rate = |op: &Op| if let Op::Dropout { rate } = op { Some(*rate) } else { None };
        network.nodes().iter().filter_map(|node| rate(&node.op)).collect()
    };
    assert_eq!(rates(&network), [0.25]);
    let plain = open(&ChainConfig { dropout: false, ..ChainConfig::default() }, 32);
    assert!(rates(&plain.network(&plain.parse(text).unwrap())).is_empty());
}

#[test]
fn paths_of_a_network_are_unique() {
    let space = open(&ChainConfig { batch_norm: true, ..ChainConfig::default() }, 64);
    for seed in 0..50 {
        let network = space.network(&drawn(&space, seed));
        let mut paths: Vec<&str> = network.nodes().iter().map(|node| node.path.as_str()).collect();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), network.nodes().len());
    }
}

#[test]
fn images_that_do_not_suit_are_refused_with_advice() {
    let wide = Shape { channels: 3, height: 32, width: 48 };
    let config = SpaceConfig::Chain(ChainConfig::default());
    let error = config.open(wide, 10).unwrap_err();
    assert_eq!(
        error.to_string(),
        "images are 32 x 48 pixels and `chain` needs square ones: resize them in the dataset stage"
    );
    assert!(matches!(config.open(square(32), 1), Err(SpaceError::NoTask { .. })));
    let rich = ChainConfig {
        filters: (1..=32).collect(),
        kernels: (0..16).map(|k| 2 * k + 1).collect(),
        layers_max: 64,
        bins: vec![64, 32, 1],
        ..ChainConfig::default()
    };
    assert!(matches!(ChainSpace::open(&rich, square(64), 10), Err(SpaceError::TooLarge { .. })));
}
