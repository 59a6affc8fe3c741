//! Finding a project and reading its settings.

use phytotron::spec::{Durability, Project};

use super::Space;

#[test]
fn the_root_is_the_nearest_marked_folder_above() {
    let space = Space::new("")
        .file("pipelines/deep/x.yaml", "")
        .file("inner/.phytotron/x", "")
        .file("inner/pipelines/y.yaml", "");
    let root = |path| Project::find(&space.path(path)).unwrap().root;
    let outer = space.path("").canonicalize().unwrap();
    assert_eq!(root("pipelines/deep/x.yaml"), outer);
    assert_eq!(root("pipelines"), outer);
    assert_eq!(root("inner/pipelines/y.yaml"), outer.join("inner"));
}

#[test]
fn without_a_mark_the_root_is_the_files_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.yaml");
    std::fs::write(&file, "").unwrap();
    assert_eq!(Project::find(&file).unwrap().root, folder.path().canonicalize().unwrap());
}

#[test]
fn settings_have_defaults() {
    for text in ["", "# nothing\n", "{}\n"] {
        let space = Space::new("").file("phytotron.yaml", text);
        let project = Project::open(&space.path("")).unwrap();
        assert_eq!(project.store, space.path(".phytotron"));
        assert_eq!((project.durability, project.keep_runs), (Durability::Fast, 20));
        assert!(project.pools.is_empty() && !project.group_writable);
    }
}

#[test]
fn settings_are_read() {
    let space = Space::new("").file(
        "phytotron.yaml",
        "store: /data/store\npools: {gpu: 2, memory: 24 GiB}\ndurability: strict\n\
         group_writable: true\nkeep_runs: 5\n",
    );
    let project = Project::open(&space.path("")).unwrap();
    assert_eq!(project.store, std::path::Path::new("/data/store"));
    assert_eq!((project.pools["gpu"], project.pools["memory"]), (2, 24 << 30));
    assert_eq!((project.durability, project.keep_runs), (Durability::Strict, 5));
    assert!(project.group_writable);
}

#[test]
fn mistakes_in_settings_are_all_told() {
    let space = Space::new("").file(
        "phytotron.yaml",
        "stroe: x\npools: {gpu: -1}\ndurability: stric\nkeep_runs: 1\nkeep_runs: 2\n",
    );
    let mistakes = Project::open(&space.path("")).unwrap_err();
    let codes: Vec<&str> = mistakes.list.iter().map(|mistake| mistake.code).collect();
    assert_eq!(
        codes,
        ["spec::unknown_key", "spec::out_of_range", "spec::unknown_word", "spec::duplicate_key"]
    );
}
