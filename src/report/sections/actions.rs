//! Share of each action over a search: what the strategy came to prefer.
//!
//! Genotypes are read by their space. Decisions that mean nothing by themselves, such as which earlier map
//! a block reads, are left out.

use std::collections::BTreeMap;

use super::search::{figure, mark};
use super::{figure_name, spaces};
use crate::report::document::Block;
use crate::report::findings::Search;
use crate::report::plot::{Axis, Chart, Figure, Shape, Ticks};
use crate::results::Trial;
use crate::space::Space;

/// Stretches of the search that shares are taken in.
const WINDOWS: usize = 40;
/// Trials in a stretch at least.
const WINDOW_MIN: usize = 10;
/// Actions with a colour of their own; the rest are one.
const NAMED: usize = 5;
/// Genotypes that are read at most, evenly spread.
const READ: usize = 6000;
/// Pictures of one search: kinds of decisions.
const KINDS: usize = 3;

/// A picture for each kind of decision; nothing where the space is not known here.
pub(super) fn blocks(search: &Search, index: usize) -> Vec<Block> {
    let Some(space) = spaces::open(&search.card) else { return Vec::new() };
    if search.trials.len() < 2 * WINDOW_MIN {
        return Vec::new();
    }
    let counts = count(&search.trials, &*space);
    let kinds = counts.into_iter().filter(|(_, kind)| kind.labels.len() > 1).take(KINDS);
    let drawn = |(i, (name, kind)): (usize, (String, Kind))| {
        let place = index * KINDS + i;
        Block::Figure(kind.figure(&name, search.trials.len(), place))
    };
    kinds.enumerate().map(drawn).collect()
}

/// How often each action of one kind was taken in each stretch.
#[derive(Default)]
struct Kind {
    labels: BTreeMap<String, Vec<u64>>,
}

/// Kinds of decisions in alphabetical order.
fn count(trials: &[Trial], space: &dyn Space) -> BTreeMap<String, Kind> {
    let windows = (trials.len() / WINDOW_MIN).clamp(1, WINDOWS);
    let mut kinds: BTreeMap<String, Kind> = BTreeMap::new();
    let process = space.process();
    let stride = trials.len().div_ceil(READ);
    for (i, trial) in trials.iter().enumerate().step_by(stride) {
        let Ok(genotype) = space.parse(&trial.genotype) else { continue };
        let window = i * windows / trials.len();
        for token in process.encoding(&genotype) {
            let Some((kind, label)) = meaning(process.token_name(token)) else { continue };
            let labels = &mut kinds.entry(kind).or_default().labels;
            labels.entry(label).or_insert_with(|| vec![0; windows])[window] += 1;
        }
    }
    kinds
}

/// The kind of decision and what was decided, by the name of a token; nothing for those without meaning.
pub(super) fn meaning(token: &str) -> Option<(String, String)> {
    let is_number = token.chars().all(|letter| letter.is_ascii_digit());
    if is_number || ["SM", "add", "concat", "apart", "read"].contains(&token) {
        return None;
    }
    let layer = |label: String| Some(("layer".to_owned(), label));
    if let Some((word, numbers)) = token.split_once('(') {
        let numbers: Vec<&str> = numbers.trim_end_matches(')').split(',').collect();
        return match (word, numbers.as_slice()) {
            ("C", [_, kernel, ..]) => layer(format!("convolution {kernel} × {kernel}")),
            ("P", _) => layer("pooling".to_owned()),
            ("FC", _) => layer("fully connected".to_owned()),
            _ => layer(word.to_owned()),
        };
    }
    if token == "GAP" {
        return layer("global average pool".to_owned());
    }
    match token.rsplit_once(' ') {
        Some((kind, value)) => Some((kind.to_owned(), value.to_owned())),
        None => Some(("operation".to_owned(), token.to_owned())),
    }
}

impl Kind {
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    fn figure(self, kind: &str, trials: usize, place: usize) -> Figure {
        let parts = self.parts();
        let windows = parts.first().map_or(1, |(_, counts)| counts.len());
        let width = trials as f64 / windows as f64;
        let totals: Vec<u64> =
            (0..windows).map(|w| parts.iter().map(|(_, counts)| counts[w]).sum()).collect();
        let at = |window: usize, below: u64| {
            let share = below as f64 / totals[window].max(1) as f64;
            ((window as f64 + 0.5) * width + 0.5, share)
        };
        let mut below = vec![0; windows];
        let mut marks = Vec::new();
        for (series, (label, counts)) in parts.iter().enumerate() {
            let lower: Vec<(f64, f64)> = (0..windows).map(|w| at(w, below[w])).collect();
            below.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            let upper: Vec<(f64, f64)> = (0..windows).map(|w| at(w, below[w])).collect();
            marks.push(mark(
                Shape::Stack(edged(lower, trials)),
                series,
                label,
                edged(upper, trials),
            ));
        }
        let chart = Chart {
            x: Axis::exact("trial", 1.0, trials as f64, Ticks::Whole),
            y: Axis::exact(&format!("share of {kind} choices"), 0.0, 1.0, Ticks::Percent),
            bands: Vec::new(),
            marks,
        };
        let caption = format!(
            "Of all {kind} choices in the networks proposed, the share of each, in {windows} equal stretches of \
             the search."
        );
        figure(figure_name("search-actions", place), "What was proposed over time", caption, &chart)
    }

    /// The most frequent actions, then all others as one.
    fn parts(self) -> Vec<(String, Vec<u64>)> {
        let mut parts: Vec<(String, Vec<u64>)> = self.labels.into_iter().collect();
        parts.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.iter().sum::<u64>()));
        if parts.len() > NAMED + 1 {
            let rest = parts.split_off(NAMED);
            let mut sums = vec![0; rest[0].1.len()];
            for (_, counts) in &rest {
                sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            }
            parts.push((format!("{} others", rest.len()), sums));
        }
        parts
    }
}

/// Points at the middles of stretches, drawn out to both ends of the axis.
#[expect(clippy::cast_precision_loss, reason = "trials stay far below 2^53")]
fn edged(points: Vec<(f64, f64)>, trials: usize) -> Vec<(f64, f64)> {
    let ends = points.first().zip(points.last()).map(|(first, last)| (first.1, last.1));
    let Some((first, last)) = ends else { return points };
    let points = std::iter::once((1.0, first)).chain(points);
    points.chain([(trials as f64, last)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_all_spaces_have_a_kind_or_none() {
        let shown = |token: &str| meaning(token).map(|(kind, label)| format!("{kind}: {label}"));
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(shown("C(64,3,1)"), some("layer: convolution 3 × 3"));
        assert_eq!(shown("P(2,2)"), some("layer: pooling"));
        assert_eq!(shown("GAP"), some("layer: global average pool"));
        assert_eq!(shown("sep5x5"), some("operation: sep5x5"));
        assert_eq!(shown("stride down 2"), some("stride down: 2"));
        assert_eq!(
            [shown("1"), shown("SM"), shown("add"), shown("apart")],
            [None, None, None, None]
        );
    }

    #[test]
    fn rare_actions_are_one_and_shares_add_up_to_all() {
        let labels = (0..9_u64).map(|i| (i.to_string(), vec![i + 1, 1])).collect();
        let parts = Kind { labels }.parts();
        assert_eq!(parts.len(), NAMED + 1);
        assert_eq!(parts[0], ("8".to_owned(), vec![9, 1]));
        assert_eq!(parts[NAMED], ("4 others".to_owned(), vec![1 + 2 + 3 + 4, 4]));
    }
}
