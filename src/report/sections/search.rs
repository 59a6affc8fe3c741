//! The search: how scores grew over its trials.

use std::collections::BTreeSet;

use super::{Study, actions, comparison, figure_name, headed, learning, values};
use crate::report::document::{Block, Prose};
use crate::report::findings::Search;
use crate::report::meaning::Meaning;
use crate::report::plot::{Axis, Band, Chart, Figure, Mark, Shape, Ticks, thinned};
use crate::report::ranking::incumbents;
use crate::report::table::{Cell, Table};
use crate::report::words;
use crate::results::{Trial, word};
use crate::statistics::{mean, moving_average};
use crate::wording;

/// Points drawn in one chart; more would only make the page heavy.
const DOTS: usize = 3000;
/// Points of a line; finer than the pixels of a wide screen.
pub(super) const LINE_POINTS: usize = 900;
/// Fewer trials than this make no curve.
pub(super) const CURVE_TRIALS: usize = 10;
/// Letters of a caption.
const CAPTION_MAX: usize = 700;
/// Curves of single searches in one page.
const CURVES: usize = 12;

/// The section.
pub(super) fn blocks(study: &Study<'_>) -> Vec<Block> {
    let searches = &study.findings.searches;
    let mut blocks = Vec::new();
    // Genotypes that were only scored again come in the order of their rank: that is no curve.
    let is_search =
        |search: &&Search| search.trials.len() >= CURVE_TRIALS && search.agreement.is_none();
    let long: Vec<&Search> = searches.iter().filter(is_search).collect();
    let groups = comparison::comparable(&long);
    for (i, group) in groups.iter().enumerate() {
        blocks.extend(comparison::blocks(group, i));
    }
    let unequal = comparison::of_unequal_fidelity(&long);
    blocks.extend(unequal.iter().enumerate().map(|(i, group)| comparison::fidelities(group, i)));
    let mut curves = long.iter().take(CURVES).enumerate();
    // One curve is always in sight; beside a comparison, single curves are details.
    if groups.is_empty() {
        blocks
            .extend(curves.next().map(|(i, search)| curve_blocks(search, i)).into_iter().flatten());
    }
    let rest: Vec<Block> = curves.flat_map(|(i, search)| headed_curve(search, i)).collect();
    if !rest.is_empty() {
        blocks.push(Block::Folded("Curves of single searches".to_owned(), rest));
    }
    if long.len() > CURVES {
        let rest = long.len() - CURVES;
        blocks.push(Block::Text(Prose::new(format!(
            "{rest} further searches are in the comparison and the table, without a curve each."
        ))));
    }
    blocks.extend(values::blocks(study));
    if searches.len() > 1 {
        blocks.push(Block::Table(overview(searches)));
    }
    blocks
}

fn headed_curve(search: &Search, index: usize) -> Vec<Block> {
    headed(&search.label, true, curve_blocks(search, index))
}

/// The curve of one search, with its exploration schedule when it has one.
fn curve_blocks(search: &Search, index: usize) -> Vec<Block> {
    let mut blocks = vec![Block::Figure(curve(search, index))];
    let levels = epsilon_levels(&search.trials);
    blocks.extend(comparison::by_cost(search, index));
    blocks.extend(learning::blocks(search, index));
    if levels.len() > 1 {
        blocks.push(Block::Table(epsilon_table(search, &levels)));
    }
    blocks.extend(actions::blocks(search, index));
    blocks
}

