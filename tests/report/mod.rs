//! Reports on example artifacts: what a page says, that its bytes are frozen, and that markup in
//! user-given words stays text.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod example;
mod hostile;
mod pages;
mod protocol;
mod runs;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use example::{CLASSES, Example};
use phytotron::artifact::{ArtifactType, Coordinates, StageId};
use phytotron::digest::{Digest, Hasher};
use phytotron::event::{Ending, Silent};
use phytotron::manifest::Manifest;
use phytotron::record::Cost;
use phytotron::report::{self, Findings, Options, RunFacts, Sources, StageFacts};
use phytotron::results::{ModelsSummary, Trial};
use phytotron::stage::{Input, Job, JobFile, Paths, Registry, StageError, Stop};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with the example's artifacts and a place for the report.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn example(&self) -> Example {
        Example::new(&self.folder.path().join("artifacts"))
    }

    /// The report's files by relative path.
    fn report(&self, sources: &Sources) -> BTreeMap<String, String> {
        let folder = self.folder.path().join("report");
        write(sources, &folder);
        files(&folder)
    }

    /// The page alone.
    fn page(&self, sources: &Sources) -> String {
        self.report(sources).remove("report.html").unwrap()
    }
}

fn write(sources: &Sources, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let findings = Findings::read(sources).unwrap();
    let options = Options { title: None, question: None, top: 10 };
    report::write(&findings, &options, folder).unwrap();
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            let inner = files(&entry.path());
            found.extend(inner.into_iter().map(|(path, text)| (format!("{name}/{path}"), text)));
        } else {
            let bytes = fs::read(entry.path()).unwrap();
            let is_picture = has_ending(&name, "png");
            // What is no text stands here by its digest.
            let text =
                String::from_utf8(bytes).unwrap_or_else(|e| Digest::of(e.as_bytes()).to_string());
            assert!(is_picture || !text.is_empty(), "{name} is empty");
            found.insert(name, text);
        }
    }
    found
}

fn digest(files: &BTreeMap<String, String>) -> Digest {
    let mut hasher = Hasher::new();
    for (path, text) in files {
        for part in [path, text] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
    }
    hasher.digest()
}

/// Changes a JSON file.
fn edit(file: &Path, change: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    change(&mut value);
    fs::write(file, value.to_string()).unwrap();
}

