//! What must hold of every strategy on every space: each pair of them searches, and is looked at.
//!
//! `invariants` looks closer at single strategies on chains; here is the whole table.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use phytotron::search::{
    Baseline, BaselineKind, Controller, CostConfig, Evaluation, Finished, Level, LstmConfig,
    Measure, PolicyConfig, PpoConfig, Progress, QLearning, QLearningConfig, ReinforceConfig,
    RewardConfig, SavedSearch, Search, StrategyConfig,
};
use phytotron::seed::{Seed, Stream};
use phytotron::space::layerwise::{Growth, LayerwiseConfig};
use phytotron::space::{Features, Genotype, Process, Space, SpaceChanges, SpaceConfig, StateId};
use proptest::prelude::*;
use safetensors::SafeTensors;

use super::invariants::{Run, STRATEGIES};
use super::toy::Toy;
use crate::space::small;

/// Side of the images.
const SIDE: usize = 16;

/// A space of each kind, one of more networks than 128 bits count, and one of deeper and deeper networks.
fn configs() -> Vec<SpaceConfig> {
    let deep = LayerwiseConfig { layers: 12, ..LayerwiseConfig::default() };
    let growing = LayerwiseConfig {
        layers: 4,
        growth: Some(Growth { start: 2, plus: 1, every: 12 }),
        ..LayerwiseConfig::default()
    };
    small::configs().into_iter().chain([deep, growing].map(SpaceConfig::Layerwise)).collect()
}

fn open(config: &SpaceConfig) -> Box<dyn Space> {
    small::open(config, SIDE)
}

fn toys() -> [Box<dyn Space>; 2] {
    [Box::new(Toy::new(&[3, 4, 1, 3, 4])), Box::new(Toy::tree(&[3, 4, 1, 3, 4]))]
}

/// Every kind of space.
fn spaces() -> Vec<Box<dyn Space>> {
    configs().iter().map(open).chain(toys()).collect()
}

/// The same, where half of the networks that may be drawn are too large.
fn limited() -> Vec<Box<dyn Space>> {
    let limit = |config: &SpaceConfig| {
        let space = open(config);
        let mut sizes: Vec<u64> = (0..41)
            .map(|seed| space.features(&drawn(&*space, &mut stream(seed))).parameters)
            .collect();
        sizes.sort_unstable();
        let changes = BTreeMap::from([("parameters_max".to_owned(), sizes[20].into())]);
        open(&config.with(&SpaceChanges(changes)).expect("every space has that limit"))
    };
    configs().iter().map(limit).chain(toys()).collect()
}

/// A space of each kind with few networks.
fn tiny() -> Vec<Box<dyn Space>> {
    let toy: Box<dyn Space> = Box::new(Toy::new(&[3, 4]));
    small::tiny().iter().map(open).chain([toy]).collect()
}

fn stream(seed: u64) -> Stream {
    Seed::root(seed).stream("every", 0)
}

fn drawn(space: &dyn Space, stream: &mut Stream) -> Genotype {
    let mut genotype = Genotype::default();
    space.process().draw(stream, &mut genotype);
    genotype
}

/// Looks at each strategy that a space allows, with a number of the pair.
fn each_pair(spaces: &[Box<dyn Space>], mut look: impl FnMut(&dyn Space, &StrategyConfig, u64)) {
    let mut pair = 0;
    for space in spaces {
        for strategy in STRATEGIES {
            let strategy = strategy();
            let is_countable = space.process().count().is_some();
            if is_countable || strategy != StrategyConfig::RandomUniform {
                look(&**space, &strategy, pair);
                pair += 1;
            }
        }
    }
}

/// The kind of a space, for people.
fn name(space: &dyn Space) -> String {
    format!("{space:?}").chars().take_while(|letter| letter.is_alphanumeric()).collect()
}

/// Whether nodes can be counted: toys have none.
fn is_real(space: &dyn Space) -> bool {
    space.image().height == SIDE
}

