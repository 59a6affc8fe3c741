//! How settings compare over their repeats: incumbent curves over trials and over cost, and paired tests.

mod curves;
mod differences;
mod strip;

use curves::Over;
use serde_json::Value;
use strip::End;

use super::figure_name;
use super::search::score_cell;
use crate::report::document::{Block, Prose};
use crate::report::findings::Search;
use crate::report::meaning::Meaning;
use crate::report::ranking::incumbents;
use crate::report::table::{Cell, Table};
use crate::results::{Trial, TrialsCard, word};
use crate::statistics::{deviation, expected_best, mean};

/// Draws that the expected best is of.
const DRAWS: u32 = 10;

/// Searches whose scores measure the same thing: those of one protocol.
pub(super) fn comparable<'a>(searches: &[&'a Search]) -> Vec<Vec<&'a Search>> {
    let mut groups: Vec<Vec<&Search>> = Vec::new();
    for &search in searches {
        let alike = |group: &&mut Vec<&Search>| group[0].card.is_comparable_to(&search.card);
        match groups.iter_mut().find(alike) {
            Some(group) => group.push(search),
            None => groups.push(vec![search]),
        }
    }
    groups.retain(|group| group.len() > 1);
    groups
}

/// Searches that differ in fidelity, and otherwise in their strategy at most: at equal numbers of networks
/// they spend unequal amounts, so only cost compares them.
pub(super) fn of_unequal_fidelity<'a>(searches: &[&'a Search]) -> Vec<Vec<&'a Search>> {
    let at_full = |card: &TrialsCard| TrialsCard { fidelity: Value::Null, ..card.clone() };
    let mut groups: Vec<(TrialsCard, Vec<&Search>)> = Vec::new();
    for &search in searches.iter().filter(|search| charges(search)) {
        let card = at_full(&search.card);
        match groups.iter_mut().find(|(first, _)| first.is_comparable_to(&card)) {
            Some((_, group)) => group.push(search),
            None => groups.push((card, vec![search])),
        }
    }
    let differ = |group: &Vec<&Search>| {
        group.iter().any(|search| search.card.fidelity != group[0].card.fidelity)
    };
    groups.into_iter().map(|(_, group)| group).filter(differ).collect()
}

/// The best score so far over epochs of searches that differ in fidelity.
pub(super) fn fidelities(group: &[&Search], index: usize) -> Block {
    let most = |search: &&Search| search.trials.iter().map(Trial::epochs_scored).max();
    let epochs = group.iter().filter_map(most).min().unwrap_or(0);
    let name = figure_name("search-fidelities", index);
    let meaning = Meaning::of(&group[0].card);
    Block::Figure(Over::CostOf { epochs }.figure(name, &settings(group), meaning))
}

/// The best score so far over what one search was charged, where its trials did not all cost the same.
pub(super) fn by_cost(search: &Search, index: usize) -> Option<Block> {
    let varies = search.charged.iter().any(|epochs| *epochs != search.charged[0]);
    (charges(search) && varies).then(|| {
        let name = figure_name("search-cost", index);
        let meaning = Meaning::of(&search.card);
        Block::Figure(Over::Cost.figure(name, &settings(&[search]), meaning))
    })
}

/// Whether its evaluator counts epochs.
fn charges(search: &Search) -> bool {
    search.charged.iter().any(|epochs| *epochs > 0)
}

/// One setting and its repeats.
struct Setting<'a> {
    label: String,
    searches: Vec<&'a Search>,
}

impl Setting<'_> {
    /// Trials that all repeats have.
    fn trials(&self) -> usize {
        self.searches.iter().map(|search| search.trials.len()).min().unwrap_or(0)
    }

    /// A number of each repeat's first trials, as many as all repeats have.
    fn each(&self, number: impl Fn(&[Trial]) -> Option<f64>) -> Vec<f64> {
        let first = self.trials();
        self.searches.iter().filter_map(|search| number(&search.trials[..first])).collect()
    }

    /// Epochs charged for these trials, the lower median over repeats; nothing where nobody charges any.
    fn epochs(&self) -> Option<u64> {
        let first = self.trials();
        let all = self.searches.iter().map(|search| search.charged[..first].iter().sum());
        let mut all: Vec<u64> = all.collect();
        all.sort_unstable();
        all.get(all.len().checked_sub(1)? / 2).copied().filter(|epochs| *epochs > 0)
    }
}

