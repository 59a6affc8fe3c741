//! Numbers as a report says them: percentages, intervals, large counts.

use super::meaning::Meaning;
use crate::net::Shape;

/// `91.3 %`, with a space that no line breaks at.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1}\u{a0}%", share * 100.0)
}

/// `89.4 to 92.9 %`; in words, since a dash between numbers reads as a minus.
pub(super) fn interval([low, high]: [f64; 2]) -> String {
    format!("{:.1} to {:.1}\u{a0}%", low * 100.0, high * 100.0)
}

/// A score: a percentage when it is an accuracy, else a bare number.
pub(super) fn score(value: f64, meaning: Meaning) -> String {
    if meaning.is_percent() {
        format!("{:.2}\u{a0}%", value * 100.0)
    } else {
        format!("{value:.4}")
    }
}

/// A value of any unit and size in four digits: `41.25`, `0.001234`, `7.200e12`.
pub(super) fn measure(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e6).contains(&size) {
        return format!("{value:.3e}");
    }
    let after = match size {
        ..1.0 => 6,
        ..10.0 => 3,
        ..100.0 => 2,
        ..1000.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.after$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `2.34 M`, `18.5 k`, `640`.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(super) fn large(n: u64) -> String {
    let digits = |value: f64| match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    };
    match n {
        0..1_000 => n.to_string(),
        1_000..1_000_000 => format!("{} k", digits(n as f64 / 1e3)),
        1_000_000..1_000_000_000 => format!("{} M", digits(n as f64 / 1e6)),
        _ => format!("{} G", digits(n as f64 / 1e9)),
    }
}

/// `text`, or its beginning where it is longer than `most` letters.
pub(super) fn cut(text: impl Into<String>, most: usize) -> String {
    let text = text.into();
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// `28 × 28 × 64`; `10` for a vector.
pub(super) fn shape(shape: Shape) -> String {
    if (shape.height, shape.width) == (1, 1) {
        shape.channels.to_string()
    } else {
        format!("{} × {} × {}", shape.height, shape.width, shape.channels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_keep_four_digits_whatever_their_size() {
        let values = [0.0, 41.25, -1.5, 0.001_234, 123_456.7, 7.2e12, 3.25e-9, 999.96];
        let words = ["0", "41.25", "-1.5", "0.001234", "123457", "7.200e12", "3.250e-9", "1000"];
        assert_eq!(values.map(measure), words);
    }

    #[test]
    fn large_numbers_keep_three_digits() {
        assert_eq!(
            [640, 18_496, 2_344_960, 13_200_000_000].map(large),
            ["640", "18.5 k", "2.34 M", "13.2 G"]
        );
    }

    #[test]
    fn long_texts_keep_their_beginning() {
        assert_eq!(cut("ährenfeld", 4), "ähre…");
        assert_eq!(cut("ähre", 4), "ähre");
    }

    #[test]
    fn a_mock_score_is_no_percentage() {
        assert_eq!(score(0.8712, Meaning::Mock), "0.8712");
        assert_eq!(score(0.8712, Meaning::Accuracy), "87.12\u{a0}%");
    }
}
