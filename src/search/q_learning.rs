//! Tabular Q-learning over a space's decisions (Baker et al. 2017, arXiv:1611.02167, Algorithm 1).
//!
//! - Behaviour: epsilon-greedy walks; epsilon falls by a schedule that counts unique networks.
//! - Update, Eq. 3: `Q(s,u) <- (1-a) Q(s,u) + a [r + g max_u' Q(s',u')]`, from the last transition of a
//!   walk to its first, so that a reward reaches the start at once.
//! - Replay: after every finished network, also a repeated one, `replay` walks are drawn uniformly with
//!   replacement from all that were seen and each is learned from. A repeated network is another row of
//!   the memory and so weighs more.
//!
//! States are the rows of the process: what the paper's table sees, sides in bins. The paper's Algorithm 1
//! starts the table at 0, its appendix D.1 and the released code at 0.5; the latter is the default.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::controller::Table;
use super::strategy::Parameters;
use super::{Controller, Finished, Progress, Remarks, SearchError};
use crate::seed::{Seed, Stream};
use crate::space::{Genotype, Process, RowId, Space, StateId};

/// Version of the algorithm: raised when the same seed and rewards give other networks.
const VERSION: u32 = 1;

/// Name of the table's file.
const TABLE_FILE: &str = "q_table.csv";

/// Tabular Q-learning with epsilon-greedy walks and replay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QLearningConfig {
    /// Learning rate.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub alpha: f64,
    /// Discount of later values.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub gamma: f64,
    /// Value of what was never tried: near an average network's accuracy, rather below it.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub initial_value: f64,
    /// Walks replayed after each network; all that is learned is learned from them.
    #[schemars(range(min = 1, max = 100_000))]
    pub replay: u32,
    /// Exploration rates and how many new networks each proposes.
    #[schemars(length(min = 1, max = 1000))]
    pub schedule: Vec<Level>,
    /// Factor on the schedule's networks. Without it the schedule is stretched to the budget.
    #[schemars(range(max = 1_000_000.0), extend("exclusiveMinimum" = 0.0))]
    pub scale: Option<f64>,
}

/// A step of the exploration schedule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Probability of a random decision.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub epsilon: f64,
    /// New networks proposed at it.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub networks: u64,
}

impl Default for QLearningConfig {
    /// The published values; the schedule is the paper's table 2.
    fn default() -> Self {
        let level = |(epsilon, networks)| Level { epsilon, networks };
        let schedule = [
            (1.0, 1500),
            (0.9, 100),
            (0.8, 100),
            (0.7, 100),
            (0.6, 150),
            (0.5, 150),
            (0.4, 150),
            (0.3, 150),
            (0.2, 150),
            (0.1, 150),
        ];
        Self {
            alpha: 0.01,
            gamma: 1.0,
            initial_value: 0.5,
            replay: 100,
            schedule: schedule.map(level).to_vec(),
            scale: None,
        }
    }
}

impl QLearningConfig {
    /// What a schema cannot say: the parameter and what is wrong with it.
    #[must_use]
    pub fn check(&self) -> Vec<(&'static str, String)> {
        let rises = self.schedule.windows(2).find(|pair| pair[1].epsilon > pair[0].epsilon);
        rises
            .map(|pair| {
                let (from, to) = (pair[0].epsilon, pair[1].epsilon);
                ("schedule", format!("epsilon rises from {from} to {to}; it may only fall"))
            })
            .into_iter()
            .collect()
    }
}

impl Parameters for QLearningConfig {
    fn component(&self) -> (&'static str, u32) {
        ("strategy.q_learning", VERSION)
    }

    fn mistakes(&self) -> Vec<(&'static str, String)> {
        self.check()
    }

    fn depends_on_budget(&self) -> Option<&'static str> {
        let is_stretched = self.scale.is_none();
        is_stretched.then_some(
            "the epsilon schedule is stretched to the budget (`strategy.scale` fixes it)",
        )
    }

    fn controller(
        &self,
        space: &dyn Space,
        trials: u64,
        _: Seed,
    ) -> Result<Box<dyn Controller>, SearchError> {
        Ok(Box::new(QLearning::new(self, space.process(), trials)))
    }
}

