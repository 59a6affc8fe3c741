//! The floors of ARCHITECTURE.md, held: a room imports only from strictly lower floors.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every room and its floor, as the table in ARCHITECTURE.md says.
const FLOORS: [&[&str]; 10] = [
    &["digest", "parallel", "span", "wording"],
    &["archive", "artifact", "diagnostic", "manifest", "net", "seed", "statistics", "web"],
    &["event", "record", "results", "s3"],
    &["dataset", "kernel", "progress", "space", "spec", "store"],
    &["export", "remote", "report", "search", "train"],
    &["stage"],
    &["plan"],
    &["bundle", "run"],
    &["serve"],
    &["cli"],
];

#[test]
fn every_room_imports_only_from_lower_floors() {
    let floors: BTreeMap<&str, usize> = FLOORS
        .iter()
        .enumerate()
        .flat_map(|(floor, rooms)| rooms.iter().map(move |room| (*room, floor)))
        .collect();
    let mut wrong = Vec::new();
    for file in sources(&root().join("src")) {
        let Some(room) = room_of(&file) else { continue };
        let floor = *floors.get(room.as_str()).unwrap_or_else(|| panic!("`{room}` has no floor"));
        for import in imports(&fs::read_to_string(&file).expect("a source is readable")) {
            let Some(&below) = floors.get(import.as_str()) else {
                wrong.push(format!("{}: unknown room `{import}`", file.display()));
                continue;
            };
            if import != room && below >= floor {
                wrong.push(format!("{}: F{floor} imports `{import}` (F{below})", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_map_names_every_room() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the map is there");
    for room in FLOORS.iter().copied().flatten() {
        assert!(map.contains(&format!("`{room}`")), "ARCHITECTURE.md does not name `{room}`");
    }
}

#[test]
fn every_file_says_what_it_does_first() {
    for file in sources(&root().join("src")) {
        let text = fs::read_to_string(&file).expect("a source is readable");
        assert!(text.starts_with("//!"), "{} has no `//!` sentence", file.display());
    }
}

#[test]
fn the_root_is_short() {
    let shown: Vec<String> = fs::read_dir(root())
        .expect("the root is readable")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && !["target", "out"].contains(&name.as_str()))
        .collect();
    assert!(shown.len() <= 19, "the root shows {} names: {shown:?}", shown.len());
}

/// The crate's rooms named by `crate::room` in the code (comments left out).
fn imports(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .filter(|name: &String| !name.is_empty())
        .collect()
}

/// `src/store/tree.rs` is in `store`; `lib.rs` and `main.rs` are in no room.
fn room_of(file: &Path) -> Option<String> {
    let inside = file.strip_prefix(root().join("src")).expect("a file of src");
    let first = inside.components().next()?.as_os_str().to_string_lossy().into_owned();
    let room = first.strip_suffix(".rs").unwrap_or(&first).to_owned();
    (room != "lib" && room != "main").then_some(room)
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of src") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
