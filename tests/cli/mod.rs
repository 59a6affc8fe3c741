//! The command line: what each command answers, and its exit code.

mod calibrate;

use phytotron::plan;
use phytotron::spec::Project;
use phytotron::stage::{Ports, Registry};

use crate::support::{Ran, TestSpace};

const TWO: &str = "name: two\nparams: { word: one }\nstages:\n  \
    a: { use: command, with: { run: \"echo ${{ params.word }} > o\", outputs: [o] } }\n  \
    b: { use: command, inputs: { x: a }, with: { run: \"cat inputs/x/o > o; wc -c < o >> o\", outputs: [o] } }\n";

fn two() -> TestSpace {
    TestSpace::new().pipeline(TWO)
}

impl TestSpace {
    fn phytotron(&self, arguments: &str) -> Ran {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        self.ran(self.command(&words).output().unwrap())
    }
}

#[test]
fn a_changed_parameter_reruns_what_depends_and_setting_it_back_restores() {
    let space = two();
    space.run(&[]).success().stages("a done, b done");
    space.run(&[]).success().stages("2 cached");
    space.run(&["-p", "word=two"]).success().stages("a done, b done");
    space.run(&[]).success().says("restored");
    assert_eq!(space.read("out/two/b/o"), "one\n4\n");
    space.run(&[]).success().stages("2 cached");
}

#[test]
fn equal_bytes_stop_a_rerun_early() {
    let space = two();
    space.run(&[]).success();
    space.write("pipeline.yaml", &TWO.replace("echo ${{", "printf '%s\\\\n' ${{"));
    space.run(&[]).success().stages("a done, b cached");
}

#[test]
fn plan_says_why() {
    let space = two();
    space.phytotron("plan pipeline.yaml").success().says("1 to run, 1 that depend on them");
    space.run(&[]).success();
    space.phytotron("plan pipeline.yaml").success().says("2 cached");
    let plan = space.phytotron("plan pipeline.yaml -p word=two").success();
    plan.says("echo one > o → echo two > o").says("depends");
    space.phytotron("explain pipeline.yaml a -p word=two").success().says("(was ");
    space.phytotron("explain pipeline.yaml c").code(2).says("there is no stage `c`");
}

#[test]
fn a_mistake_has_exit_code_3_and_an_answer_for_editors() {
    let space = TestSpace::new().pipeline("stages: { a: { use: comand } }");
    space.phytotron("check pipeline.yaml").code(3).says("did you mean `command`");
    space.phytotron("run pipeline.yaml").code(3);
    let json = space.phytotron("check pipeline.yaml --json").code(3).stdout();
    let answer: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(answer[0]["line"], 1, "{json}");
    two().phytotron("check pipeline.yaml").success().says("2 stages, no mistakes");
    space.phytotron("check nothing.yaml").code(3).says("nothing.yaml");
    space.phytotron("runn").code(2);
}

#[test]
fn a_growth_that_cannot_be_is_said_where_it_stands() {
    let said = |growth: &str| {
        let pipeline = format!(
            "stages:\n  a:\n    use: search\n    with:\n      space: {{ kind: layerwise, layers: 6, \
             growth: {growth} }}\n      strategy: {{ kind: random }}\n      evaluator: {{ kind: mock }}\n      \
             image: {{ side: 32, classes: 10 }}\n      budget: {{ trials: 9 }}\n"
        );
        TestSpace::new().pipeline(&pipeline).phytotron("check pipeline.yaml")
    };
    said("{ start: 6, plus: 2, every: 1600 }").success();
    let high = said("{ start: 7, plus: 2, every: 1600 }").code(3).says("search::space");
    let high = high.says("networks begin with 7 layers and end with 6").says("pipeline.yaml:5:52");
    high.says("`layers` is the depth");
    let few = said("{ start: 1, plus: 2, every: 1600 }").code(3).says("pipeline.yaml:5:52");
    few.says("there are only 64 networks of 1 layer").says("`every` may be at most 64");
    said("{ start: 1, plus: 0, every: 10 }").code(3).says("pipeline.yaml:5:70");
    said("{ start: 1, every: 10 }").code(3).says("`plus`");
}

