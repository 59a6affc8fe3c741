//! Reports on what searches really wrote, and one report on several runs.

use crate::support::TestSpace;

const CELLS_AND_CHAINS: &str = r#"
name: looks
description: Do <b>cells</b> & "chains" look good?
seed: 7
stages:
  cells:
    use: search
    with:
      space: { kind: nasnet }
      strategy: { kind: reinforce, batch: 4 }
      evaluator: { kind: mock }
      budget: { trials: 60 }
      image: { side: 32, channels: 3, classes: 10 }
  chains:
    use: search
    with:
      space: { kind: chain, layers_max: 6 }
      strategy: { kind: q_learning }
      evaluator: { kind: mock }
      budget: { trials: 80 }
      image: { side: 32, channels: 3, classes: 10 }
  report: { use: report, inputs: { trials: [cells, chains], controllers: [cells, chains] } }
"#;

#[test]
fn cells_and_chains_are_drawn_with_what_their_strategies_learned() {
    let space = TestSpace::new().pipeline(CELLS_AND_CHAINS);
    space.run(&[]).success();
    let figure = |name: &str| space.read(&format!("out/looks/report/figures/{name}.svg"));
    let cells = figure("architecture");
    assert!(cells.contains(">Normal cell</text>") && cells.contains(">Reduction cell</text>"));
    assert!(cells.matches("class=\"join\"").count() >= 10, "five blocks in each of two cells");
    assert!(figure("search-baseline").contains("data-word=\"baseline\""));
    assert!(figure("search-entropy").contains("data-y-name=\"entropy in nats\""));
    assert!(figure("search-actions").contains("data-word=\"sep"), "operations over time");
    assert!(figure("search-exploration-2").contains("class=\"columns s0\""));
    assert!(figure("search-actions-4").contains("data-word=\"convolution"));
    assert!(figure("q-values").contains("data-word=\"pooling\""));
    let page = space.read("out/looks/report.html");
    let question =
        "<p class=\"question\">Do &lt;b&gt;cells&lt;/b&gt; &amp; &quot;chains&quot; look good?</p>";
    assert!(page.contains(question));
    assert!(page.contains("phytotron verify pipeline.yaml"));
    assert!(page.contains("Timeline") && page.contains("Manifest of cells"));
    let png = space.files("out/looks/report/figures");
    let pictures = |ending: &str| {
        png.keys().filter(|path| path.extension().is_some_and(|found| found == ending)).count()
    };
    assert_eq!(pictures("png"), pictures("svg"), "each picture in both forms");
}

const STUDY: &str = "
name: study
params: { strategy: random }
stages:
  search:
    use: search
    with:
      space: { kind: chain, layers_max: 4 }
      strategy: { kind: \"${{ params.strategy }}\" }
      evaluator: { kind: mock }
      budget: { trials: 20 }
      image: { side: 32, channels: 3, classes: 10 }
";

#[test]
fn two_runs_meet_on_one_page() {
    let space = TestSpace::new().pipeline(STUDY);
    space.run(&[]).success();
    space.run(&["-p", "strategy=evolution"]).success();
    let log = space.ran(space.command(&["log", "--json"]).output().unwrap()).success().stdout();
    let log: serde_json::Value = serde_json::from_str(&log).unwrap();
    let runs: Vec<&str> =
        log.as_array().unwrap().iter().map(|run| run["run"].as_str().unwrap()).collect();
    let words = ["report", runs[0], runs[1], "--output", "both", "--question", "Which is better?"];
    space.ran(space.command(&words).output().unwrap()).success().says("both/report.html");
    let page = space.read("both/report.html");
    assert!(page.contains("Architecture search: evolution, random in space chain"), "{page:.600}");
    assert!(page.contains("<p class=\"question\">Which is better?</p>"));
    assert!(page.contains("Strategies compared"), "both are of one protocol");
    assert_eq!(space.read("both/trials.csv").lines().count(), 1 + 2 * 20);
    for run in runs {
        assert!(page.contains(&format!("run={run}")), "{run}");
    }
}

#[test]
fn runs_without_trials_are_refused() {
    let command = "stages: { a: { use: command, with: { run: \"echo 1 > o\", outputs: [o] } } }";
    let space = TestSpace::new().pipeline(command);
    space.run(&[]).success();
    let ran = space.ran(space.command(&["report", "last"]).output().unwrap());
    ran.code(2).says("these runs have no trials and no trained networks");
}
