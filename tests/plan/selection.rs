//! What `--only`, `--from` and `--until` leave.

use phytotron::plan::{Plan, Selection, Study};

use super::space::TestSpace;

const PIPELINE: &str = "
stages:
  leaves: { use: grow }
  search:
    use: seek
    matrix: { strategy: [random, ppo], repeat: [1, 2] }
    inputs: { data: leaves }
    with: { strategy: \"${{ matrix.strategy }}\", repeat: \"${{ matrix.repeat }}\" }
  retrain: { use: raise, inputs: { trials: \"search[strategy=ppo]\", data: leaves } }
  report: { use: tell, inputs: { models: retrain } }
";

fn selection(only: &[&str], from: &[&str], until: &[&str]) -> Selection {
    let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    Selection { only: owned(only), from: owned(from), until: owned(until) }
}

fn left(study: &Study, selection: &Selection) -> String {
    let selected = selection.of(study).unwrap();
    let names = study.iter().filter(|&(index, _)| selected.contains(index));
    names.map(|(_, stage)| stage.id.to_string()).collect::<Vec<_>>().join(" ")
}

fn check(only: &[&str], from: &[&str], until: &[&str], expected: &str) {
    let study = TestSpace::new().study(PIPELINE);
    assert_eq!(left(&study, &selection(only, from, until)), expected);
}

#[test]
fn names_and_globs_select_stages() {
    check(&["leaves", "re*"], &[], &[], "leaves retrain report");
    check(
        &["search[repeat=1]"],
        &[],
        &[],
        "search[repeat=1,strategy=ppo] search[repeat=1,strategy=random]"
            .split(' ')
            .rev()
            .collect::<Vec<_>>()
            .join(" ")
            .as_str(),
    );
    check(&["search[strategy=p*,repeat=2]"], &[], &[], "search[repeat=2,strategy=ppo]");
}

#[test]
fn from_takes_what_comes_after_and_until_what_comes_before() {
    check(&[], &["retrain"], &[], "retrain report");
    check(&[], &[], &["search[strategy=ppo,repeat=1]"], "leaves search[repeat=1,strategy=ppo]");
    check(
        &[],
        &["search[strategy=ppo]"],
        &["retrain"],
        "search[repeat=1,strategy=ppo] search[repeat=2,strategy=ppo] retrain",
    );
    check(&[], &["search[strategy=random]"], &["retrain"], "");
}

#[test]
fn a_pattern_that_fits_nothing_is_an_error_with_a_suggestion() {
    let study = TestSpace::new().study(PIPELINE);
    let error = |pattern: &str| selection(&[pattern], &[], &[]).of(&study).unwrap_err().to_string();
    assert_eq!(error("serach"), "no stage fits `serach`: did you mean `search`?");
    assert_eq!(
        error("search[strategy=tpe]"),
        "no stage fits `search[strategy=tpe]`: it has no such cell"
    );
    assert!(error("xyzzy").contains("the stages are `leaves`, `search`, `retrain` and `report`"));
    assert!(error("search[strategy]").contains("`strategy` is not `key=value`"));
    assert!(error("search[*").contains("`]` is missing"));
}

#[test]
fn a_left_out_stage_without_result_blocks_those_after_it() {
    let mut space = TestSpace::new();
    let study = space.study(PIPELINE);
    let plan = |space: &TestSpace, only: &str| {
        let selected = selection(&[only], &[], &[]).of(&study).unwrap();
        let plan = Plan::of(&mut space.planner(&study), &selected, &[]).unwrap();
        plan.stages.iter().map(|stage| stage.fate.word()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        plan(&space, "retrain"),
        "left out left out left out left out left out blocked left out"
    );
    space.run(PIPELINE);
    let retrain = plan(&space, "retrain");
    assert_eq!(retrain, "cached cached cached cached cached cached cached");
}
