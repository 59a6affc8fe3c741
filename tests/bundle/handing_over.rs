//! Pack here, unpack there: everything is cached, and nothing but content is in the bytes.

use std::fs;

use super::{check, study};

/// Every row of a run's table says that a result was found.
#[track_caller]
fn nothing_ran(said: &str) {
    let rows: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with(" first ") || line.starts_with(" last "))
        .collect();
    assert_eq!(rows.len(), 2, "{said}");
    assert!(rows.iter().all(|row| row.contains("cached") || row.contains("restored")), "{said}");
}

#[test]
fn an_unpacked_study_runs_nothing_and_has_the_same_outputs() {
    let space = study();
    space.run(&[]).success();
    let here = space.path("");
    check(&here, "pack pipeline.yaml -o study.tar.zst", 0, &["5 files, 2 results"]);
    let there = tempfile::tempdir().unwrap();
    fs::copy(space.path("study.tar.zst"), there.path().join("study.tar.zst")).unwrap();
    check(there.path(), "unpack study.tar.zst", 0, &["phytotron run study/pipeline.yaml"]);
    let said = check(there.path(), "run study/pipeline.yaml --locked", 0, &["first", "last"]);
    nothing_ran(&said);
    assert_eq!(
        fs::read_to_string(there.path().join("study/out/study/last/o")).unwrap(),
        space.read("out/study/last/o")
    );
    check(there.path(), "run study/pipeline.yaml", 0, &["all cached"]);
    check(there.path(), "--store study/.phytotron fsck", 0, &[]);
}

#[test]
fn equal_content_gives_equal_bytes_also_from_what_was_unpacked() {
    let space = study();
    space.run(&[]).success();
    let here = space.path("");
    check(&here, "pack pipeline.yaml -o a.tar.zst", 0, &[]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let touched = fs::File::options().append(true).open(space.path("base.yaml")).unwrap();
    touched.set_modified(std::time::SystemTime::now()).unwrap();
    check(&here, "pack pipeline.yaml -o b.tar.zst", 0, &[]);
    let first = fs::read(space.path("a.tar.zst")).unwrap();
    assert_eq!(first, fs::read(space.path("b.tar.zst")).unwrap());
    check(&here, "unpack a.tar.zst there", 0, &[]);
    check(&space.path("there"), "pack pipeline.yaml -o c.tar.zst", 0, &[]);
    assert_eq!(first, fs::read(space.path("there/c.tar.zst")).unwrap());
}

#[test]
fn final_outputs_alone_still_leave_nothing_to_run() {
    let space = study();
    space.run(&[]).success();
    let here = space.path("");
    check(&here, "pack pipeline.yaml -o final.tar --outputs final", 0, &["2 results"]);
    check(&here, "unpack final.tar there", 0, &[]);
    let said = check(&space.path("there"), "run pipeline.yaml", 0, &[]);
    nothing_ran(&said);
    let blobs = fs::read_dir(space.path("there/.phytotron/blobs")).unwrap().count();
    assert_eq!(blobs, 1, "only the final output is there");
}

#[test]
fn a_spec_alone_is_small_and_names_the_data_that_it_lacks() {
    let pipeline = "stages:\n  a: { use: dataset, with: { source: { kind: folder, path: plants }, resize: 4 } }\n  \
        b: { use: command, with: { run: \"sh go.sh > o\", files: [go.sh], outputs: [o] } }\n";
    let space = crate::support::TestSpace::new().pipeline(pipeline).file("go.sh", "echo 1\n");
    for (class, file) in [("oak", "1.png"), ("fir", "2.png")] {
        space.write(&format!("plants/{class}/{file}"), &"x".repeat(100_000));
    }
    let here = space.path("");
    check(
        &here,
        "pack pipeline.yaml -o hand-in.tar.zst --spec-only",
        0,
        &["2 files, 0 results", "2 data files left out"],
    );
    assert!(fs::metadata(space.path("hand-in.tar.zst")).unwrap().len() < 4096);
    check(&here, "unpack hand-in.tar.zst there", 0, &["the study reads `plants/fir/2.png`"]);
    check(&space.path("there"), "check pipeline.yaml", 3, &["plants"]);
    assert_eq!(space.read("there/go.sh"), "echo 1\n");
}

#[test]
fn a_preset_of_the_program_comes_along_as_a_file() {
    let pipeline = "stages:\n  s: { use: metaqnn-search, with: { evaluator: { kind: mock }, budget: { trials: 5 }, \
        image: { side: 32, classes: 10 } } }\n";
    let space = crate::support::TestSpace::new().pipeline(pipeline);
    let here = space.path("");
    check(&here, "pack pipeline.yaml -o s.tar --outputs none", 0, &[]);
    check(&here, "unpack s.tar there", 0, &[]);
    assert!(space.read("there/stages/metaqnn-search.yaml").contains("use: search"));
    check(&space.path("there"), "check pipeline.yaml", 0, &["no mistakes"]);
}

#[test]
fn what_cannot_be_packed_says_what_to_do() {
    let space = study();
    let here = space.path("");
    check(&here, "pack pipeline.yaml", 2, &["stage `first` has no result", "--outputs none"]);
    check(&here, "pack pipeline.yaml -o study.zip", 2, &["NAME.tar.zst"]);
    check(&here, "pack pipeline.yaml --outputs none -o ok.tar", 0, &[]);
    check(&here, "unpack ok.tar data", 2, &["not empty"]);
    space.run(&[]).success();
    let blob = space.files(".phytotron/blobs").into_keys().next().unwrap();
    fs::remove_file(space.path(".phytotron/blobs").join(blob)).unwrap();
    check(&here, "pack pipeline.yaml -o bad.tar", 4, &["damaged"]);
    assert!(!space.path("bad.tar").exists());
}