#[test]
fn what_is_declared_and_absent_is_found_at_once_with_its_place() {
    let space = TestSpace::new().pipeline(
        "stages:\n  a: { use: command, with: { run: make, files: [dta.csv, src], tools: [no-such] } }\n  \
         b: { use: command, with: { run: make, files: [nothing/*.py] } }\n  \
         c: { use: command, frozen: true, with: { run: make, files: [gone] } }\n",
    );
    space.write("data.csv", "1");
    for command in ["check", "plan", "run"] {
        let said = space.phytotron(&format!("{command} pipeline.yaml")).code(3);
        let said = said.says("did you mean `data.csv`?").says("pipeline.yaml:2:49");
        let said = said.says("`src`: there is no such").says("`no-such` is not on `PATH`");
        said.says("no file matches").says("4 errors");
    }
}

#[test]
fn what_a_failed_stage_said_last_stands_below_the_table() {
    let space = TestSpace::new().pipeline(
        "stages: { a: { use: command, with: { run: \"echo Traceback >&2; echo '  File x' >&2; exit 3\", outputs: [o] } } }",
    );
    let said = space.phytotron("run pipeline.yaml").code(1).stdout();
    let (table, log) = said.split_once("\n\n").unwrap();
    assert!(table.trim_end().ends_with("exit code 3"), "{said}");
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines[0].starts_with(" a: the end of ") && lines[0].ends_with("a.log:"), "{said}");
    assert_eq!(lines[1..], ["   Traceback", "     File x"], "{said}");
}

#[test]
fn a_larger_budget_goes_on_and_where_it_cannot_plan_says_why() {
    let study = |strategy: &str| {
        format!(
            "params: {{ trials: 30 }}\nstages:\n  a:\n    use: search\n    with:\n      space: {{ kind: chain }}\n      \
             strategy: {strategy}\n      evaluator: mock\n      image: {{ side: 32, classes: 10 }}\n      \
             budget: {{ trials: \"${{{{ params.trials }}}}\" }}\n    publish: true\n"
        )
    };
    let space = TestSpace::new().pipeline(&study("evolution"));
    space.run(&[]).success();
    let plan = space.phytotron("plan pipeline.yaml -p trials=80").success();
    plan.says("with.budget.trials 30 → 80; goes on after 30 trials");
    space.run(&["-p", "trials=80"]).success().stages("a done");
    let fresh = TestSpace::new().pipeline(&study("evolution"));
    fresh.run(&["-p", "trials=80"]).success();
    for file in ["trials/trials.jsonl", "controller/state.json", "controller/controller.json"] {
        let path = format!("out/pipeline/a/{file}");
        assert_eq!(space.read(&path), fresh.read(&path), "{file}");
    }
    std::fs::remove_dir_all(space.path(".phytotron/blobs")).unwrap();
    let said = space.run(&["-p", "trials=90"]).success();
    said.says("the smaller result cannot be used, starting over");
    let space = TestSpace::new().pipeline(&study("q_learning"));
    space.run(&[]).success();
    let plan = space.phytotron("plan pipeline.yaml -p trials=80").success();
    plan.says("starts over: the epsilon schedule is stretched to the budget");
}

#[test]
fn runs_are_listed_shown_and_compared() {
    let space = two();
    space.phytotron("log").success().says("no runs yet");
    space.run(&[]).success();
    space.run(&["-p", "word=longer"]).success();
    let log = space.phytotron("log --json").success().stdout();
    let runs: serde_json::Value = serde_json::from_str(&log).unwrap();
    let id = |index: usize| runs[index]["run"].as_str().unwrap().to_owned();
    space.phytotron("show").success().says(&id(0));
    let diff = space.phytotron(&format!("diff {} {}", id(1), id(0))).success();
    diff.says("one").says("longer");
    space.phytotron("show --log b").success().says("b: started").says("b: done in");
    space.phytotron("show --log c").code(2).says("no log of stage `c`");
    space.phytotron("show nonsense").code(2).says("no run is called");
}