/// What is left of a page's body when tags are gone: enough to read sentences.
fn words(html: &str) -> String {
    let body = html.split_once("<body>").map_or(html, |(_, body)| body);
    let body = body.split("<script>").next().unwrap_or(body);
    let mut text = String::new();
    let mut rest = body;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        let (tag, after) = after.split_once('>').unwrap_or((after, ""));
        // Words in a line of prose go on; everything else begins anew.
        if !["strong", "/strong", "code", "/code"].contains(&tag) {
            text.push(' ');
        }
        rest = after;
    }
    text.push_str(rest);
    text.replace('\u{a0}', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_study_gives_page_markdown_tables_and_figures() {
    let bench = Bench::new();
    let files = bench.report(&bench.example().sources());
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    // Each picture is SVG and PNG; each table CSV and JSON.
    let both = |one: &str, other: &str, but: &[&str]| -> Vec<&str> {
        let stems = |ending: &str| -> Vec<&str> {
            let stems = names.iter().filter_map(|name| name.strip_suffix(ending));
            stems.filter(|stem| !but.iter().any(|photo| stem.contains(photo))).collect()
        };
        assert_eq!(stems(one), stems(other));
        stems(one)
    };
    insta::assert_snapshot!(both(".svg", ".png", &["sample", "mistake"]).join("\n"), @r"
    figures/agreement
    figures/architecture
    figures/confusion
    figures/front-2
    figures/front-parameters-2
    figures/front-parameters
    figures/front
    figures/q-values
    figures/search-curve
    figures/search-exploration
    figures/training-accuracy
    figures/training-loss
    ");
    insta::assert_snapshot!(both(".csv", ".json", &[]).join("\n"), @r"
    models
    networks
    tables/agreement-rank-correlations
    tables/architecture-operations-in-order
    tables/checklist-best-practices
    tables/cost-where-epochs-went
    tables/data-dataset
    tables/data-images-by-class-and-split
    tables/data-images-left-out
    tables/finals-most-frequent-mix-ups
    tables/finals-networks-trained-in-full
    tables/finals-recall-and-precision-of-each-class
    tables/front-networks-on-the-front-2
    tables/front-networks-on-the-front
    tables/networks-best-by-the-mock-evaluator-in-space-chain
    tables/networks-best-by-the-train-evaluator-in-space-chain
    tables/provenance-course-of-the-search
    tables/provenance-evaluator
    tables/provenance-images-that-networks-were-built-for
    tables/provenance-reward
    tables/provenance-search-space
    tables/provenance-strategy
    tables/search-all-inputs-with-trials
    tables/search-scores-by-exploration-rate
    trials
    ");
    let photos = |stem: &str| names.iter().filter(|name| name.contains(stem)).count();
    assert_eq!((photos("sample-"), photos("mistake-")), (60, 3));
    assert_eq!(files["trials.csv"].lines().count(), 1 + 300 + 24);
    assert_eq!(files["models.csv"].lines().count(), 1 + 4);
}

#[test]
fn the_headline_states_accuracy_with_interval_and_warns_of_mock_scores() {
    let bench = Bench::new();
    let page = words(&bench.page(&bench.example().sources()));
    for sentence in [
        "gets 91.2 % of 1,000 test images right (95 % Wilson interval: 89.3 to 92.8 %). It was chosen \
         by its search score, before the test set was read.",
        "Some search scores here are made up by the mock evaluator: no network was trained for them.",
        "Test accuracies come from real training.",
        "24 networks scored twice; Spearman&#39;s rank correlation is 0.71 (95 % bootstrap: ",
        "485 k parameters and 31.5 M multiply-adds for one image.",
        "Left out, because they could not be read: 1 image.",
    ] {
        assert!(page.contains(sentence), "missing: {sentence}");
    }
}

#[test]
fn equal_inputs_in_other_folders_give_equal_bytes() {
    let (one, two) = (Bench::new(), Bench::new());
    let report = |bench: &Bench| bench.report(&bench.example().sources());
    assert_eq!(report(&one), report(&two));
}

/// Fails when the bytes of a report change: then raise the version of the component `report`, or
/// cached reports would differ from fresh ones under one key.
#[test]
fn bytes_are_frozen() {
    let bench = Bench::new();
    let component = Registry::standard().get("report").unwrap();
    let stage = component.revive(&json!({})).unwrap();
    let digests = [
        digest(&bench.report(&bench.example().sources())).short(),
        digest(&Bench::new().report(&bench.example().matrix())).short(),
    ];
    let frozen = format!("version {}: {}", stage.components()[0].version, digests.join(" "));
    insta::assert_snapshot!(frozen, @"version 8: a08e431c22b8 5738ffdbf5d5");
}

#[test]
fn the_page_needs_no_network_and_no_script() {
    let bench = Bench::new();
    let page = bench.page(&bench.example().sources());
    for outside in ["http://", "https://", "src=\"", "url(", "@import", "<link"] {
        let found = page.replace("http://www.w3.org/2000/svg", "");
        let found = found.replace("src=\"data:image/png;base64,", "");
        assert!(!found.contains(outside), "{outside}");
    }
    assert!(page.contains("default-src 'none'"), "the page does not forbid itself the network");
    let without_script = page.split("<script>").next().unwrap();
    assert!(
        without_script.contains("<td class=\"number\" data-key=\"484586\">485"),
        "tables need the script"
    );
    // Every figure has a name and a description for readers who cannot see it.
    let figures = page.matches("<svg ").count();
    assert_eq!(page.matches("role=\"img\" aria-labelledby=").count(), figures);
    let mut ids: Vec<&str> =
        page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "ids repeat");
}

#[test]
fn tags_are_balanced() {
    let bench = Bench::new();
    let mut sources = bench.example().sources();
    sources.trials.extend(bench.example().matrix().trials);
    for (name, text) in bench.report(&sources) {
        if is_markup(&name) {
            check_tags(&name, &text);
        }
    }
}

fn is_markup(name: &str) -> bool {
    ["html", "svg"].iter().any(|ending| has_ending(name, ending))
}

fn is_markdown(name: &str) -> bool {
    has_ending(name, "md")
}

fn has_ending(name: &str, ending: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == ending)
}

/// Every tag is closed in order; enough of a parser for what this room writes.
fn check_tags(name: &str, text: &str) {
    let text = text.replacen("<!doctype html>", "", 1);
    let mut open: Vec<String> = Vec::new();
    let mut rest = text.as_str();
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, after) = after.split_once('>').unwrap();
        rest = after;
        let word = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap();
        if tag.starts_with("!--") || tag.ends_with('/') || ["meta", "img"].contains(&word) {
            continue;
        }
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_deref(), Some(word), "{name}: </{word}>");
        } else {
            open.push(word.to_owned());
            if word == "script" || word == "style" {
                rest = &rest[rest.find(&format!("</{word}>")).unwrap()..];
            }
        }
    }
    assert!(open.is_empty(), "{name}: {open:?} are not closed");
}

