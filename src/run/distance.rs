//! Distances: how far two artifacts lie apart, in words that help to find out why.
//!
//! Names the first file that differs, and where both sides hold numbers, by how much: a last bit and another model
//! are different news. Knows nothing of what the numbers mean.

use safetensors::{Dtype, SafeTensors};

use super::RunError;
use crate::digest::Digest;
use crate::store::{Entry, EntryKind, Store};
use crate::wording;

/// Files above this are only compared by their digests.
const COMPARED_BYTES_MAX: u64 = 256 << 20;

/// An artifact in a store.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) store: &'a Store,
    pub(super) tree: &'a Digest,
}

/// The first difference of two artifacts: `history.csv: 3 of 40 numbers differ, by at most 1.2e-7`. Nothing where
/// either is not here to be looked at.
pub(super) fn first_difference(old: Place<'_>, new: Place<'_>) -> Result<Option<String>, RunError> {
    let (Some(before), Some(after)) = (old.store.tree(old.tree)?, new.store.tree(new.tree)?) else {
        return Ok(None);
    };
    for entry in &before.entries {
        let Some(other) = after.entry(&entry.path) else {
            return Ok(Some(format!("`{}` is missing", entry.path)));
        };
        if other.kind != entry.kind {
            return Ok(Some(format!("`{}`: {}", entry.path, contents(entry, other, old, new))));
        }
    }
    let added = after.entries.iter().find(|entry| before.entry(&entry.path).is_none());
    Ok(added.map(|entry| format!("`{}` is new", entry.path)))
}

/// How the contents of two entries of one path differ.
fn contents(entry: &Entry, other: &Entry, old: Place<'_>, new: Place<'_>) -> String {
    let (
        EntryKind::File { digest, size, .. },
        EntryKind::File { digest: other_digest, size: other_size, .. },
    ) = (&entry.kind, &other.kind)
    else {
        return "it is not the same sort of entry".to_owned();
    };
    if digest == other_digest {
        return "it may be executed on one side only".to_owned();
    }
    if (*size).max(*other_size) > COMPARED_BYTES_MAX {
        return "other content".to_owned();
    }
    // Content that is gone, or bad, cannot be measured; that it differs is known by its digest.
    let read = |place: Place<'_>| place.store.read(place.tree, &entry.path).ok();
    let (Some(before), Some(after)) = (read(old), read(new)) else {
        return "other content".to_owned();
    };
    numbers(&before, &after).map_or_else(|| bytes(&before, &after), Distance::text)
}

/// How far apart the numbers of two files are that differ in nothing else.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Distance {
    count: usize,
    differing: usize,
    largest: f64,
}

impl Distance {
    fn add(&mut self, before: f64, after: f64) {
        self.count += 1;
        if before.to_bits() != after.to_bits() {
            self.differing += 1;
            let difference = (after - before).abs();
            // A number beside NaN is infinitely far.
            self.largest =
                self.largest.max(if difference.is_nan() { f64::INFINITY } else { difference });
        }
    }

    fn text(self) -> String {
        let numbers = wording::count(self.count, "number");
        format!("{} of {numbers} differ, by at most {:.2e}", self.differing, self.largest)
    }
}

fn numbers(before: &[u8], after: &[u8]) -> Option<Distance> {
    tensors(before, after)
        .or_else(|| texts(std::str::from_utf8(before).ok()?, std::str::from_utf8(after).ok()?))
}

/// Distance of two files of 32-bit tensors with equal names and shapes.
fn tensors(before: &[u8], after: &[u8]) -> Option<Distance> {
    let (before, after) =
        (SafeTensors::deserialize(before).ok()?, SafeTensors::deserialize(after).ok()?);
    let mut distance = Distance::default();
    if before.len() != after.len() {
        return None;
    }
    for (name, old) in before.iter() {
        let new = after.tensor(name).ok()?;
        if old.shape() != new.shape() || [old.dtype(), new.dtype()] != [Dtype::F32; 2] {
            return None;
        }
        let value =
            |bytes: &[u8]| f64::from(f32::from_le_bytes(bytes.try_into().expect("four bytes")));
        for (old, new) in old.data().chunks_exact(4).zip(new.data().chunks_exact(4)) {
            distance.add(value(old), value(new));
        }
    }
    Some(distance)
}

