//! Networks that grow during a search: depth by trial number for every strategy, and what happens where
//! the depth changes.

use std::collections::BTreeSet;

use phytotron::net::Shape;
use phytotron::search::{SavedSearch, StrategyConfig};
use phytotron::space::layerwise::{Growth, LayerwiseConfig, LayerwiseSpace};
use phytotron::space::{Genotype, Space};
use proptest::prelude::*;

use super::invariants::{Run, STRATEGIES};

/// 2 layers, 4 after 11 networks, 5 after 22.
fn config() -> LayerwiseConfig {
    LayerwiseConfig {
        layers: 5,
        growth: Some(Growth { start: 2, plus: 2, every: 11 }),
        ..LayerwiseConfig::default()
    }
}

fn open(config: &LayerwiseConfig) -> LayerwiseSpace {
    let image = Shape { channels: 3, height: 16, width: 16 };
    LayerwiseSpace::open(config, image, 10).expect("squares suit")
}

/// Layers of a network by its text.
fn layers(space: &dyn Space, genotype: &Genotype) -> usize {
    space.text(genotype).split('|').count()
}

#[test]
fn the_number_of_networks_before_is_the_depth_whatever_the_strategy_and_the_batch() {
    let space = open(&config());
    for strategy in STRATEGIES {
        for batch in [1, 4] {
            let run = Run::new(&space, &strategy(), 40, 3).finished(40, batch);
            let found = run.history.iter().map(|(proposal, _)| layers(&space, &proposal.genotype));
            let expected = [[2; 11].as_slice(), &[4; 11], &[5; 18]].concat();
            assert_eq!(found.collect::<Vec<_>>(), expected, "{:?}", strategy());
            let texts: BTreeSet<String> =
                run.history.iter().map(|(proposal, _)| space.text(&proposal.genotype)).collect();
            assert_eq!(texts.len(), 40, "each of them once");
            for (proposal, _) in &run.history {
                let network = space.network(&proposal.genotype);
                assert_eq!(proposal.features.parameters, network.parameters());
                let text = space.text(&proposal.genotype);
                assert_eq!(space.parse(&text).expect("legal"), proposal.genotype);
                assert!(space.has(&proposal.genotype));
            }
        }
    }
}

/// Repeats and rejected walks are no samples: where they abound, the depth still changes at its number.
#[test]
fn neither_repeats_nor_rejected_walks_let_networks_grow() {
    let growth = Some(Growth { start: 1, plus: 1, every: 9 });
    let few = LayerwiseConfig {
        layers: 3,
        growth,
        heights: vec![1, 3],
        filters: vec![24, 36],
        ..LayerwiseConfig::default()
    };
    let sizes = open(&LayerwiseConfig { growth: None, ..few.clone() });
    let deepest = sizes.parse("1x1x24 | 1x3x24 < 0 | 3x3x24 < 0,1").expect("legal");
    let limit = sizes.features(&deepest).parameters;
    let space = open(&LayerwiseConfig { parameters_max: limit, ..few });
    let (mut repeats, mut rejected) = (0, 0);
    for strategy in STRATEGIES {
        let run = Run::new(&space, &strategy(), 27, 5).finished(27, 1);
        let found = run.history.iter().map(|(proposal, _)| layers(&space, &proposal.genotype));
        let expected: Vec<usize> = (0..27).map(|network| 1 + network / 9).collect();
        assert_eq!(found.collect::<Vec<_>>(), expected, "{:?}", strategy());
        let counts = run.search.counts();
        (repeats, rejected) = (repeats + counts.repeats, rejected + counts.rejected);
    }
    assert!(repeats > 20 && rejected > 0, "{repeats} {rejected}");
}

/// The first child after a growth is a mutation of a shallower parent with new layers behind.
#[test]
fn evolution_goes_on_from_shallower_parents() {
    let space = open(&config());
    let run = Run::new(&space, &STRATEGIES[6](), 22, 3).finished(22, 1);
    let walk = |number: usize| &run.history[number].0.genotype.0;
    for child in 11..15 {
        let is_parent = |parent: &usize| {
            let pairs = walk(*parent).iter().zip(walk(child));
            pairs.filter(|(a, b)| a != b).count() == 1
        };
        assert!((0..child).any(|parent| is_parent(&parent)), "{child} has no parent");
    }
}

/// What is drawn and looked at in the end is as deep as what was seen last.
#[test]
fn a_policy_is_looked_at_as_deep_as_it_has_seen() {
    let space = open(&config());
    for strategy in &STRATEGIES[2..6] {
        for (trials, depth) in [(5, 2), (11, 2), (12, 4), (22, 4), (30, 5)] {
            let mut run = Run::new(&space, &strategy(), 40, 3).finished(trials, 1);
            let preferred = run.search.most_probable().expect("a policy");
            assert_eq!(layers(&space, &preferred), depth);
            for sample in run.search.samples(3) {
                assert_eq!(layers(&space, &sample), depth);
            }
        }
    }
}

/// A search in a space that is as deep from the beginning draws the same networks as one without growth.
#[test]
fn growth_that_begins_at_the_end_changes_nothing() {
    let growth = Some(Growth { start: 5, plus: 1, every: 1 });
    let (plain, grown) = (
        open(&LayerwiseConfig { growth: None, ..config() }),
        open(&LayerwiseConfig { growth, ..config() }),
    );
    for strategy in STRATEGIES {
        let history = |space| Run::new(space, &strategy(), 20, 9).finished(20, 2).history;
        assert_eq!(history(&plain), history(&grown));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_saved_search_goes_on_over_a_growth_as_if_nothing_had_happened(
        strategy in 0..STRATEGIES.len(), seed: u64, cut in 0_usize..30, batch in 1_usize..5,
    ) {
        let space = open(&config());
        let strategy = STRATEGIES[strategy]();
        let mut whole = Run::new(&space, &strategy, 30, seed).finished(30, batch);
        let mut first = Run::new(&space, &strategy, 30, seed);
        while first.history.len() < cut && first.batch(batch.min(30 - first.history.len())) {}
        let text = serde_json::to_string(&first.search.save()).expect("serializes");
        let saved: SavedSearch = serde_json::from_str(&text).expect("what was written");
        let mut second = Run::new(&space, &strategy, 30, seed);
        second.search.restore(saved).expect("the same space");
        second.history = first.history;
        let mut second = second.finished(30, batch);
        prop_assert_eq!(&second.history, &whole.history);
        let table = |run: &Run<'_>| run.search.controller().table(run.search.seen());
        prop_assert_eq!(table(&second), table(&whole));
        prop_assert_eq!(
            second.search.controller().weights(&space),
            whole.search.controller().weights(&space)
        );
        prop_assert_eq!(second.search.samples(5), whole.search.samples(5));
        prop_assert_eq!(second.search.counts(), whole.search.counts());
    }
}

#[test]
fn a_network_of_another_depth_than_its_number_is_not_taken_back() {
    let space = open(&config());
    let strategy = StrategyConfig::Random;
    let run = Run::new(&space, &strategy, 20, 3).finished(20, 1);
    let mut saved = serde_json::to_value(run.search.save()).expect("serializes");
    let networks = saved["networks"].as_array_mut().expect("a list");
    networks.swap(0, 15);
    let saved: SavedSearch = serde_json::from_value(saved).expect("the same form");
    assert!(Run::new(&space, &strategy, 20, 3).search.restore(saved).is_err());
}
