//! The commands of docs/sharing.md work, in order, at the quickstart's smallest.

use std::fs;
use std::process::Command;

use super::shipped::{SMALLEST, project, root};
use crate::support::PROGRAM;

/// Shell and YAML blocks of the page from `heading` on.
fn blocks(page: &str, heading: &str) -> Vec<(String, String)> {
    let page = &page[page.find(heading).expect("the page has this heading")..];
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
fn the_commands_of_sharing_work() {
    let page = fs::read_to_string(root().join("docs/sharing.md")).unwrap();
    let project = project();
    fs::create_dir(project.path().join(".phytotron")).unwrap();
    let quickstart = project.path().join("pipelines/quickstart.yaml");
    fs::write(&quickstart, make_small(&fs::read_to_string(&quickstart).unwrap())).unwrap();
    let mut commands = 0;
    for (language, text) in blocks(&page, "## One file") {
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