/// A constant added to every repeat, and a number that is another one's.
#[test]
fn repeated_stages_are_compared_over_their_repeats() {
    let pipeline = |repeats: &str| {
        [
            "params: { ceiling: 0.9 }",
            "stages:",
            "  search:",
            "    use: search",
            &format!("    matrix: {{ repeat: {repeats}, strategy: [random, evolution] }}"),
            "    with:",
            "      space: { kind: chain }",
            "      strategy: ${{ matrix.strategy }}",
            "      evaluator: { kind: mock, ceiling: \"${{ params.ceiling }}\" }",
            "      budget: { trials: 20 }",
            "      seed: ${{ matrix.repeat }}",
            "      image: { side: 32, classes: 10 }",
            "",
        ]
        .join("\n")
    };
    for (repeats, pairs) in [("[1, 2, 3]", 3_u64), ("[1, 2, 3, 4, 5, 6]", 6)] {
        let space = TestSpace::new().pipeline(&pipeline(repeats));
        space.run(&[]).success();
        space.run(&["-p", "ceiling=0.5"]).success();
        let log = space.phytotron("log --json").success().stdout();
        let runs: serde_json::Value = serde_json::from_str(&log).unwrap();
        let id = |index: usize| runs[index]["run"].as_str().unwrap().to_owned();
        let (early, late) = (id(1), id(0));
        let diff = space.phytotron(&format!("diff {early} {late}")).success();
        let table = diff.says("search[strategy=random]").says("over repeats").stdout();
        let json = space.phytotron(&format!("diff {early} {late} --json")).success().stdout();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let rows = json["repeated"].as_array().unwrap();
        let best = |row: &&serde_json::Value| row["metric"] == "best_score";
        let rows: Vec<_> = rows.iter().filter(best).collect();
        assert_eq!(rows.len(), 2, "{json}");
        for row in rows {
            assert_eq!(row["pairs"], pairs);
            let difference = row["difference"].as_f64().unwrap();
            let [low, high] = [0, 1].map(|end| row["interval"][end].as_f64().unwrap());
            assert!(low <= difference && difference <= high && high < 0.0, "{row}");
            // Six of one sign have 0.03125, twice that for the first of two settings.
            let p = row["p"].as_f64();
            assert_eq!(p, (pairs == 6).then_some(0.0625), "{row}");
        }
        assert_eq!(table.contains("no p-value"), pairs < 6, "{table}");
    }
}

#[test]
fn results_are_taken_out_by_get() {
    let space = two();
    space.phytotron("get pipeline.yaml a").code(2).says("has no result");
    space.run(&[]).success();
    space.phytotron("get pipeline.yaml a --output here").success();
    assert_eq!(space.read("here/o"), "one\n");
    space.phytotron("get pipeline.yaml a.files --output there").success();
    assert_eq!(space.read("there/o"), "one\n");
    space.phytotron("get pipeline.yaml a.nothing").code(2);
}

#[test]
fn locked_runs_and_verify_find_what_differs() {
    let space = TestSpace::new().pipeline(
        "stages:\n  same: { use: command, with: { run: \"echo x > o\", outputs: [o] } }\n  \
         chance: { use: command, with: { run: \"date +%N > o\", outputs: [o] } }\n",
    );
    space.phytotron("verify pipeline.yaml").code(2).says("nothing is locked");
    space.run(&[]).success();
    let verified = space.phytotron("verify pipeline.yaml").code(5);
    verified.says("same: equal").says("chance: different");
    space.run(&["--locked"]).success();
    let lock = space.read("pipeline.lock");
    space.write(
        "pipeline.yaml",
        "stages: { same: { use: command, with: { run: \"echo y > o\", outputs: [o] } } }",
    );
    space.run(&["--locked"]).code(5).says("not as locked: `same`");
    assert_eq!(space.read("pipeline.lock"), lock, "`--locked` never writes");
}

#[test]
fn the_store_is_checked_and_swept() {
    let space = two();
    space.run(&[]).success();
    space.phytotron("fsck").success().says("the store is whole");
    space.phytotron("gc --grace 0s").success().says("nothing to free");
    space.run(&["-p", "word=two"]).success();
    let dry = space.phytotron("gc --grace 0s --keep-runs 0 --dry-run").success();
    dry.says("would free");
    space.phytotron("gc --grace 0s --keep-runs 0").success().says("freed");
    space.run(&[]).success();
    assert_eq!(space.read("out/two/b/o"), "one\n4\n", "what is locked survives");
    let store = space.files(".phytotron/blobs");
    let blob = store.keys().next().unwrap();
    let path = space.path(".phytotron/blobs").join(blob);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "damaged").unwrap();
    space.phytotron("fsck").code(5).says("quarantine");
    space.run(&["--no-snapshot"]).success();
}

