//! A search: a controller, what it has proposed, and the rules that hold for every strategy.
//!
//! - A network is evaluated once. Proposed again it is not a trial: its reward is presented to the
//!   controller again, and another episode is walked. So Q-learning replays it once more, a policy gradient
//!   counts one more draw of its policy, and evolution bears one more child, at no cost. One of the running
//!   batch is presented again when the batch's rewards are known, in the order of the draws.
//! - A network beyond the space's limits is not a trial either: no reward, drawn again, counted. (A
//!   made-up low reward would make other such networks attractive to a table that starts high.)
//! - In a space that grows ([`Space::grown`]) the number of different networks proposed before says how
//!   deep the next one is. What a controller makes of an older, shallower network (a mutation, a
//!   neighbour) is the beginning of a walk then, and goes on by uniform choices. Controllers learn on the
//!   whole space, where shallow and deep walks share their beginnings.
//! - The search is exhausted after 1,000 episodes in a row without a new network.
//!
//! Each episode and each update has a stream of its own by number, so nothing but counters has to be
//! saved of chance. Knows nothing of evaluators or files.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Controller, Finished, Progress, Remarks, SearchError};
use crate::seed::Seed;
use crate::space::{Features, Genotype, Space};

/// Episodes in a row without a new network after which there is nothing more to find.
const REPEATS_MAX: u64 = 1_000;

/// Draws in a row beyond the space's limits after which it is taken for empty.
const REJECTIONS_MAX: u64 = 100_000;

/// How often what happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Walks, whatever came of them.
    pub episodes: u64,
    /// Walks that led to a network proposed before.
    pub repeats: u64,
    /// Walks that led beyond the space's limits.
    pub rejected: u64,
    /// Rewards presented to the controller.
    pub updates: u64,
    repeats_in_a_row: u64,
    rejected_in_a_row: u64,
}

/// A network to be evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The walk.
    pub genotype: Genotype,
    /// Size and shape.
    pub features: Features,
    /// How the walk came about.
    pub remarks: Remarks,
}

/// A search that can go on from here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedSearch {
    counts: Counts,
    networks: Vec<(Genotype, f64)>,
    controller: serde_json::Value,
}

/// What a search knows beside the networks that it has evaluated.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Knowledge {
    counts: Counts,
    controller: serde_json::Value,
}

impl Knowledge {
    /// The whole search, with its networks and their rewards in order.
    #[must_use]
    pub fn with(self, networks: Vec<(Genotype, f64)>) -> SavedSearch {
        SavedSearch { counts: self.counts, networks, controller: self.controller }
    }
}

/// A controller at work on a space.
#[derive(Debug)]
pub struct Search<'s> {
    space: &'s dyn Space,
    /// Whether the space is shallower at first.
    grows: bool,
    controller: Box<dyn Controller>,
    seed: Seed,
    counts: Counts,
    /// Networks with their rewards, in the order of their first proposal.
    evaluated: Vec<(Genotype, f64)>,
    /// Proposed and not yet observed.
    pending: Vec<Genotype>,
    /// The networks that were drawn since the last observation and have no reward yet, by number: each of
    /// `pending` once, and again whenever it was drawn again.
    draws: Vec<usize>,
    /// Number of each network: its place in `evaluated`, or behind it in `pending`.
    numbers: HashMap<Genotype, usize>,
}

impl<'s> Search<'s> {
    /// A search that has proposed nothing; `seed` is the stage's.
    #[must_use]
    pub fn new(space: &'s dyn Space, controller: Box<dyn Controller>, seed: Seed) -> Self {
        Self {
            space,
            grows: space.grown(0).is_some(),
            controller,
            seed,
            counts: Counts::default(),
            evaluated: Vec::new(),
            pending: Vec::new(),
            draws: Vec::new(),
            numbers: HashMap::new(),
        }
    }