fn settings<'a>(group: &[&'a Search]) -> Vec<Setting<'a>> {
    let mut settings: Vec<Setting<'a>> = Vec::new();
    for &search in group {
        let (coordinates, _) = search.coordinates.by_repeat();
        let mut label = if search.coordinates.0.is_empty() {
            search.label.clone()
        } else if coordinates.0.is_empty() {
            word(&search.card.strategy).to_owned()
        } else {
            coordinates.to_string()
        };
        let fidelity = &search.card.fidelity;
        if !fidelity.is_null() && !label.contains(word(fidelity)) {
            label = format!("{label}, {}", word(fidelity));
        }
        match settings.iter_mut().find(|setting| setting.label == label) {
            Some(setting) => setting.searches.push(search),
            None => settings.push(Setting { label, searches: vec![search] }),
        }
    }
    settings
}

/// Settings in a group.
pub(super) fn count_settings(group: &[&Search]) -> usize {
    settings(group).len()
}

/// The best score so far of each setting, and what may be said of the differences.
pub(super) fn blocks(group: &[&Search], index: usize) -> Vec<Block> {
    let meaning = Meaning::of(&group[0].card);
    let settings = settings(group);
    let name = figure_name("search-comparison", index);
    let mut blocks = vec![Block::Figure(Over::Trials.figure(name, &settings, meaning))];
    if group.iter().all(|search| charges(search)) {
        let name = figure_name("search-cost", index);
        blocks.push(Block::Figure(Over::Cost.figure(name, &settings, meaning)));
    }
    if settings.iter().any(|setting| setting.searches.len() > 1) {
        let ends = [("search-ends", End::Best), ("search-late", End::Late)];
        let strip =
            |(stem, end): (&str, End)| end.figure(figure_name(stem, index), &settings, meaning);
        blocks.extend(ends.into_iter().filter_map(strip).map(Block::Figure));
        blocks.push(Block::Table(table(&settings, meaning)));
        blocks.push(Block::Text(note()));
        if settings.len() > 1 {
            blocks.extend(differences::blocks(&settings));
        }
    }
    blocks
}

fn table(settings: &[Setting<'_>], meaning: Meaning) -> Table {
    let columns = [
        "setting",
        "#repeats",
        "#trials each",
        "#epochs each",
        "#median best",
        "#lower quartile",
        "#upper quartile",
        "#mean best",
        "#standard deviation",
        "#expected best of 10",
    ];
    let mut table = Table::new("Best score by setting, over repeats", &columns);
    for setting in settings {
        let spread = Over::Trials.spread(setting);
        let last = spread.last();
        let part = |part: usize| score_cell(last.map(|(_, values)| values[part]), meaning);
        let best = setting.each(|trials| incumbents(trials).last().copied().flatten());
        let expected = setting.each(|trials| {
            let scores: Vec<f64> = trials.iter().map(|trial| trial.score).collect();
            expected_best(&scores, DRAWS)
        });
        table.row(vec![
            Cell::text(&setting.label),
            Cell::count(setting.searches.len() as u64),
            Cell::count(setting.trials() as u64),
            setting.epochs().map_or_else(Cell::none, Cell::count),
            part(1),
            part(0),
            part(2),
            score_cell(mean(&best), meaning),
            score_cell(deviation(&best), meaning),
            score_cell(mean(&expected), meaning),
        ]);
    }
    table
}

fn note() -> Prose {
    Prose::new(format!(
        "All numbers are of as many trials as every repeat of a setting has; epochs are those charged for \
         them, all rungs and tries, in the median. Expected best of {DRAWS}: what the best of so many \
         networks scores when they are drawn from a search's in any order (Dodge et al. 2019), as a mean \
         over repeats."
    ))
}
