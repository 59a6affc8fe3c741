//! Paired tests: every setting against random sampling, over repeats.
//!
//! Repeats with one number share their seed and, where children are trained, the children: differences are
//! taken within such pairs. Under six pairs there is a difference and an interval and no p-value.

use super::Setting;
use crate::artifact::Coordinates;
use crate::report::document::{Block, Prose};
use crate::report::findings::Search;
use crate::report::ranking::incumbents;
use crate::report::table::{Cell, Table};
use crate::results::word;
use crate::seed::Seed;
use crate::statistics::{
    PAIRS_MIN, Paired, WILCOXON_MAX, bootstrap_mean, compare_pairs, holm, mean,
};
use crate::wording;

/// Share of the trials, the last ones, whose mean says what a strategy has learned.
const LATE: usize = 10;

/// Strategies that learn nothing, by the two laws of drawing: every other is compared with those that take
/// part.
const BASELINES: [&str; 2] = ["random", "random_uniform"];

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

/// Every setting against each baseline: the random strategies that take part, else the first setting.
pub(super) fn blocks(settings: &[Setting<'_>]) -> Vec<Block> {
    let places = BASELINES.iter().filter_map(|baseline| {
        let is_it = |setting: &Setting<'_>| word(&setting.searches[0].card.strategy) == *baseline;
        settings.iter().position(is_it)
    });
    let mut places: Vec<usize> = places.collect();
    if places.is_empty() {
        places.push(0);
    }
    places.into_iter().flat_map(|place| against(settings, place)).collect()
}

/// Every setting against the one at `place`.
fn against(settings: &[Setting<'_>], place: usize) -> Vec<Block> {
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
    let Paired { difference, p } = compare_pairs(&ours, &theirs)?;
    // A seed of the report's own: equal findings have an equal interval.
    let mut stream = Seed::root(0).child("report").stream("bootstrap", 0);
    Some(Difference {
        measure,
        setting: &setting.label,
        pairs: differences.len(),
        mean: difference,
        interval: bootstrap_mean(&differences, |bound| stream.index(bound)),
        p,
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
    let pairs = || rows.iter().flatten().map(|row| row.pairs);
    let fewest = pairs().min().unwrap_or(0);
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
    if pairs().any(|pairs| pairs > WILCOXON_MAX) {
        let many = format!(
            " With more than {WILCOXON_MAX} differences other than zero there is no p-value: the \
             exact test ends there, and no approximation is put in its place. The interval says what \
             there is to say."
        );
        text.push_str(&many);
    }
    Prose::new(text)
}
