//! What a study cost from its first search to its last final, in epochs.

use super::Study;
use crate::report::document::{Block, Prose};
use crate::report::findings::Search;
use crate::report::meaning::Meaning;
use crate::report::table::{Cell, Table};
use crate::wording;

/// Networks trained and epochs charged, of one part of a study.
#[derive(Default)]
struct Part {
    inputs: u64,
    networks: u64,
    epochs: u64,
}

impl Part {
    fn of<'a>(searches: impl Iterator<Item = &'a Search>) -> Self {
        searches.fold(Self::default(), |part, search| Self {
            inputs: part.inputs + 1,
            networks: part.networks + search.trials.len() as u64,
            epochs: part.epochs + search.charged.iter().sum::<u64>(),
        })
    }
}

/// The section; nothing where nothing was trained.
pub(super) fn blocks(study: &Study<'_>) -> Vec<Block> {
    let searches = || study.findings.searches.iter();
    let is_trained = |search: &&Search| Meaning::of(&search.card) == Meaning::Accuracy;
    let is_again = |search: &&Search| search.agreement.is_some();
    let search = Part::of(searches().filter(is_trained).filter(|search| !is_again(search)));
    let again = Part::of(searches().filter(is_trained).filter(is_again));
    let models = || study.findings.finals.iter().flat_map(|finals| &finals.summary.models);
    let last = Part {
        inputs: study.findings.finals.len() as u64,
        networks: models().count() as u64,
        epochs: models().map(|model| model.epochs).sum(),
    };
    if search.epochs + again.epochs + last.epochs == 0 {
        return Vec::new();
    }
    // Networks that were found elsewhere are at least one search's.
    let k = (searches().filter(|search| !is_again(search)).count() as u64).max(1);
    vec![
        Block::Text(sentence(k, search.epochs, again.epochs, last.epochs)),
        Block::Table(table(&[("search", search), ("scored again", again), ("retrained", last)])),
    ]
}

/// The formula with its numbers (Lindauer and Hutter 2020, rule 13).
fn sentence(k: u64, search: u64, again: u64, last: u64) -> Prose {
    let epochs = wording::thousands(search + again + last);
    let formula = format!(
        "k (T_search + T_valid) + T_final = {k} ({} + {}) + {} = ",
        each(search, k),
        each(again, k),
        wording::thousands(last)
    );
    Prose::new("End to end, the study cost ").plain(formula).strong(format!("{epochs} epochs")).plain(
        ": k searches, the mean of each, what was scored again for each of them, and the retraining. An \
         epoch is a pass over the images of its stage, in a search often a share of them. Made-up scores, \
         proxies and tables train nothing and count as none; the time is with the run.",
    )
}

/// A share of one in `k`, with a decimal where it is not whole.
#[expect(clippy::cast_precision_loss, reason = "epochs stay far below 2^53")]
fn each(epochs: u64, k: u64) -> String {
    if epochs.is_multiple_of(k) {
        wording::thousands(epochs / k)
    } else {
        format!("{:.1}", epochs as f64 / k as f64)
    }
}

fn table(parts: &[(&str, Part)]) -> Table {
    let columns = ["part", "#stages", "#networks", "#epochs charged"];
    let mut table = Table::new("Where epochs went", &columns);
    for (name, part) in parts.iter().filter(|(_, part)| part.inputs > 0) {
        table.row(vec![
            Cell::text(*name),
            Cell::count(part.inputs),
            Cell::count(part.networks),
            Cell::count(part.epochs),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formula_adds_up() {
        let text = sentence(3, 1200, 60, 40).markdown();
        assert!(text.contains("3 (400 + 20) + 40 = **1,300 epochs**"), "{text}");
        let text = sentence(2, 5, 0, 0).markdown();
        assert!(text.contains("2 (2.5 + 0) + 0 = **5 epochs**"), "{text}");
    }
}
