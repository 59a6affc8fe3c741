//! The search: how scores grew, and how strategies compare at equal numbers of trials.

use std::collections::BTreeSet;

use super::{Study, figure_name, headed};
use crate::report::document::{Block, Prose};
use crate::report::findings::{Search, word};
use crate::report::plot::{Axis, Band, Chart, Figure, Mark, Shape, Ticks, thinned};
use crate::report::ranking::incumbents;
use crate::report::statistics::{mean, moving_average, quantile};
use crate::report::table::{Cell, Table};
use crate::report::words;
use crate::results::Trial;
use crate::wording;

/// Points drawn in one chart; more would only make the page heavy.
const DOTS: usize = 3000;
/// Points of a line; finer than the pixels of a wide screen.
const LINE_POINTS: usize = 900;
/// Fewer trials than this make no curve.
const CURVE_TRIALS: usize = 10;
/// Curves of single searches in one page.
const CURVES: usize = 12;
/// Coordinates that repeat one setting; groups are compared across them.
const REPEATS: [&str; 2] = ["repeat", "seed"];

/// The section.
pub(super) fn blocks(study: &Study<'_>) -> Vec<Block> {
    let searches = &study.findings.searches;
    let mut blocks = Vec::new();
    // Genotypes that were only scored again come in the order of their rank: that is no curve.
    let is_search =
        |search: &&Search| search.trials.len() >= CURVE_TRIALS && search.agreement.is_none();
    let long: Vec<&Search> = searches.iter().filter(is_search).collect();
    let groups = comparable(&long);
    for (i, group) in groups.iter().enumerate() {
        blocks.extend(comparison(group, i));
    }
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
    if levels.len() > 1 {
        blocks.push(Block::Table(epsilon_table(search, &levels)));
    }
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
        y: score_axis(search.card.mock, trials.iter().map(|trial| trial.score)),
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
            words::score(score, search.card.mock),
            wording::thousands(i as u64 + 1)
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
fn epsilon_levels(trials: &[Trial]) -> Vec<(f64, usize, usize)> {
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
fn epsilon_bands(trials: &[Trial]) -> Vec<Band> {
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
            score_cell(mean(&scores), search.card.mock),
            score_cell(best, search.card.mock),
        ]);
    }
    table
}

/// Searches whose scores measure the same thing: one evaluator, one space.
fn comparable<'a>(searches: &[&'a Search]) -> Vec<Vec<&'a Search>> {
    let mut groups: Vec<Vec<&Search>> = Vec::new();
    for &search in searches {
        let alike = |group: &&mut Vec<&Search>| {
            let card = &group[0].card;
            card.evaluator == search.card.evaluator && card.space == search.card.space
        };
        match groups.iter_mut().find(alike) {
            Some(group) => group.push(search),
            None => groups.push(vec![search]),
        }
    }
    groups.retain(|group| group.len() > 1);
    groups
}

/// One setting and its repeats.
struct Setting<'a> {
    label: String,
    searches: Vec<&'a Search>,
}

fn settings<'a>(group: &[&'a Search]) -> Vec<Setting<'a>> {
    let mut settings: Vec<Setting<'a>> = Vec::new();
    for &search in group {
        let mut coordinates = search.coordinates.clone();
        coordinates.0.retain(|key, _| !REPEATS.contains(&key.as_str()));
        let label = if search.coordinates.0.is_empty() {
            search.label.clone()
        } else if coordinates.0.is_empty() {
            word(&search.card.strategy).to_owned()
        } else {
            coordinates.to_string()
        };
        match settings.iter_mut().find(|setting| setting.label == label) {
            Some(setting) => setting.searches.push(search),
            None => settings.push(Setting { label, searches: vec![search] }),
        }
    }
    settings
}