#[expect(clippy::cast_precision_loss, reason = "trial numbers stay far below 2^53")]
fn curve(search: &Search, index: usize) -> Figure {
    let trials = &search.trials;
    let place = |i: usize| (i + 1) as f64;
    let (failed, scored): (Vec<_>, Vec<_>) =
        trials.iter().enumerate().partition(|(_, trial)| trial.failure.is_some());
    let dots: Vec<(f64, f64)> = scored.iter().map(|(i, trial)| (place(*i), trial.score)).collect();
    let crosses: Vec<(f64, f64)> =
        failed.iter().map(|(i, trial)| (place(*i), trial.score)).collect();
    let window = (scored.len() / 15).clamp(3, 200);
    let scores: Vec<f64> = dots.iter().map(|dot| dot.1).collect();
    let average: Vec<(f64, f64)> =
        dots.iter().map(|dot| dot.0).zip(moving_average(&scores, window)).collect();
    let best = improvements(trials);
    let drawn = thinned(&dots, DOTS);
    let mut marks = vec![
        mark(Shape::Dots, 0, "score of a trial", drawn.clone()),
        mark(Shape::Crosses, 4, "failed trial", thinned(&crosses, DOTS)),
        mark(Shape::Line, 2, &format!("mean of the last {window}"), thinned(&average, LINE_POINTS)),
        mark(Shape::Step, 1, "best so far", best.clone()),
    ];
    marks.retain(|mark| !mark.points.is_empty());
    let chart = Chart {
        x: Axis::exact("trial", 1.0, trials.len() as f64, Ticks::Whole),
        y: score_axis(Meaning::of(&search.card), trials.iter().map(|trial| trial.score)),
        bands: epsilon_bands(trials),
        marks,
    };
    let caption = curve_caption(search, dots.len(), drawn.len());
    figure(figure_name("search-curve", index), "Scores over the search", caption, &chart)
}

fn curve_caption(search: &Search, dots: usize, drawn: usize) -> String {
    let trials = &search.trials;
    let best = trials.iter().enumerate().filter(|(_, trial)| trial.failure.is_none()).fold(
        None,
        |best: Option<(usize, f64)>, (i, trial)| match best {
            Some((_, score)) if score >= trial.score => best,
            _ => Some((i, trial.score)),
        },
    );
    let mut caption = match best {
        Some((i, score)) => format!(
            "{} by {}: the best score, {}, was found in trial {}.",
            wording::count(trials.len(), "trial"),
            word(&search.card.strategy),
            words::score(score, Meaning::of(&search.card)),
            wording::thousands(trials[i].trial)
        ),
        None => format!("{}, none of which gave a score.", wording::count(trials.len(), "trial")),
    };
    if trials.iter().any(|trial| trial.epsilon.is_some()) {
        caption.push_str(" Shaded: the exploration rate ε, the share of random choices.");
    }
    if drawn < dots {
        let note = format!(
            " {} of {} scores are drawn; the lines use all of them.",
            wording::thousands(drawn as u64),
            wording::thousands(dots as u64)
        );
        caption.push_str(&note);
    }
    caption
}

/// Trials (from 1) that were better than all before, with their scores.
#[expect(clippy::cast_precision_loss, reason = "trial numbers stay far below 2^53")]
fn improvements(trials: &[Trial]) -> Vec<(f64, f64)> {
    let mut last = None;
    let best = incumbents(trials).into_iter().enumerate();
    best.filter_map(|(i, best)| {
        let is_new = best != last;
        last = best;
        best.filter(|_| is_new).map(|best| ((i + 1) as f64, best))
    })
    .collect()
}

/// Stretches of equal epsilon: the rate, the first trial and one past the last, from 0.
pub(super) fn epsilon_levels(trials: &[Trial]) -> Vec<(f64, usize, usize)> {
    let mut levels: Vec<(f64, usize, usize)> = Vec::new();
    for (i, trial) in trials.iter().enumerate() {
        let Some(epsilon) = trial.epsilon else { continue };
        match levels.last_mut() {
            Some((last, _, end)) if last.to_bits() == epsilon.to_bits() => *end = i + 1,
            _ => levels.push((epsilon, i, i + 1)),
        }
    }
    levels
}

#[expect(clippy::cast_precision_loss, reason = "trial numbers stay far below 2^53")]
pub(super) fn epsilon_bands(trials: &[Trial]) -> Vec<Band> {
    let band = |(epsilon, from, to): (f64, usize, usize)| Band {
        from: (from as f64 + 0.5).max(1.0),
        to: (to as f64 + 0.5).min(trials.len() as f64),
        word: format!("ε {epsilon}"),
        shade: 0.02 + 0.16 * epsilon.clamp(0.0, 1.0),
    };
    epsilon_levels(trials).into_iter().map(band).collect()
}