/// Exploration rate by the number of networks proposed before.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    levels: Vec<Level>,
}

impl Schedule {
    /// The configured levels times `scale`, rounded half up, at least one network each. Without scale the
    /// levels are stretched to `trials` in all.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "networks and scale are bounded by the schema, products are far below 2^53"
    )]
    pub fn new(levels: &[Level], scale: Option<f64>, trials: u64) -> Self {
        let total: u64 = levels.iter().map(|level| level.networks).sum();
        let scale = scale.unwrap_or(trials as f64 / total as f64);
        let scaled = |networks: u64| libm::floor(networks as f64 * scale + 0.5).max(1.0) as u64;
        let levels = levels.iter().map(|l| Level { networks: scaled(l.networks), ..*l }).collect();
        Self { levels }
    }

    /// Networks of all levels.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.levels.iter().map(|level| level.networks).sum()
    }

    /// Exploration rate after `unique` networks; beyond the schedule it stays at the last level.
    #[must_use]
    pub fn epsilon(&self, unique: u64) -> f64 {
        let mut left = unique;
        for level in &self.levels {
            if left < level.networks {
                return level.epsilon;
            }
            left -= level.networks;
        }
        self.levels.last().map_or(0.0, |level| level.epsilon)
    }
}

/// A transition of a walk: which pair of state and action, and the state's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Transition {
    pair: u32,
    row: u32,
}

/// Q-values over (row, slot), and the best of each row.
#[derive(Debug, Clone)]
struct QTable {
    values: Vec<f64>,
    visits: Vec<u32>,
    /// `best[row]` is the largest value of the row: kept, because an update asks for it at every step
    /// and most updates leave it as it is.
    best: Vec<f64>,
    /// First pair of each row, and one past the last.
    first: Vec<u32>,
}

/// Walks that were learned from, one after another in flat memory.
#[derive(Debug, Clone, Default)]
struct Memory {
    transitions: Vec<Transition>,
    /// End of each network's walk.
    ends: Vec<u32>,
    rewards: Vec<f64>,
    /// The network of each row of the memory.
    rows: Vec<u32>,
}

/// Q-learning's controller.
#[derive(Debug, Clone)]
pub struct QLearning {
    config: QLearningConfig,
    schedule: Schedule,
    table: QTable,
    memory: Memory,
}

/// What is saved beyond the networks.
#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    values: Vec<f64>,
    visits: Vec<u32>,
    rows: Vec<u32>,
}

impl QLearning {
    /// A controller that has seen nothing, for a search of `trials` networks.
    #[must_use]
    pub fn new(config: &QLearningConfig, process: &Process, trials: u64) -> Self {
        Self {
            schedule: Schedule::new(&config.schedule, config.scale, trials),
            table: QTable::new(process, config.initial_value),
            config: config.clone(),
            memory: Memory::default(),
        }
    }

    /// The value of a state's action.
    #[must_use]
    pub fn value(&self, process: &Process, state: StateId, slot: usize) -> f64 {
        self.table.values[process.values(process.row(state)).start + slot]
    }

    /// How often a state's action was learned from.
    #[must_use]
    pub fn visits(&self, process: &Process, state: StateId, slot: usize) -> u32 {
        self.table.visits[process.values(process.row(state)).start + slot]
    }

    /// Learns once from one walk, the last transition first.
    pub fn learn(&mut self, process: &Process, genotype: &Genotype, reward: f64) {
        let walk: Vec<Transition> = transitions(process, genotype).collect();
        self.table.learn(&walk, reward, self.config.alpha, self.config.gamma);
    }

    /// Walks by the values, but for a share `epsilon` of decisions that are left to chance.
    fn walk(&self, process: &Process, epsilon: f64, stream: &mut Stream, genotype: &mut Genotype) {
        process.episode(genotype, |state| {
            if stream.unit() < epsilon {
                stream.index(process.actions(state).len())
            } else {
                self.table.greedy(process.row(state), process, stream)
            }
        });
    }

