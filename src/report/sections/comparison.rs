//! How settings compare over their repeats at equal numbers of trials: curves, and paired tests.
//!
//! Repeats with one number share their seed and, where children are trained, the children: differences are
//! taken within such pairs. Under six pairs there is a difference and an interval and no p-value.

use super::figure_name;
use super::search::{LINE_POINTS, figure, mark, score_axis, score_cell};
use crate::artifact::Coordinates;
use crate::report::document::{Block, Prose};
use crate::report::findings::{Search, word};
use crate::report::meaning::Meaning;
use crate::report::plot::{Axis, Chart, Mark, Shape, Ticks, thinned};
use crate::report::ranking::incumbents;
use crate::report::table::{Cell, Table};
use crate::seed::Seed;
use crate::statistics::{PAIRS_MIN, bootstrap_mean, compare_pairs, holm, mean, quantile};
use crate::wording;

/// Share of the trials, the last ones, whose mean says what a strategy has learned.
const LATE: usize = 10;

/// Searches whose scores measure the same thing: one evaluator, one space.
pub(super) fn comparable<'a>(searches: &[&'a Search]) -> Vec<Vec<&'a Search>> {
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
        let (coordinates, _) = search.coordinates.by_repeat();
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

/// The best score so far of each setting, and what may be said of the differences.
pub(super) fn blocks(group: &[&Search], index: usize) -> Vec<Block> {
    let meaning = Meaning::of(&group[0].card);
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
        y: score_axis(meaning, heights),
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
        blocks.push(Block::Table(comparison_table(&settings, meaning)));
    }
    if repeats > 1 && settings.len() > 1 {
        blocks.extend(tests(&settings));
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

fn comparison_table(settings: &[Setting<'_>], meaning: Meaning) -> Table {
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
        let part = |part: usize| score_cell(last.map(|(_, values)| values[part]), meaning);
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

/// What is compared, of one search after `trials` trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    /// The best score: what a study is after, but all strategies end near the ceiling of an easy task.
    Best,
    /// The mean of the last tenth: what was learned.
    Late,
}

impl Measure {
    fn words(self) -> &'static str {
        match self {
            Self::Best => "best score",
            Self::Late => "mean of the last tenth",
        }
    }

    fn of(self, search: &Search, trials: usize) -> Option<f64> {
        let trials = &search.trials[..trials];
        match self {
            Self::Best => incumbents(trials).last().copied().flatten(),
            Self::Late => {
                let late = &trials[trials.len() - trials.len().div_ceil(LATE)..];
                mean(&late.iter().map(|trial| trial.score).collect::<Vec<f64>>())
            }
        }
    }
}

/// One setting against the baseline by one measure.
struct Difference<'a> {
    measure: Measure,
    setting: &'a str,
    pairs: usize,
    mean: f64,
    interval: Option<[f64; 2]>,
    p: Option<f64>,
}

/// Every setting against the baseline: random search where it takes part, else the first setting.
fn tests(settings: &[Setting<'_>]) -> Vec<Block> {
    let is_random = |setting: &Setting<'_>| word(&setting.searches[0].card.strategy) == "random";
    let place = settings.iter().position(is_random).unwrap_or(0);
    let baseline = &settings[place];
    let others = settings.iter().enumerate().filter(|(i, _)| *i != place);
    let others: Vec<&Setting<'_>> = others.map(|(_, setting)| setting).collect();
    let rows: Vec<Vec<Difference<'_>>> = [Measure::Best, Measure::Late]
        .map(|measure| others.iter().filter_map(|s| difference(s, baseline, measure)).collect())
        .into();
    if rows.iter().all(Vec::is_empty) {
        return Vec::new();
    }
    let columns = [
        "measure",
        "setting",
        "#pairs",
        "#mean difference",
        "#95 % interval",
        "#p",
        "#p, adjusted",
    ];
    let mut table = Table::new(format!("Differences from {}", baseline.label), &columns);
    for rows in &rows {
        // Corrected within a measure: over the settings that are compared.
        let ps: Vec<f64> = rows.iter().filter_map(|row| row.p).collect();
        let mut adjusted = holm(&ps).into_iter();
        for row in rows {
            let adjusted = row.p.and_then(|_| adjusted.next());
            table.row(row.cells(adjusted));
        }
    }
    vec![Block::Table(table), Block::Text(note(&rows, &baseline.label))]
}

/// Setting minus baseline over the repeats that both have.
fn difference<'a>(
    setting: &'a Setting<'_>,
    baseline: &Setting<'_>,
    measure: Measure,
) -> Option<Difference<'a>> {
    let pairs: Vec<(&Search, &Search)> = setting
        .searches
        .iter()
        .filter_map(|search| {
            let other = baseline.searches.iter().find(|other| repeat(other) == repeat(search));
            other.map(|other| (*search, *other))
        })
        .collect();
    let lengths = pairs.iter().map(|(a, b)| a.trials.len().min(b.trials.len()));
    let trials = lengths.min().filter(|&trials| trials > 0)?;
    let values: Vec<(f64, f64)> = pairs
        .iter()
        .filter_map(|(a, b)| Some((measure.of(a, trials)?, measure.of(b, trials)?)))
        .collect();
    let (ours, theirs): (Vec<f64>, Vec<f64>) = values.into_iter().unzip();
    let differences: Vec<f64> = ours.iter().zip(&theirs).map(|(a, b)| a - b).collect();
    let paired = compare_pairs(&ours, &theirs)?;
    // A seed of the report's own: equal findings have an equal interval.
    let mut stream = Seed::root(0).child("report").stream("bootstrap", 0);
    Some(Difference {
        measure,
        setting: &setting.label,
        pairs: differences.len(),
        mean: paired.difference,
        interval: bootstrap_mean(&differences, |bound| stream.index(bound)),
        p: paired.p,
    })
}

/// The coordinates that tell a setting's repeats apart.
fn repeat(search: &Search) -> Coordinates {
    search.coordinates.by_repeat().1
}

impl Difference<'_> {
    fn cells(&self, adjusted: Option<f64>) -> Vec<Cell> {
        let signed = |value: f64| Cell::number(value, format!("{value:+.4}"));
        let p = |p: Option<f64>| p.map_or_else(Cell::none, |p| Cell::number(p, format!("{p:.4}")));
        let interval =
            |[low, high]: [f64; 2]| Cell::number(low, format!("{low:+.4} to {high:+.4}"));
        vec![
            Cell::text(self.measure.words()),
            Cell::text(self.setting),
            Cell::count(self.pairs as u64),
            signed(self.mean),
            self.interval.map_or_else(Cell::none, interval),
            p(self.p),
            p(adjusted),
        ]
    }
}

fn note(rows: &[Vec<Difference<'_>>], baseline: &str) -> Prose {
    let fewest = rows.iter().flatten().map(|row| row.pairs).min().unwrap_or(0);
    let mut text = format!(
        "Setting minus {baseline}, within pairs that share their repeat. Interval: percentile \
         bootstrap over repeats. p: exact two-sided Wilcoxon signed-rank test; adjusted by Holm over \
         the settings of one measure."
    );
    if fewest < PAIRS_MIN {
        let few = format!(
            " With {} there is no p-value: five differences of one sign have p 0.0625, so fewer \
             than six repeats cannot show anything at 5 %.",
            wording::count(fewest, "pair")
        );
        text.push_str(&few);
    }
    Prose::new(text)
}
