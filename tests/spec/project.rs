//! Finding a project and reading its settings.

use std::time::Duration;

use phytotron::spec::{Durability, Project, RemoteSettings};

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

#[test]
fn remotes_are_read() {
    let space = Space::new("").file(
        "phytotron.yaml",
        "export_to: s3://public\nremote:\n  disk: {kind: dir, path: /mnt/lab}\n  \
         lab: {kind: s3, bucket: b, prefix: p, region: r, endpoint: 'http://e', path_style: false, \
         timeout: 5s, push: true}\n",
    );
    let project = Project::open(&space.path("")).unwrap();
    assert_eq!(project.export_to.as_deref(), Some("s3://public"));
    let RemoteSettings::Dir(disk) = &project.remotes["disk"] else { panic!() };
    assert_eq!((disk.path.as_str(), disk.push), ("/mnt/lab", false));
    let RemoteSettings::S3(lab) = &project.remotes["lab"] else { panic!() };
    assert_eq!((lab.bucket.as_str(), lab.prefix.as_str()), ("b", "p"));
    assert_eq!((lab.region.as_deref(), lab.endpoint.as_deref()), (Some("r"), Some("http://e")));
    assert_eq!(lab.path_style, Some(false));
    assert_eq!(lab.timeout.map(|timeout| timeout.0), Some(Duration::from_secs(5)));
    assert!(project.remotes["lab"].pushes() && !project.remotes["disk"].pushes());
}

#[test]
fn a_worker_is_told_the_same_remote() {
    let space = Space::new("").file(
        "phytotron.yaml",
        "remote: {lab: {kind: s3, bucket: b, timeout: 1h30m}, disk: {kind: dir, path: x}}\n",
    );
    for settings in Project::open(&space.path("")).unwrap().remotes.into_values() {
        let json = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<RemoteSettings>(&json).unwrap(), settings);
    }
}

#[test]
fn mistakes_in_remotes_are_told_with_what_was_meant() {
    let space = Space::new("").file(
        "phytotron.yaml",
        "remote:\n  a: {kind: s3, buket: b}\n  b: {kind: ftp}\n  c: {kind: dir, path: x, region: y}\n  \
         d: {kind: s3, bucket: b, secret: x}\n",
    );
    let mistakes = Project::open(&space.path("")).unwrap_err();
    let told: Vec<(&str, String)> = mistakes
        .list
        .iter()
        .map(|mistake| (mistake.code, mistake.help.clone().unwrap_or_default()))
        .collect();
    let codes: Vec<&str> = told.iter().map(|(code, _)| *code).collect();
    assert_eq!(
        codes,
        [
            "spec::missing_key",
            "spec::unknown_key",
            "spec::unknown_kind",
            "spec::unknown_key",
            "spec::unknown_key",
        ]
    );
    assert!(told[1].1.contains("did you mean `bucket`"), "{told:?}");
}

#[test]
fn a_remotes_timeout_is_a_time() {
    let text = "remote: {e: {kind: s3, bucket: b, timeout: soon}}\n";
    let space = Space::new("").file("phytotron.yaml", text);
    let mistakes = Project::open(&space.path("")).unwrap_err();
    assert_eq!(mistakes.list[0].code, "spec::bad_value");
    assert!(mistakes.list[0].message.contains("`soon` is no time"), "{:?}", mistakes.list[0]);
}
