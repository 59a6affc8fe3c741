//! The reporting checklist of Lindauer and Hutter (JMLR 2020), answered by what the artifacts say.
//!
//! Nothing is asked of people: a rule is kept, not kept, or not to be told from artifacts. Their rules by
//! number; those on benchmarks' code (1 to 3) are told by what a run records.

use std::collections::BTreeSet;

use super::Study;
use super::comparison;
use super::cost;
use crate::report::document::{Block, Prose};
use crate::report::findings::Search;
use crate::report::meaning::Meaning;
use crate::report::table::{Cell, Table};
use crate::results::word;
use crate::wording;

/// Repeats that the authors ask for.
const REPEATS: usize = 10;

/// Whether a rule is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Yes,
    No,
    /// Nothing here that the rule is about, or nothing that tells.
    Open,
}

/// A rule with its answer and the fact behind it.
struct Item {
    rule: &'static str,
    about: &'static str,
    kept: Kept,
    fact: String,
}

/// The section; nothing without a search or a retraining.
pub(super) fn blocks(study: &Study<'_>) -> Vec<Block> {
    let findings = study.findings;
    if findings.searches.is_empty() && findings.finals.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new("Best practices", &["rule", "what", "kept", "by which fact"]);
    for item in items(study) {
        let kept = match item.kept {
            Kept::Yes => "✓ yes",
            Kept::No => "✗ no",
            Kept::Open => "– open",
        };
        let cells = [item.rule, item.about, kept].map(Cell::text);
        table.row(cells.into_iter().chain([Cell::text(item.fact)]).collect());
    }
    vec![
        Block::Text(Prose::new(
            "Lindauer and Hutter, Best Practices for Scientific Research on Neural Architecture Search (JMLR \
             2020): their rules by number, answered from the artifacts. Open: nothing here that the rule is \
             about, or nothing in artifacts that tells.",
        )),
        Block::Table(table),
    ]
}

fn items(study: &Study<'_>) -> Vec<Item> {
    let searches: Vec<&Search> =
        study.findings.searches.iter().filter(|search| search.agreement.is_none()).collect();
    let item = |rule, about, (kept, fact)| Item { rule, about, kept, fact };
    vec![
        item("1 to 3", "code and training pipeline are there", code(&searches)),
        item("4, 6", "all that is compared has one protocol", protocol(&searches)),
        item("5", "ablations: settings that differ in one part", ablation(&searches)),
        item("7", "performance over cost, not one end point", curves(&searches)),
        item("8", "random sampling and random search take part", baselines(&searches)),
        item("9", "several repeats with their spread", repeats(&searches)),
        item("10", "a tabular benchmark", tables(&searches)),
        item(
            "11, 14",
            "hardware, versions and all parameters",
            (
                Kept::Yes,
                "parameters under Provenance; hardware and versions with the run".to_owned(),
            ),
        ),
        item(
            "12",
            "tuning of the searcher itself",
            (Kept::Open, "only its authors know; the question above can say so".to_owned()),
        ),
        item("13", "cost from end to end", end_to_end(study)),
        item("–", "no choice by test accuracy", test(study)),
    ]
}

type Answer = (Kept, String);

fn code(searches: &[&Search]) -> Answer {
    let evaluators: BTreeSet<&str> =
        searches.iter().map(|search| word(&search.card.evaluator)).collect();
    let known = searches.iter().all(|search| !search.card.evaluator.is_null());
    if searches.is_empty() || !known {
        return (Kept::Open, "no search says how it scored".to_owned());
    }
    let evaluators: Vec<&str> = evaluators.into_iter().collect();
    (
        Kept::Yes,
        format!("scored by {}, with all parameters under Provenance", evaluators.join(", ")),
    )
}

fn protocol(searches: &[&Search]) -> Answer {
    let Some((first, others)) = searches.split_first().filter(|(_, others)| !others.is_empty())
    else {
        return (Kept::Open, "one search, which is compared with none".to_owned());
    };
    let unlike = others.iter().filter(|other| !other.card.is_comparable_to(&first.card)).count();
    if unlike == 0 {
        let all = wording::count(searches.len(), "search");
        return (Kept::Yes, format!("{all} with one evaluator, space, fidelity and reward"));
    }
    (Kept::No, "several protocols; only searches of one are averaged and compared".to_owned())
}

fn ablation(searches: &[&Search]) -> Answer {
    match settings(searches) {
        0 | 1 => (Kept::No, "one setting".to_owned()),
        n => (Kept::Yes, format!("{n} settings under one protocol")),
    }
}

/// Settings under the protocol that has most of them.
fn settings(searches: &[&Search]) -> usize {
    let groups = comparison::comparable(searches);
    groups
        .iter()
        .map(|group| comparison::count_settings(group))
        .max()
        .unwrap_or(searches.len().min(1))
}

