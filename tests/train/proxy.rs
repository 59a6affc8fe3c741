//! Evaluators that do not train: the zero-cost proxies and the table, as a search meets them.

use phytotron::dataset::Dataset;
use phytotron::search::{Candidate, EvaluateError, Evaluation};
use phytotron::seed::Seed;
use phytotron::space::Space;
use phytotron::space::chain::{ChainConfig, ChainSpace};
use phytotron::stage::evaluators::{
    EvaluatorConfig, Measure, ProxyConfig, Scorer, Subject, TableConfig,
};
use phytotron::stage::{Arity, StageError};
use phytotron::statistics::Bar;
use phytotron::train::{Init, Preprocessing};

use super::job::{Bench, Heard};
use super::toy;

const CHAINS: [&str; 3] = [
    "[C(8,3,1), P(2,2), C(12,3,1), SM(3)]",
    "[C(8,3,1), C(8,3,1), GAP(3), SM(3)]",
    "[C(12,5,1), P(2,2), SM(3)]",
];

fn space(batch_norm: bool) -> ChainSpace {
    let config = ChainConfig { filters: vec![8, 12], batch_norm, ..ChainConfig::default() };
    ChainSpace::open(&config, toy::SHAPE, 3).unwrap()
}

fn subjects(space: &ChainSpace) -> Vec<Subject> {
    (0..)
        .zip(CHAINS)
        .map(|(trial, text)| {
            let genotype = space.parse(text).unwrap();
            Subject {
                bar: Bar::default(),
                trial,
                features: space.features(&genotype),
                genotype,
                text: text.to_owned(),
                seed: Seed::root(3).nth(trial),
                epochs: None,
            }
        })
        .collect()
}

fn proxy(measure: Measure) -> EvaluatorConfig {
    let (init, preprocessing) = (Init::He, Preprocessing::Standard);
    EvaluatorConfig::Proxy(ProxyConfig { measure, batch: 16, init, preprocessing })
}

fn score(
    bench: &mut Bench,
    config: &EvaluatorConfig,
    space: &ChainSpace,
    data: Option<Dataset>,
) -> Result<Vec<Evaluation>, EvaluateError> {
    let score =
        |scorer: Result<Scorer<'_>, StageError>| scorer.unwrap().score(space, &subjects(space));
    bench.attempt(&Heard::default(), |job| score(config.open(job, data, space))).0
}

#[test]
fn every_proxy_measures_the_same_with_any_threads_and_keeps_the_raw_value() {
    let space = space(true);
    for measure in [
        Measure::Params,
        Measure::Macs,
        Measure::Synflow,
        Measure::Naswot,
        Measure::JacobCov,
        Measure::GradNorm,
        Measure::Snip,
    ] {
        let mut bench = Bench::new();
        let config = proxy(measure);
        let data = || Some(toy::dataset(40, 10));
        let found = score(&mut bench, &config, &space, data()).unwrap();
        bench.threads = 1;
        assert_eq!(score(&mut bench, &config, &space, data()).unwrap(), found);
        for evaluation in &found {
            assert_eq!(evaluation.failure, None, "{measure:?}");
            let raw = evaluation.measures[measure.word()];
            assert_eq!(measure.score(raw).to_bits(), evaluation.score.to_bits());
        }
        assert!(
            found.windows(2).all(|pair| pair[0].score.to_bits() != pair[1].score.to_bits()),
            "{measure:?}: {found:?}"
        );
    }
}

#[test]
fn params_and_synflow_need_no_images_and_the_rest_say_that_they_do() {
    let space = space(false);
    for measure in [Measure::Params, Measure::Synflow] {
        assert_eq!(proxy(measure).data(), Arity::Optional);
        score(&mut Bench::new(), &proxy(measure), &space, None).unwrap();
    }
    let config = proxy(Measure::Naswot);
    assert_eq!(config.data(), Arity::One);
    let refused =
        |job: &phytotron::stage::Job<'_>| config.open(job, None, &space).map(drop).unwrap_err();
    let text = Bench::new().attempt(&Heard::default(), refused).0.to_string();
    assert_eq!(text, "the measure `naswot` needs a dataset on `data`");
}

fn table() -> EvaluatorConfig {
    EvaluatorConfig::Table(TableConfig {
        file: "bench.csv".to_owned(),
        key: "genotype".to_owned(),
        score: "accuracy".to_owned(),
        scale: 0.01,
        measures: vec!["seconds".to_owned()],
    })
}

#[test]
fn a_table_scores_by_text_and_is_part_of_the_fingerprint() {
    let mut bench = Bench::new();
    let lines: Vec<String> =
        (1..).zip(CHAINS).map(|(i, text)| format!("\"{text}\",{i}0.5,{i}")).collect();
    bench.plan("bench.csv", &format!("genotype,accuracy,seconds\n{}\n", lines.join("\n")));
    assert_eq!(table().files(), ["bench.csv"]);
    let found = score(&mut bench, &table(), &space(true), None).unwrap();
    let scores: Vec<f64> = found.iter().map(|evaluation| evaluation.score).collect();
    assert!(scores.iter().zip([0.105, 0.205, 0.305]).all(|(a, b)| (a - b).abs() < 1e-12));
    assert_eq!(found[2].measures["seconds"].to_bits(), 3.0_f64.to_bits());
}

#[test]
fn a_missing_architecture_and_a_changed_table_end_the_stage() {
    let mut bench = Bench::new();
    bench.plan("bench.csv", "genotype,accuracy,seconds\n[SM(3)],50,1\n");
    let error = score(&mut bench, &table(), &space(true), None).unwrap_err().to_string();
    assert!(error.contains("1 architecture, but not `[C(8,3,1), P(2,2)"), "{error}");
    std::fs::write(bench.folder("bench.csv"), "genotype,accuracy,seconds\n").unwrap();
    let (config, space) = (table(), space(true));
    let open =
        |job: &phytotron::stage::Job<'_>| config.open(job, None, &space).map(drop).unwrap_err();
    let error = bench.attempt(&Heard::default(), open).0;
    assert!(matches!(error, StageError::Changed { .. }), "{error}");
}

/// A search asks for candidates, not subjects: both doors lead to the same measure.
#[test]
fn a_measure_does_not_depend_on_the_batch_of_candidates() {
    let space = space(true);
    let EvaluatorConfig::Proxy(config) = proxy(Measure::JacobCov) else { panic!("it is one") };
    let candidates: Vec<Candidate> = subjects(&space)
        .into_iter()
        .map(|subject| Candidate {
            bar: Bar::default(),
            trial: subject.trial,
            genotype: subject.text,
            network: space.network(&subject.genotype),
            seed: subject.seed,
            epochs: None,
        })
        .collect();
    let run = |batches: usize| {
        let open = |job: &phytotron::stage::Job<'_>| {
            let mut evaluator = config.open(job, Some(toy::dataset(40, 10))).unwrap();
            let chunks = candidates.chunks(candidates.len().div_ceil(batches));
            chunks.flat_map(|chunk| evaluator.evaluate(chunk).unwrap()).collect::<Vec<_>>()
        };
        Bench::new().attempt(&Heard::default(), open).0
    };
    assert_eq!(run(1), run(3));
}
