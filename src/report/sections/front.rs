//! Several objectives at once: the networks that no other beats in score, parameters and multiply-adds.

use super::Study;
use super::search::{LINE_POINTS, figure, mark, score_axis};
use crate::report::document::{Block, Prose};
use crate::report::plot::{Axis, Chart, Shape, Ticks, thinned};
use crate::report::ranking::{Ranked, Ranking};
use crate::report::table::{Cell, Table};
use crate::report::words;
use crate::results::word;
use crate::statistics::{crowding, hypervolume, pareto_front};
use crate::wording;

/// Points drawn; more would only make the page heavy.
const DOTS: usize = 3000;
/// Rows of the table.
const ROWS: usize = 30;
/// Fewer networks than this make no front worth drawing.
const NETWORKS_MIN: usize = 10;

/// The section.
pub(super) fn blocks(study: &Study<'_>) -> Vec<Block> {
    let rankings = study.rankings.iter().filter(|ranking| ranking.networks.len() >= NETWORKS_MIN);
    rankings.enumerate().flat_map(|(i, ranking)| front(study, ranking, i)).collect()
}

/// What is minimised: error, parameters, multiply-adds, the last two as shares of the largest network's.
struct Objectives {
    points: Vec<[f64; 3]>,
    /// Error of guessing, and the largest network: the corner that the hypervolume is measured to.
    reference: [f64; 3],
    parameters: u64,
    multiply_adds: u64,
}

impl Objectives {
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
    fn of(networks: &[Ranked], classes: usize) -> Self {
        let largest =
            |size: fn(&Ranked) -> u64| networks.iter().map(size).max().unwrap_or(1).max(1);
        let parameters = largest(|network| network.parameters);
        let multiply_adds = largest(|network| network.multiply_adds);
        let point = |network: &Ranked| {
            [
                1.0 - network.score,
                network.parameters as f64 / parameters as f64,
                network.multiply_adds as f64 / multiply_adds as f64,
            ]
        };
        Self {
            points: networks.iter().map(point).collect(),
            reference: [1.0 - 1.0 / classes.max(1) as f64, 1.0, 1.0],
            parameters,
            multiply_adds,
        }
    }
}

fn front(study: &Study<'_>, ranking: &Ranking, index: usize) -> Vec<Block> {
    let networks = &ranking.networks;
    let is_of = |card: &crate::results::TrialsCard| card.space == ranking.space;
    let cards = study.findings.searches.iter().map(|search| &search.card);
    let classes = cards.into_iter().find(|card| is_of(card)).map_or(2, |card| card.classes);
    let objectives = Objectives::of(networks, classes);
    let front = pareto_front(&objectives.points);
    let points: Vec<[f64; 3]> = front.iter().map(|&i| objectives.points[i]).collect();
    let volume = hypervolume(&points, &objectives.reference);
    let text = format!(
        "{} of {} are beaten by no other in score, parameters and multiply-adds at once. Hypervolume \
         {volume:.4}, of at most {:.4}, to the reference point score {} (guessing), {} parameters and {} \
         multiply-adds (the largest seen), the last two scaled to 1.",
        wording::thousands(front.len() as u64),
        wording::count(networks.len(), "network"),
        objectives.reference[0],
        words::score(1.0 - objectives.reference[0], ranking.meaning),
        words::large(objectives.parameters),
        words::large(objectives.multiply_adds),
    );
    let mut blocks = SIZES.map(|size| drawing(ranking, size, index)).to_vec();
    blocks.extend([
        Block::Text(Prose::new(text)),
        Block::Folded("The front".to_owned(), vec![Block::Table(table(ranking, &front, &points))]),
    ]);
    blocks
}

/// A size that scores are drawn over.
#[derive(Clone, Copy)]
struct Size {
    stem: &'static str,
    axis: &'static str,
    words: &'static str,
    of: fn(&Ranked) -> u64,
    unit: f64,
}

const SIZES: [Size; 2] = [
    Size {
        stem: "front",
        axis: "million multiply-adds",
        words: "multiply-adds for one image",
        of: |network| network.multiply_adds,
        unit: 1e6,
    },
    Size {
        stem: "front-parameters",
        axis: "thousand parameters",
        words: "parameters",
        of: |network| network.parameters,
        unit: 1e3,
    },
];

