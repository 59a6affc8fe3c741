//! The NAS-Bench-201 space: all its cells, and cells without a path.

use phytotron::net::{Op, Shape};
use phytotron::space::Space;
use phytotron::space::nasbench201::{Nasbench201Config, Nasbench201Space};

fn open() -> Nasbench201Space {
    let image = Shape { channels: 3, height: 32, width: 32 };
    Nasbench201Space::open(&Nasbench201Config::default(), image, 10).expect("squares suit")
}

#[test]
fn the_space_has_all_cells_of_the_benchmark() {
    assert_eq!(open().process().count(), Some(15_625));
}

#[test]
fn a_cell_without_a_path_gives_zeros_and_has_no_depth() {
    let space = open();
    let text = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|";
    let genotype = space.parse(text).unwrap();
    assert_eq!(space.features(&genotype).depth, 0);
    let network = space.network(&genotype);
    let shift = Op::Pad { rows: (-32, 32), columns: (0, 0) };
    let zeros = network.nodes().iter().find(|node| node.path == "cell0.zeros").unwrap();
    assert_eq!((zeros.op, zeros.shape.height), (shift, 32));
    assert_eq!(network.parameters(), 73_306, "the skeleton is all there is");
}

/// Operations that nothing reaches or nobody reads are no part of the network.
#[test]
fn dead_edges_are_not_built() {
    let space = open();
    let text = "|none~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_1x1~1|none~2|";
    let network = space.network(&space.parse(text).unwrap());
    assert_eq!(network.parameters(), 73_306);
    let skips = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|";
    assert_eq!(network.nodes().len(), space.network(&space.parse(skips).unwrap()).nodes().len());
}
