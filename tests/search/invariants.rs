//! What must hold of every search, whatever the strategy.

use std::collections::{BTreeMap, BTreeSet};

use phytotron::net::Shape;
use phytotron::search::{
    EvolutionConfig, Level, LocalSearchConfig, LstmConfig, MockConfig, MockEvaluator, PolicyConfig,
    PpoConfig, Proposal, QLearningConfig, ReinforceConfig, SavedSearch, Search, StrategyConfig,
};
use phytotron::seed::Seed;
use phytotron::space::Space;
use phytotron::space::chain::{ChainConfig, ChainSpace};
use proptest::prelude::*;

/// Every strategy, with settings that a short search already shows.
pub(super) const STRATEGIES: [fn() -> StrategyConfig; 8] = [
    || StrategyConfig::Random,
    || StrategyConfig::RandomUniform,
    || StrategyConfig::QLearning(QLearningConfig { replay: 20, ..QLearningConfig::default() }),
    || {
        StrategyConfig::Reinforce(ReinforceConfig {
            controller: PolicyConfig::Lstm(small_lstm(2)),
            lr: Some(0.01),
            batch: Some(5),
            entropy_weight: 1e-3,
            gradient_clip: Some(1.0),
            ..ReinforceConfig::default()
        })
    },
    || {
        StrategyConfig::Reinforce(ReinforceConfig {
            controller: PolicyConfig::Softmax,
            ..ReinforceConfig::default()
        })
    },
    || {
        StrategyConfig::Ppo(PpoConfig {
            controller: small_lstm(1),
            batch: 7,
            minibatch: 3,
            ..PpoConfig::default()
        })
    },
    || StrategyConfig::Evolution(EvolutionConfig { population: 10, sample: 3 }),
    || StrategyConfig::LocalSearch(LocalSearchConfig { starts: 4 }),
];

fn small_lstm(layers: usize) -> LstmConfig {
    LstmConfig { layers: Some(layers), hidden: Some(6), ..LstmConfig::default() }
}

fn open(config: &ChainConfig) -> ChainSpace {
    let image = Shape { channels: 3, height: 32, width: 32 };
    ChainSpace::open(config, image, 10).expect("square images suit")
}

/// 206 networks.
fn two_layers() -> ChainConfig {
    ChainConfig { layers_max: 2, ..ChainConfig::default() }
}

/// A search with the mock evaluator, and what it has written down.
pub(super) struct Run<'s> {
    pub(super) search: Search<'s>,
    mock: MockEvaluator,
    pub(super) history: Vec<(Proposal, f64)>,
}

impl<'s> Run<'s> {
    pub(super) fn new(
        space: &'s dyn Space,
        strategy: &StrategyConfig,
        trials: u64,
        seed: u64,
    ) -> Self {
        let controller = strategy.open(space, trials, Seed::root(seed)).expect("countable");
        let search = Search::new(space, controller, Seed::root(seed));
        let mock = MockEvaluator::new(&MockConfig::default(), space.classes());
        Self { search, mock, history: Vec::new() }
    }

    /// One batch; whether there was any.
    pub(super) fn batch(&mut self, size: usize) -> bool {
        let proposals = self.search.propose(size);
        let space = self.search.space();
        let mut score = |p: &Proposal| self.mock.score(&p.features, 0, &space.text(&p.genotype)).0;
        let rewards: Vec<f64> = proposals.iter().map(&mut score).collect();
        self.search.observe(&rewards);
        let any = !proposals.is_empty();
        self.history.extend(proposals.into_iter().zip(rewards));
        any
    }

