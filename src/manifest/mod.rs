//! Manifests: the readable list of everything a stage's result depends on.
//!
//! The same lines are hashed into the fingerprint, stored in the record and compared by `explain`, so
//! a cache key can always be read. Knows nothing of what the lines mean.

mod change;
mod flatten;

pub use change::{Change, summary};
pub use flatten::segment;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::digest::Digest;

/// The cache key of a stage: the digest of its manifest.
pub type Fingerprint = Digest;

/// One thing that a result depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Dotted path: `kind`, `component.search.ppo`, `with.budget.trials`, `input.data`.
    pub key: String,
    /// Its value as text on one line.
    pub value: String,
}

/// Everything a result depends on, in a fixed order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Manifest {
    lines: Vec<Line>,
}

impl Manifest {
    /// Adds one line. A value that would break the line, or could be taken for a quoted one, is
    /// quoted as JSON text.
    pub fn line(&mut self, key: impl Into<String>, value: &impl ToString) {
        let value = value.to_string();
        let value = if fits_a_line(&value) { value } else { quoted(&value) };
        self.lines.push(Line { key: key.into(), value });
    }

    /// Adds a line for every leaf of `value` under `prefix`: `with.budget.trials 300`.
    ///
    /// Values that differ give lines that differ, except that `20` and `20.0` are one number and a
    /// field that is `None` is no line at all, so that a parameter added later can be left out while
    /// it is neutral. A variant with content is `path.kind variant` and its fields under `path`.
    ///
    /// # Panics
    /// When `value` cannot be serialized, which is a fault of its type.
    pub fn section(&mut self, prefix: &str, value: &impl Serialize) {
        flatten::flatten(&mut self.lines, prefix, value).expect("BUG: parameters serialize");
    }

    /// The lines in order.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The lines in order, for keeps.
    #[must_use]
    pub fn into_lines(self) -> Vec<Line> {
        self.lines
    }

    /// The value under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.lines.iter().find(|line| line.key == key).map(|line| line.value.as_str())
    }

    /// The text that is hashed: `key value`, a line each.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(64 * self.lines.len());
        for line in &self.lines {
            line.write(&mut text);
            text.push('\n');
        }
        text
    }

    /// Digest of [`Manifest::text`].
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Digest::of(self.text().as_bytes())
    }

    /// What changed since `old`: in the order of this manifest, removed lines last.
    #[must_use]
    pub fn diff(&self, old: &Self) -> Vec<Change> {
        change::between(old, self)
    }
}

impl Line {
    fn write(&self, text: &mut String) {
        if key_fits(&self.key) {
            text.push_str(&self.key);
        } else {
            text.push_str(&quoted(&self.key));
        }
        text.push(' ');
        text.push_str(&self.value);
    }

    /// Reads what [`Line::write`] wrote.
    fn parse(text: &str) -> Option<Self> {
        let (key, value) = if text.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
            let key = values.next()?.ok()?;
            (Cow::Owned(key), text.get(values.byte_offset()..)?.strip_prefix(' ')?)
        } else {
            let (key, value) = text.split_once(' ')?;
            (Cow::Borrowed(key), value)
        };
        Some(Self { key: key.into_owned(), value: value.to_owned() })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text);
        f.write_str(&text)
    }
}

/// In records a line is its text: half the bytes of a map, and what a person wants to read there.
impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| de::Error::custom(format!("`{text}` is not a line of a manifest")))
    }
}

/// Whether text stays one line, keeps its ends when read, and is not taken for quoted text.
fn fits_a_line(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('"')
        && text.trim() == text
        && !text.chars().any(char::is_control)
}

/// Whether a key ends at the first blank of its line.
fn key_fits(key: &str) -> bool {
    fits_a_line(key) && !key.contains(char::is_whitespace)
}

/// `text` as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(lines: &[(&str, &str)]) -> Manifest {
        let mut manifest = Manifest::default();
        for (key, value) in lines {
            manifest.line(*key, value);
        }
        manifest
    }

    #[test]
    fn a_value_cannot_forge_a_line() {
        let forged = manifest(&[("with.note", "x\nwith.seed 3")]);
        assert_eq!(forged.text(), "with.note \"x\\nwith.seed 3\"\n");
        let honest = manifest(&[("with.note", "x"), ("with.seed", "3")]);
        assert_ne!(forged.fingerprint(), honest.fingerprint());
    }

    #[test]
    fn a_key_cannot_swallow_its_value() {
        let key = manifest(&[("file.a b", "c")]);
        let value = manifest(&[("file.a", "b c")]);
        assert_eq!(key.text(), "\"file.a b\" c\n");
        assert_ne!(key.text(), value.text());
    }

    #[test]
    fn quoted_text_differs_from_text_with_quotes() {
        assert_ne!(manifest(&[("a", "x\n")]).text(), manifest(&[("a", "\"x\\n\"")]).text());
    }

    #[test]
    fn records_hold_the_lines_as_text_and_read_them_back() {
        let lines = manifest(&[("kind", "a b"), ("file.x \"y\".csv", ""), ("file.ä", " z ")]);
        let json = serde_json::to_string(&lines).unwrap();
        assert_eq!(
            json, r#"["kind a b","\"file.x \\\"y\\\".csv\" \"\"","file.ä \" z \""]"#,
            "readable"
        );
        assert_eq!(serde_json::from_str::<Manifest>(&json).unwrap(), lines);
        assert!(serde_json::from_str::<Manifest>(r#"["kind"]"#).is_err());
    }
}
