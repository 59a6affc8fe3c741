//! Names of stages as names of folders and files.

use std::path::PathBuf;

use crate::artifact::StageId;
use crate::digest::Digest;

/// Folder of a stage below `out/<pipeline>/`: `search`, and for a cell `search/repeat=1,strategy=ppo`.
#[must_use]
pub fn of_stage(id: &StageId) -> PathBuf {
    let name = PathBuf::from(safe(&id.name));
    if id.coordinates.0.is_empty() { name } else { name.join(safe(&id.coordinates.to_string())) }
}

/// Longest name in bytes; longer ones end in a digest. File systems take 255, and logs add an ending.
const NAME_MAX: usize = 160;

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
    if name.len() > NAME_MAX {
        let cut = name.floor_char_boundary(NAME_MAX);
        name.truncate(cut);
        name.push('-');
        name.push_str(&Digest::of(text.as_bytes()).short());
    }
    name
}

#[cfg(test)]
mod tests {
    use crate::artifact::Coordinates;

    use super::*;

    #[test]
    fn names_stay_inside_their_folder() {
        assert_eq!(safe("../a b"), "_.._a_b");
        assert_eq!(safe(""), "_");
        assert_eq!(safe("größe=1,x=2.5"), "größe=1,x=2.5");
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let (a, b) =
            (safe(&format!("{}1", "ä".repeat(200))), safe(&format!("{}2", "ä".repeat(200))));
        assert!(a.len() < 200 && b.len() < 200);
        assert_ne!(a, b);
    }

    #[test]
    fn cells_lie_in_the_folder_of_their_stage() {
        let mut id = StageId { name: "search".to_owned(), coordinates: Coordinates::default() };
        assert_eq!(of_stage(&id), PathBuf::from("search"));
        id.coordinates.0.insert("repeat".to_owned(), "1".to_owned());
        assert_eq!(of_stage(&id), PathBuf::from("search/repeat=1"));
    }
}
