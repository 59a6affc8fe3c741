//! What strategies find where the best network is known by looking at all of them.

use std::collections::HashMap;

use phytotron::net::Shape;
use phytotron::search::{
    EvolutionConfig, Level, LocalSearchConfig, LstmConfig, PolicyConfig, PpoConfig,
    QLearningConfig, ReinforceConfig, Search, StrategyConfig,
};
use phytotron::seed::Seed;
use phytotron::space::chain::{ChainConfig, ChainSpace};
use phytotron::space::{Genotype, Space};

use super::toy::Toy;

const SEEDS: u64 = 10;

/// A space with the reward of each of its networks.
struct Known {
    space: Box<dyn Space>,
    rewards: HashMap<Genotype, f64>,
    best: Genotype,
}

impl Known {
    fn new(space: Box<dyn Space>, reward: impl Fn(&dyn Space, &Genotype) -> f64) -> Self {
        let process = space.process();
        let count = process.count().expect("a small space");
        let mut rewards = HashMap::new();
        for index in 0..count {
            let mut genotype = Genotype::default();
            process.nth(index, &mut genotype);
            let reward = reward(&*space, &genotype);
            rewards.insert(genotype, reward);
        }
        let mut ranked: Vec<_> = rewards.iter().collect();
        ranked.sort_by(|a, b| b.1.total_cmp(a.1));
        assert!(ranked[0].1 > ranked[1].1, "one network is the best");
        let best = ranked[0].0.clone();
        Self { space, rewards, best }
    }

    /// 576 networks of five decisions; each choice is worth something by itself, and `together` after
    /// certain others.
    fn toy(toy: fn(&[usize]) -> Toy, together: f64) -> Self {
        Self::new(Box::new(toy(&[3, 4, 4, 3, 4])), move |_, genotype| {
            let worth = |slot: &u16| f64::from((7 * slot + 3) % 5);
            let alone: f64 = genotype.0.iter().map(worth).sum();
            let pairs = genotype.0.windows(2).filter(|pair| (pair[0] + pair[1]) % 3 == 1).count();
            0.1 + 0.03 * alone + together * f64::from(u32::try_from(pairs).expect("few"))
        })
    }

    /// 206 chains of up to two layers; wide convolutions with middle kernels are the best.
    fn chains() -> Self {
        let image = Shape { channels: 3, height: 32, width: 32 };
        let config = ChainConfig {
            layers_max: 2,
            parameters_max: u64::MAX,
            multiply_adds_max: u64::MAX,
            ..ChainConfig::default()
        };
        let space = ChainSpace::open(&config, image, 10).expect("square images suit");
        Self::new(Box::new(space), |space, genotype| {
            let text = space.text(genotype);
            let count =
                |words: &str| f64::from(u32::try_from(text.matches(words).count()).expect("few"));
            0.1 + 0.1 * count("C(")
                + 0.1 * count("(256,")
                + 0.05 * count(",3,1)")
                + 0.02 * count("P(")
        })
    }

    /// Searches until everything was seen, nothing new comes any more, or for 5,000 episodes.
    fn search(&self, strategy: &StrategyConfig, seed: u64) -> Search<'_> {
        let seed = Seed::root(seed);
        let controller = strategy.open(&*self.space, 200, seed).expect("it suits");
        let mut search = Search::new(&*self.space, controller, seed);
        while !search.is_exhausted()
            && search.trials() < self.rewards.len() as u64
            && search.counts().episodes < 5_000
        {
            let proposals = search.propose(1);
            let rewards: Vec<f64> =
                proposals.iter().map(|proposal| self.rewards[&proposal.genotype]).collect();
            search.observe(&rewards);
        }
        search
    }

    /// In how many seeds the most probable network of the final policy is the best there is.
    fn learned(&self, strategy: &StrategyConfig) -> u64 {
        let prefers_best = |seed: &u64| {
            let search = self.search(strategy, *seed);
            search.controller().most_probable(&*self.space) == Some(self.best.clone())
        };
        (0..SEEDS).filter(prefers_best).count() as u64
    }

    /// In how many seeds the best network is found within so many percent of the space.
    fn found(&self, strategy: &StrategyConfig, percent: usize) -> u64 {
        let trials = (self.rewards.len() * percent / 100) as u64;
        let finds = |seed: &u64| {
            let seed = Seed::root(*seed);
            let controller = strategy.open(&*self.space, trials, seed).expect("it suits");
            let mut search = Search::new(&*self.space, controller, seed);
            while search.trials() < trials && !search.is_exhausted() {
                for proposal in search.propose(1) {
                    search.observe(&[self.rewards[&proposal.genotype]]);
                    if proposal.genotype == self.best {
                        return true;
                    }
                }
            }
            false
        };
        (0..SEEDS).filter(finds).count() as u64
    }
}