#[test]
fn markup_in_names_and_genotypes_stays_text() {
    const EVIL: &str = "<script>alert('x')</script>|`*\"&";
    let bench = Bench::new();
    let sources = bench.example().sources();
    edit(&sources.models[0].folder.join("summary.json"), |summary| {
        summary["classes"][3] = json!(EVIL);
        summary["models"][0]["genotype"] = json!(EVIL);
        summary["chosen"]["genotype"] = json!(EVIL);
        summary["models"][1]["failure"] = json!(EVIL);
    });
    edit(&sources.trials[0].folder.join("card.json"), |card| {
        card["strategy"]["kind"] = json!(EVIL);
    });
    edit(&sources.data.as_ref().unwrap().folder.join("card.json"), |card| {
        card["source"] = json!(EVIL);
        card["broken"][0][0] = json!(EVIL);
    });
    let trials = sources.trials[0].folder.join("trials.jsonl");
    let evil = serde_json::to_string(EVIL).unwrap();
    let text = fs::read_to_string(&trials).unwrap();
    let text = text.replacen(
        "\"failure\":\"loss is not finite after 3 steps\"",
        &format!("\"failure\":{evil}"),
        1,
    );
    let mut best: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    best["genotype"] = json!(EVIL);
    best["score"] = json!(0.999);
    fs::write(&trials, format!("{text}{best}\n")).unwrap();

    let files = bench.report(&sources);
    for (name, text) in &files {
        if is_markup(name) || is_markdown(name) {
            let own = usize::from(name == "report.html");
            assert_eq!(
                text.matches("<script").count(),
                own + code_in_markdown(name, text),
                "{name}"
            );
        }
        if is_markup(name) {
            check_tags(name, text);
        }
    }
    assert!(files["report.html"].matches("&lt;script&gt;").count() > 5);
    let rows: Vec<Value> = serde_json::from_str(&files["models.json"]).unwrap();
    assert_eq!(rows[0]["genotype"], EVIL);
}

/// In Markdown, code spans hold what they hold: renderers escape it.
fn code_in_markdown(name: &str, text: &str) -> usize {
    if is_markdown(name) { text.matches("`` <script").count() } else { 0 }
}

#[test]
fn many_trials_are_thinned_with_a_note() {
    let bench = Bench::new();
    let card = example::card("random", example::mock_evaluator());
    let trials = example::trials(3, "random", 12_000);
    let source = bench.example().trials("many", Coordinates::default(), &card, &trials);
    let page = bench.page(&Sources { trials: vec![source], ..Sources::default() });
    let scored = trials.iter().filter(|trial| trial.failure.is_none()).count();
    let kept = scored.div_ceil(scored.div_ceil(3000));
    let note = format!(
        "of {} scores are drawn; the lines use all of them.",
        phytotron::wording::thousands(scored as u64)
    );
    assert!(words(&page).contains(&note), "{note}");
    let dots = page.split("class=\"dots s0\" d=\"").nth(1).unwrap().split('"').next().unwrap();
    let drawn = dots.matches("h0").count();
    assert!((kept..=kept + 1).contains(&drawn), "{drawn} dots of {kept}");
}

