//! Lock files and git: branches that did different things merge, and disagreements are said.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::check;
use crate::support::{TestSpace, skip};

const PLAIN: &str = "name: plain\nstages:\n";

/// A stage and the number that it writes.
type Numbered = (&'static str, u32);

fn pipeline(stages: &[Numbered]) -> String {
    let line = |(name, number): &Numbered| {
        format!(
            "  {name}: {{ use: command, with: {{ run: \"echo {number} > o; echo > p\", outputs: {{ o: o, p: p }} }} }}\n\n\n"
        )
    };
    PLAIN.to_owned() + &stages.iter().map(line).collect::<String>()
}

#[track_caller]
fn git(folder: &Path, arguments: &str) -> bool {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"]);
    command.args(arguments.split_whitespace()).current_dir(folder).env("GIT_CONFIG_NOSYSTEM", "1");
    command.output().unwrap().status.success()
}

/// Two branches, each with its pipeline run, merged; whether git could, and what stands in the lock file then.
fn merged(base: &[Numbered], ours: &[Numbered], theirs: &[Numbered]) -> (bool, String) {
    let space = TestSpace::new().pipeline(&pipeline(base));
    let folder = space.path("");
    space.run(&[]).success();
    fs::write(space.path(".gitignore"), ".phytotron\nout\npipeline.yaml\n").unwrap();
    assert!(git(&folder, "init") && git(&folder, "add -A") && git(&folder, "commit -m base"));
    for (branch, stages) in [("theirs", theirs), ("ours", ours)] {
        assert!(git(&folder, &format!("checkout -b {branch} main")));
        space.write("pipeline.yaml", &pipeline(stages));
        space.run(&[]).success();
        assert!(git(&folder, &format!("commit -am {branch}")));
    }
    let is_clean = git(&folder, "merge theirs");
    (is_clean, space.read("pipeline.lock"))
}

fn has_git() -> bool {
    let is_there = Command::new("git").arg("--version").output().is_ok();
    if !is_there {
        skip("git is not installed");
    }
    is_there
}

#[test]
fn branches_that_changed_different_stages_merge() {
    if !has_git() {
        return;
    }
    let base = [("a", 1), ("b", 1), ("c", 1)];
    let cases: [(&[Numbered], &[Numbered]); 5] = [
        (&[("a", 2), ("b", 1), ("c", 1)], &[("a", 1), ("b", 2), ("c", 1)]),
        (&[("a", 1), ("b", 2), ("c", 1)], &[("a", 1), ("b", 1), ("c", 2)]),
        // One adds a stage beside the one that the other changes.
        (&[("a", 1), ("a2", 7), ("b", 1), ("c", 1)], &[("a", 2), ("b", 1), ("c", 1)]),
        (&[("a", 1), ("a2", 7), ("b", 1), ("c", 1)], &[("a", 1), ("b", 2), ("c", 1)]),
        // One removes a stage, the other changes one that is not its neighbour.
        (&[("b", 1), ("c", 1)], &[("a", 1), ("b", 1), ("c", 2)]),
    ];
    for (ours, theirs) in cases {
        let (is_clean, lock) = merged(&base, ours, theirs);
        assert!(is_clean, "{ours:?} and {theirs:?}:\n{lock}");
    }
}

#[test]
fn a_conflict_never_begins_or_ends_inside_a_block() {
    if !has_git() {
        return;
    }
    let (is_clean, lock) = merged(
        &[("a", 1), ("z", 1)],
        &[("a", 1), ("k", 5), ("z", 1)],
        &[("a", 1), ("m", 6), ("z", 1)],
    );
    assert!(!is_clean, "both added a stage at one place: only a person can say in which order");
    for side in sides(&lock) {
        let starts =
            side.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")).count();
        let ends = side.lines().filter(|line| line.starts_with("    outputs: ")).count();
        assert_eq!(starts, ends, "{lock}");
    }
}

/// What stands between a conflict's markers.
fn sides(text: &str) -> Vec<String> {
    let mut sides = Vec::new();
    let mut side: Option<String> = None;
    for line in text.lines() {
        if line.starts_with("<<<<<<<") || line.starts_with("=======") {
            sides.extend(side.replace(String::new()));
        } else if line.starts_with(">>>>>>>") {
            sides.extend(side.take());
        } else if let Some(side) = &mut side {
            side.push_str(line);
            side.push('\n');
        }
    }
    sides
}

#[test]
fn a_lock_of_the_older_layout_is_read() {
    let space = TestSpace::new().pipeline(&pipeline(&[("a", 1)]));
    space.run(&[]).success();
    let lock = space.read("pipeline.lock");
    let value: serde_json::Value = serde_yaml::from_str(&lock).unwrap();
    space.write("pipeline.lock", &serde_yaml::to_string(&value).unwrap());
    space.run(&["--locked"]).success();
}

#[test]
fn plan_says_where_lock_and_spec_disagree() {
    let space = TestSpace::new().pipeline(&pipeline(&[("a", 1), ("b", 1)]));
    let folder = space.path("");
    space.run(&[]).success();
    let said = check(&folder, "plan pipeline.yaml", 0, &[]);
    assert!(!said.contains("disagree"), "{said}");
    space.write("pipeline.yaml", &pipeline(&[("a", 2), ("c", 1)]));
    let words = [
        "disagree on 3 stages",
        "a: command.argv",
        "c: it is not locked",
        "b: the spec has no such stage",
    ];
    check(&folder, "plan pipeline.yaml", 0, &words);
}

#[test]
fn diff_shows_what_two_pipelines_came_to() {
    let space = super::study();
    let folder = space.path("");
    space.run(&[]).success();
    space.write(
        "fork.yaml",
        "extends: pipeline.yaml\nname: fork\nstages:\n  last: { with: { run: \"cat inputs/x/o > o; echo 3 >> o\" } }\n  \
         extra: { use: command, inputs: { x: last }, with: { run: \"cp inputs/x/o o\", outputs: [o] } }\n",
    );
    let words = [
        "echo 2.5 >> o → ",
        "extra",
        "is new",
        "1 stage equal",
        "results that would be reused: first",
    ];
    check(&folder, "diff pipeline.yaml fork.yaml", 0, &words);
    let said = check(&folder, "diff pipeline.yaml pipeline.yaml", 0, &["2 stages equal"]);
    assert!(!said.contains("is new"), "{said}");
}
