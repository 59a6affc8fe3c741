//! The card of a bundle: what is in it, before anything is unpacked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::manifest::Fingerprint;

/// Version of the bundle's format.
pub(super) const BUNDLE_FORMAT: u32 = 1;

/// Which results a bundle holds whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outputs {
    /// The content of every stage's outputs.
    All,
    /// That of final and published stages; of the others what they gave, by digest.
    Final,
    /// No results.
    None,
}

/// What a bundle says of itself: `bundle.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Version of the format.
    pub format: u32,
    /// The version of phytotron that packed it.
    pub phytotron: String,
    /// The pipeline's file, relative to the project.
    pub pipeline: String,
    /// Which results are in it.
    pub outputs: Outputs,
    /// The project's files in it.
    pub files: BTreeMap<String, CardFile>,
    /// Declared files that were left out: whoever has the same content can put it there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, Digest>,
    /// Results in it by the text of the stage's id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub results: BTreeMap<String, Fingerprint>,
}

/// A file of the project in a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardFile {
    /// Digest of its content.
    pub digest: Digest,
    /// Whether it may be executed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
}

/// Only the version, to tell a newer card from a damaged one.
#[derive(Deserialize)]
pub(super) struct Versioned {
    pub(super) format: u32,
}

impl Card {
    /// The card's text.
    pub(super) fn text(&self) -> String {
        let json = serde_json::to_string_pretty(self).expect("BUG: a card is plain data");
        json + "\n"
    }
}
