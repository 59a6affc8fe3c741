//! Trials a second of whole mock searches, lines of the artifact included: 2,700 networks of the
//! published space by random walks, by Q-learning at epsilon 1, and over its whole schedule.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use phytotron::net::Shape;
use phytotron::results::Trial;
use phytotron::search::{
    Level, MockConfig, MockEvaluator, QLearningConfig, Search, StrategyConfig,
};
use phytotron::seed::Seed;
use phytotron::space::Space;
use phytotron::space::chain::{ChainConfig, ChainSpace};

const TRIALS: u64 = 2700;

/// Searches and writes every trial's line into memory; returns their length.
fn search(space: &ChainSpace, strategy: &StrategyConfig) -> usize {
    let controller = strategy.open(space, TRIALS).expect("the space can be counted");
    let mut search = Search::new(space, controller, Seed::root(7));
    let mut mock = MockEvaluator::new(&MockConfig::default(), space.classes());
    let trial_seeds = Seed::root(7).child("trial").nth(0);
    let mut bytes = 0;
    while search.trials() < TRIALS {
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
                epsilon: proposal.epsilon,
                curve: evaluation.curve,
                measures: evaluation.measures,
            }
            .line();
            bytes += black_box(line).len();
        }
    }
    bytes
}

fn searches(criterion: &mut Criterion) {
    let image = Shape { channels: 3, height: 32, width: 32 };
    let space = ChainSpace::open(&ChainConfig::default(), image, 10).expect("the paper's space");
    let exploring = QLearningConfig {
        schedule: vec![Level { epsilon: 1.0, networks: TRIALS }],
        ..QLearningConfig::default()
    };
    let mut group = criterion.benchmark_group("mock search, 2700 trials");
    group.throughput(Throughput::Elements(TRIALS));
    for (name, strategy) in [
        ("random", StrategyConfig::Random),
        ("q_learning, epsilon 1", StrategyConfig::QLearning(exploring)),
        ("q_learning, schedule", StrategyConfig::QLearning(QLearningConfig::default())),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| search(&space, &strategy)));
    }
    group.finish();
}

criterion_group!(benches, searches);
criterion_main!(benches);
