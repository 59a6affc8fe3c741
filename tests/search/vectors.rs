//! The project's test vectors: every one of them is checked.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Index;

use phytotron::kernel::{DropPath, Float};
use phytotron::net::{Builder, Op, Shape};
use phytotron::search::{
    Baseline, BaselineKind, Categorical, Clipping, Evaluation, EvolutionConfig, FidelityConfig,
    Formula, MockConfig, MockEvaluator, QLearning, QLearningConfig, RewardConfig, Schedule, Search,
    StrategyConfig, promoted,
};
use phytotron::seed::Seed;
use phytotron::space::chain::{Chain, ChainConfig, ChainSpace, Layer};
use phytotron::space::layerwise::Growth;
use phytotron::space::nasbench201::{
    self as benchmark, EdgeOp, Nasbench201Config, Nasbench201Space,
};
use phytotron::space::nasnet::{Cell, CellOp, NasnetConfig, NasnetSpace, Size, Stem};
use phytotron::space::{Features, Genotype, Space, StateId};
use phytotron::stage::evaluators::{Retries, Score, proxy};
use phytotron::statistics;
use phytotron::train::{Codes, Recipe, Schedule as LrSchedule, Values};
use serde_json::Value;

use super::toy::Toy;

/// A vector's input, its expectation and its tolerance.
struct Vector<'a> {
    input: &'a Value,
    expect: Expected<'a>,
    tolerance: f64,
}

/// What a vector expects, and which of it was looked at: a number that no check reads proves nothing.
struct Expected<'a> {
    value: &'a Value,
    read: RefCell<BTreeSet<String>>,
}

/// Fields that nothing here computes: the error of a network trained for days, and a proxy that is not shipped.
const NOT_OURS: [&str; 2] = ["paper_test_error", "plain"];

impl Index<&str> for Expected<'_> {
    type Output = Value;

    fn index(&self, key: &str) -> &Value {
        self.read.borrow_mut().insert(key.to_owned());
        &self.value[key]
    }
}

impl Expected<'_> {
    /// The fields that no check has looked at.
    fn unread(&self) -> Vec<&String> {
        let read = self.read.borrow();
        let fields = self.value.as_object().expect("a map").keys();
        fields.filter(|key| !read.contains(*key) && !NOT_OURS.contains(&key.as_str())).collect()
    }
}

/// The vector that needs a published table: `search::table` checks it.
pub(super) const TABLE_VECTOR: &str = "nb201-tab-1";

