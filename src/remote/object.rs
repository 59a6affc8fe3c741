//! Objects: what a remote holds, by room and digest, and the names that they have there.

use std::fmt;

use crate::digest::Digest;

/// A sort of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Room {
    /// Content by its digest.
    Blobs,
    /// Lists of files by their digest.
    Trees,
    /// Stage records by fingerprint.
    Results,
    /// Trained children by key.
    Trials,
}

impl Room {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Blobs, Self::Trees, Self::Results, Self::Trials];

    /// The folder.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::Blobs => "blobs",
            Self::Trees => "trees",
            Self::Results => "results",
            Self::Trials => "trials",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Blobs | Self::Trees => "",
            Self::Results | Self::Trials => ".json",
        }
    }
}

/// One object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    /// Its sort.
    pub room: Room,
    /// Its digest, fingerprint or key.
    pub digest: Digest,
}

impl Object {
    /// Content.
    #[must_use]
    pub fn blob(digest: Digest) -> Self {
        Self { room: Room::Blobs, digest }
    }

    /// A list of files.
    #[must_use]
    pub fn tree(digest: Digest) -> Self {
        Self { room: Room::Trees, digest }
    }

    /// A stage's record.
    #[must_use]
    pub fn result(digest: Digest) -> Self {
        Self { room: Room::Results, digest }
    }

    /// A trained child.
    #[must_use]
    pub fn trial(digest: Digest) -> Self {
        Self { room: Room::Trials, digest }
    }

    /// The object that has `name`; none when the name is none of ours.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (folder, rest) = name.split_once('/')?;
        let room = Room::ALL.into_iter().find(|room| room.folder() == folder)?;
        let (prefix, file) = rest.split_once('/')?;
        let digest: Digest = file.strip_suffix(room.suffix())?.parse().ok()?;
        let object = Self { room, digest };
        digest.hex().starts_with(prefix).then_some(object).filter(|it| it.to_string() == name)
    }
}

/// Its name: `results/ab/ab12….json`.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = self.digest.hex();
        write!(f, "{}/{}/{hex}{}", self.room.folder(), &hex[..2], self.room.suffix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_strangers_are_passed_over() {
        let digest = Digest::of(b"x");
        let hex = digest.hex();
        for room in Room::ALL {
            let object = Object { room, digest };
            assert_eq!(Object::parse(&object.to_string()), Some(object));
        }
        for name in [
            String::new(),
            "blobs".to_owned(),
            format!("blobs/{hex}"),
            format!("blobs/00/{hex}"),
            format!("blobs/{}/{hex}.json", &hex[..2]),
            format!("blobs/{}/{hex}/x", &hex[..2]),
            format!("results/{}/{hex}", &hex[..2]),
            format!("runs/{}/{hex}", &hex[..2]),
        ] {
            assert_eq!(Object::parse(&name), None, "{name}");
        }
    }
}
