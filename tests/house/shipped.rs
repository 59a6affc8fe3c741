//! What ships must work: schemas, pipelines and the commands of the README.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::PROGRAM;

/// The smallest parameters of each ready study.
pub(super) const SMALLEST: &[(&str, &[&str])] = &[
    ("compare-strategies", &["trials=30", "repeats=[1, 2]"]),
    ("fashion-mnist", &["epochs=1", "filters=4", "cells=1"]),
    (
        "metaqnn-leaves",
        &[
            "images=160",
            "test_images=60",
            "hour.children=2",
            "hour.fraction=0.5",
            "hour.epochs=1",
            "hour.top=1",
            "hour.final_epochs=1",
        ],
    ),
    ("metaqnn-paper", &["trials=40"]),
    ("mock-vs-real", &["sample=3", "trials=20", "finalists=2", "epochs=1", "images=100"]),
    (
        "nasnet-leaves",
        &[
            "images=160",
            "test_images=60",
            "hour.trials=20",
            "hour.filters=4",
            "hour.final_filters=4",
            "hour.top=1",
            "hour.final_epochs=1",
        ],
    ),
    ("quickstart", &["trials=12", "top=1", "scoring_epochs=1", "scoring_images=100", "epochs=1"]),
    (
        "transfer",
        &["images=160", "test_images=60", "trials=20", "cells=1", "filters=4", "epochs=1"],
    ),
    (
        "zoph-layerwise",
        &[
            "images=160",
            "test_images=60",
            "layers=3",
            "first_layers=1",
            "grow_every=1",
            "children=2",
            "fraction=0.5",
            "epochs=1",
            "rescored=1",
            "seeds=2",
            "top=1",
            "final_epochs=1",
        ],
    ),
];

#[test]
fn schemas_are_fresh() {
    let output =
        Command::new(PROGRAM).args(["schema", "--check"]).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn shipped_pipelines_fit_their_schema() {
    let schema = fs::read_to_string(root().join("schemas/pipeline.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for file in pipelines() {
        let yaml = fs::read_to_string(&file).unwrap();
        let pipeline: Value = serde_yaml::from_str(&yaml).unwrap();
        let mistakes: Vec<String> = validator
            .iter_errors(&pipeline)
            .map(|mistake| format!("{}: {mistake}", mistake.instance_path()))
            .collect();
        assert!(mistakes.is_empty(), "{}: {}", file.display(), mistakes.join("\n"));
    }
}

#[test]
fn every_ready_study_runs_at_its_smallest_and_then_does_nothing() {
    let names: Vec<String> = pipelines().iter().map(|file| stem(file)).collect();
    let known: Vec<&str> = SMALLEST.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, known, "each study needs its smallest parameters");
    let project = project();
    for &(name, parameters) in SMALLEST {
        let file = format!("pipelines/{name}.yaml");
        let mut arguments = vec!["run", &file];
        for parameter in parameters {
            arguments.extend(["-p", parameter]);
        }
        let first = phytotron(project.path(), &arguments);
        assert!(first.status.success(), "{name}: {}", text(&first));
        let again = phytotron(project.path(), &arguments);
        assert!(text(&again).contains("all cached"), "{name}: {}", text(&again));
    }
}

/// With everything to be tested, at full size; else at the quickstart's smallest, since an unoptimised
/// build trains for minutes.
#[test]
fn the_commands_of_the_readme_work() {
    let project = project();
    let full = std::env::var_os("PHYTOTRON_TEST_ALL").is_some();
    let commands = readme_commands();
    assert!(commands.len() > 8, "the README lost its tour: {commands:?}");
    for command in commands {
        let mut words: Vec<&str> = command.split_whitespace().collect();
        let takes_parameters = words.iter().any(|word| word.starts_with("pipelines/"));
        if !full && takes_parameters {
            for parameter in smallest("quickstart") {
                let key = parameter.split_once('=').unwrap().0;
                if !words.iter().any(|word| word.starts_with(&format!("{key}="))) {
                    words.extend(["-p", parameter]);
                }
            }
        }
        let output = phytotron(project.path(), &words);
        assert!(output.status.success(), "{command}: {}", text(&output));
    }
    let summary = fs::read_to_string(project.path().join("best-network/summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    let accuracy = summary["chosen"]["test_accuracy"].as_f64().unwrap();
    if full {
        assert!(accuracy >= 0.85, "the README promises 0.85, the test gave {accuracy}");
    }
    assert!(project.path().join("out/quickstart/report.html").is_file());
}

/// The smallest parameters of a ready study.
fn smallest(study: &str) -> &'static [&'static str] {
    SMALLEST.iter().find(|(name, _)| *name == study).expect("a ready study").1
}

/// Arguments of every phytotron command in the README's shell blocks, in order.
fn readme_commands() -> Vec<String> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let mut commands = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside => {
                let line = line.split('#').next().unwrap_or_default().trim();
                let line = line.replace("cargo run --release --", "phytotron");
                commands.extend(line.strip_prefix("phytotron ").map(str::to_owned));
            }
            _ => {}
        }
    }
    commands
}

/// A copy of what a study needs, in a folder of its own.
pub(super) fn project() -> tempfile::TempDir {
    let project = tempfile::tempdir().unwrap();
    for folder in ["pipelines", "stages", "data"] {
        copy(&root().join(folder), &project.path().join(folder));
    }
    project
}

pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else if to.extension().is_none_or(|extension| extension != "lock") {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

pub(super) fn phytotron(project: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(arguments)
        .current_dir(project)
        .env_remove("PHYTOTRON_STORE")
        .output()
        .unwrap()
}

pub(super) fn pipelines() -> Vec<PathBuf> {
    yaml_files("pipelines")
}

pub(super) fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files
}

pub(super) fn stem(file: &Path) -> String {
    file.file_stem().unwrap().to_string_lossy().into_owned()
}

pub(super) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