/// Distance of two texts that are equal but for their numbers.
fn texts(before: &str, after: &str) -> Option<Distance> {
    let mut distance = Distance::default();
    let (mut old, mut new) = (before, after);
    loop {
        match (next(&mut old), next(&mut new)) {
            (None, None) => break,
            (Some(Piece::Number(a)), Some(Piece::Number(b))) => distance.add(a, b),
            (Some(Piece::Text(a)), Some(Piece::Text(b))) if a == b => {}
            _ => return None,
        }
    }
    // `1.0` and `1` are other bytes and no distance.
    (distance.differing > 0).then_some(distance)
}

enum Piece<'a> {
    Number(f64),
    Text(&'a str),
}

/// Takes a number, or what stands before the next one, off the front of `rest`.
fn next<'a>(rest: &mut &'a str) -> Option<Piece<'a>> {
    if rest.is_empty() {
        return None;
    }
    let is_digit = |c: char| c.is_ascii_digit();
    let begins = rest.find(is_digit).unwrap_or(rest.len());
    if begins > 0 {
        // A sign belongs to its number.
        let begins = if rest[..begins].ends_with('-') { begins - 1 } else { begins };
        if begins > 0 {
            let (text, after) = rest.split_at(begins);
            *rest = after;
            return Some(Piece::Text(text));
        }
    }
    let signed = usize::from(rest.starts_with('-'));
    let mut ends = end_of_digits(rest, signed);
    if ends == signed {
        // A dash at the very end.
        return Some(Piece::Text(std::mem::take(rest)));
    }
    if rest[ends..].starts_with('.') {
        ends = end_of_digits(rest, ends + 1);
    }
    let exponent = rest[ends..].strip_prefix(['e', 'E']).map(|power| power.starts_with(['-', '+']));
    if let Some(has_sign) = exponent {
        let from = ends + 1 + usize::from(has_sign);
        let to = end_of_digits(rest, from);
        ends = if to > from { to } else { ends };
    }
    let (number, after) = rest.split_at(ends);
    *rest = after;
    Some(number.parse().map_or(Piece::Text(number), Piece::Number))
}

fn end_of_digits(text: &str, from: usize) -> usize {
    from + text[from..].bytes().take_while(u8::is_ascii_digit).count()
}

/// Where two files begin to differ that are no numbers.
fn bytes(before: &[u8], after: &[u8]) -> String {
    let at = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    if std::str::from_utf8(before).is_err() || std::str::from_utf8(after).is_err() {
        return format!("other bytes from {} on", wording::thousands(at as u64));
    }
    let line = before[..at].split(|byte| *byte == b'\n').count();
    format!("other text from line {line} on")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &str, after: &str, expected: &str) {
        let (before, after) = (before.as_bytes(), after.as_bytes());
        let said = numbers(before, after).map_or_else(|| bytes(before, after), Distance::text);
        assert_eq!(said, expected);
    }

    #[test]
    fn numbers_in_text_are_measured() {
        check("a,1.5\nb,-2e-3\n", "a,1.25\nb,-2e-3\n", "1 of 2 numbers differ, by at most 2.50e-1");
        check("{\"x\": 7}", "{\"x\": -7}", "1 of 1 number differ, by at most 1.40e1");
        check("t-1-", "t-2-", "1 of 1 number differ, by at most 1.00e0");
    }

    #[test]
    fn other_text_has_a_line() {
        check("a 1\nb 2\n", "a 1\nc 2\n", "other text from line 2 on");
        check("1.0", "1", "other text from line 1 on");
        assert_eq!(bytes(&[1, 2, 255], &[1, 3, 255]), "other bytes from 1 on");
    }

    #[test]
    fn tensors_are_measured_by_value() {
        let file = |values: [f32; 2]| {
            let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            let view = safetensors::tensor::TensorView::new(Dtype::F32, vec![2], &data).unwrap();
            safetensors::serialize([("w", view)], None).unwrap()
        };
        let distance = numbers(&file([1.0, 2.0]), &file([1.0, 2.5])).unwrap();
        assert_eq!(distance, Distance { count: 2, differing: 1, largest: 0.5 });
    }
}