#[test]
fn what_a_proxy_measured_stands_beside_its_score_as_it_is() {
    let bench = Bench::new();
    let mut trials = example::trials(1, "random", 12);
    for (trial, value) in trials.iter_mut().zip([7.25e12, 0.5]) {
        trial.measures = BTreeMap::from([("synflow".to_owned(), value)]);
    }
    let again =
        Trial { measures: BTreeMap::from([("synflow".to_owned(), 1.5)]), ..trials[1].clone() };
    trials.push(again);
    let card = example::card("random", json!({ "kind": "proxy", "measure": "synflow" }));
    let source = bench.example().trials("a", Coordinates::default(), &card, &trials);
    let report = bench.report(&Sources { trials: vec![source], ..Sources::default() });
    let page = words(&report["report.html"]);
    assert!(page.contains("synflow") && page.contains("7.250e12"), "{page}");
    let row = |file: &str, genotype: &str| -> Vec<String> {
        let lines = report[file].lines().filter(|line| line.contains(genotype));
        lines.map(|line| line.rsplit(',').next().unwrap().to_owned()).collect()
    };
    assert!(report["trials.csv"].lines().next().unwrap().ends_with(",measure.synflow"));
    assert_eq!(row("trials.csv", &trials[1].genotype), ["0.5", "1.5"]);
    assert_eq!(row("networks.csv", &trials[1].genotype), ["1.0"], "the mean of both");
    assert_eq!(row("networks.csv", &trials[2].genotype), [""]);
    let without = bench.page(&bench.example().sources());
    assert!(!words(&without).contains("synflow"));
}

#[test]
fn nothing_to_report_is_said() {
    let bench = Bench::new();
    let page = words(&bench.page(&Sources::default()));
    assert!(page.contains("There is nothing to report yet"));
    let card = example::card("random", example::mock_evaluator());
    let source = bench.example().trials("none", Coordinates::default(), &card, &[]);
    let page = words(&bench.page(&Sources { trials: vec![source], ..Sources::default() }));
    assert!(page.contains("There is nothing to report yet"));
}

#[test]
fn a_broken_artifact_is_named_with_file_and_line() {
    let bench = Bench::new();
    let sources = bench.example().sources();
    let place = bench.folder.path().to_str().unwrap().to_owned();
    let message = |sources: &Sources| {
        let error = StageError::from(Findings::read(sources).unwrap_err());
        error.to_string().replace(&place, "…")
    };
    let folder = |index: usize| sources.trials[index].folder.clone();

    let trials = folder(0).join("trials.jsonl");
    let whole = fs::read_to_string(&trials).unwrap();
    fs::write(&trials, whole.replacen("\"score\":", "\"scored\":", 1)).unwrap();
    insta::assert_snapshot!(message(&sources), @"input `trials` cannot be used: `…/artifacts/search/trials.jsonl` line 1: missing field `score` at line 1 column 191");
    fs::remove_file(&trials).unwrap();
    insta::assert_snapshot!(message(&sources), @"input `trials` cannot be used: cannot read `…/artifacts/search/trials.jsonl`: No such file or directory (os error 2)");
    fs::write(&trials, whole).unwrap();

    let summary = sources.models[0].folder.join("summary.json");
    edit(&summary, |summary| summary["models"][2]["confusion"] = json!([[1, 2], [3, 4]]));
    insta::assert_snapshot!(message(&sources), @"`summary.json` of input `models` cannot be used: the confusion matrix of network 3 does not have 10 rows and columns");
    edit(&summary, |summary| summary["models"][2]["confusion"] = json!([]));

    let network = sources.models[0].folder.join("models/01/network.json");
    edit(&network, |network| network["nodes"][1]["inputs"] = json!([7]));
    insta::assert_snapshot!(message(&sources), @"`models/01/network.json` of input `models` cannot be used: layer `conv0` does not read an earlier layer");
}