    /// The space.
    #[must_use]
    pub fn space(&self) -> &'s dyn Space {
        self.space
    }

    /// The space as deep as the last network proposed: what a policy has come to is looked at there, since it
    /// has seen nothing deeper.
    #[must_use]
    pub fn seen(&self) -> &'s dyn Space {
        self.grown(self.numbers.len().saturating_sub(1)).unwrap_or(self.space)
    }

    /// The space as the network with this number is drawn from it, where that is not the whole.
    fn grown(&self, network: usize) -> Option<&'s dyn Space> {
        self.space.grown(network as u64)
    }

    /// The strategy.
    #[must_use]
    pub fn controller(&self) -> &dyn Controller {
        &*self.controller
    }

    /// The network that the strategy prefers by now, when it has a policy.
    #[must_use]
    pub fn most_probable(&self) -> Option<Genotype> {
        self.controller.most_probable(self.seen())
    }

    /// `count` fresh draws from the policy as it is by now, networks seen before and beyond the limits
    /// among them; none when the strategy has no policy. Neither search nor strategy changes.
    pub fn samples(&mut self, count: u64) -> Vec<Genotype> {
        let space = self.seen();
        let mut draw = |nth| self.controller.sample(space, &mut self.seed.stream("sample", nth));
        (0..count).map_while(&mut draw).collect()
    }

    /// How often what happened.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Networks that were evaluated.
    #[must_use]
    pub fn trials(&self) -> u64 {
        self.evaluated.len() as u64
    }

    /// Whether nothing new can be found.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.counts.repeats_in_a_row >= REPEATS_MAX
            || self.counts.rejected_in_a_row >= REJECTIONS_MAX
    }

    /// Proposes `batch` new networks, or fewer when the search is exhausted. Those of one batch are
    /// proposed before any of their rewards is known.
    ///
    /// # Panics
    /// When the batch before was not observed.
    pub fn propose(&mut self, batch: usize) -> Vec<Proposal> {
        assert!(self.pending.is_empty(), "BUG: a batch was proposed before the last was observed");
        let mut proposals = Vec::with_capacity(batch);
        while proposals.len() < batch && !self.is_exhausted() {
            proposals.extend(self.episode());
        }
        proposals
    }

    /// Takes the rewards of the last batch, in its order.
    ///
    /// # Panics
    /// When there are not as many as were proposed, or one is not finite.
    pub fn observe(&mut self, rewards: &[f64]) {
        assert_eq!(rewards.len(), self.pending.len(), "BUG: a reward for each proposal");
        let pending = std::mem::take(&mut self.pending);
        for (genotype, &reward) in pending.into_iter().zip(rewards) {
            assert!(reward.is_finite(), "BUG: the reward {reward} passed the evaluator");
            self.evaluated.push((genotype, reward));
        }
        let draws = std::mem::take(&mut self.draws);
        for (left, network) in (0..draws.len()).rev().zip(draws) {
            self.present(network, left);
        }
    }

    /// Everything that is needed to go on.
    ///
    /// # Panics
    /// When a batch was proposed and not observed.
    #[must_use]
    pub fn save(&self) -> SavedSearch {
        self.knowledge().with(self.evaluated.clone())
    }

    /// What [`Search::save`] returns, without the networks.
    ///
    /// # Panics
    /// When a batch was proposed and not observed.
    #[must_use]
    pub fn knowledge(&self) -> Knowledge {
        assert!(self.pending.is_empty(), "BUG: a search was saved in the middle of a batch");
        Knowledge { counts: self.counts, controller: self.controller.save() }
    }

    /// Goes back to what [`Search::save`] returned.
    ///
    /// # Errors
    /// When it is of another space or strategy.
    pub fn restore(&mut self, saved: SavedSearch) -> Result<(), SearchError> {
        let fits = |(number, (genotype, reward)): (usize, &(Genotype, f64))| {
            let space = self.grown(number).unwrap_or(self.space);
            space.has(genotype) && reward.is_finite()
        };
        if !saved.networks.iter().enumerate().all(fits) {
            return Err(SearchError::Unfit("a network is not of this space".to_owned()));
        }
        self.controller.restore(self.space, &saved.networks, &saved.controller)?;
        let numbered = saved.networks.iter().enumerate();
        self.numbers = numbered.map(|(n, (genotype, _))| (genotype.clone(), n)).collect();
        self.counts = saved.counts;
        self.evaluated = saved.networks;
        self.pending.clear();
        self.draws.clear();
        Ok(())
    }

    /// Walks once; a proposal when the network is new and within the limits.
    fn episode(&mut self) -> Option<Proposal> {
        let mut stream = self.seed.stream("episode", self.counts.episodes);
        self.counts.episodes += 1;
        let number = self.numbers.len();
        let progress = Progress { proposed: number as u64, pending: self.pending.len() };
        let mut genotype = Genotype::default();
        let space = self.grown(number).unwrap_or(self.space);
        let remarks = self.controller.propose(space, progress, &mut stream, &mut genotype);
        if self.grows {
            space.process().go_on(&mut genotype, &mut stream);
        }
        if let Some(&network) = self.numbers.get(&genotype) {
            self.repeat(network);
            return None;
        }
        let features = self.space.features(&genotype);
        if !self.space.limits().allow(&features) {
            self.counts.rejected += 1;
            self.counts.rejected_in_a_row += 1;
            return None;
        }
        self.counts.rejected_in_a_row = 0;
        self.counts.repeats_in_a_row = 0;
        self.draws.push(self.numbers.len());
        self.numbers.insert(genotype.clone(), self.numbers.len());
        self.pending.push(genotype.clone());
        Some(Proposal { genotype, features, remarks })
    }

    /// A network came up again. One of the running batch has no reward yet and waits for it.
    fn repeat(&mut self, network: usize) {
        self.counts.rejected_in_a_row = 0;
        self.counts.repeats += 1;
        self.counts.repeats_in_a_row += 1;
        if network < self.evaluated.len() {
            self.present(network, self.draws.len());
        } else {
            self.draws.push(network);
        }
    }

    fn present(&mut self, network: usize, pending: usize) {
        let mut stream = self.seed.stream("update", self.counts.updates);
        self.counts.updates += 1;
        let (genotype, reward) = &self.evaluated[network];
        let finished = Finished { network, genotype, reward: *reward, pending };
        self.controller.observe(self.space, finished, &mut stream);
    }
}
