//! What `plan` and `explain` say.

use phytotron::plan::{Explanation, Plan, Selected, StageIndex};
use phytotron::store::{Entry, EntryKind, Tree};

use super::space::TestSpace;

const STUDY: &str = "name: demo
seed: 3
params: { images: 100, epochs: 5 }
stages:
  leaves: { use: grow, with: { images: \"${{ params.images }}\" } }
  search:
    use: seek
    matrix: { repeat: [1, 2] }
    inputs: { data: leaves }
    with: { repeat: \"${{ matrix.repeat }}\", trials: 10 }
  retrain:
    use: raise
    inputs: { trials: \"search[*]\", data: leaves }
    with: { epochs: \"${{ params.epochs }}\" }
  report: { use: tell, inputs: { models: retrain } }
";

fn check(space: &TestSpace, pipeline: &str, name: &str) {
    let plan = space.plan(pipeline);
    insta::assert_snapshot!(name, plan.text());
}

#[test]
fn a_first_plan_runs_everything() {
    check(&TestSpace::new(), STUDY, "first");
}

#[test]
fn a_plan_after_a_run_is_idle() {
    let mut space = TestSpace::new();
    space.run(STUDY);
    let plan = space.plan(STUDY);
    assert!(plan.is_idle());
    check(&space, STUDY, "idle");
}

#[test]
fn a_change_shows_old_and_new_and_what_depends_on_it() {
    let mut space = TestSpace::new();
    space.run(STUDY);
    check(&space, &STUDY.replace("images: 100", "images: 250"), "changed-root");
    check(&space, &STUDY.replace("epochs: 5", "epochs: 6"), "changed-leaf");
}

#[test]
fn a_lost_result_is_likely_to_come_back_the_same() {
    let mut space = TestSpace::new();
    space.run(STUDY);
    let lost = space.last.stages["leaves"].fingerprint;
    space.lock = space.locked();
    space.world.records.lock().unwrap().remove(&lost);
    check(&space, STUDY, "lost");
    let (time, unknown) = space.plan(STUDY).expected();
    assert_eq!((time.as_secs_f64(), unknown), (2.0, 0), "only the lost stage is to run");
}

#[test]
fn a_restored_stage_names_the_change_that_brought_it_back() {
    let mut space = TestSpace::new();
    space.run(STUDY);
    space.run(&STUDY.replace("images: 100", "images: 250"));
    check(&space, STUDY, "restored");
}

#[test]
fn a_changed_input_is_told_by_its_files() {
    let mut space = TestSpace::new();
    space.run(STUDY);
    let old = space.locked().stages["leaves"].outputs["data"];
    space.run(&STUDY.replace("images: 100", "images: 250"));
    let new = space.locked().stages["leaves"].outputs["data"];
    let file = |path: String| {
        let kind = EntryKind::File { digest: old, size: 1, executable: false };
        Entry { path, kind }
    };
    let tree = |count: usize| Tree { entries: (0..count).map(|i| file(format!("{i}"))).collect() };
    space.world.trees.lock().unwrap().extend([(old, tree(2)), (new, tree(14))]);
    let plan = space.plan(STUDY);
    assert_eq!(
        plan.stages[1].reason,
        "input data: 12 files removed (leaves: with.images 250 → 100)"
    );
}

#[test]
fn a_forced_stage_runs_though_it_is_cached() {
    let mut space = TestSpace::new();
    space.run(STUDY);
    let study = space.study(STUDY);
    let all = Selected::all(&study);
    let plan = Plan::of(&mut space.planner(&study), &all, &[StageIndex(0)]).unwrap();
    let words: Vec<&str> = plan.stages.iter().map(|stage| stage.fate.word()).collect();
    assert_eq!(words, ["run", "depends", "depends", "depends", "depends"]);
    assert!(plan.stages[1].likely_cached);
}

#[test]
fn the_json_of_a_plan_has_every_stage() {
    let plan = TestSpace::new().plan(STUDY).json();
    assert_eq!(plan["stages"].as_array().unwrap().len(), 5);
    assert_eq!(plan["stages"][1]["depends_on"][0], "leaves");
    assert_eq!(plan["stages"][0]["plan"], "run");
}

#[test]
fn an_explanation_shows_where_values_came_from_and_what_changed() {
    let mut space = TestSpace::new();
    space.run(STUDY);
    let changed = STUDY.replace("epochs: 5", "epochs: 6");
    let study = space.study(&changed);
    let explained = Explanation::of(&mut space.planner(&study), StageIndex(3)).unwrap();
    insta::assert_snapshot!("explanation", explained.text());
    assert_eq!(explained.json()["plan"], "run");
}

#[test]
fn an_explanation_without_known_inputs_says_so() {
    let space = TestSpace::new();
    let study = space.study(STUDY);
    let explained = Explanation::of(&mut space.planner(&study), StageIndex(3)).unwrap();
    assert!(explained.text().contains("not known yet"), "{}", explained.text());
}