#[test]
fn what_the_store_has_lost_is_computed_again_though_out_is_as_it_was() {
    let space = two();
    space.run(&[]).success();
    for blob in space.files(".phytotron/blobs").keys() {
        std::fs::remove_file(space.path(".phytotron/blobs").join(blob)).unwrap();
    }
    space.phytotron("fsck").code(5).says("lost: output");
    space.run(&[]).success();
    space.phytotron("get pipeline.yaml b --output taken").success();
    assert_eq!(space.read("taken/o"), space.read("out/two/b/o"));
    space.phytotron("fsck").success().says("the store is whole");
}

#[test]
fn graphs_come_in_four_forms() {
    let space = two();
    for (form, words) in
        [("text", "a"), ("mermaid", "flowchart"), ("dot", "digraph"), ("svg", "<svg")]
    {
        space.phytotron(&format!("graph pipeline.yaml --format {form}")).success().says(words);
    }
}

#[test]
fn templates_are_written_once() {
    let space = TestSpace::new();
    space.phytotron("init").success().says("quickstart");
    space.phytotron("init quickstart mine.yaml").success();
    assert!(space.read("mine.yaml").contains("\nname: mine\n"));
    space.phytotron("init quickstart mine.yaml").code(2).says("mine.yaml");
    space.phytotron("init quickstat").code(2).says("did you mean `quickstart`");
}

#[test]
fn kinds_and_completions_are_printed() {
    let space = TestSpace::new();
    space.phytotron("kinds").success().says("retrain");
    space.phytotron("kinds search").success().says("q_learning").says("makes search.trials");
    space.phytotron("kinds serch").code(2).says("did you mean `search`");
    space.phytotron("kinds metaqnn-search").success().says("use: search").says("Baker");
    space.phytotron("kinds chain").code(2).says("`phytotron kinds search` shows it");
    space.phytotron("kinds retrain").success().says("[\"train\"]").says("(train, watch)");
    space.phytotron("completions bash").success().says("phytotron");
}

#[test]
fn the_examples_of_all_kinds_make_a_pipeline() {
    let mut text = "stages:\n".to_owned();
    for kind in Registry::standard().iter() {
        kind.example().lines().for_each(|line| text.extend(["  ", line, "\n"]));
    }
    let space = TestSpace::new().pipeline(&text);
    space.write("data/leaves/oak/1.png", "");
    space.phytotron("check pipeline.yaml").success();
    let project = Project::open(&space.path("")).unwrap();
    let file = space.path("pipeline.yaml");
    let (study, _) = plan::load(&project, &file, &[], &Registry::standard()).unwrap();
    let mut kinds: Vec<&str> = Vec::new();
    for (_, stage) in study.iter() {
        let kind = Registry::standard().get(stage.stage.kind()).unwrap();
        kinds.push(kind.name());
        let (wiring, made) = kind.example().rsplit_once("# makes ").unwrap();
        if let Ports::Fixed(ports) = stage.stage.ports() {
            for port in ports {
                assert!(wiring.contains(&format!("{}: ", port.name)), "{}: {port:?}", kind.name());
            }
        }
        for output in stage.stage.outputs() {
            let name = format!("{}.{}", stage.id, output.name);
            assert!(made.contains(&name), "{}: {name}", kind.name());
        }
    }
    assert_eq!(kinds, Registry::standard().names());
}

#[test]
fn what_cannot_work_says_so_before_anything_is_done() {
    let space = two();
    space.phytotron("run pipeline.yaml --locked").code(2).says("run once without `--locked`");
    space.run(&[]).success();
    space.phytotron("run pipeline.yaml --locked").success();
    space.phytotron("run pipeline.lock").code(2).says("its pipeline is `pipeline.yaml`");
    space.phytotron("get pipeline.yaml b --output there").success();
    space.phytotron("get pipeline.yaml a --output there").code(2).says("name another folder");
    assert_eq!(space.read("there/o"), "one\n4\n");
    space.phytotron("init quickstart my-study.yaml").success();
    assert!(space.read("my-study.yaml").contains("\nname: my-study\n"));
}

#[test]
fn json_events_are_lines() {
    let space = two();
    let lines = space.run(&["--json"]).success().stdout();
    for line in lines.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line.is_object());
    }
    assert!(lines.contains("\"run_started\""));
}

