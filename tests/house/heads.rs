//! The commands that head comments of ready studies promise: `-p key=value` as it stands there.

use std::fs;
use std::path::Path;

use super::shipped::{copy, phytotron, pipelines, project, stem, text};

/// Every one of them at once would be another study, so each runs by itself, and only up to `check`: some are weeks.
#[test]
fn every_setting_of_a_head_comment_is_one_of_its_study() {
    let project = project();
    stand_in(&project.path().join("data"));
    let mut checked = 0;
    for file in pipelines() {
        let name = format!("pipelines/{}.yaml", stem(&file));
        for settings in promised(&fs::read_to_string(&file).unwrap()) {
            let mut arguments = vec!["check", &name];
            arguments.extend(settings.iter().flat_map(|setting| ["-p", setting]));
            let output = phytotron(project.path(), &arguments);
            assert!(output.status.success(), "{name} {settings:?}: {}", text(&output));
            checked += 1;
        }
    }
    assert!(checked > 12, "head comments lost their settings: {checked}");
}

/// The folder that comments call `data/LINK`, with the names of the full set's files.
fn stand_in(data: &Path) {
    let link = data.join("LINK");
    copy(&data.join("fashion-mnist"), &link);
    for kind in ["images-idx3", "labels-idx1"] {
        let file = |set: &str| link.join(format!("{set}-{kind}-ubyte.gz"));
        fs::copy(file("test"), file("t10k")).unwrap();
    }
}

/// The settings of each command in the head of a file: what stands between two sentences.
fn promised(yaml: &str) -> Vec<Vec<String>> {
    let head = yaml.lines().take_while(|line| line.starts_with('#'));
    let head: Vec<&str> = head.map(|line| line.trim_start_matches(['#', ' '])).collect();
    let head = head.join(" ");
    let mut commands: Vec<Vec<String>> = vec![Vec::new()];
    let mut words = head.split_whitespace();
    while let Some(word) = words.next() {
        let word = if word == "-p" { words.next().unwrap() } else { continue };
        let setting = word.trim_end_matches(['.', ',', ':', ';']);
        commands.last_mut().unwrap().push(setting.to_owned());
        if setting != word {
            commands.push(Vec::new());
        }
    }
    commands.retain(|settings| !settings.is_empty());
    commands
}

#[test]
fn settings_end_with_their_sentence() {
    let head =
        "# Cost  A day, -p a=1\n#   -p b=0.5. A minute: -p c=2\n#  takes it.\nname: x\n# -p d=1";
    assert_eq!(promised(head), [vec!["a=1", "b=0.5"], vec!["c=2"]]);
}