fn curves(searches: &[&Search]) -> Answer {
    if searches.is_empty() {
        return (Kept::Open, "no search".to_owned());
    }
    let shortest = searches.iter().map(|search| search.trials.len()).min().unwrap_or(0);
    if shortest < super::search::CURVE_TRIALS {
        return (Kept::No, format!("a search of {}", wording::count(shortest, "trial")));
    }
    let trains = |search: &&Search| Meaning::of(&search.card) == Meaning::Accuracy;
    let charged = |search: &&Search| search.charged.iter().any(|epochs| *epochs > 0);
    let charged = searches.iter().all(|search| trains(search) && charged(search));
    let over = if charged { "trials and over epochs" } else { "trials; no score cost an epoch" };
    (Kept::Yes, format!("best score so far over {over}"))
}

fn baselines(searches: &[&Search]) -> Answer {
    if searches.is_empty() {
        return (Kept::Open, "no search".to_owned());
    }
    let has = |name: &str| searches.iter().any(|search| word(&search.card.strategy) == name);
    match (has("random"), has("random_uniform")) {
        (true, true) => {
            (Kept::Yes, "random and random_uniform, at equal numbers of trials".to_owned())
        }
        (false, false) => (Kept::No, "neither takes part".to_owned()),
        (true, false) => (Kept::No, "random takes part, random_uniform does not".to_owned()),
        (false, true) => (Kept::No, "random_uniform takes part, random does not".to_owned()),
    }
}

fn repeats(searches: &[&Search]) -> Answer {
    let mut counts: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for search in searches {
        let (setting, _) = search.coordinates.by_repeat();
        let setting = format!("{setting} {}", word(&search.card.strategy));
        *counts.entry(setting).or_default() += 1;
    }
    let fewest = counts.values().min().copied().unwrap_or(0);
    let fact = match fewest {
        0 => return (Kept::Open, "no search".to_owned()),
        1 => "one run of at least one setting".to_owned(),
        n => format!("at least {n} of each setting; {REPEATS} are asked for"),
    };
    (if fewest >= REPEATS { Kept::Yes } else { Kept::No }, fact)
}

fn tables(searches: &[&Search]) -> Answer {
    let is_table = |search: &&&Search| Meaning::of(&search.card) == Meaning::Table;
    match searches.iter().filter(is_table).count() {
        0 => (Kept::No, "no score comes from a table".to_owned()),
        n => (Kept::Yes, format!("{} by a table", wording::count(n, "search"))),
    }
}

fn end_to_end(study: &Study<'_>) -> Answer {
    if cost::blocks(study).is_empty() {
        return (Kept::Open, "nothing was trained".to_owned());
    }
    (Kept::Yes, "k (T_search + T_valid) + T_final under Cost; time with the run".to_owned())
}

fn test(study: &Study<'_>) -> Answer {
    let finals = &study.findings.finals;
    if finals.iter().all(|finals| finals.summary.test_images == 0) {
        return (Kept::Open, "no test set was read".to_owned());
    }
    (
        Kept::Yes,
        "ranks were fixed before the test set was read; all accuracies are listed".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Coordinates;
    use crate::net::Shape;
    use crate::results::{TRIALS_FORMAT, TrialsCard};
    use serde_json::{Value, json};

    fn search(strategy: &str, repeat: u32) -> Search {
        let card = TrialsCard {
            format: TRIALS_FORMAT,
            space: json!("chain"),
            strategy: json!(strategy),
            evaluator: json!("mock"),
            reward: Value::Null,
            fidelity: Value::Null,
            batch: None,
            budget: Value::Null,
            seed: None,
            choice: Value::Null,
            image: Shape { channels: 1, height: 28, width: 28 },
            classes: 10,
            mock: true,
        };
        let cells = [("strategy", strategy.to_owned()), ("repeat", repeat.to_string())];
        let cells = cells.map(|(key, value)| (key.to_owned(), value));
        let (trials, charged) = (Vec::new(), Vec::new());
        let coordinates = Coordinates(cells.into());
        Search { label: strategy.to_owned(), coordinates, card, trials, charged, agreement: None }
    }

    #[test]
    fn ten_repeats_and_both_baselines_are_asked_for() {
        let all: Vec<Search> = ["random", "random_uniform", "ppo"]
            .into_iter()
            .flat_map(|strategy| (1..=10).map(move |repeat| search(strategy, repeat)))
            .collect();
        let all: Vec<&Search> = all.iter().collect();
        let kept = |searches: &[&Search]| [repeats(searches).0, baselines(searches).0];
        assert_eq!(kept(&all), [Kept::Yes, Kept::Yes]);
        assert_eq!(kept(&all[..19]), [Kept::No, Kept::Yes], "one setting has nine");
        assert_eq!(kept(&all[..10]), [Kept::Yes, Kept::No]);
        assert_eq!(kept(&[]), [Kept::Open, Kept::Open]);
    }

    #[test]
    fn another_evaluator_is_another_protocol() {
        let (one, mut other) = (search("random", 1), search("ppo", 1));
        assert_eq!(protocol(&[&one]).0, Kept::Open);
        assert_eq!(protocol(&[&one, &other]).0, Kept::Yes);
        assert_eq!(
            ablation(&[&one, &other]),
            (Kept::Yes, "2 settings under one protocol".to_owned())
        );
        other.card.evaluator = json!("train");
        assert_eq!(protocol(&[&one, &other]).0, Kept::No);
        assert_eq!(ablation(&[&one, &other]).0, Kept::No);
    }
}
