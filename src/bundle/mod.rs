//! Bundles: a study in one file, for whoever shall have the same numbers.
//!
//! A tar in Zstandard with a card, the project's files that form the study (spec, bases, presets, lock, declared
//! files) and results by their store's names. Equal content gives equal bytes. Whoever unpacks trusts none of it:
//! files and objects are kept only under digests that fit, and `run` finds results by fingerprints that it computes
//! itself. Knows nothing of how stages run.

mod card;
mod error;
mod pack;
mod unpack;

pub use card::{Card, CardFile, Outputs};
pub use error::BundleError;
pub use pack::{Contents, Packed, pack};
pub use unpack::{Unpacked, unpack};

use crate::archive::Limits;

/// What a bundle may hold. Text and weights shrink more than pictures do; whoever packs is told when a bundle
/// would be beyond.
const LIMITS: Limits = Limits {
    entries: 500_000,
    file_bytes: 64 << 30,
    bytes: 256 << 30,
    ratio: 200,
    free_bytes: 256 << 20,
};

/// Path of the card, which comes first.
const CARD: &str = "bundle.json";
/// Folders of a bundle, in this order: what names something comes before what it names.
const PROJECT: &str = "project/";
const RESULTS: &str = "results/";
const TREES: &str = "trees/";
const BLOBS: &str = "blobs/";
/// Ending of a record's name.
const RECORD: &str = ".json";

/// Why the project's file at `path` can be in no bundle: it would not be part of a study, but act on whoever
/// unpacks it.
fn unfit(path: &str) -> Option<&'static str> {
    /// Folders whose content programs obey.
    const OBEYED: [&str; 2] = [".git", crate::spec::STORE_FOLDER];
    let is_obeyed = |part: &str| OBEYED.iter().any(|name| part.eq_ignore_ascii_case(name));
    if path.split('/').any(is_obeyed) {
        return Some("lies in a folder of git or of the store");
    }
    (path == crate::spec::PROJECT_FILE).then_some("sets up the machine, not the study")
}