#[test]
fn what_is_proposed_is_legal_counted_within_the_limits_and_costs_the_budget_once() {
    let (mut repeats, mut rejected) = (0, 0);
    each_pair(&limited(), |space, strategy, pair| {
        let batch = 1 + usize::try_from(pair % 4).expect("few");
        let run = Run::new(space, strategy, 40, pair).finished(40, batch);
        assert_eq!(run.history.len(), 40, "{strategy:?} on {}", name(space));
        assert_eq!(run.search.trials(), 40);
        let counts = run.search.counts();
        assert_eq!(counts.episodes, 40 + counts.repeats + counts.rejected, "{counts:?}");
        // A repeated network teaches again, but for one of a batch that is still out.
        let taught = if batch == 1 { 40 + counts.repeats } else { 40 };
        assert!((taught..=40 + counts.repeats).contains(&counts.updates), "{counts:?}");
        (repeats, rejected) = (repeats + counts.repeats, rejected + counts.rejected);
        let mut texts = BTreeSet::new();
        for (trial, (proposal, _)) in run.history.iter().enumerate() {
            let (genotype, features) = (&proposal.genotype, &proposal.features);
            assert!(space.has(genotype));
            assert_eq!(space.process().walk(genotype).count(), genotype.0.len());
            assert!(space.limits().allow(features));
            if is_real(space) && trial % 8 == 7 {
                let network = space.network(genotype);
                assert_eq!(features.parameters, network.parameters());
                assert_eq!(features.multiply_adds, network.multiply_adds());
            }
            let text = space.text(genotype);
            assert_eq!(&space.parse(&text).expect("legal"), genotype, "{text}");
            assert!(texts.insert(text), "a network was evaluated twice");
        }
    });
    assert!(repeats > 100 && rejected > 100, "{repeats} {rejected}");
}

/// As many texts as there are networks, and as many evaluations as there are texts, whatever the budget.
#[test]
fn a_tiny_space_is_exhausted_by_every_strategy_and_each_text_evaluated_once() {
    each_pair(&tiny(), |space, strategy, pair| {
        let count = space.process().count().expect("tiny");
        let all: BTreeSet<String> = (0..count)
            .map(|index| {
                let mut genotype = Genotype::default();
                space.process().nth(index, &mut genotype);
                space.text(&genotype)
            })
            .collect();
        assert_eq!(all.len() as u128, count);
        let batch = 1 + usize::try_from(pair % 3).expect("few");
        let run = Run::new(space, strategy, 100, pair).finished(100, batch);
        let found: Vec<String> =
            run.history.iter().map(|(proposal, _)| space.text(&proposal.genotype)).collect();
        assert_eq!(found.len(), all.len(), "{strategy:?} on {}", name(space));
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), all);
        assert!(run.search.is_exhausted());
    });
}

#[test]
fn a_seed_and_a_batch_are_a_history() {
    each_pair(&limited(), |space, strategy, pair| {
        for batch in [1, 3] {
            let history = |seed| Run::new(space, strategy, 18, seed).finished(18, batch).history;
            assert_eq!(history(pair), history(pair), "{strategy:?} on {}", name(space));
            assert_ne!(history(pair), history(pair + 1), "{strategy:?} on {}", name(space));
        }
        // Also before a first draw: what a policy begins with comes from the seed.
        let fresh = |seed| {
            let controller = strategy.open(space, 18, Seed::root(seed)).expect("it was opened");
            controller.weights(space)
        };
        assert_eq!(fresh(pair), fresh(pair), "{strategy:?} on {}", name(space));
        if let Some(weights) = fresh(pair) {
            assert_ne!(Some(weights), fresh(pair + 1), "{strategy:?} on {}", name(space));
        }
    });
}

