//! The layer-by-layer space: the three repairs, anchors, texts.

use phytotron::net::{Op, Shape};
use phytotron::space::layerwise::{Growth, LayerwiseConfig, LayerwiseSpace};
use phytotron::space::{Genotype, Space};

fn open(config: &LayerwiseConfig) -> LayerwiseSpace {
    let image = Shape { channels: 3, height: 32, width: 32 };
    LayerwiseSpace::open(config, image, 10).expect("squares suit")
}

fn layers(layers: usize) -> LayerwiseConfig {
    LayerwiseConfig { layers, ..LayerwiseConfig::default() }
}

/// What a node reads, by path.
fn reads(space: &LayerwiseSpace, text: &str, path: &str) -> Vec<String> {
    let network = space.network(&space.parse(text).unwrap());
    let node = network.nodes().iter().find(|node| node.path == path).expect("the node is there");
    node.inputs.iter().map(|input| network.node(*input).path.clone()).collect()
}

#[test]
fn a_layer_that_reads_nothing_reads_the_image_and_unread_outputs_meet_before_the_head() {
    let space = open(&layers(4));
    let text = "3x3x24 | 1x1x36 | 5x7x48 < 0 | 3x3x64 < 0,2";
    assert_eq!(reads(&space, text, "layer1.conv"), ["image"]);
    assert_eq!(reads(&space, text, "layer2.conv"), ["layer0.relu"]);
    assert_eq!(reads(&space, text, "layer3.input"), ["layer0.relu", "layer2.relu"]);
    assert_eq!(reads(&space, text, "head.input"), ["layer1.relu", "layer3.relu"]);
}

#[test]
fn smaller_maps_are_padded_with_zeros_where_they_meet_larger_ones() {
    let config = LayerwiseConfig { strides: vec![1, 2], ..layers(3) };
    let space = open(&config);
    let network =
        space.network(&space.parse("3x3x24/1x1 | 3x3x24/2x1 < 0 | 1x1x24/1x1 < 0,1").unwrap());
    let pad = network.nodes().iter().find(|node| matches!(node.op, Op::Pad { .. })).unwrap();
    assert_eq!(pad.op, Op::Pad { rows: (8, 8), columns: (0, 0) });
    assert_eq!(pad.shape, Shape { channels: 24, height: 32, width: 32 });
}

#[test]
fn poolings_stand_at_their_places_and_without_skips_layers_are_a_chain() {
    let config = LayerwiseConfig { skips: false, pools_after: vec![2], ..layers(3) };
    let space = open(&config);
    let text = "3x3x24 | 3x3x24 | 3x3x24";
    assert_eq!(reads(&space, text, "layer1.pool"), ["layer1.relu"]);
    assert_eq!(reads(&space, text, "layer2.conv"), ["layer1.pool"]);
    let network = space.network(&space.parse(text).unwrap());
    assert_eq!(network.node(network.nodes().last().unwrap().inputs[0]).shape.channels, 24);
    // 648 + 48, twice 5,184 + 48, 240 + 10.
    assert_eq!(network.parameters(), 696 + 2 * 5232 + 250);
}

/// Each decision about a connection points at the last decision of the layer's own.
#[test]
fn anchors_point_at_the_step_of_their_layer() {
    let space = open(&layers(3));
    let process = space.process();
    let mut genotype = Genotype::default();
    process.nth(0, &mut genotype);
    let anchors: Vec<Option<usize>> =
        process.walk(&genotype).map(|(state, _, _)| process.anchor(state)).collect();
    // Three decisions of layer 0, three and an anchor of layer 1, three and two anchors of layer 2.
    let expected = [&[None; 6][..], &[Some(2)], &[None; 3], &[Some(2), Some(5)]].concat();
    assert_eq!(anchors, expected);
}

#[test]
fn the_table_of_a_deep_space_stays_small() {
    let space = open(&layers(39));
    // Three decisions a layer, an anchor for each pair, the end.
    assert_eq!(space.process().rows().len(), 3 * 39 + 39 * 38 / 2 + 1);
    assert_eq!(space.process().count(), None, "more than 128 bits");
}

/// 2 layers, then 4, then 5.
fn growing() -> LayerwiseConfig {
    LayerwiseConfig { growth: Some(Growth { start: 2, plus: 2, every: 10 }), ..layers(5) }
}

#[test]
fn a_space_that_grows_is_one_of_its_depth_at_each_number_and_knows_all_its_networks() {
    let whole = open(&growing());
    for (network, depth) in [(0, 2), (9, 2), (10, 4), (19, 4), (20, 5), (u64::MAX, 5)] {
        let alone = open(&layers(depth));
        let grown = whole.grown(network).unwrap_or(&whole);
        assert_eq!(grown.process().count(), alone.process().count());
        let mut genotype = Genotype::default();
        for index in [0, 77, alone.process().count().unwrap() - 1] {
            grown.process().nth(index, &mut genotype);
            let text = whole.text(&genotype);
            assert_eq!(text, alone.text(&genotype));
            assert_eq!(whole.parse(&text).as_ref(), Ok(&genotype));
            assert!(whole.has(&genotype) && grown.has(&genotype));
            assert_eq!(whole.features(&genotype), alone.features(&genotype));
            assert_eq!(whole.network(&genotype), alone.network(&genotype));
        }
    }
    assert!(!whole.has(&Genotype(vec![0; 3])), "one layer");
}

#[test]
fn mistakes_name_their_column_and_what_would_be_right() {
    let space = open(&layers(2));
    let strides = open(&LayerwiseConfig { strides: vec![1, 2], ..layers(2) });
    let plain = open(&LayerwiseConfig { skips: false, ..layers(2) });
    let cases = [
        (&space, "", "column 1: expected a number below 1000000"),
        (&space, "3x3x24", "column 7: 1 layers, and networks of this space have 2"),
        (&space, "3x3x24 | 2x3x24", "column 10: 2 is no height of this space"),
        (&space, "3x3x24 | 3x3x25", "column 10: 25 is no number of filters of this space"),
        (
            &space,
            "3x3x24 | 3x3x24 < 1",
            "column 10: layer 1 cannot read layer 1, only earlier ones",
        ),
        (&space, "3x3x24 | 3x3x24 | 3x3x24", "column 19: networks of this space have 2 layers"),
        (&space, "3x3x24/1x1 | 3x3x24", "column 1: this space does not choose strides"),
        (&strides, "3x3x24", "column 1: this space chooses strides: write `/` and both"),
        (
            &plain,
            "3x3x24 | 3x3x24 < 0",
            "column 10: layers of this space read the one before, and do not say so",
        ),
    ];
    let grows = open(&growing());
    let grown = [
        (&grows, "3x3x24", "column 7: 1 layers, and networks of this space have 2, 4 or 5"),
        (
            &grows,
            "3x3x24 | 3x3x24 | 3x3x24",
            "column 25: 3 layers, and networks of this space have 2, 4 or 5",
        ),
    ];
    for (space, text, expected) in cases.into_iter().chain(grown) {
        assert_eq!(space.parse(text).unwrap_err().to_string(), expected, "{text}");
    }
}
