//! Searches the published space with the mock evaluator and prints how fast: the paper's whole
//! schedule of 2,700 networks takes a fraction of a second.
//!
//! `cargo run --release --example mock_search`

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::time::Instant;

use phytotron::net::Shape;
use phytotron::search::{MockConfig, MockEvaluator, QLearningConfig, Search, StrategyConfig};
use phytotron::seed::Seed;
use phytotron::space::Space;
use phytotron::space::chain::{ChainConfig, ChainSpace};

const TRIALS: u32 = 2700;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let image = Shape { channels: 3, height: 32, width: 32 };
    let space = ChainSpace::open(&ChainConfig::default(), image, 10)?;
    let learner = StrategyConfig::QLearning(QLearningConfig::default());
    for (name, strategy) in [("random", StrategyConfig::Random), ("q_learning", learner)] {
        let began = Instant::now();
        let controller = strategy.open(&space, u64::from(TRIALS), Seed::root(7))?;
        let mut search = Search::new(&space, controller, Seed::root(7));
        let mut mock = MockEvaluator::new(&MockConfig::default(), 10);
        let mut scores = Vec::new();
        for _ in 0..TRIALS {
            let proposals = search.propose(1);
            for proposal in &proposals {
                let text = space.text(&proposal.genotype);
                scores.push(mock.evaluate(&proposal.features, Seed::root(0), &text).score);
            }
            search.observe(&scores[scores.len() - proposals.len()..]);
        }
        let rate = f64::from(TRIALS) / began.elapsed().as_secs_f64();
        let tail = &scores[scores.len() - 150..];
        let mean = tail.iter().sum::<f64>() / 150.0;
        println!("{name}: {rate:.0} trials a second, mean of the last 150 scores {mean:.4}");
    }
    Ok(())
}
