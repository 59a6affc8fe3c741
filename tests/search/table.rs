//! The published accuracies of NAS-Bench-201, which `scripts/nasbench201-table` fetches: what they say of
//! the space, of the evaluator that looks them up, and of the mock.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use phytotron::net::Shape;
use phytotron::search::{MockConfig, MockEvaluator};
use phytotron::space::Space;
use phytotron::space::nasbench201::{Cell, EdgeOp, Nasbench201Config, Nasbench201Space};
use phytotron::statistics;
use serde_json::Value;

use crate::support::{TestSpace, skip};

const TABLE: &str = "data/nasbench201.csv";

/// The published text of the table.
fn read() -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    let text = fs::read_to_string(path).ok();
    if text.is_none() {
        skip("data/nasbench201.csv is not there: scripts/nasbench201-table fetches it");
    }
    text
}

/// Percent correct of each cell, by its text.
fn accuracies(table: &str) -> BTreeMap<&str, f64> {
    let mut fields = table.lines().skip(1).map(|line| line.split(','));
    let rows = fields.by_ref().map(|mut row| (row.next().unwrap(), row.next().unwrap()));
    rows.map(|(text, accuracy)| (text, accuracy.parse().unwrap())).collect()
}

#[test]
fn vector_nb201_tab_1_holds() {
    let Some(table) = read() else { return };
    let accuracies = accuracies(&table);
    let vectors: Value =
        serde_json::from_str(include_str!("../fixtures/nas-vectors.json")).unwrap();
    let mut vectors = vectors["vectors"].as_array().unwrap().iter();
    let vector = vectors.find(|vector| vector["id"] == super::vectors::TABLE_VECTOR).unwrap();
    let (expect, tolerance) = (&vector["expect"], vector["tol"].as_f64().unwrap());

    assert_eq!(accuracies.len() as u64, expect["rows"]);
    let queries = vector["input"]["query"].as_array().unwrap();
    for (codes, expected) in queries.iter().zip(expect["accuracy"].as_array().unwrap()) {
        let mut text = String::new();
        published(codes).write(&mut text);
        let off = accuracies[text.as_str()] - expected.as_f64().unwrap();
        assert!(off.abs() <= tolerance, "{text} is off by {off}");
    }
    let apart: Vec<&str> = (accuracies.keys().copied())
        .filter(|text| !Cell::parse(text).expect("canonical").is_connected())
        .collect();
    assert_eq!(apart.len() as u64, expect["disconnected"]);
    assert!(apart.iter().all(|text| (accuracies[text] - 10.0).abs() < 1e-9), "they can but guess");
}

/// A cell from the package's codes, whose edges are in the order 01, 02, 03, 12, 13, 23.
fn published(codes: &Value) -> Cell {
    let ops = [EdgeOp::Skip, EdgeOp::None, EdgeOp::Conv3x3, EdgeOp::Conv1x1, EdgeOp::AvgPool3x3];
    let ops: Vec<EdgeOp> = (codes.as_array().unwrap().iter())
        .map(|code| ops[usize::try_from(code.as_u64().unwrap()).unwrap()])
        .collect();
    let [a, b, c, d, e, f] = ops[..] else { panic!("six edges") };
    Cell([a, b, d, c, e, f])
}

/// Parameters of the operations on all six edges, those off every path among them, as the benchmark counts.
fn of_all_edges(cell: Cell) -> u64 {
    let of = |op: &EdgeOp, filters: u64| match op {
        EdgeOp::Conv3x3 => 9 * filters * filters + 2 * filters,
        EdgeOp::Conv1x1 => filters * filters + 2 * filters,
        EdgeOp::None | EdgeOp::Skip | EdgeOp::AvgPool3x3 => 0,
    };
    let stages = [16, 32, 64].into_iter();
    5 * stages.map(|filters| cell.0.iter().map(|op| of(op, filters)).sum::<u64>()).sum::<u64>()
}

/// How far the mock may be trusted, as docs/mock.md and docs/tables.md say it.
#[test]
fn the_mock_ranks_cells_as_training_does() {
    let Some(table) = read() else { return };
    let image = Shape { channels: 3, height: 32, width: 32 };
    let space = Nasbench201Space::open(&Nasbench201Config::default(), image, 10).unwrap();
    let mock = MockEvaluator::new(&MockConfig::default(), 10);
    let accuracies = accuracies(&table);
    let trained: Vec<f64> = accuracies.values().copied().collect();
    let spearman = |measure: &dyn Fn(&Cell) -> f64| {
        let cell = |text: &&str| measure(&Cell::parse(text).expect("canonical"));
        let measured: Vec<f64> = accuracies.keys().map(cell).collect();
        statistics::spearman(&measured, &trained).unwrap()
    };
    let features = |cell: &Cell| space.features(&space.genotype(*cell));
    #[expect(clippy::cast_precision_loss, reason = "counts of small networks")]
    let found = [
        spearman(&|cell| mock.asymptote(&features(cell))),
        spearman(&|cell| features(cell).parameters as f64),
        spearman(&|cell| of_all_edges(*cell) as f64),
    ];
    for (found, documented) in found.into_iter().zip([0.8815, 0.8143, 0.7436]) {
        assert!((found - documented).abs() < 0.0005, "{found} instead of {documented}");
    }
}

/// The pipeline of docs/tables.md: evolution finds the best cell with every seed.
#[test]
fn the_documented_pipeline_compares_strategies_on_the_table() {
    let Some(table) = read() else { return };
    let page = include_str!("../../docs/tables.md");
    let (_, yaml) = page.split_once("```yaml\n").expect("a pipeline");
    let (yaml, _) = yaml.split_once("```").expect("its end");
    let space = TestSpace::new().pipeline(yaml).file(TABLE, &table);
    space.run(&[]).success();
    let trials = space.read("out/nasbench201/report/trials.csv");
    let best = trials
        .lines()
        .filter(|line| line.contains(",evolution,table,false,") && line.contains(",0.940664"));
    assert_eq!(best.count(), 10, "once in each of ten searches");
}
