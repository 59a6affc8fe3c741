//! What a report compares: one protocol, over trials and over cost, with the tests that its repeats allow.

use phytotron::artifact::Coordinates;
use phytotron::report::Sources;
use phytotron::results::Trial;
use serde_json::{Value, json};

use super::example::{self, Example};
use super::{Bench, edit, words};

#[test]
fn a_matrix_compares_settings_over_repeats() {
    let bench = Bench::new();
    let files = bench.report(&bench.example().matrix());
    let page = words(&files["report.html"]);
    assert!(page.contains("strategy=q_learning 6 200"), "settings are not grouped over repeats");
    assert!(page.contains("Differences from strategy=random"), "random search is the baseline");
    assert!(page.contains("Hypervolume"), "the front has no volume");
    let row = page.split("mean of the last tenth strategy=q_learning 6 +").nth(1).expect("a row");
    assert!(row.contains("0.0312 0.0312"), "six differences of one sign have p 0.03125: {row}");
    assert!(page.contains("All search scores here are made up"), "mock scores are not called so");
    assert!(!page.contains("test images"), "nothing met a test set");
    assert!(files["figures/search-comparison.svg"].contains("strategy=random"));
    assert!(
        files["trials.csv"].starts_with("repeat,matrix.strategy,source,strategy,evaluator,mock,")
    );
    let rows: Vec<Value> = serde_json::from_str(&files["trials.json"]).unwrap();
    assert_eq!(rows.len(), 2400);
    assert_eq!(rows[2399]["matrix.strategy"], "random");
}

#[test]
fn under_six_repeats_there_is_no_p_value() {
    let bench = Bench::new();
    let page = words(&bench.page(&bench.example().matrix_of(5)));
    assert!(page.contains("With 5 pairs there is no p-value"), "few repeats are not refused");
    let rows = page.split("mean of the last tenth strategy=q_learning 5 +").nth(1).expect("a row");
    assert!(rows.contains(" – – "), "a p-value of five pairs: {rows}");
}

#[test]
fn over_twenty_five_repeats_the_missing_p_value_is_explained() {
    let bench = Bench::new();
    let page = words(&bench.page(&bench.example().matrix_of(26)));
    assert!(page.contains("With more than 25 differences other than zero there is no p-value"));
    let few = Bench::new();
    let page = words(&few.page(&few.example().matrix()));
    assert!(!page.contains("With more than 25"), "six pairs have their p-value");
}

#[test]
fn settings_are_compared_with_both_laws_of_random_sampling() {
    let bench = Bench::new();
    let strategies = ["q_learning", "random", "random_uniform"];
    let page = words(&bench.page(&bench.example().matrix_by(&strategies, 6)));
    for baseline in ["random", "random_uniform"] {
        let caption = format!("Differences from strategy={baseline} ");
        let rows = page.split(&caption).nth(1).expect("a table for each baseline");
        assert!(rows.contains("mean of the last tenth strategy=q_learning 6 "), "{caption}");
    }
}

/// Three searches by halving: of nine networks three, and of these one go on for three times the epochs.
fn halved(example: &Example) -> Sources {
    let mut card = example::card("random", json!({ "kind": "train", "epochs": 9 }));
    card.fidelity = json!({ "successive_halving": { "networks": 9, "epochs_max": 9 } });
    let search = |repeat: u64| {
        let lines: Vec<Trial> = example::trials(repeat, "random", 18)
            .into_iter()
            .flat_map(|trial| {
                let rungs = [1, 1, 3, 1, 1, 2, 1, 2, 1][usize::try_from(trial.trial % 9).unwrap()];
                (0..rungs).map(move |rung| Trial {
                    rung: Some(rung),
                    epochs: 3_u64.pow(u32::try_from(rung).unwrap()),
                    failure: None,
                    score: 0.4 + 0.02 * f64::from(u32::try_from(trial.trial + rung).unwrap()),
                    ..trial.clone()
                })
            })
            .collect();
        let cells = [("repeat", repeat.to_string()), ("fidelity", "halving".to_owned())];
        let cells = cells.map(|(key, value)| (key.to_owned(), value));
        example.trials(&format!("halved-{repeat}"), Coordinates(cells.into()), &card, &lines)
    };
    Sources { trials: (1..=3).map(search).collect(), ..Sources::default() }
}