    /// Draws walks from the memory and learns from each.
    fn replay(&mut self, stream: &mut Stream) {
        for _ in 0..self.config.replay {
            let network = self.memory.rows[stream.index(self.memory.rows.len())] as usize;
            let (walk, reward) = self.memory.network(network);
            self.table.learn(walk, reward, self.config.alpha, self.config.gamma);
        }
    }
}

impl QTable {
    fn new(process: &Process, initial: f64) -> Self {
        let narrow = |place: usize| u32::try_from(place).expect("a process bounds its tables");
        let ends = process.rows().map(|row| narrow(process.values(row).end));
        let first: Vec<u32> = std::iter::once(0).chain(ends).collect();
        Self {
            values: vec![initial; process.pairs()],
            visits: vec![0; process.pairs()],
            best: vec![initial; first.len() - 1],
            first,
        }
    }

    /// Eq. 3 along a walk, backwards; `reward` belongs to the last transition, where no state follows.
    fn learn(&mut self, walk: &[Transition], reward: f64, alpha: f64, gamma: f64) {
        let mut target = reward;
        for &transition in walk.iter().rev() {
            self.update(transition, target, alpha);
            target = gamma * self.best[transition.row as usize];
        }
    }

    /// Moves a value toward `target` by exactly `alpha`. Written as a step rather than a weighted sum: a
    /// value that has arrived then stays, and none leaves the range of values and rewards by rounding.
    fn update(&mut self, Transition { pair, row }: Transition, target: f64, alpha: f64) {
        let value = &mut self.values[pair as usize];
        let (before, after) = (*value, *value + alpha * (target - *value));
        *value = after;
        self.visits[pair as usize] += 1;
        let best = self.best[row as usize];
        if after >= best {
            self.best[row as usize] = after;
        } else if before >= best {
            self.best[row as usize] = self.largest(row as usize);
        }
    }

    /// The largest value of a row, looked up: what `best` must equal.
    fn largest(&self, row: usize) -> f64 {
        let values = &self.values[self.first[row] as usize..self.first[row + 1] as usize];
        values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// A uniform choice among the actions with the largest value.
    fn greedy(&self, row: RowId, process: &Process, stream: &mut Stream) -> usize {
        let values = &self.values[process.values(row)];
        let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let ties = values.iter().filter(|value| **value >= best).count();
        let nth = stream.index(ties);
        let mut slots = (0..values.len()).filter(|&slot| values[slot] >= best);
        slots.nth(nth).expect("one of the best was counted")
    }
}

impl Memory {
    /// The walk of a network and its reward.
    fn network(&self, network: usize) -> (&[Transition], f64) {
        let start = if network == 0 { 0 } else { self.ends[network - 1] as usize };
        (&self.transitions[start..self.ends[network] as usize], self.rewards[network])
    }

    /// Takes a new network in.
    fn add(&mut self, walk: impl Iterator<Item = Transition>, reward: f64) {
        self.transitions.extend(walk);
        let end = u32::try_from(self.transitions.len()).expect("memory ends before 2^32 steps");
        self.ends.push(end);
        self.rewards.push(reward);
    }
}

/// The transitions of a walk.
fn transitions<'a>(
    process: &'a Process,
    genotype: &'a Genotype,
) -> impl Iterator<Item = Transition> + 'a {
    process.walk(genotype).map(|(state, slot, _)| {
        let row = process.row(state);
        let pair = process.values(row).start + usize::from(slot);
        Transition {
            pair: u32::try_from(pair).expect("a process bounds its tables"),
            row: row.number(),
        }
    })
}

impl Controller for QLearning {
    fn propose(
        &mut self,
        space: &dyn Space,
        progress: Progress,
        stream: &mut Stream,
        genotype: &mut Genotype,
    ) -> Remarks {
        let epsilon = self.schedule.epsilon(progress.proposed);
        self.walk(space.process(), epsilon, stream, genotype);
        Remarks { epsilon: Some(epsilon), policy: None }
    }