fn epsilon_table(search: &Search, levels: &[(f64, usize, usize)]) -> Table {
    let columns = ["#exploration rate ε", "#trials", "#mean score", "#best score"];
    let mut table = Table::new("Scores by exploration rate", &columns);
    for &(epsilon, from, to) in levels {
        let scores: Vec<f64> = search.trials[from..to]
            .iter()
            .filter(|trial| trial.failure.is_none())
            .map(|trial| trial.score)
            .collect();
        let best = scores.iter().copied().reduce(f64::max);
        table.row(vec![
            Cell::number(epsilon, epsilon.to_string()),
            Cell::count((to - from) as u64),
            score_cell(mean(&scores), Meaning::of(&search.card)),
            score_cell(best, Meaning::of(&search.card)),
        ]);
    }
    table
}

fn overview(searches: &[Search]) -> Table {
    let columns =
        ["trials of", "strategy", "evaluator", "#trials", "#networks", "#failed", "#best score"];
    let mut table = Table::new("All inputs with trials", &columns);
    for search in searches {
        let networks: BTreeSet<&str> =
            search.trials.iter().map(|trial| trial.genotype.as_str()).collect();
        let failed = search.trials.iter().filter(|trial| trial.failure.is_some()).count();
        let best = incumbents(&search.trials).last().copied().flatten();
        table.row(vec![
            Cell::text(&search.label),
            Cell::text(word(&search.card.strategy)),
            Cell::text(word(&search.card.evaluator)),
            Cell::count(search.trials.len() as u64),
            Cell::count(networks.len() as u64),
            Cell::count(failed as u64),
            score_cell(best, Meaning::of(&search.card)),
        ]);
    }
    table
}

pub(super) fn score_cell(score: Option<f64>, meaning: Meaning) -> Cell {
    score.map_or_else(Cell::none, |score| Cell::number(score, words::score(score, meaning)))
}

/// A score in words.
pub(super) fn score_word(score: f64, meaning: Meaning) -> String {
    words::score(score, meaning)
}

/// The axis of scores; only accuracies are percentages.
pub(super) fn score_axis(meaning: Meaning, scores: impl IntoIterator<Item = f64>) -> Axis {
    let ticks = if meaning.is_percent() { Ticks::Percent } else { Ticks::Decimal };
    Axis::around(meaning.noun(), scores, ticks)
}

pub(in crate::report) fn mark(
    shape: Shape,
    series: usize,
    word: &str,
    points: Vec<(f64, f64)>,
) -> Mark {
    Mark { shape, series, word: Some(word.to_owned()), points }
}

/// A chart in both widths.
pub(in crate::report) fn figure(
    name: String,
    title: &str,
    caption: String,
    chart: &Chart,
) -> Figure {
    Figure {
        name,
        title: title.to_owned(),
        caption: words::cut(caption, CAPTION_MAX),
        wide: chart.draw(760, 380),
        narrow: Some(chart.draw(380, 300)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(score: f64, epsilon: f64) -> Trial {
        Trial {
            trial: 0,
            genotype: "[SM(10)]".to_owned(),
            score,
            failure: None,
            reward: score,
            parameters: 0,
            multiply_adds: 0,
            epochs: 0,
            steps: 0,
            epsilon: Some(epsilon),
            policy: None,
            rung: None,
            curve: Vec::new(),
            measures: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn bands_follow_the_schedule_and_stay_inside_the_axis() {
        let trials: Vec<Trial> =
            [1.0, 1.0, 0.5, 0.1, 0.1].map(|epsilon| trial(0.5, epsilon)).into();
        let bands: Vec<(f64, f64, String)> =
            epsilon_bands(&trials).into_iter().map(|b| (b.from, b.to, b.word)).collect();
        let expected = [(1.0, 2.5, "ε 1"), (2.5, 3.5, "ε 0.5"), (3.5, 5.0, "ε 0.1")];
        assert_eq!(bands, expected.map(|(from, to, word)| (from, to, word.to_owned())));
    }

    #[test]
    fn only_new_bests_are_improvements() {
        let trials: Vec<Trial> = [0.2, 0.1, 0.2, 0.4].map(|score| trial(score, 1.0)).into();
        assert_eq!(improvements(&trials), [(1.0, 0.2), (4.0, 0.4)]);
    }
}