#[test]
fn a_search_goes_on_from_wherever_it_was_saved() {
    each_pair(&limited(), |space, strategy, pair| {
        let batch = 1 + usize::try_from(pair % 3).expect("few");
        let mut whole = Run::new(space, strategy, 30, pair).finished(30, batch);
        for cut in [0, 1, 13, 30] {
            let first = Run::new(space, strategy, 30, pair);
            let first = first.finished(cut / batch * batch, batch);
            let text = serde_json::to_string(&first.search.save()).expect("serializes");
            let saved: SavedSearch = serde_json::from_str(&text).expect("what was written");
            let mut second = Run::new(space, strategy, 30, pair);
            second.search.restore(saved).expect("the same space");
            second.history = first.history;
            let mut second = second.finished(30, batch);
            let said = || format!("{strategy:?} on {} from {cut}", name(space));
            assert_eq!(second.history, whole.history, "{}", said());
            assert_eq!(second.search.counts(), whole.search.counts(), "{}", said());
            let learned = |run: &Run<'_>| {
                let controller = run.search.controller();
                (
                    controller.table(space),
                    controller.weights(space),
                    controller.most_probable(space),
                )
            };
            assert_eq!(learned(&second), learned(&whole), "{}", said());
            assert_eq!(second.search.samples(5), whole.search.samples(5), "{}", said());
        }
    });
}

/// Every state that can be reached.
fn states(process: &Process) -> BTreeSet<StateId> {
    let mut states = BTreeSet::from([process.start()]);
    let mut left = vec![process.start()];
    while let Some(state) = left.pop() {
        for action in process.actions(state) {
            if states.insert(action.next) {
                left.push(action.next);
            }
        }
    }
    states
}

/// The spaces whose states can all be looked at again and again.
fn tabular() -> Vec<Box<dyn Space>> {
    let mut spaces = spaces();
    spaces.retain(|space| states(space.process()).len() < 20_000);
    assert!(spaces.len() >= 6);
    spaces
}

/// Equation 3 as it is written, over a table that knows only what was visited.
struct Slow {
    config: QLearningConfig,
    values: HashMap<(u32, usize), f64>,
    visits: HashMap<(u32, usize), u32>,
}

impl Slow {
    fn value(&self, process: &Process, state: StateId, slot: usize) -> f64 {
        let pair = (process.row(state).number(), slot);
        self.values.get(&pair).copied().unwrap_or(self.config.initial_value)
    }

    fn learn(&mut self, process: &Process, genotype: &Genotype, reward: f64) {
        let walk: Vec<_> = process.walk(genotype).collect();
        for (state, slot, action) in walk.into_iter().rev() {
            let slot = usize::from(slot);
            let next = 0..process.actions(action.next).len();
            let best = next.map(|slot| self.value(process, action.next, slot));
            let target = match best.reduce(f64::max) {
                Some(best) => self.config.gamma * best,
                None => reward,
            };
            let alpha = self.config.alpha;
            let moved = (1.0 - alpha) * self.value(process, state, slot) + alpha * target;
            let pair = (process.row(state).number(), slot);
            self.values.insert(pair, moved);
            *self.visits.entry(pair).or_default() += 1;
        }
    }
}

#[test]
fn a_table_moves_by_alpha_where_it_was_visited_and_stays_between_zero_and_one() {
    for (number, space) in tabular().iter().enumerate() {
        let process = space.process();
        let mut chance = stream(number as u64);
        for _ in 0..2 {
            let config = QLearningConfig {
                alpha: chance.range(0.01, 1.0),
                gamma: chance.range(0.5, 1.0),
                initial_value: chance.unit(),
                ..QLearningConfig::default()
            };
            let mut learner = QLearning::new(&config, process, 100);
            let mut slow = Slow { config, values: HashMap::new(), visits: HashMap::new() };
            for _ in 0..40 {
                let genotype = drawn(&**space, &mut chance);
                let reward = [0.0, 1.0, chance.unit()][chance.index(3)];
                learner.learn(process, &genotype, reward);
                slow.learn(process, &genotype, reward);
            }
            for state in states(process) {
                for slot in 0..process.actions(state).len() {
                    let value = learner.value(process, state, slot);
                    let pair = (process.row(state).number(), slot);
                    let visits = slow.visits.get(&pair).copied().unwrap_or(0);
                    assert_eq!(learner.visits(process, state, slot), visits);
                    assert!((0.0..=1.0).contains(&value), "{value}");
                    let expected = slow.value(process, state, slot);
                    if visits == 0 {
                        assert_eq!(value.to_bits(), expected.to_bits(), "never visited");
                    }
                    assert!((value - expected).abs() < 1e-12, "{value} {expected}");
                }
            }
        }
    }
}

