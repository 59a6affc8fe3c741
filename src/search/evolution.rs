//! Regularized evolution (Real, Aggarwal, Huang, Le, AAAI 2019, arXiv:1802.01548, Algorithm 1).
//!
//! The population begins with random networks. Then, again and again, the best of a few members drawn with
//! replacement is the parent of one child by one mutation; the child joins and the **oldest** member
//! leaves, however good it is: a network stays only through children that prove it right again.
//!
//! A child that was evaluated before joins with the reward it had, at no cost. One beyond the space's limits
//! is not born; another parent is drawn.

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::strategy::Parameters;
use super::{Controller, Finished, Progress, Remarks, SearchError};
use crate::seed::{Seed, Stream};
use crate::space::{Genotype, Space};

/// Version of the algorithm: raised when the same seed and rewards give other networks.
const VERSION: u32 = 1;

/// Regularized evolution. For small budgets the literature takes a population of 30 and samples of 10
/// (`NASLib`, `naszilla`), or 10 and 3 (NATS-Bench).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvolutionConfig {
    /// Members of the population (P).
    #[schemars(range(min = 1, max = 1_000_000))]
    pub population: usize,
    /// Members drawn, with replacement, for a parent (S).
    #[schemars(range(min = 1, max = 1_000_000))]
    pub sample: usize,
}

impl Default for EvolutionConfig {
    /// The published values.
    fn default() -> Self {
        Self { population: 100, sample: 25 }
    }
}

/// The strategy's controller.
#[derive(Debug, Clone)]
pub(super) struct Evolution {
    config: EvolutionConfig,
    /// From the oldest to the youngest.
    population: VecDeque<Member>,
}

#[derive(Debug, Clone)]
struct Member {
    network: usize,
    genotype: Genotype,
    reward: f64,
}

/// What is saved beyond the networks: the members' numbers, from the oldest to the youngest.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    population: Vec<usize>,
}

impl Parameters for EvolutionConfig {
    fn component(&self) -> (&'static str, u32) {
        ("strategy.evolution", VERSION)
    }

    fn controller(
        &self,
        _: &dyn Space,
        _: u64,
        _: Seed,
    ) -> Result<Box<dyn Controller>, SearchError> {
        Ok(Box::new(Evolution::new(self)))
    }
}

impl Evolution {
    /// An empty population.
    pub(super) fn new(config: &EvolutionConfig) -> Self {
        Self { config: config.clone(), population: VecDeque::new() }
    }

    /// The best of `sample` members drawn with replacement; the first drawn of equals.
    fn parent(&self, stream: &mut Stream) -> &Member {
        let mut draw = || &self.population[stream.index(self.population.len())];
        let first = draw();
        (1..self.config.sample)
            .map(|_| draw())
            .fold(first, |best, member| if member.reward > best.reward { member } else { best })
    }

    fn join(&mut self, member: Member) {
        self.population.push_back(member);
        if self.population.len() > self.config.population {
            self.population.pop_front();
        }
    }
}

impl Controller for Evolution {
    fn propose(
        &mut self,
        space: &dyn Space,
        progress: Progress,
        stream: &mut Stream,
        genotype: &mut Genotype,
    ) -> Remarks {
        let is_beginning = progress.proposed < self.config.population as u64;
        let child = if is_beginning || self.population.is_empty() {
            None
        } else {
            let parent = self.parent(stream);
            space.mutate(&parent.genotype, stream)
        };
        match child {
            Some(child) => *genotype = child,
            // Also for a parent that no legal edit was found for: an immigrant rather than a dead end.
            None => space.process().draw(stream, genotype),
        }
        Remarks::default()
    }

    fn observe(&mut self, _: &dyn Space, finished: Finished<'_>, _: &mut Stream) {
        let Finished { network, genotype, reward, .. } = finished;
        self.join(Member { network, genotype: genotype.clone(), reward });
    }

    fn save(&self) -> serde_json::Value {
        let population = self.population.iter().map(|member| member.network).collect();
        serde_json::to_value(Saved { population }).expect("numbers serialize")
    }

    fn restore(
        &mut self,
        _: &dyn Space,
        networks: &[(Genotype, f64)],
        saved: &serde_json::Value,
    ) -> Result<(), SearchError> {
        let saved =
            Saved::deserialize(saved).map_err(|error| SearchError::Unfit(error.to_string()))?;
        self.population.clear();
        for network in saved.population {
            let (genotype, reward) = networks.get(network).ok_or_else(|| {
                SearchError::Unfit("a member of the population is not there".to_owned())
            })?;
            self.join(Member { network, genotype: genotype.clone(), reward: *reward });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn member(network: usize, reward: f64) -> Member {
        Member { network, genotype: Genotype::default(), reward }
    }

    fn population(rewards: &[f64], sample: usize) -> Evolution {
        let mut evolution = Evolution::new(&EvolutionConfig { population: 3, sample });
        let members = rewards.iter().enumerate().map(|(network, &reward)| member(network, reward));
        members.for_each(|member| evolution.join(member));
        evolution
    }

    #[test]
    fn the_oldest_leaves_even_when_it_is_the_best() {
        let evolution = population(&[0.9, 0.1, 0.2, 0.3], 2);
        let numbers: Vec<usize> = evolution.population.iter().map(|m| m.network).collect();
        assert_eq!(numbers, [1, 2, 3]);
    }

    #[test]
    fn the_best_of_a_sample_is_the_parent_as_often_as_replacement_says() {
        let evolution = population(&[0.1, 0.2, 0.3], 2);
        let mut stream = Seed::root(1).stream("parents", 0);
        let mut counts = [0_u32; 3];
        (0..9_000).for_each(|_| counts[evolution.parent(&mut stream).network] += 1);
        // 1/9, 3/9 and 5/9; standard deviations of at most 47.
        assert!(counts.iter().zip([1_000, 3_000, 5_000]).all(|(c, e)| c.abs_diff(e) < 200));
    }
}
