//! Wording: counts, durations, sizes and suggestions as people read them.

use std::time::Duration;

/// `1 stage`, `3 stages`.
#[must_use]
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{} {noun}s", thousands(n as u64)) }
}

/// `12,345,678`.
#[must_use]
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// [`duration`] of any number of seconds that a clock can give: one that was set back gives 0.
#[must_use]
pub fn seconds(secs: f64) -> String {
    duration(Duration::try_from_secs_f64(secs.max(0.0)).unwrap_or(Duration::MAX))
}

/// `4 ms`, `1.2 s`, `3 min 05 s`, `2 h 10 min`.
#[must_use]
pub fn duration(time: Duration) -> String {
    let secs = time.as_secs();
    match secs {
        0 if time.as_millis() == 0 => "0 ms".to_owned(),
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3600 => format!("{} min {:02} s", secs / 60, secs % 60),
        _ => format!("{} h {:02} min", secs / 3600, secs % 3600 / 60),
    }
}

/// `512 B`, `1.5 KiB`, `3.2 GiB`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{n} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `a`, `a and b`, `a, b and c`; each in backticks.
#[must_use]
pub fn list<T: AsRef<str>>(items: &[T]) -> String {
    let quoted: Vec<String> = items.iter().map(|item| format!("`{}`", item.as_ref())).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// The candidate that `word` was most likely meant to be, when one is near enough.
///
/// Near is at most one edit in three letters (Damerau-Levenshtein, adjacent swaps count once).
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (edits(word, candidate), candidate))
        // A word of one letter is as near to every other; that is no hint.
        .filter(|&(distance, _)| distance <= allowed && distance < word.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits between two words, where swapping neighbours is one edit (optimal string alignment).
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = vec![0; b.len() + 1];
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let substituted = previous[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = substituted.min(previous[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut previous, row);
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_sizes() {
        assert_eq!(count(1, "stage"), "1 stage");
        assert_eq!(count(1200, "stage"), "1,200 stages");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(list(&["a", "b", "c"]), "`a`, `b` and `c`");
    }

    #[test]
    fn durations_keep_two_parts() {
        let text = |secs: f64| duration(Duration::from_secs_f64(secs));
        assert_eq!(
            [text(0.004), text(1.24), text(185.0), text(7800.0)],
            ["4 ms", "1.2 s", "3 min 05 s", "2 h 10 min"]
        );
    }

    #[test]
    fn a_slip_finds_its_word_and_a_stranger_finds_none() {
        let words = ["search", "retrain", "report"];
        assert_eq!(nearest("serach", words), Some("search"));
        assert_eq!(nearest("retrian", words), Some("retrain"));
        assert_eq!(nearest("dataset", words), None);
        assert_eq!(nearest("3", ["1", "2"]), None);
    }
}