const SEARCHES: &str = "name: searches\nstages:\n  search:\n    use: search\n    \
    matrix: { strategy: [random, evolution] }\n    with:\n      space: { kind: chain }\n      \
    strategy: ${{ matrix.strategy }}\n      image: { side: 32, classes: 10 }\n      \
    budget: { trials: 60 }\n      evaluator: { kind: mock, fail_rate: 0.2 }\n";

#[test]
fn trials_are_listed_chosen_and_sorted() {
    let space = TestSpace::new().pipeline(SEARCHES);
    space.phytotron("trials pipeline.yaml").code(2).says("phytotron run pipeline.yaml");
    space.run(&[]).success();
    let all = space.phytotron("trials pipeline.yaml").success();
    assert_eq!(all.stdout().lines().count(), 21, "a head and twenty lines");
    let all = all.says("20 of 120 trials").says("search[strategy=random]");
    all.says("[C(");

    let csv = |arguments: &str| {
        let text =
            space.phytotron(&format!("trials pipeline.yaml --csv {arguments}")).success().stdout();
        let lines = text.lines().skip(1).map(|line| {
            // The text of a network is quoted, and its commas with it.
            let numbers = line.rsplit('"').next().unwrap();
            numbers.rsplit(',').nth(7).unwrap().parse::<f64>().unwrap()
        });
        lines.collect::<Vec<f64>>()
    };
    assert_eq!(csv("").len(), 120);
    let sorted = csv("search --sort accuracy --top 30");
    assert!(sorted.len() == 30 && sorted.is_sorted_by(|a, b| a >= b), "{sorted:?}");
    assert!(csv("--sort accuracy --reverse").is_sorted());
    let good = csv("search[strategy=random] --where score>=0.9 --where parameters<5e6");
    assert!(!good.is_empty() && good.len() < 60 && good.iter().all(|&score| score >= 0.9));
    assert!((5..60).contains(&csv("--failed").len()));
    assert_eq!(csv("--contains C(999").len(), 0);

    let json = space
        .phytotron("trials pipeline.yaml search --sort trial --top 1 --json")
        .success()
        .stdout();
    let answer: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&answer[0]["trial"], answer.as_array().unwrap().len()), (&0.into(), 1));
    assert!(answer[0]["stage"].as_str().unwrap().starts_with("search["), "{json}");

    space.phytotron("trials pipeline.yaml --sort scor").code(2).says("did you mean `score`?");
    space.phytotron("trials pipeline.yaml --where score>many").code(2).says("`many` is no number");
    space.phytotron("trials pipeline.yaml serch").code(2).says("there is no stage `serch`");
    two().phytotron("trials pipeline.yaml").code(2).says("`search` and `evaluate` do");
}

/// A guess of 0.9 says less than a training's 0.3.
#[test]
fn scores_of_different_evaluators_are_not_ranked_together() {
    let space = TestSpace::new().pipeline(
        "stages:\n  \
         d: { use: dataset, with: { source: { kind: leaves, images: 60, size: 16 }, \
         split: { validation: 0.3 } } }\n  \
         a: { use: search, inputs: { data: d }, with: { space: { kind: chain, filters: [4] }, \
         strategy: random, budget: { trials: 3 }, evaluator: mock } }\n  \
         b: { use: evaluate, inputs: { trials: a, data: d }, with: { top: 2, \
         evaluator: { kind: train, epochs: 1 } } }\n",
    );
    space.run(&[]).success();
    let all = space.phytotron("trials pipeline.yaml --sort accuracy").success().stdout();
    let column = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
    let evaluators: Vec<String> = all.lines().map(column).collect();
    assert_eq!(evaluators, ["evaluator", "train", "train", "mock", "mock", "mock"], "{all}");
    let sizes = space.phytotron("trials pipeline.yaml --sort parameters").success().stdout();
    assert_ne!(sizes.lines().map(column).collect::<Vec<_>>()[1..3], ["train", "train"], "{sizes}");
}

#[test]
fn show_draws_the_curves_of_searches() {
    let space = TestSpace::new().pipeline(SEARCHES);
    space.run(&[]).success();
    let shown = space.phytotron("show").success();
    shown
        .says("search[strategy=random]: mean score of the latest 3 trials, 60 trials, best 0.9")
        .says("⣀");
}
