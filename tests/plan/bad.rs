//! Mistakes that only the whole pipeline shows, each a file in `bad/` with its diagnostics beside it.

use std::fs;
use std::path::Path;

use super::space::{TestSpace, render};

#[test]
fn every_bad_pipeline_says_what_is_wrong_with_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plan/bad");
    let mut files: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(files.len() >= 15, "the folder has lost its files");
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let space = TestSpace::new();
        let mistakes = space.load(&fs::read_to_string(&file).unwrap(), &[]).unwrap_err();
        insta::with_settings!({
            snapshot_path => &folder,
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(name, render(&mistakes));
        });
    }
}

#[test]
fn two_thousand_cells_make_one_mistake_once() {
    let repeats: Vec<String> = (0..2000).map(|i| i.to_string()).collect();
    let pipeline = format!(
        "stages:\n  a: {{ use: grow }}\n  b:\n    use: seek\n    matrix: {{ repeat: [{}] }}\n    \
         inputs: {{ dta: a }}\n    with: {{ repeat: \"${{{{ matrix.repeat }}}}\" }}\n",
        repeats.join(", ")
    );
    let mistakes = TestSpace::new().load(&pipeline, &[]).unwrap_err();
    let codes: Vec<&str> = mistakes.list.iter().map(|mistake| mistake.code).collect();
    assert_eq!(codes, ["plan::unknown_port"]);
}
