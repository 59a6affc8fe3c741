//! Trees: the sorted list of an artifact's files.
//!
//! A tree's digest is that of its text, one entry a line, so a tree file needs no other checksum. A tree
//! is checked wherever it comes from: one that was fetched from elsewhere must not write outside its
//! folder either. Knows nothing of disks.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// Start of a tree's first line; the format's number follows.
const HEADER: &str = "phytotron tree ";

/// A change of the format changes every tree's digest.
const FORMAT: u32 = 1;

/// How many links one may lead through; the kernel's own limit.
const LINKS_FOLLOWED_MAX: usize = 40;

/// An artifact's files, sorted by path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// The entries.
    pub entries: Vec<Entry>,
}

/// A file, link or empty folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Relative path with `/`, never absolute, never with `..`.
    pub path: String,
    /// What it is.
    #[serde(flatten)]
    pub kind: EntryKind,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EntryKind {
    /// A file.
    File {
        /// Its content.
        digest: Digest,
        /// Its bytes.
        size: u64,
        /// Whether it may be executed.
        #[serde(default)]
        executable: bool,
    },
    /// A relative link that stays inside the tree.
    Link {
        /// Where it points.
        target: String,
    },
    /// An empty folder.
    Folder,
}

/// What is wrong with a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}`: {reason}")]
pub struct TreeFault {
    /// The entry's path, or nothing when the whole text is meant.
    pub path: String,
    /// `it is a link that leaves the artifact`, for example.
    pub reason: &'static str,
}

impl Tree {
    /// A tree of `entries`, put in order and checked.
    pub fn new(mut entries: Vec<Entry>) -> Result<Self, TreeFault> {
        entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let tree = Self { entries };
        tree.check()?;
        Ok(tree)
    }

    /// The text that is stored and hashed: a header, then an entry a line, as JSON.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(HEADER.len() + 2 + self.entries.len() * 144);
        text.push_str(HEADER);
        text.push_str(&FORMAT.to_string());
        text.push('\n');
        for entry in &self.entries {
            text.push_str(&serde_json::to_string(entry).expect("BUG: an entry serializes"));
            text.push('\n');
        }
        text
    }

    /// Digest of [`Tree::text`]: the artifact's name.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.text().as_bytes())
    }

    /// Reads what [`Tree::text`] wrote, and checks it.
    pub fn parse(text: &str) -> Result<Self, TreeFault> {
        let whole = |reason| TreeFault { path: String::new(), reason };
        let mut lines = text.lines();
        if lines.next().and_then(format_of) != Some(FORMAT) {
            return Err(whole("it has no tree's first line"));
        }
        let entries: Result<Vec<Entry>, _> = lines.map(serde_json::from_str).collect();
        let tree = Self { entries: entries.map_err(|_| whole("it has an unreadable entry"))? };
        tree.check()?;
        Ok(tree)
    }

    /// The entry at `path`.
    #[must_use]
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        let found = self.entries.binary_search_by(|entry| entry.path.as_str().cmp(path));
        found.ok().map(|index| &self.entries[index])
    }

    /// Content and size of every file, in order; content that stands twice is named twice.
    pub fn blobs(&self) -> impl Iterator<Item = (Digest, u64)> {
        self.entries.iter().filter_map(|entry| match entry.kind {
            EntryKind::File { digest, size, .. } => Some((digest, size)),
            EntryKind::Link { .. } | EntryKind::Folder => None,
        })
    }

    /// How many files it has.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.blobs().count() as u64
    }

    /// How many bytes its files have.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.blobs().map(|(_, size)| size).sum()
    }

    /// Paths are sorted, relative and plain; nothing lies below a file or link; links stay inside.
    fn check(&self) -> Result<(), TreeFault> {
        let kinds: HashMap<&str, &EntryKind> =
            self.entries.iter().map(|entry| (entry.path.as_str(), &entry.kind)).collect();
        let mut before = "";
        for entry in &self.entries {
            let fault = |reason| Err(TreeFault { path: entry.path.clone(), reason });
            if !is_plain(&entry.path) {
                return fault("its path is not plain and relative");
            }
            if entry.path.as_str() <= before {
                return fault("it stands twice or out of order");
            }
            if ancestors(&entry.path).any(|ancestor| kinds.contains_key(ancestor)) {
                return fault("it lies below something that is no folder");
            }
            if let EntryKind::Link { target } = &entry.kind
                && let Err(reason) = follow(&kinds, &entry.path, target)
            {
                return fault(reason);
            }
            before = &entry.path;
        }
        Ok(())
    }
}