/// Looks at one vector and panics when it does not hold.
type Check = fn(&Vector<'_>);

const CHECKS: &[(&str, Check)] = &[
    ("mq-eps-1", epsilon_schedule),
    ("mq-act-start", legal_actions),
    ("mq-act-conv8", legal_actions),
    ("mq-act-pool8", legal_actions),
    ("mq-act-fc512", legal_actions),
    ("mq-act-fc128", legal_actions),
    ("mq-rsize-1", representation_sizes),
    ("mq-count-1", space_size),
    ("mq-count-2", space_size),
    ("mq-count-64-12", space_size),
    ("mq-top-cifar-1", network),
    ("mq-top-cifar-2-32", network),
    ("mq-top-cifar-2-64", network),
    ("mq-top-cifar-3", network),
    ("mq-top-cifar-4-32", network),
    ("mq-top-cifar-4-64", network),
    ("mq-top-cifar-5", network),
    ("mq-top-svhn-1", network),
    ("mq-top-svhn-3", network),
    ("mq-top-svhn-5", network),
    ("net-1", network),
    ("net-2", network),
    ("mq-illegal-1", legality),
    ("mq-parse-1", parser),
    ("mq-drop-1", dropout),
    ("mq-drop-2", dropout),
    ("mq-q-1", q_updates),
    ("mq-q-2", q_updates),
    ("mq-site-1", project_page),
    ("rank-1", rank_correlation),
    ("best-of-n-1", best_of_n),
    ("wilcoxon-2", wilcoxon),
    ("nsga-2", fronts_and_hypervolume),
    ("hb-81-3-table", hyperband),
    ("hb-16-2-table", hyperband),
    ("sha-1", halving),
    ("median-stop-2", median_stopping),
    ("mock-1", mock_of_a_chain),
    ("mock-2", mock_of_a_chain),
    ("mq-lr-1", metaqnn_rates),
    ("cos-1", cosine_rates),
    ("sdp-1", drop_path),
    ("zc-nwot-1", naswot),
    ("zc-synflow-1", synflow),
    ("zc-gradnorm-1", gradient_proxies),
    ("nas-reward-1", cubed_reward),
    ("nas-depth-1", growing_depth),
    ("ema-1", baseline),
    ("rf-1", reinforce_with_two_arms),
    ("rf-4", exact_policy_gradient),
    ("ppo-s", clipped_objective),
    ("re-1", regularized_evolution),
    ("mock-6", mock_of_cells),
    ("nasnet-space-1", cell_space),
    ("nasnet-cifar-6-768", cell_network),
    ("nasnet-mobile-4-1056", cell_network),
    ("nasnet-leaves-2-384", cell_network),
    ("nasnet-decode-1", cell_text),
    ("nasnet-name-1", size_names),
    ("nb201-1", benchmark_network),
    ("nb201-2", benchmark_network),
];

#[test]
fn every_vector_is_checked_or_waits_for_named_work() {
    let vectors = read();
    let ids: Vec<&str> = vectors.iter().map(|vector| text(&vector["id"])).collect();
    let mut known: Vec<&str> = CHECKS.iter().map(|(id, _)| *id).chain([TABLE_VECTOR]).collect();
    let distinct: BTreeSet<&str> = known.iter().copied().collect();
    assert_eq!(distinct.len(), known.len(), "an id is listed twice");
    known.sort_unstable();
    let mut ids = ids;
    ids.sort_unstable();
    assert_eq!(known, ids);
}

#[test]
fn what_is_built_gives_the_published_numbers() {
    let vectors = read();
    for (id, check) in CHECKS {
        let vector = vectors.iter().find(|vector| vector["id"] == *id).expect("listed");
        let tolerance = vector["tol"].as_f64().unwrap_or(0.0);
        let result = std::panic::catch_unwind(|| {
            let expect = Expected { value: &vector["expect"], read: RefCell::default() };
            let vector = Vector { input: &vector["input"], expect, tolerance };
            check(&vector);
            let unread = vector.expect.unread();
            assert!(unread.is_empty(), "nothing looks at {unread:?}");
        });
        assert!(result.is_ok(), "vector `{id}` failed");
    }
}

fn epsilon_schedule(v: &Vector<'_>) {
    let config = QLearningConfig::default();
    let published = array(&v.input["schedule"]);
    assert_eq!(config.schedule.len(), published.len());
    for (level, published) in config.schedule.iter().zip(published) {
        v.close(level.epsilon, &published[0]);
        assert_eq!(level.networks, number(&published[1]) as u64);
    }
    let schedule = Schedule::new(&config.schedule, Some(1.0), 0);
    assert_eq!(schedule.total(), number(&v.expect["total"]) as u64);
    let done = array(&v.input["unique_models_done"]);
    for (done, epsilon) in done.iter().zip(array(&v.expect["epsilon"])) {
        v.close(schedule.epsilon(number(done) as u64), epsilon);
    }
}

/// The vector describes a state; a walk that reaches it is found by trying.
fn legal_actions(v: &Vector<'_>) {
    let space = chain_space(32, number(&v.input["layer_limit"]), 10);
    let prefix = match (text(&v.input["last_layer"]), number(&v.input["last_fc"])) {
        ("start", _) => "",
        ("conv", _) => "C(64,3,1)",
        ("pool", _) => "C(64,3,1), P(2,2)",
        ("fc", 512) => "C(64,3,1), P(5,3), P(2,2), FC(512)",
        ("fc", 128) => "C(64,3,1), P(5,3), P(2,2), FC(128)",
        other => panic!("no walk for {other:?}"),
    };
    // Two poolings never meet, so the way to small sides has a convolution between them.
    let prefix = prefix.replace("P(5,3), P(2,2)", "P(5,3), C(64,3,1), P(2,2)");
    let state = state_after(&space, &prefix);
    let process = space.process();
    let mut actions: Vec<&str> =
        process.actions(state).iter().map(|action| process.token_name(action.token)).collect();
    actions.sort_unstable();
    let expected: Vec<&str> = array(&v.expect["actions"]).iter().map(text).collect();
    assert_eq!(actions, expected);
    assert_eq!(actions.len(), number(&v.expect["count"]));
}

fn representation_sizes(v: &Vector<'_>) {
    let cases = array(&v.input["cases"]).iter();
    let expected = array(&v.expect["side"]).iter().zip(array(&v.expect["bin"]));
    for (case, (side, bin)) in cases.zip(expected) {
        let [from, kernel, stride] = [0, 1, 2].map(|i| number(&case[i]));
        let chain = format!("[C(64,3,1), P({kernel},{stride}), SM(10)]");
        let network = Chain::parse(&chain).expect("canonical").network(square(from), false);
        let pooled = network.nodes().iter().find(|n| matches!(n.op, Op::MaxPool { .. }));
        assert_eq!(pooled.map(|node| node.shape.height), Some(number(side)));
        let space = chain_space(from, 12, 10);
        let state = state_after(&space, &format!("C(64,3,1), P({kernel},{stride})"));
        let name = space.process().row_name(space.process().row(state)).to_owned();
        assert!(name.ends_with(&format!("bin {}", number(bin))), "{name}");
    }
}

fn space_size(v: &Vector<'_>) {
    let space = chain_space(number(&v.input["side"]), number(&v.input["layer_limit"]), 10);
    let process = space.process();
    assert_eq!(process.count(), v.expect["networks"].as_u64().map(u128::from));
    if let Some(states) = v.expect["q_states"].as_u64() {
        let open = process.rows().filter(|&row| !process.row_actions(row).is_empty());
        assert_eq!(open.count() as u64, states);
        assert_eq!(process.pairs() as u64, number(&v.expect["q_pairs"]) as u64);
    }
}

fn network(v: &Vector<'_>) {
    let text = text(&v.input["net"]);
    let chain = Chain::parse(text).expect("published networks parse");
    assert_eq!(chain.to_string(), v.expect["round_trip"].as_str().unwrap_or(text));
    let side = number(&v.input["side"]);
    if let Some(legal) = v.expect["legal"].as_bool() {
        let at = if v.input["legal_at"].is_null() { v.input } else { &v.input["legal_at"] };
        let space = chain_space(number(&at["side"]), number(&at["layer_limit"]), 10);
        assert_eq!(space.parse(text).is_ok(), legal);
    }
    let image = square(side);
    let (network, features) = (chain.network(image, false), chain.features(image, false));
    assert_eq!(network.parameters(), number(&v.expect["params"]) as u64);
    assert_eq!(features.parameters, network.parameters());
    assert_eq!(features.multiply_adds, network.multiply_adds());
    if let Some(macs) = v.expect["macs"].as_u64() {
        assert_eq!(network.multiply_adds(), macs);
    }
    if let Some(millions) = v.expect["paper_params_millions"].as_f64() {
        // The paper's table has two digits and counts at the side of its crops.
        let counted = u32::try_from(chain.network(square(28), false).parameters()).expect("few");
        assert!((f64::from(counted) / 1e6 - millions).abs() <= 0.005_1, "{counted}");
    }
    if let Some(sides) = v.expect["sides_after_each_layer"].as_array() {
        let layer = |op: &Op| matches!(op, Op::Conv { .. } | Op::MaxPool { .. } | Op::Dense { .. });
        let built = network.nodes().iter().filter(|node| layer(&node.op));
        let built: Vec<usize> = built.map(|node| node.shape.height).collect();
        let sides: Vec<usize> = sides.iter().map(number).collect();
        assert_eq!(built[..built.len() - 1], sides, "all but the logits");
    }
}

fn legality(v: &Vector<'_>) {
    let space = chain_space(32, 12, 10);
    let nets = array(&v.input["nets"]).iter().zip(array(&v.expect["legal"]));
    for ((net, legal), reason) in nets.zip(array(&v.expect["reason"])) {
        let parsed = space.parse(text(net));
        assert_eq!(parsed.is_ok(), legal == true, "{net}");
        let words = match text(reason) {
            "pool first" => "cannot be first",
            "pool after pool" => "cannot follow another pooling",
            "FC above bin 4" => "needs a side in bin 4 or less",
            _ => continue,
        };
        let error = parsed.expect_err("illegal").to_string();
        assert!(error.contains(words), "{error}");
    }
}

fn parser(v: &Vector<'_>) {
    let texts = array(&v.input["texts"]).iter().zip(array(&v.expect["canonical"]));
    for ((input, canonical), ok) in texts.zip(array(&v.expect["ok"])) {
        let parsed = Chain::parse(text(input)).ok().map(|chain| chain.to_string());
        assert_eq!(parsed.is_some(), ok == true);
        assert_eq!(parsed.as_deref(), canonical.as_str());
    }
}

fn dropout(v: &Vector<'_>) {
    let chain = Chain::parse(text(&v.input["net"])).expect("canonical").with_dropout();
    assert_eq!(chain.to_string(), text(&v.expect["with_dropout"]));
    let network = chain.network(square(32), false);
    let rate = |op: &Op| if let Op::Dropout { rate } = op { Some(*rate) } else { None };
    let rates: Vec<f64> = network.nodes().iter().filter_map(|node| rate(&node.op)).collect();
    let expected = array(&v.expect["rates"]);
    assert_eq!(rates.len(), expected.len());
    rates.iter().zip(expected).for_each(|(rate, expected)| v.close(*rate, expected));
}

/// The order of the updates shows in their values: the first of a walk would not move otherwise.
fn q_updates(v: &Vector<'_>) {
    let space = chain_space(number(&v.input["side"]), number(&v.input["limit"]), 10);
    let process = space.process();
    let config = QLearningConfig {
        alpha: real(&v.input["alpha"]),
        gamma: real(&v.input["gamma"]),
        initial_value: real(&v.input["q0"]),
        ..QLearningConfig::default()
    };
    let mut controller = QLearning::new(&config, process, 100);
    let trajectories = array(&v.input["trajectories"]).iter();
    for (trajectory, updates) in trajectories.zip(array(&v.expect["updates_in_order"])) {
        let genotype = space.parse(text(&trajectory[0])).expect("legal");
        controller.learn(process, &genotype, real(&trajectory[1]));
        let mut walk: Vec<_> = process.walk(&genotype).collect();
        walk.reverse();
        assert_eq!(walk.len(), array(updates).len());
        for ((state, slot, action), update) in walk.into_iter().zip(array(updates)) {
            assert_eq!(process.token_name(action.token), text(&update[0]));
            v.close(controller.value(process, state, usize::from(slot)), &update[1]);
        }
    }
}

fn project_page(v: &Vector<'_>) {
    assert_eq!(v.expect["all_legal"], true, "each is parsed by the rules below");
    let side = number(&v.input["side"]);
    let space = chain_space(side, number(&v.input["layer_limit"]), 10);
    let nets = array(&v.input["nets"]).iter().zip(array(&v.expect["params_at_32"]));
    for (net, parameters) in nets {
        let genotype = space.parse(text(net)).expect("legal");
        assert_eq!(space.text(&genotype), text(net));
        assert_eq!(space.network(&genotype).parameters(), number(parameters) as u64);
    }
}

fn rank_correlation(v: &Vector<'_>) {
    let (xs, ys) = (reals(&v.input["x"]), reals(&v.input["y"]));
    v.close(statistics::spearman(&xs, &ys).expect("varied"), &v.expect["spearman"]);
    v.close(statistics::kendall_tau_b(&xs, &ys).expect("varied"), &v.expect["kendall_tau_b"]);
}

fn best_of_n(v: &Vector<'_>) {
    let values = reals(&v.input["values"]);
    for (n, expected) in array(&v.input["n"]).iter().zip(array(&v.expect["expected"])) {
        let n = u32::try_from(number(n)).expect("small");
        v.close(statistics::expected_best(&values, n).expect("some values"), expected);
    }
}

fn wilcoxon(v: &Vector<'_>) {
    let differences = reals(&v.input["differences"]);
    v.close(statistics::wilcoxon_signed_rank(&differences).expect("few"), &v.expect["p"]);
}

fn mock_of_a_chain(v: &Vector<'_>) {
    let chain = Chain::parse(text(&v.input["net"])).expect("canonical");
    let batch_norm = v.input["bn"] == true;
    let features = chain.features(square(number(&v.input["side"])), batch_norm);
    let expected = &v.expect["features"];
    assert_eq!(features.parameters, number(&expected["P"]) as u64);
    assert_eq!(u64::from(features.depth), number(&expected["D"]) as u64);
    v.close(features.identity_share, &expected["S"]);
    v.close(features.halvings, &expected["r"]);
    v.close(features.pool_share, &expected["q"]);
    v.close(features.dense_share, &expected["W"]);
    let softmax = chain.layers().last();
    let classes = number(&v.input["classes"]);
    assert_eq!(softmax, Some(&Layer::Softmax { classes }));
    mock(v, &features, text(&v.input["net"]));
}

/// The features are those of the published pair of cells, at the size that the vector's text names.
fn mock_of_cells(v: &Vector<'_>) {
    let given = &v.input["features"];
    let size = NasnetConfig { cells: 2, filters: 16, ..NasnetConfig::default() };
    let space = cells(&size, 64, number(&v.input["classes"]));
    let features = space.features(&space.parse("NASNet-A").expect("published"));
    assert_eq!(features.parameters, number(&given["P"]) as u64);
    assert_eq!(u64::from(features.depth), number(&given["D"]) as u64);
    v.close(features.identity_share, &given["S"]);
    v.close(features.halvings, &given["r"]);
    v.close(features.pool_share, &given["q"]);
    v.close(features.dense_share, &given["W"]);
    assert_eq!(v.input["bn"], features.batch_norm);
    mock(v, &features, text(&v.input["arch_string"]));
}

fn cell_space(v: &Vector<'_>) {
    let blocks = number(&v.input["B"]);
    let space = cells(&NasnetConfig { blocks, ..NasnetConfig::default() }, 32, 10);
    let process = space.process();
    let one = u128::from(v.expect["cells"].as_u64().expect("64 bits hold it"));
    assert_eq!(process.count(), Some(one * one), "a genotype is a pair of cells");
    let mut genotype = Genotype::default();
    process.nth(0, &mut genotype);
    let sizes: Vec<usize> =
        process.walk(&genotype).map(|(state, ..)| process.actions(state).len()).collect();
    assert_eq!(sizes.len(), number(&v.expect["decisions_total"]));
    assert_eq!(sizes.len() / 2, number(&v.expect["decisions_per_cell"]));
    let published =
        |key: &str| -> Vec<usize> { array(&v.expect[key]).iter().map(number).collect() };
    assert_eq!(sizes[..5], published("softmax_sizes_first_block"));
    assert_eq!(sizes[20..25], published("softmax_sizes_last_block"));
    assert_eq!(sizes[..25], sizes[25..], "both cells choose among the same");
}

fn cell_network(v: &Vector<'_>) {
    let large = text(&v.input["stem"]) == "imagenet";
    let config = NasnetConfig {
        cells: number(&v.input["N"]),
        filters: number(&v.input["F"]),
        stem: if large { Stem::Imagenet } else { Stem::Cifar },
        stem_multiplier: if real(&v.input["stem_multiplier"]) > 2.0 { 3 } else { 1 },
        skip_reduction_input: v.input["skip_reduction_input"] == true,
        ..NasnetConfig::default()
    };
    let space = cells(&config, number(&v.input["side"]), number(&v.input["classes"]));
    let genotype = space.parse(text(&v.input["genotype"])).expect("published");
    let (network, features) = (space.network(&genotype), space.features(&genotype));
    assert_eq!(network.parameters(), number(&v.expect["trainable"]) as u64);
    assert_eq!(network.multiply_adds(), number(&v.expect["macs"]) as u64);
    assert_eq!(features.parameters, network.parameters());
    assert_eq!(features.multiply_adds, network.multiply_adds());
    let norms = network.nodes().iter().filter(|node| node.op == Op::BatchNorm);
    let channels: usize = norms.map(|node| node.shape.channels).sum();
    assert_eq!(channels, number(&v.expect["bn_channels"]));
    assert_eq!(2 * channels, number(&v.expect["non_trainable"]));
    for (name, shape) in v.expect["shapes"].as_object().expect("a map") {
        let path = match name.split_once("Cell_") {
            None if large => "stem1.output".to_owned(),
            None => "stem.norm".to_owned(),
            Some(("Reduction_", number)) => format!("reduction{number}.output"),
            Some((_, number)) => format!("cell{number}.output"),
        };
        let node =
            network.nodes().iter().find(|node| node.path == path).expect("the cell is there");
        let found = [node.shape.channels, node.shape.height, node.shape.width];
        assert_eq!(found.to_vec(), array(shape).iter().map(number).collect::<Vec<_>>(), "{name}");
    }
}

fn cell_text(v: &Vector<'_>) {
    let space = cells(&NasnetConfig::default(), 32, 10);
    let list = |key: &str| -> Vec<String> {
        array(&v.input[key]).iter().map(|state| number(state).to_string()).collect()
    };
    let written = format!(
        "normal: {} | concat {}; reduction: {} | concat {}",
        text(&v.input["normal"]),
        list("normal_concat").join(","),
        text(&v.input["reduce"]),
        list("reduce_concat").join(",")
    );
    let genotype = space.parse(&written).expect("published");
    assert_eq!(space.text(&genotype), written);
    assert_eq!(genotype, space.parse("NASNet-A").expect("published"));
    let pair = space.cells(&genotype);
    let decisions: Vec<Value> = pair
        .normal
        .blocks
        .iter()
        .map(|block| {
            let ([i, j], [first, second]) = (block.inputs, block.ops.map(CellOp::name));
            serde_json::json!([i, j, first, second, block.combiner.name()])
        })
        .collect();
    assert_eq!(decisions, array(&v.expect["decisions_normal"]));
    let read = |cell: &Cell| -> Vec<usize> {
        (0..cell.states()).filter(|state| cell.unread() >> state & 1 == 0).collect()
    };
    let published =
        |key: &str| -> Vec<usize> { array(&v.expect[key]).iter().map(number).collect() };
    assert_eq!(read(&pair.normal), published("consumed_normal"));
    assert_eq!(read(&pair.reduction), published("consumed_reduce"));
}

fn size_names(v: &Vector<'_>) {
    let names = array(&v.input["names"]).iter().zip(array(&v.expect["N"]));
    let names = names.zip(array(&v.expect["F"])).zip(array(&v.expect["reductions_at"]));
    for (((name, cells), filters), reductions) in names {
        let size: Size = text(name).parse().expect("published");
        assert_eq!((size.cells, size.filters), (number(cells), number(filters)));
        assert_eq!(size.to_string(), text(name));
        let expected: Vec<usize> = array(reductions).iter().map(number).collect();
        assert_eq!(reductions_at(text(name)), expected);
    }
}

/// Before which normal cells the network of this size has its reductions.
fn reductions_at(size: &str) -> Vec<usize> {
    let config = NasnetConfig { size: Some(size.to_owned()), ..NasnetConfig::default() };
    let space = self::cells(&config, 32, 10);
    let network = space.network(&space.parse("NASNet-A").expect("published"));
    let paths: Vec<&str> = network.nodes().iter().map(|node| node.path.as_str()).collect();
    let first = |cell: &str| paths.iter().position(|path| path.starts_with(cell));
    let cells: Vec<usize> = (0..100).map_while(|n| first(&format!("cell{n}."))).collect();
    let before =
        |reduction: Option<usize>| cells.iter().filter(|&&cell| Some(cell) < reduction).count();
    (0..2).map(|n| before(first(&format!("reduction{n}.")))).collect()
}

/// The vector names edges in another order than the benchmark's text; its operations are all the same.
fn benchmark_network(v: &Vector<'_>) {
    let config = Nasbench201Config {
        cells: number(&v.input["N"]),
        filters: number(&v.input["C"]),
        ..Nasbench201Config::default()
    };
    let image = square(number(&v.input["side"]));
    let space = Nasbench201Space::open(&config, image, number(&v.input["classes"]));
    let space = space.expect("squares suit");
    let op = match text(&v.input["ops"][0]) {
        "conv3x3" => EdgeOp::Conv3x3,
        "skip" => EdgeOp::Skip,
        other => panic!("no operation for {other}"),
    };
    let genotype = space.genotype(benchmark::Cell([op; 6]));
    let network = space.network(&genotype);
    assert_eq!(network.parameters(), number(&v.expect["params"]) as u64);
    assert_eq!(network.multiply_adds(), number(&v.expect["macs"]) as u64);
}

fn mock(v: &Vector<'_>, features: &Features, text: &str) {
    let config = MockConfig {
        epochs: u32::try_from(number(&v.input["epochs"])).expect("few"),
        fraction: real(&v.input["data_fraction"]),
        ceiling: v.input["ceiling"].as_f64().unwrap_or(0.985),
        fail_rate: 0.0,
    };
    let mut mock = MockEvaluator::new(&config, number(&v.input["classes"]));
    v.close(mock.asymptote(features), &v.expect["acc_inf"]);
    v.close(mock.curve(features), &v.expect["curve"]);
    let (score, failed) = mock.score(features, number(&v.input["seed"]) as u64, text);
    assert!(!failed);
    v.close(score, &v.expect["score"]);
    let spread = 0.004 + 0.012 * (-f64::from(config.epochs) / 10.0).exp();
    let expected = &v.expect["gauss"];
    assert!(((score - mock.curve(features)) / spread - real(expected)).abs() <= 1e-9, "{expected}");
}

/// The search's steps of 20 epochs fall at the quarters; retries multiply the whole schedule.
fn metaqnn_rates(v: &Vector<'_>) {
    let retries = Retries::default();
    let lr = real(&v.input["initial"]);
    v.close(retries.factor, &v.input["retry_factor"]);
    assert_eq!(retries.tries as usize, number(&v.input["tries"]));
    let tries = (0..retries.tries).map(|try_| (0..try_).fold(lr, |lr, _| lr * retries.factor));
    tries.zip(array(&v.expect["tries"])).for_each(|(lr, expected)| v.close(lr, expected));
    let factor = real(&v.input["step_factor"]);
    let quarters = [1, 2, 3].map(|k| real(&v.input["step_epochs"]) * f64::from(k) / 20.0);
    let schedule = LrSchedule::Step { factor, at: quarters.to_vec() };
    let recipe = Recipe { lr, schedule, ..Recipe::default() };
    for (epoch, expected) in array(&v.input["epochs"]).iter().zip(array(&v.expect["step"])) {
        v.close(recipe.lr(number(epoch) as u64, 20), expected);
    }
}

fn cosine_rates(v: &Vector<'_>) {
    let lr = real(&v.input["lr0"]);
    let recipe = Recipe { lr, schedule: LrSchedule::cosine(0.0), ..Recipe::default() };
    for (step, expected) in array(&v.input["t"]).iter().zip(array(&v.expect["lr"])) {
        v.close(recipe.lr(number(step) as u64, number(&v.input["T"]) as u64), expected);
    }
}

fn drop_path(v: &Vector<'_>) {
    let share = (real(&v.input["cell"]) + 1.0) / real(&v.input["cells"]);
    let (step, steps) = (number(&v.input["step"]) as u64, number(&v.input["total"]) as u64);
    v.close(DropPath::keep(share, real(&v.input["keep"]), step, steps), &v.expect["keep"]);
}

fn naswot(v: &Vector<'_>) {
    let word = |code: &Value| {
        array(code)
            .iter()
            .zip(0..)
            .fold(0, |word, (bit, place)| word | (number(bit) as u64) << place)
    };
    let codes = array(&v.input["codes"]);
    let words = codes.iter().map(|code| vec![word(code)]).collect();
    let codes = Codes { len: array(&codes[0]).len(), words };
    let kernel: Vec<Vec<f64>> = array(&v.expect["K"]).iter().map(reals).collect();
    assert_eq!(proxy::code_kernel(&codes), kernel);
    v.close(proxy::naswot(&codes), &v.expect["logdet"]);
}

/// The vector's weights are rows of inputs for each output, ours columns.
fn synflow(v: &Vector<'_>) {
    let mut net = Builder::new(Shape { channels: 2, height: 1, width: 1 });
    let mut node = net.image();
    let mut weights = BTreeMap::new();
    for name in ["W1", "W2"] {
        let rows: Vec<Vec<f64>> = array(&v.input[name]).iter().map(reals).collect();
        let (inputs, units) = (rows[0].len(), rows.len());
        let values =
            (0..inputs).flat_map(|i| rows.iter().map(move |row| f32::of(row[i]))).collect();
        weights.insert(format!("{name}.weight"), Values { shape: vec![inputs, units], values });
        weights.insert(
            format!("{name}.bias"),
            Values { shape: vec![units], values: vec![0.0; units] },
        );
        node = net.add(name, Op::Dense { units }, &[node]);
    }
    let flow = proxy::synflow(&net.finish(), &weights);
    v.close(flow.output, &v.expect["output_abs"]);
    v.all_close(&flow.layers, &v.expect["layer_scores"]);
    v.close(flow.score(), &v.expect["score"]);
}

fn gradient_proxies(v: &Vector<'_>) {
    let layers = |key: &str| array(&v.input[key]).iter().map(reals).collect::<Vec<_>>();
    let (weights, gradients) = (layers("weights"), layers("grads"));
    v.close(proxy::grad_norm(gradients.iter().map(Vec::as_slice)), &v.expect["grad_norm"]);
    let pairs = weights.iter().zip(&gradients).map(|(w, g)| (w.as_slice(), g.as_slice()));
    v.close(proxy::snip(pairs), &v.expect["snip"]);
}

fn cubed_reward(v: &Vector<'_>) {
    let config = RewardConfig { power: 3.0, cost: None };
    let curve = reals(&v.input["val_accuracies"]);
    let score = Score::MaxLast5.of(&curve).expect("some epochs");
    let evaluation =
        Evaluation { score, failure: None, epochs: 7, steps: 70, curve, measures: BTreeMap::new() };
    let features = Chain::parse("[SM(10)]").expect("canonical").features(square(32), false);
    v.close(config.of(&evaluation, &features, 10), &v.expect["reward"]);
}

fn growing_depth(v: &Vector<'_>) {
    let entry = |key: &str| number(&v.input[key]) as u64;
    let growth = Growth { start: entry("start"), plus: entry("plus"), every: entry("every") };
    let samples = array(&v.input["sample_index"]).iter();
    for (sample, layers) in samples.zip(array(&v.expect["layers"])) {
        assert_eq!(growth.layers(number(sample) as u64), number(layers) as u64);
    }
}

fn baseline(v: &Vector<'_>) {
    let mut baseline = Baseline::new(BaselineKind::FirstInit, real(&v.input["decay"]));
    for (reward, expected) in reals(&v.input["rewards"]).iter().zip(array(&v.expect["baseline"])) {
        baseline.advantage(*reward);
        v.close(baseline.value().expect("it has seen a reward"), expected);
    }
}

fn reinforce_with_two_arms(v: &Vector<'_>) {
    let theta = reals(&v.input["theta"]);
    let advantage = real(&v.input["reward"]) - real(&v.input["baseline"]);
    let choice = Categorical::new(theta.iter().copied());
    let gradient: Vec<f64> = choice.slopes(number(&v.input["action"]), advantage, 0.0).collect();
    let lr = real(&v.input["lr"]);
    let after: Vec<f64> = theta.iter().zip(&gradient).map(|(t, slope)| t + lr * slope).collect();
    v.all_close(&gradient, &v.expect["grad"]);
    v.all_close(&after, &v.expect["theta_after"]);
    v.all_close(Categorical::new(after).probabilities(), &v.expect["probs_after"]);
}

/// The gradient of the expected reward: the mean of each action's, weighed by its probability.
fn exact_policy_gradient(v: &Vector<'_>) {
    let choice = Categorical::new(reals(&v.input["theta"]));
    let mut gradient = vec![0.0; choice.probabilities().len()];
    for (slot, reward) in reals(&v.input["expected_rewards"]).into_iter().enumerate() {
        let weight = choice.probabilities()[slot];
        let slopes = choice.slopes(slot, reward, 0.0);
        gradient.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += weight * slope);
    }
    v.all_close(&gradient, &v.expect["grad"]);
}