#[test]
fn a_network_of_cells_is_drawn_as_its_cells() {
    let bench = Bench::new();
    let sources = bench.example().sources();
    let drawing = sources.models[0].folder.join("models/01/drawing.json");
    let cell = |title: &str| {
        json!({"title": title, "blocks": [
            {"name": "0", "lines": ["last cell"], "reads": []},
            {"name": "1", "lines": ["cell before"], "reads": []},
            {"name": "2", "lines": ["sep5x5 of 0", "id of 1", "add"], "reads": [0, 1]},
            {"name": "output", "lines": ["concat"], "reads": [2]},
        ]})
    };
    let both = json!({"diagrams": [cell("Normal cell"), cell("Reduction cell")]});
    fs::write(&drawing, both.to_string()).unwrap();
    let report = bench.report(&sources);
    assert!(words(&report["report.html"]).contains("Normal cell of the chosen network"));
    assert!(report["figures/architecture.svg"].contains(">sep5x5 of 0</text>"));
    assert!(report.contains_key("figures/architecture-1.svg"));

    edit(&drawing, |drawing| drawing["diagrams"][0]["blocks"][2]["reads"] = json!([3]));
    let error = Findings::read(&sources).unwrap_err().to_string();
    assert!(error.contains("a block of `Normal cell` does not read earlier ones"), "{error}");
}

#[test]
fn a_ruined_network_has_no_accuracy() {
    let bench = Bench::new();
    let sources = bench.example().sources();
    edit(&sources.models[0].folder.join("summary.json"), |summary| {
        summary["models"][1]["failure"] = json!("loss is not finite in epoch 2");
    });
    let page = words(&bench.page(&sources));
    assert!(page.contains("– – 0.8813 485 k 31.5 M 0.2034 12 loss is not finite in epoch 2"));
}

#[test]
fn classes_without_names_take_the_datasets() {
    let bench = Bench::new();
    let sources = bench.example().sources();
    let file = sources.models[0].folder.join("summary.json");
    let mut summary: ModelsSummary =
        serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    summary.classes = (0..CLASSES.len()).map(|class| class.to_string()).collect();
    fs::write(&file, serde_json::to_string(&summary).unwrap()).unwrap();
    assert!(bench.report(&sources)["figures/confusion.svg"].contains(">ankle boot</text>"));
}

#[test]
fn the_stage_writes_the_same_report_whatever_its_inputs_are_called() {
    let bench = Bench::new();
    let sources = bench.example().sources();
    let run = |name: &str| {
        let folder = bench.folder.path().join(name);
        fs::create_dir_all(folder.join("report")).unwrap();
        let file = job(&sources, &folder, name);
        let stage = Registry::standard().get("report").unwrap().revive(&file.config).unwrap();
        let job = Job { file: &file, events: &Silent, stop: Stop::default() };
        stage.run(&job).unwrap();
        files(&folder.join("report"))
    };
    let report = run("search");
    assert_eq!(report, run("another_name"));
    assert!(report["report.html"].contains("<title>Leaves &amp; chains</title>"));
    assert!(words(&report["report.html"]).contains("3 of 24 networks from 24 trials."));
}

fn job(sources: &Sources, outputs: &Path, name: &str) -> JobFile {
    let input = |source: &report::Source, kind: ArtifactType| Input {
        stage: StageId { name: name.to_owned(), coordinates: Coordinates::default() },
        coordinates: source.coordinates.clone(),
        kind,
        tree: Digest::of(b"tree"),
        path: source.folder.clone(),
    };
    let inputs =
        |sources: &[report::Source], kind| sources.iter().map(|s| input(s, kind)).collect();
    let data = sources.data.iter().map(|source| input(source, ArtifactType::Dataset)).collect();
    JobFile {
        stage: StageId { name: name.to_owned(), coordinates: Coordinates::default() },
        kind: "report".to_owned(),
        config: json!({ "title": "Leaves & chains", "top": 3 }),
        components: BTreeMap::new(),
        fingerprint: Digest::of(b"fingerprint"),
        pipeline_seed: 7,
        inputs: BTreeMap::from([
            ("trials".to_owned(), inputs(&sources.trials, ArtifactType::Trials)),
            ("models".to_owned(), inputs(&sources.models, ArtifactType::Models)),
            ("data".to_owned(), data),
        ]),
        files: BTreeMap::new(),
        paths: Paths {
            project: outputs.to_owned(),
            store: outputs.to_owned(),
            scratch: outputs.to_owned(),
            outputs: outputs.to_owned(),
            checkpoint: outputs.to_owned(),
            earlier: None,
            profile: None,
        },
        threads: 1,
        shared_trials: None,
    }
}