/// Batches, repeats, rejected walks and replay: whatever a search does, its table knows its trials only.
#[test]
fn the_table_of_a_search_knows_its_trials_alone() {
    for (number, space) in limited().iter().enumerate() {
        let strategy = StrategyConfig::QLearning(QLearningConfig {
            alpha: 0.5,
            replay: 10,
            ..QLearningConfig::default()
        });
        let run = Run::new(&**space, &strategy, 40, number as u64).finished(40, 1 + number % 3);
        let process = space.process();
        let mut walked = BTreeSet::new();
        for (proposal, _) in &run.history {
            for (state, _, action) in process.walk(&proposal.genotype) {
                let state = process.row_name(process.row(state));
                walked.insert(format!("\"{state}\",\"{}\"", process.token_name(action.token)));
            }
        }
        let table = run.search.controller().table(&**space).expect("Q-learning has one");
        let mut learned = BTreeSet::new();
        for line in table.text.lines().skip(1) {
            let mut columns = line.rsplitn(3, ',').skip(1);
            let value: f64 = columns.next().and_then(|text| text.parse().ok()).expect("a value");
            assert!((0.0..=1.0).contains(&value), "{line}");
            learned.insert(columns.next().expect("a pair").to_owned());
        }
        // Replay draws; a walk or two may not have come up yet.
        assert!(learned.is_subset(&walked), "{}", name(&**space));
        assert!(learned.len() * 2 > walked.len(), "{}", name(&**space));
    }
}

/// A learner at one exploration rate, after some random networks with random rewards.
fn taught(space: &dyn Space, epsilon: f64, chance: &mut Stream) -> QLearning {
    let config = QLearningConfig {
        alpha: 0.3,
        initial_value: 0.0,
        schedule: vec![Level { epsilon, networks: 1 }],
        ..QLearningConfig::default()
    };
    let mut learner = QLearning::new(&config, space.process(), 1);
    for _ in 0..60 {
        let genotype = drawn(space, chance);
        learner.learn(space.process(), &genotype, chance.range(0.1, 1.0));
    }
    learner
}

fn walk(learner: &mut QLearning, space: &dyn Space, stream: &mut Stream) -> Genotype {
    let mut genotype = Genotype::default();
    let start = Progress { proposed: 0, pending: 0 };
    learner.propose(space, start, stream, &mut genotype);
    genotype
}

/// Chi-squared over the actions that 3,000 walks take at the states that they meet often.
fn takes_every_action_alike(learner: &mut QLearning, space: &dyn Space, chance: &mut Stream) {
    let mut taken: BTreeMap<StateId, Vec<f64>> = BTreeMap::new();
    for _ in 0..3_000 {
        let genotype = walk(learner, space, chance);
        for (state, slot, _) in space.process().walk(&genotype) {
            let actions = space.process().actions(state).len();
            let counts = taken.entry(state).or_insert_with(|| vec![0.0; actions]);
            counts[usize::from(slot)] += 1.0;
        }
    }
    let (mut chi, mut degrees) = (0.0, 0.0);
    for counts in taken.values() {
        #[expect(clippy::cast_precision_loss, reason = "few actions")]
        let choices = counts.len() as f64;
        let expected = counts.iter().sum::<f64>() / choices;
        if expected < 20.0 {
            continue;
        }
        let of_state: f64 = counts.iter().map(|count| (count - expected).powi(2) / expected).sum();
        let free = choices - 1.0;
        assert!(of_state <= free + 6.0 * (2.0 * free).sqrt() + 6.0, "{counts:?}");
        (chi, degrees) = (chi + of_state, degrees + free);
    }
    assert!(degrees > 5.0, "{degrees} in {}", name(space));
    assert!((chi - degrees).abs() < 5.0 * (2.0 * degrees).sqrt(), "{chi} of {degrees}");
}

#[test]
fn full_exploration_takes_every_legal_action_of_a_state_alike() {
    for (number, space) in spaces().iter().enumerate() {
        let mut chance = stream(number as u64);
        let mut learner = taught(&**space, 1.0, &mut chance);
        takes_every_action_alike(&mut learner, &**space, &mut chance);
    }
}

