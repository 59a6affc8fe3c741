//! Numbers as text with all their bits: weights in a saved search.
//!
//! Decimal digits would be exact too, at four times the memory: a saved search is one JSON value, where a
//! number takes as much as a short text.

use std::fmt::Write as _;

use super::SearchError;

/// The bits of each number in eight hexadecimal digits.
pub(super) fn to_hex(numbers: &[f32]) -> String {
    let mut text = String::with_capacity(8 * numbers.len());
    for number in numbers {
        write!(text, "{:08x}", number.to_bits()).expect("writing to a string");
    }
    text
}

/// The `count` numbers that [`to_hex`] wrote.
///
/// # Errors
/// When they are not as many finite numbers.
pub(super) fn from_hex(text: &str, count: usize) -> Result<Vec<f32>, SearchError> {
    let unfit = |reason: &str| SearchError::Unfit(reason.to_owned());
    if text.len() != 8 * count {
        return Err(unfit("the policy has another number of weights"));
    }
    let (words, _) = text.as_bytes().as_chunks::<8>();
    let number = |word: &[u8; 8]| {
        let word = std::str::from_utf8(word).ok()?;
        let number = f32::from_bits(u32::from_str_radix(word, 16).ok()?);
        number.is_finite().then_some(number)
    };
    words.iter().map(number).collect::<Option<_>>().ok_or_else(|| unfit("a weight is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_to_the_last_bit() {
        let numbers = [0.1, -0.0, f32::MIN_POSITIVE / 3.0, -123.456];
        let read = from_hex(&to_hex(&numbers), 4).unwrap();
        assert!(read.iter().zip(numbers).all(|(r, n)| r.to_bits() == n.to_bits()));
    }

    #[test]
    fn what_is_no_weight_is_refused() {
        for text in ["", "3f80000", "3f80000g", "7fc00000", "äöü00"] {
            assert!(from_hex(text, 1).is_err(), "{text}");
        }
    }
}
