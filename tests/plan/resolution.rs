//! Resolution: what is cached, restored and run, and what is never in a manifest.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use phytotron::plan::{LastRun, PlanError, StageIndex};

use super::space::TestSpace;

/// `leaves` feeds two searches that feed `retrain`; `report` reads all; `notes` reads nothing.
const STUDY: &str = "
params: { images: 100, epochs: 5 }
stages:
  leaves: { use: grow, with: { images: \"${{ params.images }}\" } }
  search:
    use: seek
    matrix: { strategy: [random, ppo] }
    inputs: { data: leaves }
    with: { strategy: \"${{ matrix.strategy }}\", trials: 10 }
  retrain:
    use: raise
    inputs: { trials: \"search[*]\", data: leaves }
    with: { epochs: \"${{ params.epochs }}\" }
  report: { use: tell, inputs: { models: retrain } }
  notes: { use: grow, with: { images: 1 } }
";

#[test]
fn an_unchanged_pipeline_runs_nothing() {
    let mut space = TestSpace::new();
    space.run(STUDY);
    for _ in 0..2 {
        assert!(space.run(STUDY).split(", ").all(|fate| fate.ends_with(" cached")));
    }
}

#[test]
fn one_changed_value_reruns_exactly_its_dependents() {
    let mut space = TestSpace::new();
    space.run(STUDY);
    assert_eq!(
        space.run_with(STUDY, &[("epochs", "6")]),
        "leaves cached, search[strategy=random] cached, search[strategy=ppo] cached, retrain ran, report ran, \
         notes cached"
    );
    assert_eq!(
        space.run_with(STUDY, &[("images", "200"), ("epochs", "6")]),
        "leaves ran, search[strategy=random] ran, search[strategy=ppo] ran, retrain ran, report ran, notes cached"
    );
}

#[test]
fn a_value_set_back_restores_without_work() {
    let mut space = TestSpace::new();
    space.run(STUDY);
    space.run_with(STUDY, &[("epochs", "6")]);
    assert_eq!(
        space.run(STUDY),
        "leaves cached, search[strategy=random] cached, search[strategy=ppo] cached, retrain restored, \
         report restored, notes cached"
    );
}

#[test]
fn a_rerun_that_gives_equal_bytes_stops_there() {
    let mut space = TestSpace::new();
    space.constant.insert("leaves".to_owned());
    space.run(STUDY);
    let fates = space.run_with(STUDY, &[("images", "200")]);
    assert!(fates.starts_with("leaves ran, search[strategy=random] cached"), "{fates}");
    assert!(fates.contains("report cached"), "{fates}");
}

#[test]
fn reordering_a_matrix_list_changes_nothing() {
    let mut space = TestSpace::new();
    space.run(STUDY);
    let fates = space.run(&STUDY.replace("[random, ppo]", "[ppo, random]"));
    assert!(fates.split(", ").all(|fate| fate.ends_with(" cached")), "{fates}");
}

#[test]
fn a_new_cell_reruns_what_gathers_it_and_no_other_cell() {
    let mut space = TestSpace::new();
    space.run(STUDY);
    let fates = space.run(&STUDY.replace("[random, ppo]", "[random, ppo, evolution]"));
    assert!(
        fates.contains("search[strategy=ppo] cached, search[strategy=evolution] ran, retrain ran"),
        "{fates}"
    );
}

#[test]
fn the_lock_file_stands_in_for_a_lost_state() {
    let mut space = TestSpace::new();
    space.run(STUDY);
    space.lock = space.locked();
    space.last = LastRun::default();
    assert!(space.run(STUDY).split(", ").all(|fate| fate.ends_with("cached")));
}

#[test]
fn a_frozen_stage_keeps_its_locked_result_whatever_changes() {
    let frozen =
        STUDY.replace("grow, with: { images: \"${{", "grow, frozen: true, with: { images: \"${{");
    let mut space = TestSpace::new();
    space.run(STUDY);
    space.lock = space.locked();
    let fates = space.run_with(&frozen, &[("images", "999")]);
    assert!(fates.split(", ").all(|fate| fate.ends_with("cached")), "{fates}");
}

#[test]
fn a_frozen_stage_without_result_says_what_to_do() {
    let frozen = "stages: { leaves: { use: grow, frozen: true } }";
    let mut space = TestSpace::new();
    let study = space.study(frozen);
    let error = |space: &TestSpace| space.planner(&study).resolve(StageIndex(0)).unwrap_err();
    assert!(matches!(error(&space), PlanError::NeverLocked { .. }));
    space.run("stages: { leaves: { use: grow } }");
    space.lock = space.locked();
    space.world.records.lock().unwrap().clear();
    assert!(matches!(error(&space), PlanError::FrozenMissing { .. }));
}

#[test]
fn a_manifest_reads_as_the_stage_does() {
    let mut space = TestSpace::new();
    space.write("data/a.csv", "1");
    space.write("tool.sh", "#!/bin/sh\n");
    fs::set_permissions(space.root().join("tool.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let manifests = space.manifests(
        "seed: 7\nstages:\n  leaves: { use: grow, with: { images: 3, seed: 2, files: [data] } }\n  \
         search:\n    use: seek\n    matrix: { repeat: [1, 2] }\n    inputs: { data: leaves }\n    \
         with: { strategy: random, repeat: \"${{ matrix.repeat }}\" }\n  \
         plot:\n    use: shell\n    inputs: { x: [\"search[*].trials\"], data: leaves.data }\n    with:\n      \
         run: [sh, -c, \"a\\nb\"]\n      outputs: { plot: plot.svg }\n      files: [tool.sh]\n      env: { LEVEL: \"1\" }\n",
    );
    let text: Vec<String> =
        manifests.iter().map(|(id, manifest)| format!("== {id}\n{manifest}")).collect();
    insta::assert_snapshot!(text.join("\n"));
}

/// Runs `first`, then checks that `second`, another pipeline of the same content, needs no work.
fn same_content(first: &str, second: &str) {
    let mut space = TestSpace::new();
    space.write("a.csv", "1");
    space.run(first);
    let fates = space.run(second);
    assert!(!fates.contains(" ran"), "{fates}\n{second}");
}

#[test]
fn names_of_stages_are_no_content() {
    same_content(STUDY, &STUDY.replace("leaves", "oaks").replace("retrain", "again"));
}

#[test]
fn how_a_stage_runs_is_no_content() {
    let plain = "stages:\n  a: { use: grow }\n  b: { use: grow, with: { images: 2 } }\n";
    for settings in [
        "resources: { gpu: 1 }",
        "retries: 3",
        "timeout: 5m",
        "needs: [b]",
        "description: the leaves",
        "publish: true",
    ] {
        same_content(plain, &plain.replacen("use: grow", &format!("use: grow, {settings}"), 1));
    }
}

#[test]
fn the_name_and_description_of_a_pipeline_are_no_content() {
    same_content(STUDY, &format!("name: other\ndescription: other\n{STUDY}"));
}

#[test]
fn the_order_of_keys_and_the_form_of_numbers_are_no_content() {
    same_content(
        "stages:\n  a: { use: grow, with: { images: 20, seed: 1, files: [a.csv] } }\n",
        "stages:\n  a:\n    with: { files: [./a.csv], seed: 1.0, images: \"${{ 20 }}\" }\n    use: grow\n",
    );
    let inputs = "trials: \"search[*]\", data: leaves";
    same_content(STUDY, &STUDY.replace(inputs, "data: leaves, trials: [\"search[*]\"]"));
}

#[test]
fn the_folder_of_the_project_is_no_content() {
    let manifest = || {
        let mut space = TestSpace::new();
        space.write("a.csv", "1");
        space.manifests("stages: { a: { use: grow, with: { files: [a.csv] } } }")
    };
    assert_eq!(manifest(), manifest());
}

#[test]
fn a_seed_is_content_only_where_random_numbers_are_drawn() {
    let pipeline = "seed: 1\nstages:\n  leaves: { use: grow }\n  fixed: { use: shell, with: { run: [\"true\"], outputs: { o: o } } }\n";
    let mut space = TestSpace::new();
    space.run(pipeline);
    assert_eq!(space.run(&pipeline.replace("seed: 1", "seed: 2")), "leaves ran, fixed cached");
}

#[test]
fn files_are_content_by_path_bytes_and_executable_bit() {
    let pipeline = "stages: { a: { use: grow, with: { files: [\"src/**/*.py\"] } } }";
    let mut space = TestSpace::new();
    space.write("src/a.py", "1");
    space.run(pipeline);
    assert_eq!(space.run(pipeline), "a cached");
    space.write("src/a.py", "2");
    assert_eq!(space.run(pipeline), "a ran");
    space.write("src/deep/b.py", "2");
    assert_eq!(space.run(pipeline), "a ran");
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(space.root().join("src/a.py"), executable).unwrap();
    assert_eq!(space.run(pipeline), "a ran");
    fs::rename(space.root().join("src/a.py"), space.root().join("src/c.py")).unwrap();
    assert_eq!(space.run(pipeline), "a ran");
    space.write("src/notes.txt", "not declared");
    assert_eq!(space.run(pipeline), "a cached");
}

#[test]
fn a_tool_is_content() {
    let pipeline =
        "stages: { a: { use: shell, with: { run: [x], outputs: { o: o }, tools: [./tool] } } }";
    let mut space = TestSpace::new();
    let study = space.study(pipeline);
    let error = space.planner(&study).resolve(StageIndex(0)).unwrap_err();
    assert!(matches!(error, PlanError::Tool { .. }), "{error}");
    space.write("tool", "1");
    fs::set_permissions(space.root().join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    space.run(pipeline);
    assert_eq!(space.run(pipeline), "a cached");
    space.write("tool", "2");
    assert_eq!(space.run(pipeline), "a ran");
}

#[test]
fn a_file_that_is_missing_names_the_stage_and_the_pattern() {
    let space = TestSpace::new();
    let study = space.study("stages: { a: { use: grow, with: { files: [none.csv] } } }");
    let error = space.planner(&study).resolve(StageIndex(0)).unwrap_err();
    assert_eq!(error.to_string(), "stage `a` reads `none.csv`: there is no such file or folder");
}