/// A table that knows nothing has nothing but ties.
#[test]
fn without_exploration_equal_values_are_taken_alike() {
    for (number, space) in spaces().iter().enumerate() {
        let config = QLearningConfig {
            schedule: vec![Level { epsilon: 0.0, networks: 1 }],
            ..QLearningConfig::default()
        };
        let mut learner = QLearning::new(&config, space.process(), 1);
        takes_every_action_alike(&mut learner, &**space, &mut stream(100 + number as u64));
    }
}

#[test]
fn without_exploration_a_best_action_is_taken_and_the_walk_is_one_where_values_differ() {
    for (number, space) in spaces().iter().enumerate() {
        let process = space.process();
        let mut without_ties = 0;
        for seed in 0..10 {
            let mut chance = stream(1_000 * number as u64 + seed);
            let mut learner = taught(&**space, 0.0, &mut chance);
            let mut walks: Vec<Genotype> =
                (0..10).map(|_| walk(&mut learner, &**space, &mut chance)).collect();
            let mut has_ties = false;
            for (state, slot, _) in walks.iter().flat_map(|walk| process.walk(walk)) {
                let values: Vec<f64> = (0..process.actions(state).len())
                    .map(|slot| learner.value(process, state, slot))
                    .collect();
                let best = values.iter().copied().fold(0.0, f64::max);
                assert_eq!(values[usize::from(slot)].to_bits(), best.to_bits(), "not the best");
                has_ties |= values.iter().filter(|value| **value >= best).count() > 1;
            }
            if !has_ties {
                without_ties += 1;
                assert_eq!(learner.most_probable(&**space), Some(walks[0].clone()));
                walks.dedup();
                assert_eq!(walks.len(), 1, "{}", name(&**space));
            }
        }
        assert!(without_ties > 0, "{}", name(&**space));
    }
}

/// Strategies with a policy, without pressure to stay undecided.
fn policy_gradients() -> Vec<StrategyConfig> {
    let lstm = LstmConfig { layers: Some(1), hidden: Some(6), ..LstmConfig::default() };
    let reinforce = |controller, lr, baseline| {
        StrategyConfig::Reinforce(ReinforceConfig {
            controller,
            lr: Some(lr),
            batch: Some(4),
            baseline: Some(baseline),
            ..ReinforceConfig::default()
        })
    };
    let ppo = PpoConfig {
        controller: lstm.clone(),
        lr: 0.01,
        batch: 4,
        minibatch: 2,
        entropy_weight: 0.0,
        ..PpoConfig::default()
    };
    vec![
        reinforce(PolicyConfig::Lstm(lstm), 0.01, BaselineKind::FirstInit),
        reinforce(PolicyConfig::Softmax, 0.1, BaselineKind::BiasCorrected),
        StrategyConfig::Ppo(ppo),
    ]
}

/// The weights of a policy after some trials with rewards of `reward`.
fn weights(
    space: &dyn Space,
    strategy: &StrategyConfig,
    trials: u64,
    mut reward: impl FnMut() -> f64,
) -> Vec<f32> {
    let controller = strategy.open(space, trials, Seed::root(1)).expect("a policy suits all");
    let mut search = Search::new(space, controller, Seed::root(1));
    while search.trials() < trials && !search.is_exhausted() {
        let rewards: Vec<f64> = search.propose(4).iter().map(|_| reward()).collect();
        search.observe(&rewards);
    }
    weights_of(&search)
}

/// The weights of a search's policy.
fn weights_of(search: &Search<'_>) -> Vec<f32> {
    let bytes = search.controller().weights(search.space()).expect("a policy has weights");
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
    let number = |four: &[u8]| f32::from_le_bytes(four.try_into().expect("four bytes"));
    // By name: tensors come in no order of their own.
    let parts: BTreeMap<&str, _> = tensors.iter().collect();
    parts.values().flat_map(|part| part.data().chunks(4).map(number)).collect()
}

