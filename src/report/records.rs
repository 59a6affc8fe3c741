//! The tables for machines: every trial, every retrained network, every ranked network.
//!
//! Numbers stand in full, one name a column, so that nothing has to be read off a page.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::findings::Findings;
use super::meaning::Meaning;
use super::ranking::rankings;
use super::table::Records;
use crate::artifact::Coordinates;
use crate::results::word;

/// All tables.
pub(super) fn all(findings: &Findings) -> Vec<Records> {
    vec![trials(findings), models(findings), networks(findings)]
}

/// A column for each coordinate that any input has.
fn keys<'a>(coordinates: impl Iterator<Item = &'a Coordinates>) -> Vec<String> {
    let keys: BTreeSet<&String> = coordinates.flat_map(|c| c.0.keys()).collect();
    keys.into_iter().cloned().collect()
}

/// Heads of coordinate columns; a coordinate named like a column of ours gets out of its way.
fn heads(keys: &[String], own: &[&str]) -> Vec<String> {
    let head = |key: &String| {
        if own.contains(&key.as_str()) { format!("matrix.{key}") } else { key.clone() }
    };
    keys.iter().map(head).chain(own.iter().map(|&name| name.to_owned())).collect()
}

fn cells(keys: &[String], coordinates: &Coordinates) -> Vec<Value> {
    keys.iter()
        .map(|key| coordinates.0.get(key).map_or(Value::Null, |value| json!(value)))
        .collect()
}

/// Measured values by name.
type Measures = BTreeMap<String, f64>;

/// Names of everything measured.
fn names<'a>(all: impl Iterator<Item = &'a Measures>) -> BTreeSet<&'a String> {
    all.flat_map(Measures::keys).collect()
}

/// Heads of measures, which no column of ours can have.
fn measure_heads(names: &BTreeSet<&String>) -> Vec<String> {
    names.iter().map(|name| format!("measure.{name}")).collect()
}

fn values<'a>(
    names: &'a BTreeSet<&String>,
    measures: &'a Measures,
) -> impl Iterator<Item = Value> + 'a {
    names.iter().map(|&name| measures.get(name).map_or(Value::Null, |value| json!(value)))
}

fn trials(findings: &Findings) -> Records {
    const OWN: [&str; 18] = [
        "source",
        "strategy",
        "evaluator",
        "mock",
        "trial",
        "genotype",
        "score",
        "failure",
        "reward",
        "parameters",
        "multiply_adds",
        "rung",
        "epochs",
        "epochs_charged",
        "steps",
        "epsilon",
        "baseline",
        "log_probability",
    ];
    let keys = keys(findings.searches.iter().map(|search| &search.coordinates));
    let measured = findings.searches.iter().flat_map(|search| &search.trials);
    let measures = names(measured.map(|trial| &trial.measures));
    let mut rows = Vec::new();
    for search in &findings.searches {
        let card = &search.card;
        for (trial, charged) in search.trials.iter().zip(&search.charged) {
            let mut row = cells(&keys, &search.coordinates);
            row.extend([
                json!(search.label),
                json!(word(&card.strategy)),
                json!(word(&card.evaluator)),
                json!(card.mock),
                json!(trial.trial),
                json!(trial.genotype),
                json!(trial.score),
                json!(trial.failure),
                json!(trial.reward),
                json!(trial.parameters),
                json!(trial.multiply_adds),
                json!(trial.rung),
                json!(trial.epochs),
                json!(charged),
                json!(trial.steps),
                json!(trial.epsilon),
                json!(trial.policy.and_then(|policy| policy.baseline)),
                json!(trial.policy.map(|policy| policy.log_probability)),
            ]);
            row.extend(values(&measures, &trial.measures));
            rows.push(row);
        }
    }
    let columns = heads(&keys, &OWN).into_iter().chain(measure_heads(&measures)).collect();
    Records { name: "trials".to_owned(), columns, rows }
}

fn models(findings: &Findings) -> Records {
    const OWN: [&str; 16] = [
        "source",
        "chosen",
        "rank",
        "genotype",
        "search_score",
        "search_reward",
        "parameters",
        "multiply_adds",
        "epochs",
        "training_loss",
        "test_images",
        "test_accuracy",
        "interval_low",
        "interval_high",
        "balanced_accuracy",
        "failure",
    ];
    let keys = keys(findings.finals.iter().map(|finals| &finals.coordinates));
    let mut rows = Vec::new();
    for finals in &findings.finals {
        for model in &finals.summary.models {
            let mut row = cells(&keys, &finals.coordinates);
            row.extend([
                json!(finals.label),
                json!(model.genotype == finals.summary.chosen.genotype),
                json!(model.rank),
                json!(model.genotype),
                json!(model.search_score),
                json!(model.search_reward),
                json!(model.parameters),
                json!(model.multiply_adds),
                json!(model.epochs),
                json!(model.training_loss),
                json!(finals.summary.test_images),
                json!(model.test_accuracy),
                json!(model.interval[0]),
                json!(model.interval[1]),
                json!(model.balanced_accuracy),
                json!(model.failure),
            ]);
            rows.push(row);
        }
    }
    Records { name: "models".to_owned(), columns: heads(&keys, &OWN), rows }
}

fn networks(findings: &Findings) -> Records {
    const OWN: [&str; 12] = [
        "space",
        "evaluator",
        "mock",
        "fidelity",
        "rank",
        "genotype",
        "mean_score",
        "mean_reward",
        "trials",
        "epochs",
        "parameters",
        "multiply_adds",
    ];
    let rankings = rankings(findings);
    let measured = rankings.iter().flat_map(|ranking| &ranking.networks);
    let measures = names(measured.map(|network| &network.measures));
    let mut rows = Vec::new();
    for ranking in &rankings {
        for (i, network) in ranking.networks.iter().enumerate() {
            let mut row = vec![
                json!(word(&ranking.space)),
                json!(word(&ranking.evaluator)),
                json!(ranking.meaning == Meaning::Mock),
                fidelity_word(&ranking.fidelity),
                json!(i + 1),
                json!(network.genotype),
                json!(network.score),
                json!(network.reward),
                json!(network.trials),
                json!(network.epochs),
                json!(network.parameters),
                json!(network.multiply_adds),
            ];
            row.extend(values(&measures, &network.measures));
            rows.push(row);
        }
    }
    let columns = heads(&[], &OWN).into_iter().chain(measure_heads(&measures)).collect();
    Records { name: "networks".to_owned(), columns, rows }
}

/// The name of a budget of several fidelities.
fn fidelity_word(fidelity: &Value) -> Value {
    if fidelity.is_null() { Value::Null } else { json!(word(fidelity)) }
}