/// The format of a tree's text that a later version wrote.
pub(super) fn newer_format(text: &str) -> Option<u32> {
    text.lines().next().and_then(format_of).filter(|&format| format > FORMAT)
}

fn format_of(line: &str) -> Option<u32> {
    line.strip_prefix(HEADER)?.parse().ok()
}

/// The folders that `path` lies in, without the root, from the outermost.
pub(super) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

fn is_plain(path: &str) -> bool {
    !path.contains('\0') && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Walks a link as the kernel would, through the tree's other links.
///
/// Counting `..` in the text is not enough: below a link to the root, `link/..` is already outside.
fn follow(kinds: &HashMap<&str, &EntryKind>, path: &str, target: &str) -> Result<(), &'static str> {
    const ABSOLUTE: &str = "it is a link to an absolute path: only relative links can be kept";
    const LEAVES: &str = "it is a link that leaves the artifact";
    if target.starts_with('/') {
        return Err(ABSOLUTE);
    }
    let mut place: Vec<&str> = path.split('/').collect();
    place.pop();
    let mut ahead: Vec<&str> = target.split('/').rev().collect();
    let mut followed = 0;
    while let Some(part) = ahead.pop() {
        match part {
            "" | "." => {}
            ".." => {
                place.pop().ok_or(LEAVES)?;
            }
            name => place.push(name),
        }
        if let Some(EntryKind::Link { target }) = kinds.get(place.join("/").as_str()) {
            followed += 1;
            if followed > LINKS_FOLLOWED_MAX {
                return Err("it is a link in a ring of links");
            }
            if target.starts_with('/') {
                return Err(ABSOLUTE);
            }
            place.pop();
            ahead.extend(target.split('/').rev());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Entry {
        let kind = EntryKind::File { digest: Digest::of(b"x"), size: 1, executable: false };
        Entry { path: path.to_owned(), kind }
    }

    fn link(path: &str, target: &str) -> Entry {
        Entry { path: path.to_owned(), kind: EntryKind::Link { target: target.to_owned() } }
    }

    fn reason(entries: Vec<Entry>) -> Option<&'static str> {
        Tree::new(entries).err().map(|fault| fault.reason)
    }

    #[test]
    fn text_round_trips() {
        let folder = Entry { path: "empty".to_owned(), kind: EntryKind::Folder };
        let tree =
            Tree::new(vec![file("b/ü\n.txt"), file("a"), link("b/l", "../a"), folder]).unwrap();
        assert_eq!(Tree::parse(&tree.text()), Ok(tree));
    }

    #[test]
    fn the_text_is_frozen() {
        let tree = Tree::new(vec![file("a/b"), link("l", "a")]).unwrap();
        assert_eq!(tree.digest().short(), "2bb0bb213ed5", "{}", tree.text());
    }

    #[test]
    fn paths_that_would_write_elsewhere_are_refused() {
        for path in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/", "nul\0"] {
            assert!(reason(vec![file(path)]).is_some(), "{path}");
        }
        assert!(reason(vec![file("a"), file("a")]).is_some());
        assert!(reason(vec![file("a"), file("a/b")]).is_some());
        assert!(reason(vec![link("a", "b"), file("a/b")]).is_some());
    }

    #[test]
    fn links_are_followed_as_the_kernel_does() {
        assert_eq!(reason(vec![file("a/b"), link("a/c", "../a/b"), link("d", "gone")]), None);
        assert!(reason(vec![link("a/l", "../../x")]).is_some());
        assert!(reason(vec![link("l", "/etc")]).is_some());
        // `a/b/l` is the root, so `a/b/l/..` is outside, though its text counts as `a/b`.
        assert!(reason(vec![link("a/b/l", "../.."), link("a/b/m", "l/..")]).is_some());
        assert!(reason(vec![link("a", "b"), link("b", "a")]).is_some());
    }
}