    fn observe(&mut self, space: &dyn Space, finished: Finished<'_>, stream: &mut Stream) {
        let process = space.process();
        if finished.network == self.memory.rewards.len() {
            self.memory.add(transitions(process, finished.genotype), finished.reward);
        }
        let row = u32::try_from(finished.network).expect("memory ends before 2^32 networks");
        self.memory.rows.push(row);
        self.replay(stream);
    }

    fn save(&self) -> serde_json::Value {
        let saved = Saved {
            values: self.table.values.clone(),
            visits: self.table.visits.clone(),
            rows: self.memory.rows.clone(),
        };
        serde_json::to_value(saved).expect("numbers serialize")
    }

    fn restore(
        &mut self,
        space: &dyn Space,
        networks: &[(Genotype, f64)],
        saved: &serde_json::Value,
    ) -> Result<(), SearchError> {
        let process = space.process();
        let unfit = |reason: &str| SearchError::Unfit(reason.to_owned());
        let saved = Saved::deserialize(saved).map_err(|error| unfit(&error.to_string()))?;
        if saved.values.len() != process.pairs() || saved.visits.len() != process.pairs() {
            return Err(unfit("the table is of another space"));
        }
        if saved.rows.iter().any(|&row| row as usize >= networks.len()) {
            return Err(unfit("the memory names a network that is not there"));
        }
        self.memory = Memory { rows: saved.rows, ..Memory::default() };
        for (genotype, reward) in networks {
            self.memory.add(transitions(process, genotype), *reward);
        }
        (self.table.values, self.table.visits) = (saved.values, saved.visits);
        for row in 0..self.table.best.len() {
            self.table.best[row] = self.table.largest(row);
        }
        Ok(())
    }

    /// The walk by the values alone; the first of equal actions.
    fn most_probable(&self, space: &dyn Space) -> Option<Genotype> {
        let process = space.process();
        let mut genotype = Genotype::default();
        process.episode(&mut genotype, |state| {
            let row = process.row(state);
            let best = self.table.best[row.number() as usize];
            let values = &self.table.values[process.values(row)];
            values.iter().position(|value| *value >= best).expect("the best is one of them")
        });
        Some(genotype)
    }

    /// A walk at the schedule's last exploration rate.
    fn sample(&mut self, space: &dyn Space, stream: &mut Stream) -> Option<Genotype> {
        let mut genotype = Genotype::default();
        self.walk(space.process(), self.schedule.epsilon(u64::MAX), stream, &mut genotype);
        Some(genotype)
    }

