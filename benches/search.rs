//! Trials a second of whole mock searches, lines of the artifact included.
//!
//! On chains: 2,700 networks of the published space, Q-learning at epsilon 1 and over its whole schedule.
//! On cells: NASNet's space, 50 decisions, with the strategies that were published on it. On bare
//! decisions of the same sizes, where a network costs nothing to describe: the strategies by themselves.
//! And what the size of one network costs, by number of cells.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use phytotron::net::Shape;
use phytotron::results::Trial;
use phytotron::search::{
    EvolutionConfig, Level, LocalSearchConfig, LstmConfig, MockConfig, MockEvaluator, PolicyConfig,
    PpoConfig, QLearningConfig, ReinforceConfig, Search, StrategyConfig,
};
use phytotron::seed::Seed;
use phytotron::space::chain::{ChainConfig, ChainSpace};
use phytotron::space::layerwise::{LayerwiseConfig, LayerwiseSpace};
use phytotron::space::nasnet::{NasnetConfig, NasnetSpace};
use phytotron::space::{Genotype, Space};
use toy::Toy;

#[path = "../tests/search/toy.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod toy;

/// Searches and writes every trial's line into memory; returns their length.
fn search(space: &dyn Space, strategy: &StrategyConfig, trials: u64) -> usize {
    let seed = Seed::root(7);
    let controller = strategy.open(space, trials, seed).expect("the space can be counted");
    let mut search = Search::new(space, controller, seed);
    let mut mock = MockEvaluator::new(&MockConfig::default(), space.classes());
    let trial_seeds = Seed::root(7).child("trial").nth(0);
    let mut bytes = 0;
    while search.trials() < trials && !search.is_exhausted() {
        let trial = search.trials();
        for proposal in search.propose(1) {
            let genotype = space.text(&proposal.genotype);
            let seed = trial_seeds.child(&genotype);
            let evaluation = mock.evaluate(&proposal.features, seed, &genotype);
            search.observe(&[evaluation.score]);
            let line = Trial {
                trial,
                genotype,
                score: evaluation.score,
                failure: evaluation.failure,
                reward: evaluation.score,
                parameters: proposal.features.parameters,
                multiply_adds: proposal.features.multiply_adds,
                epochs: evaluation.epochs,
                steps: evaluation.steps,
                epsilon: proposal.remarks.epsilon,
                policy: proposal.remarks.policy,
                rung: None,
                curve: evaluation.curve,
                measures: evaluation.measures,
            }
            .line();
            bytes += black_box(line).len();
        }
    }
    bytes
}

/// Strategies that suit every space.
fn strategies() -> Vec<(&'static str, StrategyConfig)> {
    let softmax =
        ReinforceConfig { controller: PolicyConfig::Softmax, ..ReinforceConfig::default() };
    let large = ReinforceConfig {
        controller: PolicyConfig::Lstm(LstmConfig {
            layers: Some(1),
            hidden: Some(100),
            ..LstmConfig::default()
        }),
        batch: Some(20),
        ..ReinforceConfig::default()
    };
    vec![
        ("random", StrategyConfig::Random),
        ("evolution", StrategyConfig::Evolution(EvolutionConfig::default())),
        ("local_search", StrategyConfig::LocalSearch(LocalSearchConfig::default())),
        ("reinforce, softmax", StrategyConfig::Reinforce(softmax)),
        ("reinforce, 2 x 35 units", StrategyConfig::Reinforce(ReinforceConfig::default())),
        ("reinforce, 100 units, batch 20", StrategyConfig::Reinforce(large)),
        ("ppo", StrategyConfig::Ppo(PpoConfig::default())),
    ]
}

fn chains(criterion: &mut Criterion) {
    const TRIALS: u64 = 2700;
    let image = Shape { channels: 3, height: 32, width: 32 };
    let space = ChainSpace::open(&ChainConfig::default(), image, 10).expect("the paper's space");
    let exploring = QLearningConfig {
        schedule: vec![Level { epsilon: 1.0, networks: TRIALS }],
        ..QLearningConfig::default()
    };
    let mut all = strategies();
    all.push(("q_learning, epsilon 1", StrategyConfig::QLearning(exploring)));
    all.push(("q_learning, schedule", StrategyConfig::QLearning(QLearningConfig::default())));
    let mut group = criterion.benchmark_group("chains, 2700 trials");
    group.throughput(Throughput::Elements(TRIALS)).sample_size(10);
    for (name, strategy) in all {
        group.bench_function(name, |bencher| bencher.iter(|| search(&space, &strategy, TRIALS)));
    }
    group.finish();
}

fn cells(criterion: &mut Criterion) {
    const TRIALS: u64 = 2000;
    let image = Shape { channels: 3, height: 32, width: 32 };
    let nasnet = NasnetSpace::open(&NasnetConfig::default(), image, 10).expect("colour images");
    let bare = Toy::cells();
    let spaces: [(&str, &dyn Space); 2] = [("cells", &nasnet), ("bare decisions", &bare)];
    for (name, space) in spaces {
        let mut group = criterion.benchmark_group(format!("{name}, {TRIALS} trials"));
        group.throughput(Throughput::Elements(TRIALS)).sample_size(10);
        for (name, strategy) in strategies() {
            group.bench_function(name, |bencher| bencher.iter(|| search(space, &strategy, TRIALS)));
        }
        group.finish();
    }
}

/// Sizes of 256 random networks of cells, and of 256 of layers.
fn features(criterion: &mut Criterion) {
    let image = Shape { channels: 3, height: 32, width: 32 };
    let nasnet = |cells, filters| {
        let config = NasnetConfig { cells, filters, ..NasnetConfig::default() };
        NasnetSpace::open(&config, image, 10).expect("colour images")
    };
    let layers = LayerwiseConfig { layers: 20, ..LayerwiseConfig::default() };
    let layers = LayerwiseSpace::open(&layers, image, 10).expect("colour images");
    let (small, middle, large) = (nasnet(2, 32), nasnet(6, 32), nasnet(18, 128));
    let spaces: [(&str, &dyn Space); 4] = [
        ("cells, N 2", &small),
        ("cells, N 6", &middle),
        ("cells, N 18", &large),
        ("layers, 20", &layers),
    ];
    let mut group = criterion.benchmark_group("features of 256 networks");
    group.throughput(Throughput::Elements(256));
    for (name, space) in spaces {
        let mut stream = Seed::root(7).stream("draw", 0);
        let mut genotypes = vec![Genotype::default(); 256];
        for genotype in &mut genotypes {
            space.process().draw(&mut stream, genotype);
        }
        group.bench_function(name, |bencher| {
            bencher
                .iter(|| genotypes.iter().map(|one| space.features(one).parameters).sum::<u64>());
        });
    }
    group.finish();
}

criterion_group!(benches, features, cells, chains);
criterion_main!(benches);