fn clipped_objective(v: &Vector<'_>) {
    let clipping = Clipping { range: 0.2 };
    let pairs = array(&v.input["ratio_advantage"]).iter().map(reals);
    for (pair, expected) in pairs.zip(array(&v.expect["value"])) {
        v.close(clipping.value(pair[0], pair[1]), expected);
    }
}

/// The properties the vector names, on decisions of which each is one edit.
fn regularized_evolution(v: &Vector<'_>) {
    assert_eq!(array(&v.expect["properties"]).len(), 6, "each has an assertion below");
    let space = Toy::cells();
    let population = number(&v.input["P"]);
    let config = EvolutionConfig { population, sample: number(&v.input["S"]) };
    let (budget, seed) = (number(&v.input["budget"]), number(&v.input["seed"]) as u64);
    let history = || evolve(&space, &config, budget, seed);
    let (found, populations) = history();
    assert_eq!(found.len(), budget);
    // The first are what random search finds with the same seed.
    let (random, _) = walk(&space, &StrategyConfig::Random, population, seed);
    assert_eq!(found[..population], random);
    for (step, members) in populations.iter().enumerate() {
        assert_eq!(members.len(), population.min(step + 1));
        assert_eq!(members.last(), Some(&step), "the youngest is the network just seen");
    }
    for (step, pair) in populations.windows(2).enumerate().skip(population - 1) {
        let [before, after] = pair else { unreachable!("windows of two") };
        // A child seen before may have joined in between.
        let oldest_left = |left| after.starts_with(&before[left..]);
        assert!((1..=population).any(oldest_left), "those that left are the oldest");
        let child = &found[step + 1];
        let differs = |parent: &usize| {
            found[*parent].0.iter().zip(&child.0).filter(|(parent, child)| parent != child).count()
        };
        let one_edit = |parent: &usize| *parent <= step && differs(parent) <= 1;
        assert!(before.iter().chain(after).any(one_edit), "no parent of {}", step + 1);
    }
    assert_eq!(history().0, found, "the same seed gives the same history");
}