    fn table(&self, space: &dyn Space) -> Option<Table> {
        let process = space.process();
        let mut text = "state,action,value,visits\n".to_owned();
        for row in process.rows() {
            for (pair, action) in process.values(row).zip(process.row_actions(row)) {
                let (value, visits) = (self.table.values[pair], self.table.visits[pair]);
                if visits > 0 {
                    let state = process.row_name(row);
                    let action = process.token_name(action.token);
                    writeln!(text, "\"{state}\",\"{action}\",{value},{visits}")
                        .expect("writing to a string");
                }
            }
        }
        Some(Table { name: TABLE_FILE, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Shape;
    use crate::seed::Seed;
    use crate::space::chain::{ChainConfig, ChainSpace};

    const START: Progress = Progress { proposed: 0, pending: 0 };

    fn space() -> ChainSpace {
        let image = Shape { channels: 3, height: 32, width: 32 };
        ChainSpace::open(&ChainConfig { layers_max: 4, ..ChainConfig::default() }, image, 10)
            .unwrap()
    }

    /// A controller after `networks` random networks with random rewards.
    fn taught(space: &ChainSpace, networks: usize) -> QLearning {
        let process = space.process();
        let config = QLearningConfig { alpha: 0.3, ..QLearningConfig::default() };
        let mut controller = QLearning::new(&config, process, 100);
        let seed = Seed::root(5);
        for network in 0..networks {
            let mut stream = seed.stream("teach", network as u64);
            let mut genotype = Genotype::default();
            process.draw(&mut stream, &mut genotype);
            let reward = stream.unit();
            let finished = Finished { network, genotype: &genotype, reward, pending: 0 };
            controller.observe(space, finished, &mut stream);
        }
        controller
    }

    #[test]
    fn the_kept_best_is_the_largest_of_its_row() {
        let table = taught(&space(), 60).table;
        for row in 0..table.best.len() {
            if table.first[row] < table.first[row + 1] {
                assert_eq!(table.best[row].to_bits(), table.largest(row).to_bits());
            }
        }
    }

    #[test]
    fn values_stay_between_zero_and_one_and_only_visited_ones_move() {
        let table = taught(&space(), 60).table;
        assert!(table.values.iter().all(|value| (0.0..=1.0).contains(value)));
        assert!(table.visits.contains(&0) && table.visits.iter().any(|&visits| visits > 0));
        for (value, visits) in table.values.iter().zip(&table.visits) {
            assert!(*visits > 0 || (*value - 0.5).abs() < 1e-15);
        }
    }

    #[test]
    fn without_exploration_and_ties_the_walk_is_the_best_one() {
        let space = space();
        let process = space.process();
        let mut controller = taught(&space, 200);
        controller.schedule = Schedule::new(&[Level { epsilon: 0.0, networks: 1 }], None, 1);
        // No two actions alike: every value gets its own hair.
        for (pair, value) in controller.table.values.iter_mut().enumerate() {
            *value += 1e-9 * f64::from(u32::try_from(pair).unwrap());
        }
        let walks: Vec<Genotype> = (0..20)
            .map(|index| {
                let mut genotype = Genotype::default();
                let mut stream = Seed::root(9).stream("walk", index);
                controller.propose(&space, START, &mut stream, &mut genotype);
                genotype
            })
            .collect();
        assert!(walks.iter().all(|walk| *walk == walks[0]));
        for (state, slot, _) in process.walk(&walks[0]) {
            let of = |slot: usize| controller.value(process, state, slot);
            let best = (0..process.actions(state).len()).map(of).fold(0.0, f64::max);
            assert_eq!(of(usize::from(slot)).to_bits(), best.to_bits());
        }
    }

    #[test]
    fn full_exploration_takes_every_legal_action_alike() {
        let space = space();
        let process = space.process();
        let mut controller = taught(&space, 20);
        let mut counts = vec![0_u32; process.actions(process.start()).len()];
        for index in 0..14_000 {
            let mut genotype = Genotype::default();
            let mut stream = Seed::root(9).stream("walk", index);
            let remarks = controller.propose(&space, START, &mut stream, &mut genotype);
            assert_eq!(remarks.epsilon, Some(1.0));
            counts[usize::from(genotype.0[0])] += 1;
        }
        // 1,000 expected for each of 14 actions, standard deviation 30.
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    #[test]
    fn scaled_levels_round_half_up_and_keep_one_network() {
        let levels = [(1.0, 3), (0.5, 1), (0.1, 5)];
        let levels = levels.map(|(epsilon, networks)| Level { epsilon, networks });
        let counts = |scale, trials| -> Vec<u64> {
            Schedule::new(&levels, scale, trials).levels.iter().map(|l| l.networks).collect()
        };
        assert_eq!(counts(Some(0.5), 0), [2, 1, 3]);
        assert_eq!(counts(Some(0.01), 0), [1, 1, 1]);
        assert_eq!(counts(None, 18), [6, 2, 10]);
    }

    #[test]
    fn epsilon_may_only_fall() {
        let level = |epsilon| Level { epsilon, networks: 1 };
        let config = QLearningConfig {
            schedule: vec![level(0.5), level(0.6)],
            ..QLearningConfig::default()
        };
        let message = "epsilon rises from 0.5 to 0.6; it may only fall";
        assert_eq!(config.check(), [("schedule", message.to_owned())]);
        assert_eq!(QLearningConfig::default().check(), []);
    }
}
