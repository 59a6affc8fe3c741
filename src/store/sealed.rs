//! Sealed files: JSON that people can read and that says itself whether it is whole.
//!
//! The first member, `checksum`, is the digest of every byte after its line. So the file stays plain
//! JSON for any tool, and no canonical form of JSON is needed to check it. Knows no meaning.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::digest::Digest;

const HEAD: &str = "{\n  \"checksum\": \"";
const HEAD_END: &str = "\",\n";
const HEX: usize = 64;

/// The sealed text of `value`, which serializes to an object that is not empty.
///
/// # Panics
/// When it does not, which is a fault of its type.
pub(super) fn seal(value: &impl Serialize) -> Vec<u8> {
    let json = serde_json::to_string_pretty(value).expect("BUG: what is sealed serializes");
    let body = json.strip_prefix("{\n").expect("BUG: what is sealed is an object with members");
    let checksum = Digest::of(body.as_bytes()).hex();
    [HEAD, &checksum, HEAD_END, body].concat().into_bytes()
}

/// Whether `bytes` are what [`seal`] once wrote.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    body_and_checksum(bytes).is_some_and(|(body, checksum)| Digest::of(body) == checksum)
}

/// The value in `bytes`; none when they are torn or of another type.
pub(super) fn unseal<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    is_whole(bytes).then(|| serde_json::from_slice(bytes).ok())?
}

fn body_and_checksum(bytes: &[u8]) -> Option<(&[u8], Digest)> {
    let rest = bytes.strip_prefix(HEAD.as_bytes())?;
    let (hex, rest) = rest.split_at_checked(HEX)?;
    let body = rest.strip_prefix(HEAD_END.as_bytes())?;
    let checksum = std::str::from_utf8(hex).ok()?.parse().ok()?;
    Some((body, checksum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn sample() -> (BTreeMap<String, u32>, Vec<u8>) {
        let value = BTreeMap::from([("format".to_owned(), 1), ("trials".to_owned(), 300)]);
        let bytes = seal(&value);
        (value, bytes)
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Sample {
        format: u32,
        trials: u32,
    }

    #[test]
    fn a_sealed_file_is_plain_json_and_reads_back() {
        let (_, bytes) = sample();
        assert_eq!(unseal(&bytes), Some(Sample { format: 1, trials: 300 }));
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(json["trials"], 300);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let (_, bytes) = sample();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(!is_whole(&flipped), "flip at {at}");
            assert!(!is_whole(&bytes[..at]), "cut at {at}");
        }
    }
}
