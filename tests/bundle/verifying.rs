//! `verify`: equal, different and how far, or not comparable and why.

use std::fs;

use super::{check, study};
use crate::support::TestSpace;

#[test]
fn an_honest_study_is_equal_whole_or_by_a_sample() {
    let space = study();
    space.run(&[]).success();
    let here = space.path("");
    check(
        &here,
        "verify pipeline.yaml",
        0,
        &["first: equal", "last: equal", "2 stages computed again, 0 different"],
    );
    let said =
        check(&here, "verify pipeline.yaml --sample 0.5", 0, &["1 stage of 2 computed again"]);
    assert_eq!(said, check(&here, "verify pipeline.yaml --sample 0.5 --seed 0", 0, &[]));
    let others: Vec<String> = (1..9)
        .map(|seed| {
            check(&here, &format!("verify pipeline.yaml --sample 0.5 --seed {seed}"), 0, &[])
        })
        .collect();
    assert!(others.iter().any(|other| *other != said), "every seed chooses the same stage");
    check(&here, "verify pipeline.yaml --sample 0", 2, &["is no share"]);
}

#[test]
fn a_difference_names_artifact_file_and_distance() {
    let space = TestSpace::new().pipeline(
        "stages:\n  a: { use: command, with: { run: \"echo loss 1.$(cat /proc/uptime | tr -cd 0-9) > log.txt\", outputs: [log.txt] } }\n  \
         b: { use: command, inputs: { x: a }, with: { run: \"cp inputs/x/log.txt o\", outputs: [o] } }\n",
    );
    space.run(&[]).success();
    std::thread::sleep(std::time::Duration::from_millis(30));
    let here = space.path("");
    let shown = space.read("out/pipeline/b/o");
    let said = check(
        &here,
        "verify pipeline.yaml",
        5,
        &["a: different: output `files`: `log.txt`: 1 of 1 number differ"],
    );
    assert!(said.contains("b: different: it reads what differs: a"), "{said}");
    let json = check(&here, "verify pipeline.yaml --json", 5, &[]);
    let answer: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(answer["stages"][0]["verdict"], "different", "{json}");
    assert_eq!(space.read("out/pipeline/b/o"), shown, "a verification shows nothing");
}

#[test]
fn another_version_is_said_and_not_called_different() {
    let space = TestSpace::new().pipeline(
        "stages:\n  a: { use: command, with: { run: \"./tool > o\", files: [tool], tools: [./tool], outputs: [o] } }\n  \
         b: { use: command, with: { run: \"echo 1 > o\", outputs: [o] } }\n",
    );
    let tool = |text: &str| {
        space.write("tool", text);
        let path = space.path("tool");
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    // The file is content and would be a difference of its own; the program is not.
    space.write(
        "pipeline.yaml",
        &space
            .read("pipeline.yaml")
            .replace("./tool > o", "true > o")
            .replace("files: [tool], ", ""),
    );
    tool("#!/bin/sh\necho 1\n");
    space.run(&[]).success();
    tool("#!/bin/sh\necho 2\n");
    let here = space.path("");
    check(&here, "verify pipeline.yaml", 0, &["a: equal", "b: equal"]);
    space.write("pipeline.yaml", &space.read("pipeline.yaml").replace("true > o", "date +%N > o"));
    tool("#!/bin/sh\necho 1\n");
    space.run(&[]).success();
    tool("#!/bin/sh\necho 3\n");
    check(
        &here,
        "verify pipeline.yaml",
        0,
        &["a: not comparable: computed otherwise: tool.", "1 not comparable"],
    );
}

#[test]
fn a_spec_that_moved_on_is_different_and_says_by_what() {
    let space = study();
    space.run(&[]).success();
    space.write("data/words.txt", "oak\n");
    let here = space.path("");
    check(
        &here,
        "verify pipeline.yaml",
        5,
        &["first: different: it depends on something else: file.data/words.txt changed"],
    );
}

#[test]
fn a_failing_stage_is_not_computed() {
    let space = study();
    space.run(&[]).success();
    let script = space.read("bin/count.sh");
    space.write("bin/count.sh", "exit 3\n");
    check(&space.path(""), "verify pipeline.yaml", 1, &["first: not computed"]);
    space.write("bin/count.sh", &script);
}
