//! The best networks of each evaluator, with what the test set said where it was asked.

use std::collections::BTreeSet;

use super::Study;
use crate::report::document::{Block, Prose};
use crate::report::findings::Findings;
use crate::report::ranking::{Ranked, Ranking};
use crate::report::table::{Cell, Table};
use crate::report::words;
use crate::results::{By, ModelSummary, word};
use crate::wording;

/// The section.
pub(super) fn blocks(study: &Study<'_>) -> Vec<Block> {
    let mut blocks = Vec::new();
    for ranking in study.rankings.iter().filter(|ranking| !ranking.networks.is_empty()) {
        blocks.push(Block::Table(table(study, ranking)));
        let shown = study.options.top.min(ranking.networks.len());
        let mut note = format!(
            "{} of {} from {}.",
            shown,
            wording::count(ranking.networks.len(), "network"),
            wording::count(ranking.trials, "trial")
        );
        if ranking.failures > 0 {
            let failed = format!(
                " {} failed and count with the score of guessing.",
                wording::count(ranking.failures, "trial")
            );
            note.push_str(&failed);
        }
        note.push_str(&protocol_note(ranking));
        blocks.push(Block::Text(Prose::new(note)));
    }
    blocks
}

fn table(study: &Study<'_>, ranking: &Ranking) -> Table {
    let is_tested = !study.findings.finals.is_empty();
    let repeats = ranking.networks.iter().any(|network| network.trials > 1);
    let (by_reward, some_shorter) = (ranking.by == By::Reward, epochs(ranking).is_some());
    let score = ranking.meaning.mean_column();
    let mut columns = vec!["#rank", "genotype"];
    columns.extend(by_reward.then_some("#mean reward"));
    columns.push(score);
    columns.extend(some_shorter.then_some("#epochs"));
    columns.extend(repeats.then_some("#trials"));
    columns.extend(["#parameters", "#multiply-adds"]);
    let measures: BTreeSet<&String> =
        ranking.networks.iter().flat_map(|network| network.measures.keys()).collect();
    let heads: Vec<String> = measures.iter().map(|name| format!("#{name}")).collect();
    columns.extend(heads.iter().map(String::as_str));
    if is_tested {
        columns.extend(["#test accuracy", "#95 % interval"]);
    }
    let mut table = Table::new(caption(ranking), &columns);
    for (i, network) in ranking.networks.iter().take(study.options.top).enumerate() {
        let mut cells = vec![Cell::count(i as u64 + 1), Cell::code(&network.genotype)];
        let reward = Cell::number(network.reward, format!("{:.4}", network.reward));
        cells.extend(by_reward.then_some(reward));
        cells.push(Cell::number(network.score, words::score(network.score, ranking.meaning)));
        cells.extend(some_shorter.then(|| Cell::count(network.epochs)));
        cells.extend(repeats.then(|| Cell::count(network.trials as u64)));
        cells.extend([Cell::large(network.parameters), Cell::large(network.multiply_adds)]);
        cells.extend(measures.iter().map(|&name| measure_cell(network.measures.get(name))));
        if is_tested {
            cells.extend(test_cells(study.findings, network));
        }
        table.row(cells);
    }
    table
}

/// What ranks, and by which protocol.
fn caption(ranking: &Ranking) -> String {
    let reward = if ranking.by == By::Reward { "reward with " } else { "" };
    let caption = format!(
        "Best by {reward}the {} evaluator in space {}",
        word(&ranking.evaluator),
        word(&ranking.space)
    );
    if ranking.fidelity.is_null() {
        caption
    } else {
        format!("{caption}, {}", word(&ranking.fidelity))
    }
}

/// Fewest and most epochs behind the scores, where these differ.
fn epochs(ranking: &Ranking) -> Option<(u64, u64)> {
    let epochs = || ranking.networks.iter().map(|network| network.epochs);
    let (fewest, most) = (epochs().min()?, epochs().max()?);
    (fewest < most).then_some((fewest, most))
}

/// What a reader must know of how these networks came to stand in one list.
fn protocol_note(ranking: &Ranking) -> String {
    let mut note = String::new();
    if ranking.by == By::Reward {
        note.push_str(" Ranked by reward, since the search's reward has a cost.");
    }
    if let Some((fewest, most)) = epochs(ranking) {
        let text = format!(
            " Scores come from trainings of {fewest} to {most} epochs: one after fewer epochs says less \
             than it would after more."
        );
        note.push_str(&text);
    }
    note
}

/// A measured value as it is, in whatever unit it has.
fn measure_cell(value: Option<&f64>) -> Cell {
    value.map_or_else(Cell::none, |&value| Cell::number(value, words::measure(value)))
}

/// Test accuracy and interval; a network that several retrainings share shows the first of them.
fn test_cells(findings: &Findings, network: &Ranked) -> [Cell; 2] {
    let models = || findings.finals.iter().filter(|f| f.summary.test_images > 0);
    let tested: Option<&ModelSummary> = models()
        .flat_map(|finals| &finals.summary.models)
        .find(|model| model.genotype == network.genotype && model.failure.is_none());
    tested.map_or_else(|| [Cell::none(), Cell::none()], accuracy_cells)
}

/// Test accuracy and its interval.
pub(super) fn accuracy_cells(model: &ModelSummary) -> [Cell; 2] {
    [
        Cell::number(model.test_accuracy, words::percent(model.test_accuracy)),
        Cell::number(model.interval[0], words::interval(model.interval)),
    ]
}
