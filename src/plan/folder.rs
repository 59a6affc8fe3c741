//! Names of stages as names of folders and files.

use std::path::PathBuf;

use crate::artifact::StageId;

/// Folder of a stage below `out/<pipeline>/`: `search`, and for a cell `search/repeat=1,strategy=ppo`.
#[must_use]
pub fn of_stage(id: &StageId) -> PathBuf {
    let name = PathBuf::from(safe(&id.name));
    if id.coordinates.0.is_empty() { name } else { name.join(safe(&id.coordinates.to_string())) }
}

/// `text` as one harmless file name: what is not a letter, a digit or one of `._=,+-` becomes `_`.
#[must_use]
pub fn safe(text: &str) -> String {
    let mut name: String = text
        .chars()
        .map(|c| if c.is_alphanumeric() || "._=,+-".contains(c) { c } else { '_' })
        .collect();
    if name.is_empty() || name.starts_with('.') {
        name.insert(0, '_');
    }
    name
}
