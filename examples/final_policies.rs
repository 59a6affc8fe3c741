//! What strategies end with on NASNet's cells, with the mock evaluator, against chance: the mean score
//! of fresh samples of a final policy, the mean of an evolved population, and the best that was found.
//!
//! Seeds are pairs: the random networks and the random search of a seed have its number, and one network
//! has one score in all of them. Intervals are of the mean difference, 95 %, by bootstrap; p is that of the
//! exact Wilcoxon test, from six seeds on.
//!
//! `cargo run --release --example final_policies -- [TRIALS [SEEDS [SAMPLES]]]`, by default 20000 10 1000.

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use phytotron::net::Shape;
use phytotron::search::{
    EvolutionConfig, MockConfig, MockEvaluator, PpoConfig, ReinforceConfig, Search, StrategyConfig,
};
use phytotron::seed::Seed;
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

/// A finished search: its last scores in the order of its trials, and samples of its policy.
struct Found {
    scores: Vec<f64>,
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
        while search.trials() < effort.trials && !search.is_exhausted() {
            for proposal in search.propose(1) {
                let score = self.score(&proposal.genotype, &proposal.features);
                search.observe(&[score]);
                scores.push(score);
            }
        }
        let samples = search.samples(effort.samples);
        let samples = samples.iter().map(|drawn| self.score(drawn, &space.features(drawn)));
        Ok(Found { samples: samples.collect(), scores })
    }
}

/// The mean of the last trials.
fn tail_mean(found: &Found, trials: usize) -> Option<f64> {
    mean(&found.scores[found.scores.len().saturating_sub(trials)..])
}

fn best(found: &Found) -> f64 {
    found.scores.iter().copied().fold(0.0, f64::max)
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

fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let mut next = |default| numbers.next().unwrap_or(Ok(default));
    let effort = Effort { trials: next(20_000)?, seeds: next(10)?, samples: next(1_000)? };
    let Effort { trials, seeds, samples } = effort;
    let population = EvolutionConfig::default().population;
    let image = Shape { channels: 3, height: 32, width: 32 };
    let space = NasnetSpace::open(&NasnetConfig::default(), image, 10)?;
    let mut task = Task { space: &space, mock: MockEvaluator::new(&MockConfig::default(), 10) };
    let policies = [
        ("reinforce", StrategyConfig::Reinforce(ReinforceConfig::default())),
        ("ppo", StrategyConfig::Ppo(PpoConfig::default())),
    ];
    let evolution = StrategyConfig::Evolution(EvolutionConfig::default());

    println!("NASNet cells, mock scores, {trials} trials, {seeds} seeds, {samples} samples");
    println!("{:<32} search random difference", "");
    let mut repeats = |strategy: &StrategyConfig| -> Result<Vec<Found>, Failure> {
        (0..seeds).map(|seed| task.search(strategy, &effort, Seed::root(seed))).collect()
    };
    let random = repeats(&StrategyConfig::Random)?;
    let random_bests: Vec<f64> = random.iter().map(best).collect();
    for (name, strategy) in &policies {
        let found = repeats(strategy)?;
        let means = |all: &[Found]| -> Vec<f64> {
            all.iter().filter_map(|found| mean(&found.samples)).collect()
        };
        print(&format!("{name}, samples"), &means(&found), &means(&random));
        let bests: Vec<f64> = found.iter().map(best).collect();
        print(&format!("{name}, best"), &bests, &random_bests);
    }
    let found = repeats(&evolution)?;
    // The youngest trials are the population, but for children that had been born before.
    let means = |all: &[Found]| -> Vec<f64> {
        all.iter().filter_map(|found| tail_mean(found, population)).collect()
    };
    print(&format!("evolution, last {population} trials"), &means(&found), &means(&random));
    let bests: Vec<f64> = found.iter().map(best).collect();
    print("evolution, best", &bests, &random_bests);
    Ok(())
}