/// Score over a size, with the front of these two.
#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53")]
fn drawing(ranking: &Ranking, size: Size, index: usize) -> Block {
    let networks = &ranking.networks;
    let cost = |network: &Ranked| (size.of)(network) as f64 / size.unit;
    let dots: Vec<(f64, f64)> = networks.iter().map(|n| (cost(n), n.score)).collect();
    let pairs: Vec<[f64; 2]> = dots.iter().map(|(cost, score)| [*cost, -score]).collect();
    let mut step: Vec<(f64, f64)> = pareto_front(&pairs).into_iter().map(|i| dots[i]).collect();
    step.sort_by(|a, b| a.0.total_cmp(&b.0));
    let most = dots.iter().map(|dot| dot.0).fold(0.0, f64::max);
    let chart = Chart {
        x: Axis::around(size.axis, [0.0, most], Ticks::Decimal),
        y: score_axis(ranking.meaning, dots.iter().map(|dot| dot.1)),
        bands: Vec::new(),
        marks: vec![
            mark(Shape::Dots, 0, "network", thinned(&dots, DOTS)),
            mark(Shape::Step, 1, "front", thinned(&step, LINE_POINTS)),
        ],
    };
    let caption = format!(
        "Score by the {} evaluator over {}. No network lies above and left of the line.",
        word(&ranking.evaluator),
        size.words
    );
    let name = super::figure_name(size.stem, index);
    Block::Figure(figure(name, "Score and cost", caption, &chart))
}

/// Networks on the front, those that span it when there are many.
fn table(ranking: &Ranking, front: &[usize], points: &[[f64; 3]]) -> Table {
    let caption = if front.len() > ROWS {
        format!("{ROWS} of {} on the front, those with the widest gaps around them", front.len())
    } else {
        "Networks on the front".to_owned()
    };
    let score = ranking.meaning.column();
    let mut table = Table::new(caption, &["genotype", score, "#parameters", "#multiply-adds"]);
    for place in spanning(points, ROWS) {
        let network = &ranking.networks[front[place]];
        table.row(vec![
            Cell::code(&network.genotype),
            Cell::number(network.score, words::score(network.score, ranking.meaning)),
            Cell::large(network.parameters),
            Cell::large(network.multiply_adds),
        ]);
    }
    table
}

/// Places of at most `most` points of a front that show all of it, in the points' order: the best by score
/// alone would leave out its small networks. Chosen by crowding distance, as NSGA-II does (Deb et al. 2002).
fn spanning(points: &[[f64; 3]], most: usize) -> Vec<usize> {
    let distances = crowding(points);
    let mut places: Vec<usize> = (0..points.len()).collect();
    places.sort_by(|&a, &b| distances[b].total_cmp(&distances[a]).then(a.cmp(&b)));
    places.truncate(most);
    places.sort_unstable();
    places
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn network(score: f64, parameters: u64, multiply_adds: u64) -> Ranked {
        Ranked {
            genotype: String::new(),
            score,
            reward: score,
            trials: 1,
            epochs: 1,
            parameters,
            multiply_adds,
            measures: BTreeMap::new(),
        }
    }

    #[test]
    fn the_reference_is_guessing_with_the_largest_network() {
        let networks = [network(0.9, 200, 50), network(0.5, 100, 100)];
        let objectives = Objectives::of(&networks, 10);
        assert!((objectives.reference[0] - 0.9).abs() < 1e-12);
        assert_eq!(objectives.points[1][1..], [0.5, 1.0]);
        // A network as large as the largest in either size adds nothing.
        assert!(hypervolume(&objectives.points, &objectives.reference).abs() < 1e-12);
    }

    #[test]
    fn a_few_of_a_front_are_its_ends_and_its_lonely_points() {
        // Error falls as size grows; four points stand close together in the middle.
        let at = |x: f64| [1.0 - x, x, x];
        let points = [0.0, 0.48, 0.49, 0.5, 0.51, 0.75, 1.0].map(at);
        assert_eq!(spanning(&points, 4), [0, 1, 5, 6]);
        assert_eq!(spanning(&points, 9).len(), 7);
    }
}
