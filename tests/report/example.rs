//! Example artifacts of a study: 300 Q-learning trials over an epsilon schedule, the best few scored by
//! training, four networks retrained on ten classes.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use phytotron::artifact::Coordinates;
use phytotron::dataset::{self, Dataset, Images};
use phytotron::net::{Builder, Network, NodeId, Op, Shape, Window};
use phytotron::report::{Source, Sources};
use phytotron::results::{
    self, Agreement, Chosen, Epoch, Mistake, ModelSummary, ModelsSummary, Trial, TrialsCard,
    model_folder,
};
use phytotron::seed::{Seed, Stream};
use serde::Serialize;
use serde_json::{Value, json};

/// Names of the ten classes.
pub(super) const CLASSES: [&str; 10] = [
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
];

/// Exploration rates with their numbers of trials, the published schedule made small.
const SCHEDULE: [(f64, usize); 10] = [
    (1.0, 166),
    (0.9, 11),
    (0.8, 11),
    (0.7, 11),
    (0.6, 17),
    (0.5, 17),
    (0.4, 17),
    (0.3, 17),
    (0.2, 17),
    (0.1, 16),
];

/// Where the example's files go.
pub(super) struct Example {
    pub(super) folder: PathBuf,
}

impl Example {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// One search, its best scored again, four finals and the dataset.
    pub(super) fn sources(&self) -> Sources {
        let mut searched = trials(7, "q_learning", 300);
        let card = card("q_learning", mock_evaluator());
        let search = self.trials("search", Coordinates::default(), &card, &searched);
        searched.sort_by(|a, b| b.score.total_cmp(&a.score));
        searched.dedup_by(|a, b| a.genotype == b.genotype);
        let scored = self.scored(&searched[..24]);
        Sources {
            trials: vec![search, scored],
            models: vec![self.models(&searched[..4])],
            controllers: vec![self.controller()],
            data: Some(self.data()),
        }
    }

    /// Two strategies by six repeats.
    pub(super) fn matrix(&self) -> Sources {
        self.matrix_of(6)
    }

    /// Two strategies by so many repeats.
    pub(super) fn matrix_of(&self, repeats: u64) -> Sources {
        self.matrix_by(&["q_learning", "random"], repeats)
    }

    /// These strategies by so many repeats.
    pub(super) fn matrix_by(&self, strategies: &[&str], repeats: u64) -> Sources {
        let mut sources = Vec::new();
        for &strategy in strategies {
            for repeat in 1..=repeats {
                let cells = [("repeat", repeat.to_string()), ("strategy", strategy.to_owned())];
                let cells = cells.map(|(key, value)| (key.to_owned(), value));
                let name = format!("{strategy}-{repeat}");
                let card = card(strategy, mock_evaluator());
                let trials = trials(repeat, strategy, 200);
                sources.push(self.trials(&name, Coordinates(cells.into()), &card, &trials));
            }
        }
        Sources { trials: sources, ..Sources::default() }
    }

    /// A `trials` artifact.
    pub(super) fn trials(
        &self,
        name: &str,
        coordinates: Coordinates,
        card: &TrialsCard,
        trials: &[Trial],
    ) -> Source {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        put(&folder, "card.json", card);
        put_lines(&folder, "trials.jsonl", trials);
        Source { coordinates, folder }
    }

    /// The best by mock score, scored by a short training that agrees only roughly.
    fn scored(&self, best: &[Trial]) -> Source {
        let mut noise = Seed::root(11).stream("real", 0);
        let rescored = |(i, trial): (usize, &Trial)| Trial {
            trial: i as u64,
            score: (0.35 + 0.55 * trial.score + 0.015 * noise.normal()).clamp(0.1, 0.95),
            epochs: 2,
            steps: 64,
            epsilon: None,
            policy: None,
            rung: None,
            ..trial.clone()
        };
        let trials: Vec<Trial> = best.iter().enumerate().map(rescored).collect();
        let evaluator = json!({ "kind": "train", "epochs": 2, "fraction": 0.2, "batch": 32 });
        let source =
            self.trials("scored", Coordinates::default(), &card("q_learning", evaluator), &trials);
        let now: Vec<f64> = trials.iter().map(|trial| trial.score).collect();
        let before = results::ranking(&[best], results::By::Score);
        put(&source.folder, results::AGREEMENT_FILE, &Agreement::of(&before, &now));
        source
    }

