//! `plan --calibrate`: what a run would cost, before it runs.

use serde_json::Value;

use crate::support::TestSpace;

/// Two searches that differ in their seed, by real training, and what comes after them.
const STUDY: &str = r#"
params: { trials: 40, epochs: 3 }
stages:
  leaves:
    use: dataset
    with: { source: { kind: leaves, images: 60, size: 16 }, split: { validation: 0.2, test: 20 } }
  search:
    use: search
    matrix: { repeat: [1, 2] }
    inputs: { data: leaves }
    with:
      seed: ${{ matrix.repeat }}
      space: { kind: chain, filters: [4, 8], layers_max: 4 }
      strategy: random
      budget: { trials: "${{ params.trials }}" }
      evaluator: { kind: train, epochs: "${{ params.epochs }}", retries: { tries: 1 }, recipe: { batch: 16 } }
  again:
    use: evaluate
    inputs: { trials: "search[*]", data: leaves }
    with: { top: 5, seeds: 2, evaluator: { kind: proxy, measure: synflow } }
  finals:
    use: retrain
    inputs: { trials: again, data: leaves, test: leaves }
    with: { top: 3, epochs: 4, recipe: { batch: 16 } }
  report:
    use: report
    inputs: { trials: again, models: finals }
"#;

fn calibrated(space: &TestSpace, arguments: &str) -> Value {
    let said = space.phytotron(&format!("plan pipeline.yaml --calibrate --json {arguments}"));
    let said = said.success();
    serde_json::from_str::<Value>(&said.stdout()).unwrap()["calibration"].take()
}

fn likely(stage: &Value) -> f64 {
    stage["secs"][1].as_f64().unwrap()
}

fn find<'v>(answer: &'v Value, name: &str) -> &'v Value {
    let stages = answer["stages"].as_array().unwrap();
    stages.iter().find(|stage| stage["stage"] == name).unwrap()
}

#[test]
fn every_stage_that_would_run_is_foretold_and_nothing_is_kept() {
    let space = TestSpace::new().pipeline(STUDY);
    let answer = calibrated(&space, "");
    let of = |name: &str| find(&answer, name);
    for (name, networks) in [("search[repeat=1]", 40), ("again", 10), ("finals", 3)] {
        let stage = of(name);
        let [low, likely, high] = [0, 1, 2].map(|place| stage["secs"][place].as_f64().unwrap());
        assert!(0.0 < low && low <= likely && likely <= high, "{stage}");
        assert_eq!(stage["networks"], networks, "{stage}");
        assert!(stage["timed"].as_u64().unwrap() >= 3, "{stage}");
        assert!(stage["disk_bytes"].as_u64().unwrap() > 0, "{stage}");
    }
    assert_eq!(of("report")["by"], "unknown");
    assert_eq!(of("report")["reason"], "it reads what `finals` is yet to make");
    assert!(space.files(".phytotron/results").is_empty() && space.files("out").is_empty());
    space.phytotron("plan pipeline.yaml").success().says("1 to run");
}

#[test]
fn a_forecast_grows_with_what_is_asked_for() {
    let space = TestSpace::new().pipeline(STUDY);
    let (small, large) = (
        calibrated(&space, "-p trials=20 -p epochs=2"),
        calibrated(&space, "-p trials=400 -p epochs=40"),
    );
    let secs = |answer: &Value| likely(find(answer, "search[repeat=1]"));
    // 400 times the work.
    assert!(secs(&large) > 50.0 * secs(&small), "{} after {}", secs(&large), secs(&small));
    let disk = |answer: &Value| find(answer, "search[repeat=1]")["disk_bytes"].as_u64().unwrap();
    assert!(disk(&large) > 10 * disk(&small));
}

#[test]
fn cells_that_differ_in_their_seed_are_timed_once() {
    let space = TestSpace::new().pipeline(STUDY);
    let said = space.phytotron("plan pipeline.yaml --calibrate").success();
    let said = said.says("calibrating search[repeat=1]").says("search (2 cells)");
    assert!(!said.text().contains("calibrating search[repeat=2]"), "{}", said.text());
}

#[test]
fn what_fits_into_the_time_is_said() {
    let space = TestSpace::new().pipeline(STUDY);
    let fits = |arguments: &str| calibrated(&space, arguments)["fits"].as_str().unwrap().to_owned();
    assert_eq!(fits("--within 7d"), "within 168 h 00 min: all of it fits");
    let few = fits("-p trials=90000000 --within 1h");
    assert!(few.contains("of the 90,000,000 networks of `search` in each cell"), "{few}");
    assert!(few.contains("(`budget.trials: "), "{few}");
    let none = fits("--within 1ms");
    assert!(none.starts_with("within 1 ms: no search"), "{none}");
}

#[test]
fn what_has_a_result_is_not_foretold_and_later_stages_are_timed_on_it() {
    let space = TestSpace::new().pipeline(STUDY);
    space.run(&["-p", "trials=2", "-p", "epochs=1", "--until", "again"]).success();
    let answer = calibrated(&space, "-p trials=2 -p epochs=1");
    let names: Vec<&str> =
        answer["stages"].as_array().unwrap().iter().map(|s| s["stage"].as_str().unwrap()).collect();
    assert_eq!(names, ["finals", "report"]);
    space.run(&["-p", "trials=2", "-p", "epochs=1"]).success();
    let said = space.phytotron("plan pipeline.yaml --calibrate -p trials=2 -p epochs=1");
    said.success().says("nothing would run");
}

#[test]
fn a_stage_that_cannot_be_foretold_says_why() {
    let none = STUDY.replace("kind: train,", "kind: train, fraction: 0.001,");
    let space = TestSpace::new().pipeline(&none);
    let answer = calibrated(&space, "");
    let reason = find(&answer, "search[repeat=1]")["reason"].as_str().unwrap();
    assert_eq!(reason, "`evaluator` uses none of 48 training images: raise `fraction`");
    assert_eq!(find(&answer, "again")["by"], "unknown");
}
