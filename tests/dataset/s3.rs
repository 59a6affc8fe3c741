//! Datasets in a bucket: a prefix of class folders, and one archive.

use std::fs;

use super::archive::{hex, pictures};
use crate::archive::pack::{file, gz, tar};
use crate::support::moto::{Moto, moto};
use crate::support::{Ran, TestSpace};

/// A project with the bucket's server under `remote:`, and a dataset from `source` with `more` below it.
fn space(server: &Moto, bucket: &str, source: &str) -> TestSpace {
    let settings = format!(
        "remote: {{ lab: {{ kind: s3, bucket: {bucket}, region: x, endpoint: '{}' }} }}\n",
        server.endpoint()
    );
    TestSpace::new().file("phytotron.yaml", &settings).pipeline(&format!(
        "seed: 7\nstages: {{ plants: {{ use: dataset, with: {{ resize: 4, source: {source} }} }} }}\n"
    ))
}

fn run(space: &TestSpace) -> Ran {
    space.ran(space.signed_command(&["run", "pipeline.yaml"]).output().unwrap())
}

/// The 64 digits after `key`, where it stands last: the table of stages breaks lines.
fn digest_after<'t>(text: &'t str, key: &str) -> &'t str {
    let at = text.rfind(key).expect("the error gives a digest") + key.len();
    &text[at..at + 64]
}

/// Everything but the card, which says where the images come from.
fn made(space: &TestSpace) -> Vec<Vec<u8>> {
    let mut files = space.files("out/pipeline/plants");
    files.retain(|path, _| !path.ends_with("card.json"));
    assert!(files.len() >= 2, "{:?}", files.keys());
    files.into_values().collect()
}

#[test]
fn a_prefix_of_class_folders_is_read_under_its_pinned_listing() {
    let Some(server) = moto() else { return };
    let bucket = server.bucket();
    let folder = TestSpace::new().pipeline(
        "seed: 7\nstages: { plants: { use: dataset, with: { resize: 4, source: { kind: folder, path: plants } } } }\n",
    );
    for (name, bytes) in pictures() {
        server.put(&bucket, &format!("data/plants/{name}"), &bytes);
        folder.write(&format!("plants/{name}"), "");
        fs::write(folder.path(&format!("plants/{name}")), &bytes).unwrap();
    }
    server.put(&bucket, "data/plants/README.txt", b"ours");
    server.put(&bucket, "data/plants-old/oak/1.png", b"not below the prefix");
    run(&folder).success();

    let url = format!("s3://{bucket}/data/plants");
    let unpinned = run(&space(server, &bucket, &format!("{{ kind: s3, url: '{url}' }}"))).code(1);
    let text = unpinned.says("21 objects").text();
    let listing = digest_after(&text, "`listing: ");
    let source = format!("{{ kind: s3, url: '{url}', listing: {listing} }}");
    let pinned = space(server, &bucket, &source);
    run(&pinned).success();
    assert_eq!(made(&pinned), made(&folder));
    let pin = format!("sources:\n  \"{url}\": \"listing:{listing}\"\n");
    assert!(pinned.read("pipeline.lock").contains(&pin), "{}", pinned.read("pipeline.lock"));
    run(&pinned).success().says("all cached");

    server.put(&bucket, "data/plants/oak/oak0.png", &pictures()[1].1);
    run(&space(server, &bucket, &source)).code(1).says("holds other objects than the study");
    let nothing = format!("{{ kind: s3, url: 's3://{bucket}/nothing' }}");
    run(&space(server, &bucket, &nothing)).code(1).says("there is nothing at");
}

#[test]
fn an_archive_in_a_bucket_is_read_under_its_digest_and_fetched_once() {
    let Some(server) = moto() else { return };
    let bucket = server.bucket();
    let entries: Vec<_> = pictures().into_iter().map(|(name, bytes)| file(&name, bytes)).collect();
    let bytes = gz(&tar(&entries));
    server.put(&bucket, "data/plants.tgz", &bytes);
    let url = format!("s3://{bucket}/data/plants.tgz");
    let unpinned = space(server, &bucket, &format!("{{ kind: archive, url: '{url}' }}"));
    let text = run(&unpinned).code(1).text();
    assert_eq!(digest_after(&text, "`sha256: "), hex(&bytes));
    let source = format!("{{ kind: archive, url: '{url}', sha256: {} }}", hex(&bytes));
    let pinned = space(server, &bucket, &source);
    run(&pinned).success();
    server.delete(&bucket, "data/plants.tgz");
    let again = ["run", "pipeline.yaml", "--force"];
    pinned.ran(pinned.signed_command(&again).output().unwrap()).success();
    let gc = ["gc", "--grace", "0s"];
    pinned.ran(pinned.signed_command(&gc).output().unwrap()).success();
    assert!(pinned.path(&format!(".phytotron/downloads/{}", hex(&bytes))).is_file());
    fs::remove_file(pinned.path("pipeline.lock")).unwrap();
    pinned.ran(pinned.signed_command(&gc).output().unwrap()).says("1 fetched archives");
    run(&space(server, &bucket, &source)).code(1).says("there is nothing at");
}