    fn models(&self, best: &[Trial]) -> Source {
        let folder = self.folder.join("retrain");
        let models: Vec<ModelSummary> =
            best.iter().enumerate().map(|(i, trial)| model(i + 1, trial)).collect();
        for model in &models {
            let folder = folder.join(model_folder(model.rank));
            fs::create_dir_all(&folder).unwrap();
            put(&folder, "network.json", &network());
            put_lines(&folder, "history.jsonl", &history(u32::try_from(model.rank).unwrap(), 12));
        }
        let chosen = Chosen {
            genotype: models[0].genotype.clone(),
            test_accuracy: models[0].test_accuracy,
            interval: models[0].interval,
        };
        let summary = ModelsSummary {
            format: 1,
            chosen,
            models,
            by: results::By::Score,
            classes: CLASSES.map(str::to_owned).to_vec(),
            test_images: 1000,
            test_images_by_class: vec![100; 10],
            ensemble: Some(Chosen {
                genotype: "4 networks".to_owned(),
                test_accuracy: 0.914,
                interval: [0.895, 0.9298],
            }),
            ensemble_ranks: vec![1, 2, 3, 4],
        };
        put(&folder, "summary.json", &summary);
        mistakes(&folder.join(model_folder(1)));
        Source { coordinates: Coordinates::default(), folder }
    }

    /// A Q-table whose values grow with depth.
    fn controller(&self) -> Source {
        let folder = self.folder.join("controller");
        fs::create_dir_all(&folder).unwrap();
        put(&folder, "controller.json", &json!({ "strategy": { "kind": "q_learning" } }));
        let mut table = "state,action,value,visits\n".to_owned();
        for depth in 0..6 {
            for (i, action) in ["C(32,3,1)", "P(2,2)", "FC(128)", "SM"].into_iter().enumerate() {
                let value =
                    0.5 + 0.05 * f64::from(depth) - 0.04 * f64::from(u32::try_from(i).unwrap());
                writeln!(table, "\"{depth} start bin 32\",\"{action}\",{value},{}", 40 - 5 * depth)
                    .unwrap();
            }
        }
        fs::write(folder.join("q_table.csv"), table).unwrap();
        Source { coordinates: Coordinates::default(), folder }
    }

    fn data(&self) -> Source {
        let folder = self.folder.join("data");
        fs::create_dir_all(&folder).unwrap();
        let card = dataset::Card {
            format: 1,
            source: "idx: data/fashion-mnist".to_owned(),
            synthetic: false,
            image: Shape { channels: 1, height: 28, width: 28 },
            classes: CLASSES.map(str::to_owned).to_vec(),
            mean: vec![72.94],
            deviation: vec![90.02],
            fit: dataset::Fit::Stretch,
            broken: vec![("coat/0017.png".to_owned(), "the file is empty".to_owned())],
        };
        let data = Dataset { card, training: images(6), validation: images(2) };
        let names: Vec<String> = (0..80).map(|i| format!("{i}.png")).collect();
        data.write(&folder, &names).unwrap();
        Source { coordinates: Coordinates::default(), folder }
    }
}

/// So many images of each class: bright frames that grow with the class.
fn images(each: usize) -> Images {
    let shape = Shape { channels: 1, height: 28, width: 28 };
    let mut noise = Seed::root(3).stream("images", 0);
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..each {
        for class in 0..CLASSES.len() {
            pixels.extend((0..shape.len()).map(|place| {
                let (row, column) = (place / 28, place % 28);
                let is_far = row.abs_diff(14).max(column.abs_diff(14)) > class + 2;
                (if is_far { 20 } else { 190 }) + u8::try_from(noise.index(50)).unwrap()
            }));
            labels.push(u16::try_from(class).unwrap());
        }
    }
    Images { pixels, labels, shape }
}

