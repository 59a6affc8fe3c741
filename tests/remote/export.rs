//! Outputs for people, in a bucket.

use crate::support::TestSpace;
use crate::support::moto::moto;

const STUDY: &str = "
name: show
params: { word: leaf }
stages:
  note: { use: command, with: { run: \"echo ${{ params.word }} > a.txt; echo '{}' > b.json; echo x > c.bin; echo > ${{ params.word }}.csv\", outputs: [a.txt, b.json, c.bin, \"*.csv\"] } }
  leaves: { use: dataset, with: { source: { kind: leaves, images: 80, size: 16 }, split: { validation: 0.2, test: 20 } } }
  search: { use: search, inputs: { data: leaves }, with: { space: { kind: chain }, strategy: random, budget: { trials: 20 }, evaluator: mock } }
  report: { use: report, inputs: { trials: search } }
";

#[test]
fn a_report_opens_from_the_bucket() {
    let Some(server) = moto() else { return };
    let bucket = server.bucket();
    let settings = format!(
        "remote: {{ lab: {{ kind: s3, bucket: {bucket}, region: x, endpoint: \"{}\" }} }}\n",
        server.endpoint()
    );
    let space = TestSpace::new().pipeline(STUDY).file("phytotron.yaml", &settings);
    let url = format!("s3://{bucket}/out");
    let run = |more: &[&str]| {
        let all = [&["run", "pipeline.yaml"], more].concat();
        space.ran(space.signed_command(&all).output().unwrap()).success()
    };
    run(&["--export", &url]).says(&format!("exported to {url}/show: "));
    for (name, content_type, content) in [
        ("note/a.txt", "text/plain; charset=utf-8", Some("leaf\n")),
        ("note/b.json", "application/json", Some("{}\n")),
        ("note/c.bin", "application/octet-stream", Some("x\n")),
        ("note/leaf.csv", "text/csv; charset=utf-8", Some("\n")),
        ("report.html", "text/html; charset=utf-8", None),
        ("report/report.html", "text/html; charset=utf-8", None),
    ] {
        let (head, body) = server.get(&bucket, &format!("out/show/{name}"));
        assert!(head.contains(&format!("content-type: {content_type}")), "{name}: {head}");
        let shown = space.read(&format!("out/show/{name}"));
        assert_eq!(String::from_utf8_lossy(&body), shown, "{name}");
        assert!(content.is_none_or(|content| content == shown), "{name}");
    }
    // Nothing has changed but the page with the facts of the run.
    run(&["--export", &url]).says("1 file sent");
    // By the setting; one file is another, one is gone.
    space.write("phytotron.yaml", &format!("export_to: {url}\n{settings}"));
    run(&["-p", "word=root"]).says("1 removed");
    assert_eq!(server.get(&bucket, "out/show/note/a.txt").1, b"root\n");
    assert!(server.get(&bucket, "out/show/note/leaf.csv").0.starts_with("http/1.1 404"));
    run(&["-p", "word=root"]).says("all cached");
}

#[test]
fn other_addresses_are_refused() {
    let space = TestSpace::new().pipeline(STUDY);
    space.run(&["--export", "ftp://x/y"]).code(2).says("write `s3://bucket/prefix`");
}
