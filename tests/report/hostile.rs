//! Hostile words in every field that somebody else writes: they stay words, in every file.

use std::fs;
use std::path::Path;

use phytotron::artifact::{Coordinates, StageId};
use phytotron::report::{self, Findings, Options, RunFacts, Sources};
use serde_json::{Value, json};

use super::{Bench, check_tags, edit, files, has_ending, is_markdown, is_markup, run_facts};
use crate::support::browser::{Browser, is_sound};

/// Markup that ends whatever it stands in, quotes, a turn of direction, and ten thousand letters.
fn evil() -> String {
    let markup = "</title></style></script></svg></td>--><script>pwned=1</script>\
                  <img src=x onerror=pwned=1>{{7*7}}\"'`|";
    format!("{markup}\u{202e}gnorw\u{2067}\u{200f}{}", "n".repeat(10_000))
}

/// The example with hostile words wherever an artifact has words.
fn hostile_sources(bench: &Bench) -> Sources {
    let evil = evil();
    let mut sources = bench.example().sources();
    let cell = |key: &str| Coordinates([(key.to_owned(), evil.clone())].into());
    sources.trials[0].coordinates = cell("strategy");
    sources.models[0].coordinates = cell("repeat");
    sources.controllers[0].coordinates = Coordinates([(evil.clone(), "1".to_owned())].into());
    for source in &sources.trials {
        edit(&source.folder.join("card.json"), |card| {
            card["strategy"]["kind"] = json!(evil);
            card["strategy"][&evil] = json!(evil);
            card["space"]["kind"] = json!(evil);
            card["evaluator"][&evil] = json!([evil, { "x": evil }]);
        });
        spoil_trials(&source.folder.join("trials.jsonl"), &evil);
    }
    let models = &sources.models[0].folder;
    edit(&models.join("summary.json"), |summary| {
        summary["classes"][3] = json!(evil);
        summary["models"][0]["genotype"] = json!(evil);
        summary["chosen"]["genotype"] = json!(evil);
        summary["models"][1]["failure"] = json!(evil);
        summary["ensemble"]["genotype"] = json!(evil);
    });
    edit(&models.join("models/01/network.json"), |network| {
        network["nodes"][1]["path"] = json!(evil);
    });
    let drawing = json!({ "diagrams": [{ "title": evil, "blocks": [
        { "name": "0", "lines": [evil], "reads": [] },
        { "name": evil, "lines": [evil, evil], "reads": [0],
          "operations": [{ "name": evil, "reads": 0 }, { "name": "id", "reads": 0 }] },
    ]}]});
    fs::write(models.join("models/01/drawing.json"), drawing.to_string()).unwrap();
    let table = format!(
        "state,action,value,visits\n\"0 x\",\"{q}\",0.5,3\n\"4 x\",\"{q}\",0.6,3\n",
        q = evil.replace('"', "\"\"")
    );
    fs::write(sources.controllers[0].folder.join("q_table.csv"), table).unwrap();
    spoil_data(&sources.data.as_ref().unwrap().folder, &evil);
    sources
}

fn spoil_trials(file: &Path, evil: &str) {
    let text = fs::read_to_string(file).unwrap();
    let mut lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines[0]["failure"] = json!(evil);
    lines[1]["genotype"] = json!(evil);
    lines[1]["score"] = json!(0.999);
    lines[2]["measures"] = json!({ evil: 0.5 });
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    fs::write(file, lines.join("\n")).unwrap();
}

/// Class names stand in two files that must agree.
fn spoil_data(folder: &Path, evil: &str) {
    edit(&folder.join("card.json"), |card| {
        card["source"] = json!(evil);
        card["classes"][3] = json!(evil);
        card["broken"][0] = json!([evil, evil]);
    });
    let index = folder.join("index.csv");
    let quoted = format!(",\"{}\",", evil.replace('"', "\"\""));
    let text = fs::read_to_string(&index).unwrap().replace(",dress,", &quoted);
    fs::write(index, text).unwrap();
}

fn hostile_facts() -> RunFacts {
    let evil = evil();
    let mut facts = run_facts();
    facts.pipeline.clone_from(&evil);
    facts.run.clone_from(&evil);
    facts.host.clone_from(&evil);
    facts.question = Some(evil.clone());
    facts.hardware = vec![(evil.clone(), evil.clone())];
    facts.versions = [(evil.clone(), evil.clone())].into();
    facts.commands = vec![(evil.clone(), evil.clone())];
    facts.stages[1].stage = StageId { name: evil.clone(), coordinates: Coordinates::default() };
    facts.stages[1].host = Some(evil.clone());
    facts.stages[1].manifest.as_mut().unwrap().line(&*evil, &evil);
    facts
}

/// Hostile page and all its files.
fn written(bench: &Bench) -> std::collections::BTreeMap<String, String> {
    let findings = Findings::read(&hostile_sources(bench)).unwrap();
    let folder = bench.folder.path().join("report");
    fs::create_dir_all(&folder).unwrap();
    let options = Options { title: Some(evil()), question: Some(evil()), top: 10 };
    report::write(&findings, &options, &folder).unwrap();
    let mut files = files(&folder);
    let page = report::page::with_run_facts(&files["report.html"], &hostile_facts());
    files.insert("view.html".to_owned(), page);
    files
}

#[test]
fn hostile_words_stay_words_in_every_file() {
    let files = written(&Bench::new());
    for (name, text) in &files {
        if is_markup(name) {
            check_tags(name, text);
            let own = usize::from(Path::new(name).extension().unwrap() == "html");
            assert_eq!(text.matches("<script").count(), own, "{name}");
            assert!(!text.contains("<img src=x"), "{name}");
        }
        if is_markup(name) || is_markdown(name) {
            let turning = text.contains(['\u{202e}', '\u{2067}', '\u{200f}']);
            assert!(!turning, "{name} turns the direction of text");
        }
        assert!(name.len() < 120 && !name.contains(".."), "{name}");
    }
    assert!(files["report.html"].len() < 2_000_000, "{} bytes", files["report.html"].len());
    let rows: Vec<Value> = serde_json::from_str(&files["models.json"]).unwrap();
    assert_eq!(rows[0]["genotype"], evil(), "machines read it as it is");
    for (name, text) in files.iter().filter(|(name, _)| has_ending(name, "json")) {
        assert!(serde_json::from_str::<Value>(text).is_ok(), "{name}");
    }
}

#[test]
fn a_browser_runs_none_of_it_and_the_page_still_fits() {
    let Some(browser) = Browser::find() else { return };
    let page = &written(&Bench::new())["view.html"];
    let page = page.replacen(
        "</body>",
        "<script>if (window.pwned) throw new Error('words ran as a script')</script></body>",
        1,
    );
    for width in [400, 1600] {
        is_sound(&browser.try_out(&page, width));
    }
}