/// Three mistakes with their images.
fn mistakes(folder: &Path) {
    fs::create_dir_all(folder.join("mistakes")).unwrap();
    let all = images(1);
    let mistake = |i: usize| {
        let file = format!("mistakes/{i:02}.png");
        fs::write(folder.join(&file), dataset::thumbnail(all.image(i), all.shape, 96)).unwrap();
        let probability = 0.99 - 0.02 * f32::from(u8::try_from(i).unwrap());
        Mistake {
            image: i as u64,
            label: 6,
            prediction: i,
            probability,
            probability_of_label: 0.01,
            file,
        }
    };
    let mistakes: Vec<Mistake> = (0..3).map(mistake).collect();
    put(folder, results::MISTAKES_FILE, &mistakes);
}

fn put(folder: &Path, file: &str, value: &impl Serialize) {
    fs::write(folder.join(file), serde_json::to_string_pretty(value).unwrap()).unwrap();
}

fn put_lines(folder: &Path, file: &str, values: &[impl Serialize]) {
    let lines: String =
        values.iter().map(|value| serde_json::to_string(value).unwrap() + "\n").collect();
    fs::write(folder.join(file), lines).unwrap();
}

/// The card of a search over chains.
pub(super) fn card(strategy: &str, evaluator: Value) -> TrialsCard {
    let schedule: Vec<Value> = SCHEDULE.iter().map(|&(rate, n)| json!([rate, n])).collect();
    let strategy = match strategy {
        "q_learning" => json!({
            "kind": "q_learning", "learning_rate": 0.01, "discount": 1.0, "initial_q": 0.5,
            "replay": 100, "schedule": schedule,
        }),
        other => json!({ "kind": other }),
    };
    TrialsCard {
        format: results::TRIALS_FORMAT,
        space: json!({
            "kind": "chain", "layers": 8, "filters": [16, 32, 64], "kernels": [1, 3, 5],
            "batch_norm": true, "multiply_adds_max": 12_000_000, "parameters_max": 500_000,
        }),
        strategy,
        mock: evaluator["kind"] == "mock",
        evaluator,
        reward: json!({ "power": 1.0, "cost": null }),
        fidelity: Value::Null,
        batch: Some(1),
        budget: json!({ "trials": 300 }),
        seed: Some(0),
        choice: Value::Null,
        image: Shape { channels: 1, height: 28, width: 28 },
        classes: 10,
    }
}

/// The mock evaluator's entry.
pub(super) fn mock_evaluator() -> Value {
    json!({ "kind": "mock", "noise": 0.02 })
}

/// `n` trials whose scores grow as exploration falls; some fail, some repeat.
pub(super) fn trials(seed: u64, strategy: &str, n: usize) -> Vec<Trial> {
    let mut stream = Seed::root(seed).child(strategy).stream("example", 0);
    let learns = strategy == "q_learning";
    let total: usize = SCHEDULE.iter().map(|level| level.1).sum();
    let rates = SCHEDULE.iter().flat_map(|&(rate, n)| std::iter::repeat_n(rate, n));
    let rates: Vec<f64> = rates.collect();
    (0..n)
        .map(|i| {
            let epsilon = rates[i * total / n];
            let skill = if learns { 1.0 - epsilon } else { 0.0 };
            let layers = genotype(&mut stream, skill);
            let failed = stream.unit() < 0.012;
            let quality =
                0.52 + 0.3 * skill + 0.16 * (stream.unit() - 0.5) + 0.05 * stream.normal();
            let score = if failed { 0.1 } else { quality.clamp(0.1, 0.97) };
            Trial {
                trial: i as u64,
                genotype: layers,
                score,
                failure: failed.then(|| "loss is not finite after 3 steps".to_owned()),
                reward: score,
                parameters: 20_000 + stream.below(480_000),
                multiply_adds: 1_000_000 + stream.below(11_000_000),
                epochs: 0,
                steps: 0,
                epsilon: learns.then_some(epsilon),
                policy: None,
                rung: None,
                curve: Vec::new(),
                measures: std::collections::BTreeMap::new(),
            }
        })
        .collect()
}

fn genotype(stream: &mut Stream, skill: f64) -> String {
    let depth = 2 + stream.index(3) + if stream.unit() < skill { 2 } else { 0 };
    let mut layers = Vec::new();
    for i in 0..depth {
        if i % 3 == 2 {
            layers.push("P(2,2)".to_owned());
        } else {
            let filters = [16, 32, 64][stream.index(3)];
            let kernel = [1, 3, 5][stream.index(3)];
            layers.push(format!("C({filters},{kernel},1)"));
        }
    }
    layers.push("SM(10)".to_owned());
    format!("[{}]", layers.join(", "))
}

