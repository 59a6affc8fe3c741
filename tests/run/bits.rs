//! The same bytes: at any number of jobs and threads, and after a kill in the middle.

use std::time::Duration;

use crate::support::TestSpace;

/// A whole study in small: images, two searches, scoring, training, report.
const STUDY: &str = r"
name: study
seed: 3
stages:
  leaves:
    use: dataset
    with:
      source: { kind: leaves, images: 400, size: 24, species: [ovate-parallel, round-palmate, lance-entire, star-7lobe] }
      split: { validation: 0.2, test: 40 }
  guess:
    use: search
    inputs: { data: leaves }
    with:
      space: { kind: chain, filters: [8, 16], kernels: [1, 3], layers_max: 4, batch_norm: true }
      strategy: { kind: q_learning }
      evaluator: { kind: mock }
      budget: { trials: 500 }
  train:
    use: search
    inputs: { data: leaves }
    with:
      space: { kind: chain, filters: [8, 16], kernels: [1, 3], layers_max: 4, batch_norm: true }
      strategy: random
      evaluator: { kind: train, epochs: 4, retries: { tries: 1 } }
      budget: { trials: 3 }
      batch: 3
  score:
    use: evaluate
    inputs: { trials: guess, data: leaves }
    with: { top: 2, evaluator: { kind: train, epochs: 1 } }
  retrain:
    use: retrain
    inputs: { trials: [train, score], data: leaves, test: leaves }
    with:
      top: 2
      epochs: 5
      validation: watch
      recipe: { micro_batch: 12, weights: best, augment: [{ kind: rotate }, mirror], drop_path: 0.7 }
  report:
    use: report
    inputs: { trials: [guess, train, score], models: retrain, data: leaves }
";

/// The digests of every output, as the lock file has them.
fn digests(arguments: &[&str]) -> String {
    let space = TestSpace::new().pipeline(STUDY);
    space.run(arguments).success();
    space.read("pipeline.lock")
}

#[test]
fn jobs_and_threads_change_no_byte() {
    let one = digests(&["--jobs", "1", "--threads", "1"]);
    assert_eq!(digests(&["--jobs", "4", "--threads", "2"]), one);
    assert_eq!(digests(&["--jobs", "2", "--threads", "3"]), one);
}

#[test]
fn profiles_lie_beside_the_run_and_change_no_byte() {
    let space = TestSpace::new().pipeline(STUDY);
    space.run(&["--profile"]).success();
    let runs = space.files(".phytotron/runs");
    let of = |name: &str| {
        let (_, bytes) = runs.iter().find(|(path, _)| path.ends_with(name)).unwrap();
        String::from_utf8(bytes.clone()).unwrap()
    };
    let rows: serde_json::Value =
        serde_json::from_str(&of("profiles/retrain/network-1.json")).unwrap();
    let secs = |row: &serde_json::Value| row["secs"].as_f64().unwrap();
    let total: f64 = rows.as_array().unwrap().iter().map(secs).sum();
    assert!(total > 0.0 && rows[0]["operation"] == "Load", "{rows}");
    assert!(
        of("profiles/retrain/network-2.txt").contains("ConvBack conv"),
        "layers have their paths"
    );
    let flops = |row: &serde_json::Value| row["executed_flops"].as_u64().unwrap();
    assert!(rows.as_array().unwrap().iter().any(|row| flops(row) > 0), "{rows}");
    let table = of("profiles/train/trial-2.txt");
    assert!(table.contains(" s 100.0 % ") && table.contains("  all, and by phase"), "{table}");
    assert_eq!(space.read("pipeline.lock"), digests(&[]));
}

#[test]
fn a_killed_training_goes_on_from_its_checkpoint_to_the_same_bytes() {
    let undisturbed = digests(&[]);
    let space = TestSpace::new().pipeline(STUDY);
    space.run(&["--until", "score", "--until", "train"]).success();
    // The journal's line tells when an epoch has ended; its checkpoint is written by then.
    let mut run = space.start(&["--progress", "plain"]);
    let ended = r#""event":"epoch_ended","stage":{"name":"retrain"}"#;
    space.wait_for_words(".phytotron/runs", ended, 3);
    std::thread::sleep(Duration::from_millis(20));
    run.kill().unwrap();
    run.wait().unwrap();
    let resumed = space.run(&["--json"]).success();
    let epochs = resumed.text().matches("\"event\":\"epoch_ended\"").count();
    assert!(epochs < 10, "all {epochs} epochs of two networks were trained again");
    assert!(epochs > 0, "nothing was left to train, so nothing was tested");
    assert_eq!(space.read("pipeline.lock"), undisturbed);
}
