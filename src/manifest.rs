//! Manifests: the readable list of everything a stage's result depends on.
//!
//! The same lines are hashed into the fingerprint, stored in the record and compared by `explain`, so
//! a cache key can always be read. Knows nothing of what the lines mean.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// The cache key of a stage: the digest of its manifest.
pub type Fingerprint = Digest;

/// One thing that a result depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Dotted path: `kind`, `component.search.ppo`, `with.budget.trials`, `input.data`.
    pub key: String,
    /// Its value as text.
    pub value: String,
}

/// Everything a result depends on, in a fixed order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Manifest {
    lines: Vec<Line>,
}

impl Manifest {
    /// Adds one line.
    pub fn line(&mut self, key: impl Into<String>, value: &impl ToString) {
        self.lines.push(Line { key: key.into(), value: value.to_string() });
    }

    /// Adds a line for every leaf of `value` under `prefix`: `with.budget.trials 300`.
    ///
    /// # Panics
    /// When `value` cannot be serialized, which is a fault of its type.
    pub fn section(&mut self, prefix: &str, value: &impl Serialize) {
        let value = serde_json::to_value(value).expect("BUG: parameters serialize");
        self.leaves(prefix, &value);
    }

    fn leaves(&mut self, path: &str, value: &serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                for (key, value) in map {
                    self.leaves(&format!("{path}.{key}"), value);
                }
            }
            other => self.line(path, other),
        }
    }

    /// The lines in order.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The text that is hashed: `key value`, a line each.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            writeln!(text, "{} {}", line.key, line.value).expect("writing to a string");
        }
        text
    }

    /// Digest of [`Manifest::text`].
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Digest::of(self.text().as_bytes())
    }
}