fn lstm() -> LstmConfig {
    LstmConfig { layers: Some(1), hidden: Some(16), ..LstmConfig::default() }
}

fn policy_gradients() -> Vec<(&'static str, StrategyConfig)> {
    let reinforce = |controller, lr| {
        StrategyConfig::Reinforce(ReinforceConfig {
            controller,
            lr: Some(lr),
            batch: Some(8),
            entropy_weight: 0.003,
            ..ReinforceConfig::default()
        })
    };
    let ppo =
        PpoConfig { controller: lstm(), lr: 0.01, entropy_weight: 1e-3, ..PpoConfig::default() };
    vec![
        ("reinforce, lstm", reinforce(PolicyConfig::Lstm(lstm()), 0.01)),
        ("reinforce, softmax", reinforce(PolicyConfig::Softmax, 0.03)),
        ("ppo", StrategyConfig::Ppo(ppo)),
    ]
}

/// Looks at all, then follows its values: the best of a table without noise.
fn table() -> (&'static str, StrategyConfig) {
    let levels = [(1.0, 150), (0.5, 50), (0.1, 100)];
    let schedule = levels.map(|(epsilon, networks)| Level { epsilon, networks }).to_vec();
    let config =
        QLearningConfig { alpha: 0.1, initial_value: 0.0, schedule, ..QLearningConfig::default() };
    ("q_learning", StrategyConfig::QLearning(config))
}

/// A table must prefer the best network where its states know the decisions before. Those of chains do not (Baker et
/// al. 2017, sec. 4.1: layer, depth and size alone): what the second layer is worth is then the same after every first,
/// and so is a first layer that leads to it. How often it is right there is printed.
#[test]
fn the_final_policy_of_a_learner_prefers_the_best_network() {
    let (toy, tree) = (Known::toy(Toy::new, 0.0), Known::toy(Toy::tree, 0.04));
    let chains = Known::chains();
    let mut cases = vec![("tree", &tree, table())];
    for learner in policy_gradients() {
        cases.push(("toy", &toy, learner.clone()));
        cases.push(("chains", &chains, learner));
    }
    for (space, known) in [("tree", &tree), ("toy", &toy), ("chains", &chains)] {
        let random = known.found(&StrategyConfig::Random, 40);
        println!(
            "{space}: random finds it in two fifths of the space in {random} of {SEEDS} seeds"
        );
    }
    let aliased = chains.learned(&table().1);
    println!("chains: q_learning prefers the best network in {aliased} of {SEEDS} seeds");
    for (space, known, (name, strategy)) in cases {
        let learned = known.learned(&strategy);
        println!("{space}: {name} prefers the best network in {learned} of {SEEDS} seeds");
        assert!(learned >= 9, "{space}: {name} in {learned} of {SEEDS} seeds");
    }
}

/// A choice is worth more after certain others, so not every step up is one of a single decision.
#[test]
fn evolution_and_local_search_find_the_best_network_in_two_fifths_of_the_space() {
    let known = Known::toy(Toy::new, 0.04);
    let random = known.found(&StrategyConfig::Random, 40);
    println!("random finds the best network in {random} of {SEEDS} seeds");
    for strategy in [
        StrategyConfig::Evolution(EvolutionConfig { population: 20, sample: 5 }),
        StrategyConfig::LocalSearch(LocalSearchConfig::default()),
    ] {
        let found = known.found(&strategy, 40);
        println!("{strategy:?} in {found}");
        assert!(found >= 9 && found > random, "{strategy:?} in {found}, random in {random}");
    }
}