/// The expected gradient of a constant reward is zero, and with a baseline each single one is.
#[test]
fn a_constant_reward_teaches_a_policy_nothing() {
    for space in spaces() {
        for strategy in policy_gradients() {
            let fresh = weights(&*space, &strategy, 0, || unreachable!("no trials"));
            let moved = |rewards: &mut dyn FnMut() -> f64| -> f32 {
                let after = weights(&*space, &strategy, 24, rewards);
                after.iter().zip(&fresh).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
            };
            let constant = moved(&mut || 0.7);
            assert!(constant < 1e-6, "{constant}: {strategy:?} on {}", name(&*space));
            let mut chance = stream(1);
            let taught = moved(&mut || chance.unit());
            assert!(taught > 1e-3, "{taught}: {strategy:?} on {}", name(&*space));
        }
    }
}

/// Strategies with a policy, with the extremes of what the schema allows: everything that makes numbers
/// large at once, and then with the bounds that are there to hold them.
fn wildest_policy_gradients() -> Vec<StrategyConfig> {
    let mut strategies = Vec::new();
    let softmax = ReinforceConfig {
        controller: PolicyConfig::Softmax,
        lr: Some(1.0),
        batch: Some(1),
        ..ReinforceConfig::default()
    };
    strategies.push(StrategyConfig::Reinforce(softmax.clone()));
    strategies.push(StrategyConfig::Reinforce(ReinforceConfig { entropy_weight: 10.0, ..softmax }));
    for (layers, temperature, tanh_constant, gradient_clip, entropy_weight) in [
        (1, 1.0, None, None, 0.0),
        (1, 1.0, None, Some(1e6), 0.0),
        (2, 1.0, None, None, 10.0),
        (2, 1e-3, None, Some(f64::MIN_POSITIVE), 10.0),
        (1, 5e-324, None, None, 10.0),
        (1, 5e-324, Some(1_000.0), Some(1e6), 0.0),
        (1, 1_000.0, Some(5e-324), None, 0.0),
    ] {
        let controller = LstmConfig {
            layers: Some(layers),
            hidden: Some(24),
            embedding: Some(3),
            init_range: Some(10.0),
            temperature,
            tanh_constant,
        };
        strategies.push(StrategyConfig::Reinforce(ReinforceConfig {
            controller: PolicyConfig::Lstm(controller.clone()),
            lr: Some(1.0),
            batch: Some(2),
            entropy_weight,
            gradient_clip,
            ..ReinforceConfig::default()
        }));
        strategies.push(StrategyConfig::Ppo(PpoConfig {
            controller,
            lr: 1.0,
            batch: 4,
            minibatch: 1,
            epochs: 100,
            clip: 0.999,
            entropy_weight,
            // Most advantages are negative once the first reward was the best.
            baseline_decay: 0.999,
            gradient_clip,
            ..PpoConfig::default()
        }));
    }
    strategies
}

#[test]
fn no_policy_holds_a_weight_that_is_no_number_at_the_largest_rates() {
    let spaces = [open(&configs()[0]), open(&configs()[2]), Box::new(Toy::new(&[3, 4, 1, 3, 4]))];
    for space in spaces {
        for (number, strategy) in wildest_policy_gradients().iter().enumerate() {
            let mut chance = stream(number as u64);
            let mut best = Some(1e9);
            let controller = strategy.open(&*space, 24, Seed::root(1)).expect("a policy suits all");
            let mut search = Search::new(&*space, controller, Seed::root(1));
            while search.trials() < 24 && !search.is_exhausted() {
                let proposals = search.propose(4);
                let mut reward = || best.take().unwrap_or_else(|| chance.unit());
                let rewards: Vec<f64> = proposals.iter().map(|_| reward()).collect();
                search.observe(&rewards);
            }
            let said = || format!("{strategy:?} on {}", name(&*space));
            let weights = weights_of(&search);
            assert!(weights.iter().all(|weight| weight.is_finite()), "{}", said());
            let table = search.controller().table(&*space).expect("a policy has one").text;
            assert!(!table.contains("NaN") && !table.contains("inf"), "{}: {table}", said());
            // What is saved is read again, which refuses numbers that are none.
            let saved = search.save();
            let controller = strategy.open(&*space, 24, Seed::root(1)).expect("a policy suits all");
            let again = Search::new(&*space, controller, Seed::root(1)).restore(saved);
            again.unwrap_or_else(|error| panic!("{}: {error}", said()));
        }
    }
}