/// The best score so far of each setting: median over repeats, quartiles as a band.
fn comparison(group: &[&Search], index: usize) -> Vec<Block> {
    let mock = group[0].card.mock;
    let settings = settings(group);
    let mut marks = Vec::new();
    for (series, setting) in settings.iter().enumerate() {
        let spread = spread(setting);
        let [lower, median, upper] = [0, 1, 2].map(|part| {
            let points: Vec<(f64, f64)> =
                spread.iter().map(|(x, values)| (*x, values[part])).collect();
            thinned(&points, LINE_POINTS)
        });
        if setting.searches.len() > 2 {
            marks.push(Mark { shape: Shape::Area(lower), series, word: None, points: upper });
        }
        marks.push(mark(Shape::Line, series, &setting.label, median));
    }
    let heights: Vec<f64> = marks
        .iter()
        .flat_map(|mark| {
            let lower = if let Shape::Area(lower) = &mark.shape { lower.as_slice() } else { &[] };
            mark.points.iter().chain(lower).map(|point| point.1)
        })
        .collect();
    let last = marks.iter().flat_map(|mark| &mark.points).map(|point| point.0).fold(2.0, f64::max);
    let chart = Chart {
        x: Axis::exact("trials", 1.0, last, Ticks::Whole),
        y: score_axis(mock, heights),
        bands: Vec::new(),
        marks,
    };
    let repeats = settings.iter().map(|setting| setting.searches.len()).max().unwrap_or(1);
    let caption = if repeats > 2 {
        "Best score so far after equally many trials: the median over repeats, and the quartiles as a band."
    } else {
        "Best score so far after equally many trials."
    };
    let name = figure_name("search-comparison", index);
    let figure = figure(name, "Strategies compared", caption.to_owned(), &chart);
    let mut blocks = vec![Block::Figure(figure)];
    if repeats > 1 {
        blocks.push(Block::Table(comparison_table(&settings, mock)));
    }
    blocks
}

/// Lower quartile, median and upper quartile of the incumbents after each trial that all repeats reached.
#[expect(clippy::cast_precision_loss, reason = "trial numbers stay far below 2^53")]
fn spread(setting: &Setting<'_>) -> Vec<(f64, [f64; 3])> {
    let curves: Vec<Vec<Option<f64>>> =
        setting.searches.iter().map(|search| incumbents(&search.trials)).collect();
    let shortest = curves.iter().map(Vec::len).min().unwrap_or(0);
    (0..shortest)
        .filter_map(|i| {
            let mut values: Vec<f64> =
                curves.iter().map(|curve| curve[i]).collect::<Option<_>>()?;
            values.sort_by(f64::total_cmp);
            let [low, median, high] = [0.25, 0.5, 0.75].map(|share| quantile(&values, share));
            Some(((i + 1) as f64, [low?, median?, high?]))
        })
        .collect()
}

fn comparison_table(settings: &[Setting<'_>], mock: bool) -> Table {
    let columns = [
        "setting",
        "#repeats",
        "#trials each",
        "#median best",
        "#lower quartile",
        "#upper quartile",
    ];
    let mut table = Table::new("Best score by setting, over repeats", &columns);
    for setting in settings {
        let spread = spread(setting);
        let last = spread.last();
        let part = |part: usize| score_cell(last.map(|(_, values)| values[part]), mock);
        table.row(vec![
            Cell::text(&setting.label),
            Cell::count(setting.searches.len() as u64),
            Cell::count(spread.len() as u64),
            part(1),
            part(0),
            part(2),
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
            score_cell(best, search.card.mock),
        ]);
    }
    table
}

fn score_cell(score: Option<f64>, mock: bool) -> Cell {
    score.map_or_else(Cell::none, |score| Cell::number(score, words::score(score, mock)))
}

/// The axis of scores; made-up ones are no percentages.
pub(super) fn score_axis(mock: bool, scores: impl IntoIterator<Item = f64>) -> Axis {
    if mock {
        Axis::around("mock score", scores, Ticks::Decimal)
    } else {
        Axis::around("validation accuracy", scores, Ticks::Percent)
    }
}

pub(super) fn mark(shape: Shape, series: usize, word: &str, points: Vec<(f64, f64)>) -> Mark {
    Mark { shape, series, word: Some(word.to_owned()), points }
}

/// A chart in both widths.
pub(super) fn figure(name: String, title: &str, caption: String, chart: &Chart) -> Figure {
    Figure {
        name,
        title: title.to_owned(),
        caption,
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
