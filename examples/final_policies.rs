//! What strategies end with, with the mock evaluator, against chance. On MetaQNN's chains: Q-learning's last
//! block of the published schedule. On NASNet's cells: fresh samples of a final policy, an evolved population.
//! And of each the network that it would hand over, best by the score that the search saw, by what it would
//! reach without noise after endless training: the best of many noisy scores flatters whoever looked more.
//!
//! Seeds are pairs: the random networks and the random search of a seed have its number, and one network
//! has one score in all of them. Intervals are of the mean difference, 95 %, by bootstrap; p is that of the
//! exact Wilcoxon test, from six seeds on.
//!
//! `cargo run --release --example final_policies -- [TRIALS [SEEDS [SAMPLES]]]`, by default 20000 10 1000; trials
//! and samples are those over cells.

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use phytotron::net::Shape;
use phytotron::search::{
    EvolutionConfig, MockConfig, MockEvaluator, PpoConfig, QLearningConfig, ReinforceConfig,
    Search, StrategyConfig,
};
use phytotron::seed::Seed;
use phytotron::space::chain::{ChainConfig, ChainSpace};
use phytotron::space::nasnet::{NasnetConfig, NasnetSpace};
use phytotron::space::{Features, Genotype, Space};
use phytotron::statistics::{bootstrap_mean, compare_pairs, mean};

type Failure = Box<dyn std::error::Error>;

/// How much is done.
struct Effort {
    trials: u64,
    seeds: u64,
    samples: u64,
}

/// The space with its scores.
struct Task<'s> {
    space: &'s dyn Space,
    mock: MockEvaluator,
}

/// Networks of MetaQNN's schedule, and of its last block, at epsilon 0.1.
const SCHEDULE: (u64, usize) = (2_700, 150);

/// A finished search: scores in the order of its trials, what the network with the best of them reaches without
/// noise, and samples of its policy.
struct Found {
    scores: Vec<f64>,
    handed_over: f64,
    samples: Vec<f64>,
}

impl Task<'_> {
    fn score(&mut self, genotype: &Genotype, features: &Features) -> f64 {
        let text = self.space.text(genotype);
        self.mock.evaluate(features, Seed::root(0), &text).score
    }

    fn search(
        &mut self,
        strategy: &StrategyConfig,
        effort: &Effort,
        seed: Seed,
    ) -> Result<Found, Failure> {
        let space = self.space;
        let mut search = Search::new(space, strategy.open(space, effort.trials, seed)?, seed);
        let mut scores = Vec::new();
        let mut best = (f64::NEG_INFINITY, 0.0);
        while search.trials() < effort.trials && !search.is_exhausted() {
            for proposal in search.propose(1) {
                let score = self.score(&proposal.genotype, &proposal.features);
                search.observe(&[score]);
                scores.push(score);
                if score > best.0 {
                    best = (score, self.mock.asymptote(&proposal.features));
                }
            }
        }
        let samples = search.samples(effort.samples);
        let samples = samples.iter().map(|drawn| self.score(drawn, &space.features(drawn)));
        Ok(Found { samples: samples.collect(), scores, handed_over: best.1 })
    }

    fn repeats(
        &mut self,
        strategy: &StrategyConfig,
        effort: &Effort,
    ) -> Result<Vec<Found>, Failure> {
        (0..effort.seeds).map(|seed| self.search(strategy, effort, Seed::root(seed))).collect()
    }
}

/// The mean of the last trials.
fn tail_mean(found: &Found, trials: usize) -> Option<f64> {
    mean(&found.scores[found.scores.len().saturating_sub(trials)..])
}

fn tail_means(all: &[Found], trials: usize) -> Vec<f64> {
    all.iter().filter_map(|found| tail_mean(found, trials)).collect()
}

fn handed_over(all: &[Found]) -> Vec<f64> {
    all.iter().map(|found| found.handed_over).collect()
}

/// One line: both means over the seeds, and how they differ within them.
fn print(name: &str, searched: &[f64], random: &[f64]) {
    let (Some(paired), Some(left), Some(right)) =
        (compare_pairs(searched, random), mean(searched), mean(random))
    else {
        return;
    };
    let differences: Vec<f64> = searched.iter().zip(random).map(|(a, b)| a - b).collect();
    let mut resamples = Seed::root(0).stream("bootstrap", 0);
    let interval = bootstrap_mean(&differences, |count| resamples.index(count))
        .map_or("one seed says nothing of spread".to_owned(), |[low, high]| {
            format!("[{low:+.4}, {high:+.4}]")
        });
    let p = paired.p.map_or(String::new(), |p| format!("  p = {p:.4}"));
    let difference = paired.difference;
    println!("{name:<32} {left:.4} {right:.4} {difference:+.4} {interval}{p}");
}

/// Q-learning over the published schedule.
fn chains(image: Shape, seeds: u64) -> Result<(), Failure> {
    let (trials, last) = SCHEDULE;
    let space = ChainSpace::open(&ChainConfig::default(), image, 10)?;
    let mut task = Task { space: &space, mock: MockEvaluator::new(&MockConfig::default(), 10) };
    let effort = Effort { trials, seeds, samples: 0 };
    println!("chains, mock scores, {trials} trials, {seeds} seeds");
    println!("{:<32} search random difference", "");
    let random = task.repeats(&StrategyConfig::Random, &effort)?;
    let found = task.repeats(&StrategyConfig::QLearning(QLearningConfig::default()), &effort)?;
    let name = format!("q_learning, last {last} trials");
    print(&name, &tail_means(&found, last), &tail_means(&random, last));
    print("q_learning, best without noise", &handed_over(&found), &handed_over(&random));
    Ok(())
}

/// Policies and populations over cells.
fn cells(image: Shape, effort: &Effort) -> Result<(), Failure> {
    let Effort { trials, seeds, samples } = effort;
    let space = NasnetSpace::open(&NasnetConfig::default(), image, 10)?;
    let mut task = Task { space: &space, mock: MockEvaluator::new(&MockConfig::default(), 10) };
    let policies = [
        ("reinforce", StrategyConfig::Reinforce(ReinforceConfig::default())),
        ("ppo", StrategyConfig::Ppo(PpoConfig::default())),
    ];
    println!("NASNet cells, mock scores, {trials} trials, {seeds} seeds, {samples} samples");
    println!("{:<32} search random difference", "");
    let random = task.repeats(&StrategyConfig::Random, effort)?;
    for (name, strategy) in &policies {
        let found = task.repeats(strategy, effort)?;
        let means = |all: &[Found]| -> Vec<f64> {
            all.iter().filter_map(|found| mean(&found.samples)).collect()
        };
        print(&format!("{name}, samples"), &means(&found), &means(&random));
        print(&format!("{name}, best without noise"), &handed_over(&found), &handed_over(&random));
    }
    let population = EvolutionConfig::default().population;
    let found = task.repeats(&StrategyConfig::Evolution(EvolutionConfig::default()), effort)?;
    // The youngest trials are the population, but for children that had been born before.
    let name = format!("evolution, last {population} trials");
    print(&name, &tail_means(&found, population), &tail_means(&random, population));
    print("evolution, best without noise", &handed_over(&found), &handed_over(&random));
    Ok(())
}

fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let mut next = |default| numbers.next().unwrap_or(Ok(default));
    let effort = Effort { trials: next(20_000)?, seeds: next(10)?, samples: next(1_000)? };
    let image = Shape { channels: 3, height: 32, width: 32 };
    chains(image, effort.seeds)?;
    println!();
    cells(image, &effort)
}