fn manifest(kind: &str) -> Manifest {
    let mut manifest = Manifest::default();
    manifest.line("kind", &kind);
    manifest.line("with.budget.trials", &300);
    manifest
}

fn run_facts() -> RunFacts {
    let stage = |name: &str, ending, started_secs, secs: f64| StageFacts {
        stage: StageId { name: name.to_owned(), coordinates: Coordinates::default() },
        ending,
        started_secs,
        secs,
        cost: Some(Cost { wall_secs: 12.5, cpu_secs: 23.0, peak_memory_bytes: 180 << 20 }),
        host: Some("nursery".to_owned()),
        fingerprint: Some(Digest::of(name.as_bytes())),
        manifest: Some(manifest(name)),
    };
    RunFacts {
        pipeline: "quickstart".to_owned(),
        run: "2026-11-24-1".to_owned(),
        started_at: 1_795_512_600,
        secs: 81.0,
        host: "greenhouse".to_owned(),
        hardware: vec![
            ("processor".to_owned(), "two cores of something".to_owned()),
            ("memory".to_owned(), "8.0 GiB".to_owned()),
        ],
        versions: BTreeMap::from([("phytotron".to_owned(), "0.1.0".to_owned())]),
        question: Some("Which chain network tells ten kinds of clothes apart?".to_owned()),
        commands: vec![(
            "Run it again".to_owned(),
            "phytotron run pipelines/quickstart.yaml -p trials=300".to_owned(),
        )],
        unverified: Vec::new(),
        stages: vec![
            stage("data", Ending::Cached, None, 0.0),
            stage("search", Ending::Done, Some(0.1), 6.2),
            stage("evaluate", Ending::Done, Some(6.3), 21.0),
            stage("retrain", Ending::Done, Some(27.4), 50.1),
            stage("report", Ending::Done, Some(77.6), 0.2),
        ],
    }
}

#[test]
fn run_facts_are_added_to_a_page_and_stay_out_of_the_artifact() {
    let bench = Bench::new();
    let artifact = bench.page(&bench.example().sources());
    assert!(!words(&artifact).contains("This run"));
    let view = report::page::with_run_facts(&artifact, &run_facts());
    check_tags("view", &view);
    let view = words(&view);
    for sentence in [
        "Run 2026-11-24-1 began 2026-11-24 09:30 UTC and took 1 min 21 s. Known already: 1 of 5 stages, \
         which saved 12.5 s. All results here cost 1 min 55 s of processor time.",
        "retrain done 50.1 s 12.5 s 23.0 s 180.0 MiB",
        "earlier results come from nursery",
        "Run it again: phytotron run pipelines/quickstart.yaml -p trials=300",
        "Which chain network tells ten kinds of clothes apart? Best architecture",
        "Manifest of search line value kind search with.budget.trials 300",
    ] {
        assert!(view.contains(sentence), "missing: {sentence}");
    }
}

/// Example reports as files; in the folder that `REPORT_EXAMPLES` names they can be looked at.
#[test]
fn example_reports_are_written_for_looking_at() {
    let bench = Bench::new();
    let temporary = tempfile::tempdir().unwrap();
    let named = std::env::var_os("REPORT_EXAMPLES").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| temporary.path().to_owned());
    write(&bench.example().sources(), &folder.join("study"));
    write(&bench.example().matrix(), &folder.join("matrix"));
    let page = fs::read_to_string(folder.join("study/report.html")).unwrap();
    let view = report::page::with_run_facts(&page, &run_facts());
    assert!(view.len() > page.len());
    fs::write(folder.join("view.html"), view).unwrap();
}