    pub(super) fn finished(mut self, trials: usize, batch: usize) -> Self {
        while self.history.len() < trials && self.batch(batch.min(trials - self.history.len())) {}
        self
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_proposal_is_legal_new_and_within_the_limits(
        strategy in 0..STRATEGIES.len(), seed: u64, batch in 1_usize..9,
    ) {
        let config = ChainConfig {
            layers_max: 5,
            parameters_max: 2_000_000,
            multiply_adds_max: 300_000_000,
            ..ChainConfig::default()
        };
        let space = open(&config);
        let run = Run::new(&space, &STRATEGIES[strategy](), 60, seed).finished(60, batch);
        prop_assert_eq!(run.history.len(), 60);
        prop_assert!(run.search.counts().rejected > 0);
        let mut texts = BTreeSet::new();
        for (Proposal { genotype, features, .. }, _) in &run.history {
            let text = space.text(genotype);
            prop_assert_eq!(&space.parse(&text).expect("legal"), genotype);
            prop_assert!(features.parameters <= 2_000_000);
            prop_assert!(features.multiply_adds <= 300_000_000);
            prop_assert!(texts.insert(text), "a network was evaluated twice");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_history_and_another_another(
        strategy in 0..STRATEGIES.len(), seed: u64,
    ) {
        let space = open(&ChainConfig::default());
        let history = |seed| {
            Run::new(&space, &STRATEGIES[strategy](), 30, seed).finished(30, 1).history
        };
        prop_assert_eq!(history(seed), history(seed));
        prop_assert_ne!(history(seed), history(seed ^ 1));
    }

    /// Also one that came up twice in a batch, before its reward was known.
    #[test]
    fn every_draw_is_presented_once(
        strategy in 0..STRATEGIES.len(), seed: u64, batch in 1_usize..30,
    ) {
        let space = open(&two_layers());
        let run = Run::new(&space, &STRATEGIES[strategy](), 150, seed).finished(150, batch);
        let counts = run.search.counts();
        prop_assert!(counts.repeats > 0, "150 of 206 networks");
        prop_assert_eq!(counts.updates, counts.repeats + run.search.trials());
    }

    #[test]
    fn a_saved_search_goes_on_as_if_nothing_had_happened(
        strategy in 0..STRATEGIES.len(), seed: u64, cut in 0_usize..60, batch in 1_usize..5,
    ) {
        let space = open(&two_layers());
        let strategy = STRATEGIES[strategy]();
        let whole = Run::new(&space, &strategy, 60, seed).finished(60, batch);
        let mut first = Run::new(&space, &strategy, 60, seed);
        while first.history.len() < cut && first.batch(batch.min(60 - first.history.len())) {}
        let text = serde_json::to_string(&first.search.save()).expect("serializes");
        let mut second = Run::new(&space, &strategy, 60, seed);
        let saved: SavedSearch = serde_json::from_str(&text).expect("what was written");
        second.search.restore(saved).expect("the same space");
        second.history = first.history;
        let second = second.finished(60, batch);
        prop_assert_eq!(&second.history, &whole.history);
        prop_assert_eq!(
            second.search.controller().table(&space),
            whole.search.controller().table(&space)
        );
        prop_assert_eq!(
            second.search.controller().weights(&space),
            whole.search.controller().weights(&space)
        );
        prop_assert_eq!(second.search.counts(), whole.search.counts());
    }
}

#[test]
fn a_small_space_is_exhausted_and_every_network_found_once() {
    let space = open(&ChainConfig { layers_max: 1, ..ChainConfig::default() });
    for strategy in STRATEGIES {
        let run = Run::new(&space, &strategy(), 100, 3).finished(100, 1);
        assert_eq!(run.history.len(), 14, "all there are");
        assert!(run.search.is_exhausted());
        // Not one episode more than a thousand after the last new network.
        let counts = run.search.counts();
        assert!(counts.repeats >= 1000 && counts.episodes == counts.repeats + 14, "{counts:?}");
    }
}

/// What a policy learns from a batch is independent of how its rewards are asked for: one by one, all at
/// once, or more at once than a batch has.
#[test]
fn a_policy_changes_only_when_all_rewards_are_known() {
    let space = open(&ChainConfig::default());
    for (strategy, learns_at_once) in STRATEGIES[3..6].iter().zip([false, true, false]) {
        let weights = |trials, batch| {
            let run = Run::new(&space, &strategy(), 100, 1).finished(trials, batch);
            run.search.controller().weights(&space).expect("a policy has weights")
        };
        let fresh = weights(0, 1);
        // Two, since the first reward of all is what NATS's baseline expects of it.
        assert_eq!(weights(2, 1) != fresh, learns_at_once, "two rewards are two batches of one");
        assert_ne!(weights(7, 1), fresh, "seven rewards are a batch");
        let mut run = Run::new(&space, &strategy(), 100, 1);
        assert_eq!(run.search.propose(20).len(), 20);
        let unchanged = run.search.controller().weights(&space);
        assert_eq!(unchanged, Some(fresh), "no reward is known");
        run.search.observe(&[0.5; 20]);
    }
}

/// A stage may end in the middle of a batch: what is left of it is in the saved search, and small.
#[test]
fn a_saved_search_grows_by_its_networks_alone() {
    let space = open(&ChainConfig::default());
    for strategy in STRATEGIES {
        let size = |trials| {
            let run = Run::new(&space, &strategy(), 400, 3).finished(trials, 1);
            let saved = serde_json::to_value(run.search.save()).expect("serializes");
            saved["controller"].to_string().len()
        };
        let (early, late) = (size(40), size(400));
        // Q-learning remembers the row of each update; other controllers are as large as they were.
        assert!(late < early * 2 + 20_000, "{:?}: {early} {late}", strategy());
    }
}

#[test]
fn a_space_whose_networks_are_all_too_large_ends_without_a_trial() {
    let space = open(&ChainConfig { parameters_max: 1, ..two_layers() });
    let run = Run::new(&space, &StrategyConfig::Random, 5, 3).finished(5, 1);
    assert!(run.history.is_empty() && run.search.is_exhausted());
    assert_eq!(run.search.counts().rejected, run.search.counts().episodes);
}

#[test]
fn rejected_networks_never_reach_the_table() {
    let config = ChainConfig { parameters_max: 400_000, layers_max: 3, ..ChainConfig::default() };
    let space = open(&config);
    let run = Run::new(&space, &STRATEGIES[2](), 80, 11).finished(80, 1);
    assert!(run.search.counts().rejected > 20);
    let process = space.process();
    let mut walked = BTreeSet::new();
    for (proposal, _) in &run.history {
        for (state, _, action) in process.walk(&proposal.genotype) {
            let state = process.row_name(process.row(state));
            let action = process.token_name(action.token);
            walked.insert(format!("\"{state}\",\"{action}\""));
        }
    }
    let table = run.search.controller().table(&space).expect("Q-learning has one");
    let visited: Vec<&str> = table
        .text
        .lines()
        .skip(1)
        .map(|line| line.rsplitn(3, ',').nth(2).expect("four columns"))
        .collect();
    assert!(visited.len() > 50);
    for pair in visited {
        assert!(walked.contains(pair), "{pair} was visited by a rejected walk");
    }
}

/// Whatever the seeds, later walks of Q-learning are better than random ones where there is something to
/// learn: a space whose scores differ widely.
#[test]
fn the_final_policy_beats_random_walks() {
    let config = ChainConfig {
        filters: vec![2, 8, 64],
        fc_sizes: Vec::new(),
        layers_max: 5,
        ..ChainConfig::default()
    };
    let space = open(&config);
    let learner = StrategyConfig::QLearning(QLearningConfig {
        alpha: 0.1,
        schedule: [(1.0, 100), (0.5, 50), (0.1, 50)]
            .map(|(epsilon, networks)| Level { epsilon, networks })
            .to_vec(),
        scale: Some(1.0),
        ..QLearningConfig::default()
    });
    let mut gains = Vec::new();
    for seed in 0..5 {
        let tail = |strategy: &StrategyConfig| {
            let run = Run::new(&space, strategy, 200, seed).finished(200, 1);
            run.history[150..].iter().map(|(_, score)| score).sum::<f64>() / 50.0
        };
        gains.push(tail(&learner) - tail(&StrategyConfig::Random));
    }
    assert!(gains.iter().all(|gain| *gain > 0.05), "{gains:?}");
}

/// The optimum is known: four times the layer that is rewarded. A random walk takes it once in 1,296
/// episodes.
#[test]
fn q_learning_finds_a_known_optimum_more_often_than_random_walks() {
    const WANTED: &str = "[C(512,5,1), C(512,5,1), C(512,5,1), C(512,5,1), SM(10)]";
    let space = open(&ChainConfig {
        filters: vec![64, 512],
        kernels: vec![3, 5],
        pools: Vec::new(),
        layers_max: 4,
        parameters_max: u64::MAX,
        multiply_adds_max: u64::MAX,
        ..ChainConfig::default()
    });
    let finds = |strategy: &StrategyConfig, seed| {
        let controller = strategy.open(&space, 120, Seed::root(seed)).expect("countable");
        let mut search = Search::new(&space, controller, Seed::root(seed));
        (0..120).any(|_| {
            let proposals = search.propose(1);
            let text = space.text(&proposals[0].genotype);
            let wanted = text.matches("C(512,5,1)").count();
            search.observe(&[f64::from(u32::try_from(wanted).expect("few")) / 4.0]);
            text == WANTED
        })
    };
    let learner = StrategyConfig::QLearning(QLearningConfig {
        alpha: 0.1,
        initial_value: 0.0,
        ..QLearningConfig::default()
    });
    let found = |strategy: &StrategyConfig| (0..30).filter(|&seed| finds(strategy, seed)).count();
    let (learned, random) = (found(&learner), found(&StrategyConfig::Random));
    // About 20 against 7: ten apart would be a rare accident if both were alike.
    assert!(learned >= random + 10, "{learned} against {random} of 30");
}

#[test]
fn epsilon_falls_with_unique_networks_only() {
    let space = open(&ChainConfig { layers_max: 1, ..ChainConfig::default() });
    let learner = StrategyConfig::QLearning(QLearningConfig {
        schedule: [(1.0, 5), (0.5, 5), (0.0, 4)]
            .map(|(epsilon, networks)| Level { epsilon, networks })
            .to_vec(),
        scale: Some(1.0),
        ..QLearningConfig::default()
    });
    let run = Run::new(&space, &learner, 14, 1).finished(14, 1);
    assert!(run.search.counts().repeats > 0, "walks came back to known networks");
    let mut by_epsilon: BTreeMap<String, u32> = BTreeMap::new();
    for (proposal, _) in &run.history {
        *by_epsilon.entry(format!("{:?}", proposal.remarks.epsilon)).or_default() += 1;
    }
    assert_eq!(by_epsilon["Some(1.0)"], 5);
    assert_eq!(by_epsilon["Some(0.5)"], 5);
}
