//! What a strategy has learned on its way: scores by exploration rate, baseline and entropy of a policy.

use super::figure_name;
use super::search::{LINE_POINTS, epsilon_bands, epsilon_levels, figure, mark, score_axis};
use crate::report::document::Block;
use crate::report::findings::Search;
use crate::report::meaning::Meaning;
use crate::report::plot::{Axis, Chart, Figure, Mark, Shape, Ticks, thinned};
use crate::results::{PolicyNote, Trial};
use crate::statistics::{mean, moving_average};

/// Dots of a policy's pictures.
const DOTS: usize = 1500;

/// The pictures that a search's trials have the numbers for.
pub(super) fn blocks(search: &Search, index: usize) -> Vec<Block> {
    let exploration = exploration(search, index);
    let policy = policy(search, index);
    exploration.into_iter().chain(policy).map(Block::Figure).collect()
}

/// Mean score at each exploration rate as columns, with the moving average: figure 3 of Baker et al. 2017.
#[expect(clippy::cast_precision_loss, reason = "trial numbers stay far below 2^53")]
fn exploration(search: &Search, index: usize) -> Option<Figure> {
    let trials = &search.trials;
    let levels = epsilon_levels(trials);
    if levels.len() < 2 {
        return None;
    }
    let (mut columns, mut halves) = (Vec::new(), Vec::new());
    for (_, from, to) in levels {
        let scored = trials[from..to].iter().filter(|trial| trial.failure.is_none());
        let Some(mean) = mean(&scored.map(|trial| trial.score).collect::<Vec<f64>>()) else {
            continue;
        };
        columns.push(((from + to + 1) as f64 / 2.0, mean));
        halves.push((to - from) as f64 / 2.0);
    }
    let window = (trials.len() / 20).clamp(5, 150);
    let scores: Vec<f64> = trials.iter().map(|trial| trial.score).collect();
    let average: Vec<(f64, f64)> =
        (1..).map(f64::from).zip(moving_average(&scores, window)).collect();
    // Before the window is full it is a mean of few, which jumps.
    let average = thinned(&average[window.min(average.len()) - 1..], LINE_POINTS);
    let meaning = Meaning::of(&search.card);
    let heights = columns.iter().chain(&average).map(|point| point.1).chain([0.0]);
    let chart = Chart {
        x: Axis::exact("trial", 1.0, trials.len() as f64, Ticks::Whole),
        y: score_axis(meaning, heights.collect::<Vec<f64>>()),
        bands: epsilon_bands(trials)
            .into_iter()
            .map(|band| crate::report::plot::Band { shade: 0.0, ..band })
            .collect(),
        marks: vec![
            mark(Shape::Columns(halves), 0, "mean at each ε", columns),
            mark(Shape::Line, 1, &format!("mean of the last {window}"), average),
        ],
    };
    let caption = "From exploration to exploitation: the mean score of all networks that were proposed at \
                   each exploration rate ε, the share of random choices, and the moving average (as in \
                   figure 3 of Baker et al. 2017). Failed trials count in the line, not in the columns.";
    let name = figure_name("search-exploration", index);
    Some(figure(name, "Scores by exploration rate", caption.to_owned(), &chart))
}

/// Reward against the expected one, and the entropy of the policy.
fn policy(search: &Search, index: usize) -> Vec<Figure> {
    let noted = |(i, trial): (u32, &Trial)| Some((f64::from(i), trial.reward, trial.policy?));
    let notes: Vec<(f64, f64, PolicyNote)> = (1..).zip(&search.trials).filter_map(noted).collect();
    if notes.len() < 10 {
        return Vec::new();
    }
    let x = || Axis::exact("trial", 1.0, notes.last().map_or(2.0, |note| note.0), Ticks::Whole);
    vec![baseline(&notes, x(), index), entropy(&notes, x(), index)]
}

fn baseline(notes: &[(f64, f64, PolicyNote)], x: Axis, index: usize) -> Figure {
    let rewards: Vec<(f64, f64)> = notes.iter().map(|(at, reward, _)| (*at, *reward)).collect();
    let expected: Vec<(f64, f64)> =
        notes.iter().filter_map(|(at, _, note)| Some((*at, note.baseline?))).collect();
    let heights: Vec<f64> = rewards.iter().chain(&expected).map(|point| point.1).collect();
    let chart = Chart {
        x,
        y: Axis::around("reward", heights, Ticks::Decimal),
        bands: Vec::new(),
        marks: vec![
            mark(Shape::Dots, 0, "reward of a network", thinned(&rewards, DOTS)),
            mark(Shape::Line, 1, "baseline", thinned(&expected, LINE_POINTS)),
        ],
    };
    let caption = "The baseline is the moving average of rewards that the policy expected when it drew the \
                   network; a network above it becomes likelier, one below it less likely.";
    let name = figure_name("search-baseline", index);
    figure(name, "Reward and baseline", caption.to_owned(), &chart)
}

fn entropy(notes: &[(f64, f64, PolicyNote)], x: Axis, index: usize) -> Figure {
    let surprise: Vec<(f64, f64)> =
        notes.iter().map(|(at, _, note)| (*at, -note.log_probability)).collect();
    let window = (notes.len() / 20).clamp(5, 200);
    let all: Vec<f64> = surprise.iter().map(|point| point.1).collect();
    let average: Vec<(f64, f64)> =
        surprise.iter().map(|point| point.0).zip(moving_average(&all, window)).collect();
    let marks: Vec<Mark> = vec![
        mark(Shape::Dots, 5, "a network's −ln p", thinned(&surprise, DOTS)),
        mark(Shape::Line, 2, &format!("mean of the last {window}"), thinned(&average, LINE_POINTS)),
    ];
    let chart = Chart {
        x,
        y: Axis::around("entropy in nats", all.into_iter().chain([0.0]), Ticks::Decimal),
        bands: Vec::new(),
        marks,
    };
    let caption = "How undecided the policy is: the mean of −ln p over the networks that it draws estimates its \
                   entropy. Near 0 it draws the same network again and again. Networks are counted when they \
                   are new, so the end of a decided policy shows its rarer draws.";
    figure(
        figure_name("search-entropy", index),
        "Entropy of the policy",
        caption.to_owned(),
        &chart,
    )
}