/// Networks in order, and the members of the population after each.
fn evolve(
    space: &Toy,
    config: &EvolutionConfig,
    budget: usize,
    seed: u64,
) -> (Vec<Genotype>, Vec<Vec<usize>>) {
    walk(space, &StrategyConfig::Evolution(config.clone()), budget, seed)
}

fn walk(
    space: &Toy,
    strategy: &StrategyConfig,
    budget: usize,
    seed: u64,
) -> (Vec<Genotype>, Vec<Vec<usize>>) {
    let seed = Seed::root(seed);
    let controller = strategy.open(space, budget as u64, seed).expect("it suits every space");
    let mut search = Search::new(space, controller, seed);
    let (mut found, mut populations) = (Vec::new(), Vec::new());
    for _ in 0..budget {
        let genotype = search.propose(1)[0].genotype.clone();
        let sum: u16 = genotype.0.iter().sum();
        search.observe(&[f64::from(sum) / 1_000.0]);
        found.push(genotype);
        let saved = serde_json::to_value(search.save()).expect("numbers");
        let members = saved["controller"]["population"].as_array().into_iter().flatten();
        populations.push(members.map(number).collect());
    }
    (found, populations)
}

impl Vector<'_> {
    fn all_close(&self, found: &[f64], expected: &Value) {
        assert_eq!(found.len(), array(expected).len());
        found
            .iter()
            .zip(array(expected))
            .for_each(|(found, expected)| self.close(*found, expected));
    }

    fn close(&self, found: f64, expected: &Value) {
        let expected = real(expected);
        assert!((found - expected).abs() <= self.tolerance, "{found} is not {expected}");
    }
}

