//! The NASNet space: published counts, texts, explicit concatenation, names of sizes.

use phytotron::net::{Network, Op, Shape};
use phytotron::seed::Seed;
use phytotron::space::Space;
use phytotron::space::nasnet::{CellOp, Cells, NasnetConfig, NasnetSpace, Stem};

fn open(config: &NasnetConfig, side: usize, classes: usize) -> NasnetSpace {
    let image = Shape { channels: 3, height: side, width: side };
    NasnetSpace::open(config, image, classes).expect("the side suits")
}

fn two_blocks() -> NasnetSpace {
    open(&NasnetConfig { blocks: 2, ..NasnetConfig::default() }, 32, 10)
}

fn moving_statistics(network: &Network) -> usize {
    let norms = network.nodes().iter().zip(network.used());
    let norms = norms.filter(|(node, used)| *used && node.op == Op::BatchNorm);
    norms.map(|(node, _)| 2 * node.shape.channels).sum()
}

/// The published count of 88,949,818 is that of trainable parameters and moving statistics.
#[test]
fn the_large_network_has_the_published_counts() {
    let config = NasnetConfig {
        size: Some("6 @ 4032".to_owned()),
        stem: Stem::Imagenet,
        skip_reduction_input: true,
        ..NasnetConfig::default()
    };
    let space = open(&config, 331, 1000);
    let network = space.network(&space.parse("NASNet-A").unwrap());
    assert_eq!(network.parameters(), 88_753_150);
    assert_eq!(network.multiply_adds(), 23_783_414_658);
    assert_eq!(moving_statistics(&network), 196_668);
}

#[test]
fn the_auxiliary_head_is_trained_and_not_counted() {
    let config = NasnetConfig {
        size: Some("6 @ 768".to_owned()),
        auxiliary: true,
        ..NasnetConfig::default()
    };
    let space = open(&config, 32, 10);
    let network = space.network(&space.parse("NASNet-A").unwrap());
    assert_eq!(network.parameters(), 3_346_538);
    let head = network.nodes().iter().filter(|node| node.path.starts_with("auxiliary"));
    let head: u64 = head.map(|node| network.node_parameters(node)).sum();
    assert_eq!(head, 1_631_498);
    let logits = network.node(network.auxiliary().unwrap());
    assert_eq!(logits.shape.len(), 10);
}

#[test]
fn paths_are_dropped_behind_all_operations_but_identities_and_more_in_deep_cells() {
    let space = open(&NasnetConfig { cells: 6, ..NasnetConfig::default() }, 32, 10);
    let network = space.network(&space.parse("NASNet-A").unwrap());
    let shares: Vec<(&str, f64)> = network
        .nodes()
        .iter()
        .filter_map(|node| match node.op {
            Op::DropPath { share } => Some((node.path.as_str(), share)),
            _ => None,
        })
        .collect();
    // 18 normal cells with two identities among ten operations, 2 reductions with one.
    assert_eq!(shares.len(), 18 * 8 + 2 * 9);
    let share = |path: &str| shares.iter().find(|(of, _)| *of == path).map(|(_, share)| *share);
    assert_eq!(share("cell0.block0.a.path"), Some(1.0 / 20.0));
    assert_eq!(share("reduction0.block0.a.path"), Some(7.0 / 20.0));
    assert_eq!(share("cell17.block0.a.path"), Some(1.0));
    assert_eq!(share("cell0.block2.b.path"), None, "an identity");
}

#[test]
fn a_hand_written_concat_is_kept_in_text_and_network_and_left_by_edits() {
    let space = open(&NasnetConfig::default(), 32, 10);
    let genotype = space.parse("NASNet-A").unwrap();
    assert_eq!(genotype.0.len(), 52);
    assert_eq!(space.process().walk(&genotype).count(), 50);
    assert_eq!(space.cells(&genotype), Cells::nasnet_a());
    let text = space.text(&genotype);
    assert!(text.contains("| concat 1,2,3,4,5,6; reduction:"), "{text}");
    assert_eq!(space.parse(&text).unwrap(), genotype);
    let auto = text.replace(" | concat 1,2,3,4,5,6", "").replace(" | concat 3,4,5,6", "");
    let auto = space.parse(&auto).unwrap();
    assert_eq!(auto.0, genotype.0[..50]);
    assert_ne!(
        space.network(&auto).parameters(),
        space.network(&genotype).parameters(),
        "unused states alone are another network"
    );
    let mut stream = Seed::root(1).stream("mutate", 0);
    let mutated = space.mutate(&genotype, &mut stream).unwrap();
    assert!(space.process().is_complete(&mutated));
    assert!(space.neighbours(&genotype).iter().all(|one| space.process().is_complete(one)));
}

#[test]
fn a_concat_that_says_nothing_new_is_left_out() {
    let space = two_blocks();
    let text =
        "normal: 0:id 1:id add | 2:sep3x3 2:id add; reduction: 0:id 1:id add | 0:id 1:id add";
    let said = text.replace(';', " | concat 3;");
    assert_eq!(space.text(&space.parse(&said).unwrap()), text);
}

#[test]
fn mistakes_name_their_column_and_what_would_be_right() {
    let space = two_blocks();
    let cases = [
        ("", "column 1: expected `normal`"),
        ("NASNet-A", "column 1: `NASNet-A` has 5 blocks and cells of this space have 2"),
        ("normal: 2:id 1:id add", "column 9: expected a state from 0 to 1"),
        ("normal: 0:id 1:id add", "column 22: expected `|` and block 1: cells have 2 blocks"),
        ("normal: 0:id 1:id sub", "column 19: expected a combiner: add, concat"),
        (
            "normal: 0:id 1:id add | 0:id 1:id add | 0:id",
            "column 41: only `concat` may follow the last of 2 blocks",
        ),
        (
            "normal: 0:id 1:id add | 0:id 1:id add | concat 2; reduction",
            "column 48: `concat` must hold state 3, which no block reads",
        ),
        (
            "normal: 0:id 1:id add | 0:id 1:id add | concat 3,2; reduction",
            "column 50: the states of `concat` stand in rising order, each once",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(space.parse(text).unwrap_err().to_string(), expected, "{text}");
    }
    let cell = "0:id 1:sep9x9 add | 0:id 1:id add";
    let error = space.parse(&format!("normal: {cell}; reduction: {cell}")).unwrap_err();
    assert!(error.to_string().starts_with("column 16: expected an operation: id, "), "{error}");
}

#[test]
fn an_operation_that_the_space_does_not_have_is_not_legal() {
    let operations = vec![CellOp::Identity, CellOp::Separable3x3];
    let space = open(&NasnetConfig { blocks: 1, operations, ..NasnetConfig::default() }, 32, 10);
    let text = "normal: 0:id 1:max3x3 add; reduction: 0:id 1:id add";
    let error = space.parse(text).unwrap_err().to_string();
    assert_eq!(error, "column 16: the operation `max3x3` is not in `operations` of this space");
}
