//! Changes: how two manifests differ, as people read it.

use std::collections::HashMap;
use std::fmt;

use crate::digest::Digest;

use super::{Line, Manifest};

/// Most characters of a value that a change shows: a shell script is a value, too.
const SHOWN_MAX: usize = 60;

/// A line that is new, gone or other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The line's key.
    pub key: String,
    /// Its value in the old manifest.
    pub before: Option<String>,
    /// Its value in the new manifest.
    pub after: Option<String>,
}

impl Change {
    /// What happened to the line: `added`, `removed`, `changed`.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match (&self.before, &self.after) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        }
    }
}

impl fmt::Display for Change {
    /// `with.budget.trials 200 → 300`, `with.note x added`, `file.a.csv changed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key.strip_prefix("component.").map(|name| format!("component {name}"));
        let key = key.as_deref().unwrap_or(&self.key);
        if is_file(self) {
            return write!(f, "{key} {}", self.verb());
        }
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(f, "{key} {} → {}", shown(before), shown(after)),
            (Some(value), None) | (None, Some(value)) => {
                write!(f, "{key} {} {}", shown(value), self.verb())
            }
            (None, None) => write!(f, "{key}"),
        }
    }
}

/// The changes, one text each; files are counted when there are several.
#[must_use]
pub fn summary(changes: &[Change]) -> Vec<String> {
    let (files, others): (Vec<&Change>, Vec<&Change>) =
        changes.iter().partition(|change| is_file(change));
    let mut texts: Vec<String> = others.iter().map(ToString::to_string).collect();
    match files.as_slice() {
        [] => {}
        [file] => texts.push(file.to_string()),
        files => texts.push(format!("files: {}", counts(files))),
    }
    texts
}

/// `12 added, 1 changed`.
fn counts(files: &[&Change]) -> String {
    let count = |verb: &str| files.iter().filter(|change| change.verb() == verb).count();
    let parts: Vec<String> = ["added", "removed", "changed"]
        .into_iter()
        .map(|verb| (count(verb), verb))
        .filter(|&(n, _)| n > 0)
        .map(|(n, verb)| format!("{n} {verb}"))
        .collect();
    parts.join(", ")
}

fn is_file(change: &Change) -> bool {
    change.key.starts_with("file.")
}

/// A value short enough for a line: digests by their first digits, long text cut.
fn shown(value: &str) -> String {
    if let Ok(digest) = value.parse::<Digest>() {
        return digest.short();
    }
    match value.char_indices().nth(SHOWN_MAX) {
        Some((cut, _)) => format!("{}…", &value[..cut]),
        None => value.to_owned(),
    }
}

/// How `new` differs from `old`. A key that stands there twice is compared by its occurrences.
pub(super) fn between(old: &Manifest, new: &Manifest) -> Vec<Change> {
    let mut before: HashMap<(&str, usize), &str> = HashMap::with_capacity(old.lines.len());
    let old_lines = numbered(&old.lines);
    for (key, line) in &old_lines {
        before.insert(*key, &line.value);
    }
    let mut changes = Vec::new();
    for (key, line) in numbered(&new.lines) {
        let value = before.remove(&key);
        if value != Some(line.value.as_str()) {
            changes.push(Change {
                key: line.key.clone(),
                before: value.map(str::to_owned),
                after: Some(line.value.clone()),
            });
        }
    }
    let removed = old_lines.iter().filter(|(key, _)| before.contains_key(key));
    changes.extend(removed.map(|(_, line)| Change {
        key: line.key.clone(),
        before: Some(line.value.clone()),
        after: None,
    }));
    changes
}

/// Each line with its key and how often that key stood there before.
fn numbered(lines: &[Line]) -> Vec<((&str, usize), &Line)> {
    let mut seen: HashMap<&str, usize> = HashMap::with_capacity(lines.len());
    lines
        .iter()
        .map(|line| {
            let nth = seen.entry(&line.key).or_default();
            *nth += 1;
            ((line.key.as_str(), *nth), line)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(text: &str) -> Manifest {
        let mut manifest = Manifest::default();
        for line in text.lines() {
            let (key, value) = line.split_once(' ').unwrap();
            manifest.line(key, &value);
        }
        manifest
    }

    fn check(old: &str, new: &str, expected: &[&str]) {
        assert_eq!(summary(&manifest(new).diff(&manifest(old))), expected);
    }

    #[test]
    fn a_changed_value_shows_old_and_new() {
        check(
            "kind search\nwith.budget.trials 200\ncomponent.search.ppo 3",
            "kind search\nwith.budget.trials 300\ncomponent.search.ppo 4",
            &["with.budget.trials 200 → 300", "component search.ppo 3 → 4"],
        );
    }

    #[test]
    fn added_and_removed_lines_say_so() {
        check("a 1\nb 2", "b 2\nc 3", &["c 3 added", "a 1 removed"]);
        check("a 1", "a 1", &[]);
    }

    #[test]
    fn files_are_counted_and_one_file_is_named() {
        check("file.a 1", "file.a 2", &["file.a changed"]);
        check(
            "file.a 1\nfile.b 1",
            "file.a 2\nfile.c 1\nfile.d 1",
            &["files: 2 added, 1 removed, 1 changed"],
        );
    }

    #[test]
    fn digests_are_short_and_long_text_is_cut() {
        let (old, new) = (Digest::of(b"a"), Digest::of(b"b"));
        check(
            &format!("input.data {old}"),
            &format!("input.data {new}"),
            &[&format!("input.data {} → {}", old.short(), new.short())],
        );
        check("a 1", &format!("a {}", "x".repeat(90)), &[&format!("a 1 → {}…", "x".repeat(60))]);
    }

    #[test]
    fn a_repeated_key_is_compared_by_occurrence() {
        check("a 1\na 2", "a 1\na 3", &["a 2 → 3"]);
    }
}