fn read() -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../fixtures/nas-vectors.json"))
        .expect("the fixture is JSON");
    assert_eq!(file["meta"]["format"], "nas-vectors/1");
    array(&file["vectors"]).to_vec()
}

fn chain_space(side: usize, layers_max: usize, classes: usize) -> ChainSpace {
    let config = ChainConfig { layers_max, ..ChainConfig::default() };
    ChainSpace::open(&config, square(side), classes).expect("square images suit")
}

fn cells(config: &NasnetConfig, side: usize, classes: usize) -> NasnetSpace {
    NasnetSpace::open(config, square(side), classes).expect("square images suit")
}

fn square(side: usize) -> Shape {
    Shape { channels: 3, height: side, width: side }
}

/// The state after some layers.
fn state_after(space: &ChainSpace, layers: &str) -> StateId {
    let process = space.process();
    if layers.is_empty() {
        return process.start();
    }
    let genotype = space.parse(&format!("[{layers}, SM({})]", space.classes())).expect("legal");
    let (state, _, _) = process.walk(&genotype).last().expect("a walk takes a step");
    state
}

fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn real(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn reals(value: &Value) -> Vec<f64> {
    array(value).iter().map(real).collect()
}

fn number(value: &Value) -> usize {
    let number = value.as_u64().unwrap_or_else(|| panic!("{value} is no whole number"));
    usize::try_from(number).expect("64 bits")
}

fn fronts_and_hypervolume(vector: &Vector<'_>) {
    let named = vector.input["points"].as_object().expect("points by name");
    let names: Vec<&String> = named.keys().collect();
    let numbers = |value: &Value| -> Vec<f64> {
        value.as_array().expect("a list").iter().map(real).collect()
    };
    let points: Vec<Vec<f64>> = named.values().map(numbers).collect();
    let fronts = statistics::fronts(&points);
    let found: Vec<Vec<&str>> =
        fronts.iter().map(|front| front.iter().map(|&i| names[i].as_str()).collect()).collect();
    assert_eq!(serde_json::json!(found), vector.expect["fronts"]);
    let first: Vec<&Vec<f64>> = fronts[0].iter().map(|&i| &points[i]).collect();
    for (&i, distance) in fronts[0].iter().zip(statistics::crowding(&first)) {
        match &vector.expect["crowding_first_front"][names[i]] {
            Value::String(infinite) => assert!(infinite == "inf" && distance.is_infinite()),
            finite => assert!((distance - real(finite)).abs() <= vector.tolerance),
        }
    }
    let volume = statistics::hypervolume(&points, &numbers(&vector.input["ref"]));
    assert!((volume - real(&vector.expect["hypervolume"])).abs() <= vector.tolerance);
}

fn hyperband(vector: &Vector<'_>) {
    let whole = |name: &str| number(&vector.input[name]) as u64;
    let config = FidelityConfig::Hyperband {
        epochs_max: whole("R"),
        eta: whole("eta"),
        formula: Formula::Table,
    };
    let brackets = config.brackets();
    let expected = vector.expect["brackets"].as_array().expect("a list");
    assert_eq!(brackets.len(), expected.len());
    for (bracket, expected) in brackets.iter().zip(expected) {
        for (rung, expected) in bracket.iter().zip(array(&expected["n_r"])) {
            // The vectors write epochs as 27.0.
            let counts = reals(expected);
            assert_eq!(
                format!("{} {}", rung.networks, rung.epochs),
                format!("{} {}", counts[0], counts[1])
            );
        }
        assert_eq!(bracket.len(), array(&expected["n_r"]).len());
    }
    let total: u64 = brackets.iter().flatten().map(|rung| rung.networks * rung.epochs).sum();
    assert_eq!(total.to_string(), real(&vector.expect["total_resource"]).to_string());
}

fn halving(vector: &Vector<'_>) {
    let eta = number(&vector.input["eta"]);
    let scores = vector.input["scores"].as_object().expect("scores by name");
    let names: Vec<&str> = scores.keys().map(String::as_str).collect();
    let values: Vec<f64> = scores.values().map(real).collect();
    let promote = |left: &[usize]| -> Vec<usize> {
        let scores: Vec<f64> = left.iter().map(|&i| values[i]).collect();
        promoted(&scores, left.len() / eta).into_iter().map(|place| left[place]).collect()
    };
    let first = promote(&(0..values.len()).collect::<Vec<usize>>());
    let named = |places: &[usize]| -> Vec<&str> { places.iter().map(|&i| names[i]).collect() };
    assert_eq!(serde_json::json!(named(&first)), vector.expect["promoted"]);
    assert_eq!(serde_json::json!(named(&promote(&first))), vector.expect["then"]);
}

fn median_stopping(vector: &Vector<'_>) {
    let finished: Vec<Vec<f64>> =
        vector.input["completed"].as_array().expect("curves").iter().map(reals).collect();
    let mut medians = statistics::Medians::default();
    for curve in &finished {
        medians.add(curve);
    }
    let running = reals(&vector.input["running"]);
    let bar = medians.bar(1);
    let wanted = serde_json::to_value(&bar).expect("numbers")[running.len() - 1].clone();
    vector.close(real(&wanted), &vector.expect["median"]);
    let best = running.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    vector.close(best, &vector.expect["best"]);
    let stop = bar.is_missed_by(&running);
    assert_eq!(Some(stop), vector.expect["stop"].as_bool());
}
