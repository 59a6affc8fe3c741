//! The commands of docs/sharing.md work, in order: through a folder and a bucket with a study that takes a
//! moment, and through a bundle at the quickstart's smallest.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::shipped::{SMALLEST, project, root};
use crate::support::moto::{Moto, moto, sign};
use crate::support::{PROGRAM, TestSpace};

fn page() -> String {
    fs::read_to_string(root().join("docs/sharing.md")).unwrap()
}

/// The page from `heading` on, to the next heading of its rank.
fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let section = &page[page.find(heading).expect("the page has this heading")..];
    let next = section[heading.len()..].find("\n## ").map(|at| at + heading.len());
    &section[..next.unwrap_or(section.len())]
}

/// Languages and texts of the blocks of a part of the page.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut inside: Option<(String, String)> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut inside) {
            (Some(language), None) => inside = Some((language.to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(inside.take()),
            (None, Some((_, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// The quickstart with its smallest parameters as defaults: the page's commands set none.
fn make_small(quickstart: &str) -> String {
    let (_, parameters) = SMALLEST.iter().find(|(name, _)| *name == "quickstart").unwrap();
    let small = |line: &str| {
        let key = line.trim_start().split(':').next().unwrap_or_default();
        let given = parameters.iter().find_map(|text| text.strip_prefix(key)?.strip_prefix('='));
        given
            .filter(|_| line.starts_with("  ") && !line.starts_with("   "))
            .map_or_else(|| line.to_owned(), |value| format!("  {key}: {value}"))
    };
    quickstart.lines().map(small).collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn the_commands_around_bundles_work() {
    let page = page();
    let project = project();
    fs::create_dir(project.path().join(".phytotron")).unwrap();
    let quickstart = project.path().join("pipelines/quickstart.yaml");
    fs::write(&quickstart, make_small(&fs::read_to_string(&quickstart).unwrap())).unwrap();
    let mut commands = 0;
    for (language, text) in blocks(&page[page.find("## One file").unwrap()..]) {
        if let Some(path) = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# "))
            .filter(|_| language == "yaml")
        {
            fs::write(project.path().join(path), &text).unwrap();
        }
        for line in text.lines().filter(|_| language == "sh") {
            let mut command = Command::new(PROGRAM);
            command.args(line.split_whitespace().skip(1)).current_dir(project.path());
            let output = command.env_remove("PHYTOTRON_STORE").output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{line}: {said}");
            commands += 1;
        }
    }
    assert!(commands >= 9, "the page lost its commands: {commands}");
}

/// Every kind of stage that is quick.
const STUDY: &str = "
seed: 7
stages:
  leaves: { use: dataset, with: { source: { kind: leaves, images: 80, size: 16 }, split: { validation: 0.2, test: 20 } } }
  search: { use: search, inputs: { data: leaves }, with: { space: { kind: chain }, strategy: random, budget: { trials: 20 }, evaluator: mock } }
  report: { use: report, inputs: { trials: search } }
";

/// Commands of the shell blocks in `section`, one list a block, with `lab` called `remote`.
fn commands(section: &str, remote: &str) -> Vec<Vec<String>> {
    let said = |line: &str| line.split(" # ").next().unwrap_or_default().trim().to_owned();
    let shell = blocks(section).into_iter().filter(|(language, _)| language == "sh");
    let named = |(_, text): (String, String)| {
        text.replace("--remote lab", &format!("--remote {remote}")).lines().map(said).collect()
    };
    shell.map(named).collect()
}

/// Runs one command of the page and returns what it says.
fn run(folder: &Path, line: &str) -> String {
    let words = line.strip_prefix("phytotron ").expect("a command of ours");
    let mut command = Command::new(PROGRAM);
    command.args(words.split_whitespace()).current_dir(folder).env_remove("PHYTOTRON_STORE");
    sign(&mut command, folder);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {said}");
    said
}

/// The page's settings, with places that are here.
fn settings(page: &str, shared: &Path, server: Option<&Moto>) -> String {
    let (_, settings) = blocks(section(page, "## Set a remote up")).swap_remove(0);
    let endpoint = server.map_or_else(|| "http://localhost:1".to_owned(), Moto::endpoint);
    let here = settings.replace("/mnt/lab/phytotron", &shared.display().to_string());
    here.replace("    region:", &format!("    endpoint: {endpoint}\n    region:"))
}

/// The first has the study and computes it; the second gets what git would bring, and computes nothing.
fn hand_over(page: &str, settings: &str, remote: &str) {
    let first = TestSpace::new().file("study.yaml", STUDY).file("phytotron.yaml", settings);
    let second = TestSpace::new();
    let [theirs, ours] = commands(section(page, "## Hand over"), remote).try_into().unwrap();
    for line in theirs {
        let Some(files) = line.strip_prefix("git add ") else {
            run(&first.path(""), &line);
            continue;
        };
        for file in files.split_whitespace().take_while(|word| *word != "&&") {
            second.write(file, &first.read(file));
        }
    }
    let said: Vec<String> = ours.iter().map(|line| run(&second.path(""), line)).collect();
    assert!(said[0].contains("3 to restore"), "{}", said[0]);
    let run_file: Value =
        serde_json::from_str(&run(&second.path(""), "phytotron show --json")).unwrap();
    for stage in run_file["stages"].as_array().unwrap() {
        assert_eq!(stage["ending"], "restored", "{stage}");
    }
    assert_eq!(first.files("out/study/search"), second.files("out/study/search"));
    assert_eq!(first.read("study.lock"), second.read("study.lock"));
    for line in commands(section(page, "## Tidy up"), remote).concat() {
        run(&first.path(""), &line);
    }
    if remote == "lab" {
        for line in commands(section(page, "## Outputs for people"), remote).concat() {
            assert!(run(&first.path(""), &line).contains("exported to s3://nas-lab/public/study"));
        }
    }
}

#[test]
fn a_study_is_handed_over_through_a_folder() {
    let shared = tempfile::tempdir().unwrap();
    let page = page();
    hand_over(&page, &settings(&page, shared.path(), None), "disk");
}

#[cfg(feature = "s3")]
#[test]
fn a_study_is_handed_over_through_a_bucket() {
    let Some(server) = moto() else { return };
    server.make("nas-lab");
    let page = page();
    hand_over(&page, &settings(&page, Path::new("nowhere"), Some(server)), "lab");
}