/// Accuracies, and what a broken training makes of them.
fn accuracy() -> impl Strategy<Value = f64> {
    let broken = prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
    prop_oneof![4 => 0.0_f64..=1.0, 1 => broken]
}

proptest! {
    #[test]
    fn a_baseline_knows_nothing_of_the_reward_it_judges(
        before in prop::collection::vec(0.0_f64..=1.0, 1..20),
        decay in 0.0_f64..0.999, one in 0.0_f64..=1.0, other in 0.0_f64..=1.0,
    ) {
        let mut baseline = Baseline::new(BaselineKind::FirstInit, decay);
        for reward in before {
            let expected = baseline.value().unwrap_or(reward);
            prop_assert_eq!(baseline.advantage(reward).to_bits(), (reward - expected).to_bits());
        }
        let expected = baseline.value().expect("it has seen rewards");
        for reward in [one, other] {
            let advantage = baseline.clone().advantage(reward);
            prop_assert_eq!(advantage.to_bits(), (reward - expected).to_bits());
        }
    }

    #[test]
    fn a_reward_is_finite_whatever_was_measured(
        score in accuracy(), curve in prop::collection::vec(accuracy(), 0..6),
        failed: bool, power in 0.01_f64..=100.0,
        cost in prop::option::of((0_u32..64, -100.0_f64..=0.0, -100.0_f64..=0.0)),
        bits in 0_u32..64, classes in 2_usize..1000,
    ) {
        let evaluation = Evaluation {
            score,
            failure: failed.then(|| "diverged".to_owned()),
            curve,
            ..Evaluation::default()
        };
        let cost = cost.map(|(bits, exponent_below, exponent_above)| CostConfig {
            measure: Measure::Parameters,
            target: 1 << bits,
            exponent_below,
            exponent_above,
        });
        let features = Features {
            parameters: 1 << bits,
            ..Toy::new(&[2]).features(&Genotype(vec![0]))
        };
        let config = RewardConfig { power, cost };
        let reward = config.of(&evaluation, &features, classes);
        prop_assert!(reward.is_finite(), "{reward}");
        let plain = RewardConfig { cost: None, ..config };
        let worth = plain.of(&evaluation, &features, classes);
        #[expect(clippy::cast_precision_loss, reason = "few classes")]
        let chance = 1.0 / classes as f64;
        let expected = match score {
            score if !score.is_finite() => chance,
            score if failed => score.min(chance),
            score => score,
        };
        let expected = expected.powf(power);
        prop_assert!((worth - expected).abs() <= 1e-9 * expected, "{worth} {expected}");
    }
}

/// Nothing at chance, everything at chance, and the largest reward that a cost can make.
#[test]
fn what_is_learned_stays_finite() {
    let features = Features { parameters: 1, ..Toy::new(&[2]).features(&Genotype(vec![0])) };
    let cost = CostConfig {
        measure: Measure::Parameters,
        target: u64::MAX,
        exponent_below: -100.0,
        exponent_above: 0.0,
    };
    let config = RewardConfig { cost: Some(cost), ..RewardConfig::default() };
    let best = Evaluation { score: 1.0, ..Evaluation::default() };
    let largest = config.of(&best, &features, 10);
    for space in spaces() {
        for strategy in policy_gradients() {
            let mut chance = stream(2);
            for rewards in [[0.1, 0.1], [0.0, 1.0], [0.0, largest]] {
                let weights =
                    weights(&*space, &strategy, 24, || rewards[chance.index(rewards.len())]);
                assert!(
                    weights.iter().all(|weight| weight.is_finite()),
                    "{strategy:?} {rewards:?}"
                );
            }
        }
        let mut chance = stream(3);
        let mut learner = taught(&*space, 0.5, &mut chance);
        for network in 0..20 {
            let genotype = drawn(&*space, &mut chance);
            let reward = [0.0, largest][chance.index(2)];
            let finished = Finished { network, genotype: &genotype, reward, pending: 0 };
            learner.observe(&*space, finished, &mut chance);
            for (state, slot, _) in space.process().walk(&genotype) {
                assert!(learner.value(space.process(), state, slot.into()).is_finite());
            }
        }
    }
}