fn model(rank: usize, trial: &Trial) -> ModelSummary {
    let right = [912, 905, 918, 893][rank - 1];
    let share = f64::from(right) / 1000.0;
    ModelSummary {
        rank,
        genotype: trial.genotype.clone(),
        search_score: trial.score,
        search_reward: None,
        parameters: network().parameters(),
        multiply_adds: network().multiply_adds(),
        epochs: 12,
        training_loss: 0.1834 + 0.01 * f64::from(u32::try_from(rank).unwrap()),
        test_accuracy: share,
        interval: wilson(f64::from(right), 1000.0),
        balanced_accuracy: share,
        confusion: confusion(rank as u64),
        failure: None,
    }
}

fn wilson(right: f64, n: f64) -> [f64; 2] {
    let (z, p) = (1.959_964, right / n);
    let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    [middle - half, middle + half]
}

/// Shirts, T-shirts, pullovers and coats look alike.
fn confusion(seed: u64) -> Vec<Vec<u64>> {
    let mut stream = Seed::root(seed).stream("confusion", 0);
    let alike = [0, 2, 4, 6];
    let mut matrix = vec![vec![0; 10]; 10];
    for (class, row) in matrix.iter_mut().enumerate() {
        for _ in 0..100 {
            let mistakes = if class == 6 {
                0.24
            } else if alike.contains(&class) {
                0.13
            } else {
                0.03
            };
            let seen = if stream.unit() >= mistakes {
                class
            } else if alike.contains(&class) {
                alike[stream.index(4)]
            } else {
                [5, 7, 9, 8, 1, 3][stream.index(6)]
            };
            row[seen] += 1;
        }
    }
    matrix
}

fn history(seed: u32, epochs: u32) -> Vec<Epoch> {
    let mut noise = Seed::root(u64::from(seed)).stream("history", 0);
    (1..=epochs)
        .map(|epoch| {
            let gone = 1.0 - libm::exp(-f64::from(epoch) / 3.5);
            Epoch {
                epoch: u64::from(epoch),
                loss: 1.1 - 0.92 * gone + 0.01 * noise.normal() + 0.03 * f64::from(seed),
                accuracy: 0.62 + 0.33 * gone + 0.004 * noise.normal(),
                validation: Some(0.64 + 0.28 * gone + 0.006 * noise.normal()),
                lr: 0.001 * (1.0 - f64::from(epoch) / 13.0),
            }
        })
        .collect()
}

/// Two convolutions, a pool, two convolutions, a pool and two dense layers, with batch norm.
pub(super) fn network() -> Network {
    let mut net = Builder::new(Shape { channels: 1, height: 28, width: 28 });
    let mut at = net.image();
    for (i, (filters, kernel)) in [(32, 3), (32, 5), (64, 3), (64, 3)].into_iter().enumerate() {
        at = conv(&mut net, at, &format!("conv{i}"), filters, kernel);
        if i % 2 == 1 {
            let pool = Op::MaxPool { window: Window::valid(2, 2) };
            at = net.add(format!("pool{i}"), pool, &[at]);
            at = net.add(format!("drop{i}"), Op::Dropout { rate: 0.125 }, &[at]);
        }
    }
    at = net.add("flatten", Op::Flatten, &[at]);
    at = net.add("fc0", Op::Dense { units: 128 }, &[at]);
    at = net.add("fc0.relu", Op::Relu, &[at]);
    net.add("softmax", Op::Dense { units: 10 }, &[at]);
    net.finish()
}

fn conv(net: &mut Builder, from: NodeId, path: &str, filters: usize, kernel: usize) -> NodeId {
    let window = Window::same(kernel, 1, net.shape(from).height);
    let conv = net.add(path, Op::Conv { filters, window, dilation: 1, bias: true }, &[from]);
    let norm = net.add(format!("{path}.norm"), Op::BatchNorm, &[conv]);
    net.add(format!("{path}.relu"), Op::Relu, &[norm])
}
