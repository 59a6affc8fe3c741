//! The published schedule of MetaQNN on the mock, over ten paired seeds.

use phytotron::net::Shape;
use phytotron::search::{MockConfig, MockEvaluator, QLearningConfig, StrategyConfig};
use phytotron::space::Space;
use phytotron::space::chain::{ChainConfig, ChainSpace};
use phytotron::statistics::wilcoxon_signed_rank;

use super::invariants::Run;

/// Networks of the schedule, and those at its last exploration rate.
const NETWORKS: usize = 2_700;
const LAST: usize = 150;

/// Mean score of the last block, and what the best network is worth without noise.
fn outcome(space: &dyn Space, strategy: &StrategyConfig, seed: u64) -> (f64, f64) {
    let run = Run::new(space, strategy, NETWORKS as u64, seed).finished(NETWORKS, 1);
    let scores: Vec<f64> = run.history.iter().map(|(_, score)| *score).collect();
    let block = &scores[NETWORKS - LAST..];
    let best = run.history.iter().max_by(|a, b| a.1.total_cmp(&b.1)).expect("some networks");
    let mock = MockEvaluator::new(&MockConfig::default(), space.classes());
    (block.iter().sum::<f64>() / 150.0, mock.asymptote(&best.0.features))
}

/// Learning shows in what the final policy proposes. The best network is printed whatever the sign: the formula
/// saturates, so a tie is expected.
#[test]
fn the_last_block_of_the_schedule_beats_random_walks() {
    let image = Shape { channels: 3, height: 32, width: 32 };
    let space = ChainSpace::open(&ChainConfig::default(), image, 10).expect("squares suit");
    let learner = StrategyConfig::QLearning(QLearningConfig::default());
    let pairs = (1..=10).map(|seed| {
        let (learned, best) = outcome(&space, &learner, seed);
        let (random, best_random) = outcome(&space, &StrategyConfig::Random, seed);
        (learned - random, best - best_random)
    });
    let (gains, best): (Vec<f64>, Vec<f64>) = pairs.unzip();
    let p = wilcoxon_signed_rank(&gains).expect("ten pairs");
    println!("gains of the last block {gains:.4?}, p {p:.4}; of the best network {best:.4?}");
    assert!(gains.iter().sum::<f64>() > 0.0 && p < 0.05, "{gains:?}, p {p}");
}