#[test]
fn all_rungs_are_charged_and_epochs_stand_beside_scores() {
    let bench = Bench::new();
    let files = bench.report(&halved(&bench.example()));
    let page = words(&files["report.html"]);
    // Two brackets of 9@1 3@3 1@9 a search.
    assert!(page.contains("fidelity=halving, successive_halving 3 18 54 "), "epochs each: {page}");
    assert!(
        page.contains("k (T_search + T_valid) + T_final = 3 (54 + 0) + 0 = 162 epochs"),
        "{page}"
    );
    assert!(page.contains("Scores come from trainings of 1 to 9 epochs"), "{page}");
    assert!(page.contains("in space chain, successive_halving"), "{page}");
    assert!(files["figures/search-cost.svg"].contains(">epochs charged</text>"));
    let rows: Vec<Value> = serde_json::from_str(&files["trials.json"]).unwrap();
    assert_eq!((rows[2]["rung"].clone(), rows[2]["epochs_charged"].clone()), (json!(2), json!(13)));
    let networks: Vec<Value> = serde_json::from_str(&files["networks.json"]).unwrap();
    assert!(networks.iter().all(|network| network["fidelity"] == "successive_halving"));
}

#[test]
fn searches_of_unequal_fidelity_are_not_compared() {
    let bench = Bench::new();
    let mut sources = halved(&bench.example());
    let card = example::card("random", json!({ "kind": "train", "epochs": 9 }));
    for repeat in 1..=3 {
        let mut trials = example::trials(repeat, "random", 18);
        for trial in &mut trials {
            trial.epochs = 9;
        }
        let cells = [("repeat", repeat.to_string()), ("fidelity", "full".to_owned())];
        let cells = cells.map(|(key, value)| (key.to_owned(), value));
        let name = format!("full-{repeat}");
        sources.trials.push(bench.example().trials(
            &name,
            Coordinates(cells.into()),
            &card,
            &trials,
        ));
    }
    let files = bench.report(&sources);
    assert!(files.contains_key("figures/search-comparison-2.svg"), "one comparison of both");
    let page = words(&files["report.html"]);
    assert!(!page.contains("Differences from"));
    // But over epochs, by networks that were trained in full.
    let caption = "Only networks with 9 epochs behind their score count.";
    assert!(page.contains(caption) && files.contains_key("figures/search-fidelities.svg"));
}

#[test]
fn the_spread_over_repeats_has_its_mean_deviation_and_expected_best() {
    let bench = Bench::new();
    let page = words(&bench.page(&bench.example().matrix()));
    let row = page.split("strategy=q_learning 6 200 – ").nth(1).expect("no epochs, no cost");
    let numbers: Vec<f64> =
        row.split(' ').take(6).map(|number| number.parse().expect("a number")).collect();
    let [_, low, high, mean, deviation, expected] = numbers[..] else { panic!("{numbers:?}") };
    assert!(low <= mean && mean <= high + deviation && deviation > 0.0, "{numbers:?}");
    // Ten of two hundred draws: better than the mean of all, worse than the best of all.
    assert!(expected > 0.6 && expected < mean, "{numbers:?}");
    assert!(page.contains("Expected best of 10"));
}

#[test]
fn provenance_names_every_parameter_of_the_search() {
    let bench = Bench::new();
    let mut card = example::card("random", example::mock_evaluator());
    card.reward = json!({ "power": 3.0, "cost": null });
    card.fidelity = json!({ "hyperband": { "epochs_max": 81 } });
    (card.batch, card.seed) = (Some(8), Some(42));
    card.budget = json!({ "trials": 12_345 });
    let trials = example::trials(1, "random", 12);
    let source = bench.example().trials("a", Coordinates::default(), &card, &trials);
    let page = words(&bench.page(&Sources { trials: vec![source], ..Sources::default() }));
    for parameter in [
        "Reward",
        "power 3.0",
        "cost none",
        "batch 8",
        "seed 42",
        "budget.trials 12345",
        "fidelity.hyperband.epochs_max 81",
    ] {
        assert!(page.contains(parameter), "missing: {parameter}");
    }
}

#[test]
fn networks_ranked_by_reward_are_said_to_be() {
    let bench = Bench::new();
    let sources = bench.example().sources();
    edit(&sources.trials[0].folder.join("card.json"), |card| {
        card["reward"]["cost"] = json!({ "measure": "parameters", "target": 100_000 });
    });
    edit(&sources.models[0].folder.join("summary.json"), |summary| {
        summary["by"] = json!("reward");
        summary["models"][0]["search_reward"] = json!(0.8125);
    });
    let page = words(&bench.page(&sources));
    for sentence in [
        "Best by reward with the mock evaluator in space chain",
        "Ranked by reward, since the search&#39;s reward has a cost.",
        "It was chosen by its search reward, before the test set was read.",
        "Ranks are by search reward; the test set reorders nothing.",
        "0.8125",
    ] {
        assert!(page.contains(sentence), "missing: {sentence}");
    }
}

#[test]
fn an_ensemble_of_some_finals_says_of_how_many() {
    let bench = Bench::new();
    let sources = bench.example().sources();
    edit(&sources.models[0].folder.join("summary.json"), |summary| {
        summary["ensemble"]["genotype"] = json!("3 networks");
    });
    let page = words(&bench.page(&sources));
    let sentence = "The mean of the class probabilities of 3 networks, of 4 retrained, gets 91.4 %";
    assert!(page.contains(sentence), "{page}");
}
