//! Bad pipelines: each file in `bad/` with its rendered diagnostics beside it.
//!
//! `NN-name.yaml` is a pipeline of the project `bad/`; a first line `# -p a=1 b=2` gives parameters.
//! `UPDATE_DIAGNOSTICS=1` writes the texts anew.

use std::path::Path;

use phytotron::cli::diagnostics::{render, to_json};
use phytotron::diagnostic::Diagnostics;

use super::load;

#[test]
fn every_bad_pipeline_gives_its_diagnostics() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec/bad");
    let mut files: Vec<_> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .filter(|path| path.file_name().unwrap().as_encoded_bytes()[0].is_ascii_digit())
        .collect();
    files.sort();
    assert!(files.len() >= 40, "only {} bad pipelines", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        let params = text.lines().next().and_then(|line| line.strip_prefix("# -p "));
        let params: Vec<&str> = params.unwrap_or_default().split_whitespace().collect();
        let mistakes = match load(&file, &folder, &params) {
            Ok(_) => Diagnostics::default(),
            Err(mistakes) => mistakes,
        };
        assert!(mistakes.has_errors(), "{} is a good pipeline", file.display());
        check_form(&mistakes);
        let rendered = render(&mistakes, false, 100);
        let expected = file.with_extension("txt");
        if std::env::var_os("UPDATE_DIAGNOSTICS").is_some() {
            std::fs::write(&expected, &rendered).unwrap();
        }
        if std::fs::read_to_string(&expected).unwrap_or_default() != rendered {
            wrong.push(format!("{}:\n{rendered}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "UPDATE_DIAGNOSTICS=1 writes these:\n{}", wrong.join("\n"));
}

/// What every diagnostic promises: a code, a place with words under it, and help where it can.
fn check_form(mistakes: &Diagnostics) {
    for mistake in &mistakes.list {
        assert!(mistake.code.starts_with("spec::"), "{}", mistake.code);
        assert!(!mistake.message.ends_with('.'), "{}", mistake.message);
        assert!(!mistake.labels.is_empty(), "{} has no place", mistake.message);
    }
    let json = to_json(mistakes);
    for entry in json.as_array().unwrap() {
        assert!(entry["line"].as_u64() >= Some(1) && entry["file"].is_string(), "{entry}");
    }
}

#[test]
fn an_editor_gets_places_from_one_in_characters() {
    let space = super::Space::new("ä: 1\nstages: {a: {use: comand}}\n");
    let json = to_json(&space.load(&[]).unwrap_err());
    let first = &json[0];
    assert_eq!(first["code"], "spec::unknown_key");
    assert_eq!(
        (&first["line"], &first["column"], &first["end_column"]),
        (&1.into(), &1.into(), &2.into())
    );
    assert_eq!(json[1]["help"].as_str().unwrap().split('?').next(), Some("did you mean `command`"));
    assert_eq!(json[1]["labels"][0]["end_column"], 25);
}

#[test]
fn colours_are_only_drawn_where_they_are_wanted() {
    let mistakes = super::Space::new("stages: {}\n").load(&[]).unwrap_err();
    assert!(!render(&mistakes, false, 80).contains('\u{1b}'));
    assert!(render(&mistakes, true, 80).contains('\u{1b}'));
}
