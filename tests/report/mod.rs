//! Reports on example artifacts: what a page says, that its bytes are frozen, and that markup in
//! user-given words stays text.

mod example;

use std::fs;
use std::path::{Path, PathBuf};

use example::Example;
use phytotron::report::{self, Findings, Options, RunFacts, Sources};

fn options() -> Options {
    Options { title: None, top: 10 }
}

fn write(sources: &Sources, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let findings = Findings::read(sources).unwrap();
    report::write(&findings, &options(), folder).unwrap();
}

/// Writes the example reports for looking at them in a browser.
#[test]
#[ignore = "writes example reports into the folder that REPORT_EXAMPLES names"]
fn example_reports_for_looking_at() {
    let folder = PathBuf::from(std::env::var("REPORT_EXAMPLES").expect("REPORT_EXAMPLES"));
    let artifacts = tempfile::tempdir().unwrap();
    let example = Example::new(artifacts.path());
    write(&example.sources(), &folder.join("study"));
    write(&example.matrix(), &folder.join("matrix"));
    let page = fs::read_to_string(folder.join("study/report.html")).unwrap();
    let page = report::page::with_run_facts(&page, &RunFacts::default());
    fs::write(folder.join("view.html"), page).unwrap();
}
