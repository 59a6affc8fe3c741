//! Archives of classes: the same dataset as from a folder, from every format and place; strangers refused.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use serde_json::{Value as Json, json};
use sha2::Digest as _;

use super::folder::png;
use super::project::{Project, bind, manifest};
use crate::archive::hostile::all;
use crate::archive::pack::{TarEntry, file, gz, special, tar, zip, zip_file, zst};

/// Names and pictures of two classes of ten.
pub(super) fn pictures() -> Vec<(String, Vec<u8>)> {
    let of = |class: &'static str, green: u8| {
        (0..10).map(move |i| (format!("{class}/{class}{i}.png"), png(4, 4, [i, green, 0])))
    };
    of("oak", 0).chain(of("fir", 255)).collect()
}

fn entries(root: &str) -> Vec<TarEntry> {
    pictures().into_iter().map(|(name, bytes)| file(&format!("{root}{name}"), bytes)).collect()
}

fn with(source: &Json) -> Json {
    let mut with = json!({ "source": { "kind": "archive" }, "resize": 4 });
    for (key, value) in source.as_object().unwrap() {
        with["source"][key] = value.clone();
    }
    with
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in sha2::Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[test]
fn every_format_gives_what_the_folder_gives() {
    let project = Project::new();
    for (name, bytes) in pictures() {
        project.write(&format!("plants/{name}"), bytes);
    }
    let folder = project
        .run(&json!({ "source": { "kind": "folder", "path": "plants" }, "resize": 4 }))
        .unwrap();
    let plain = tar(&entries(""));
    let zipped =
        zip(&pictures().iter().map(|(name, bytes)| zip_file(name, bytes)).collect::<Vec<_>>());
    for (name, bytes) in [
        ("p.tar", plain.clone()),
        ("p.tgz", gz(&plain)),
        ("p.tar.zst", zst(&plain)),
        ("odd.name", zipped),
    ] {
        project.write(name, &bytes);
        let found = project.run(&with(&json!({ "path": name, "sha256": hex(&bytes) }))).unwrap();
        for (output, split) in
            [("dataset", "training"), ("dataset", "validation"), ("test", "test")]
        {
            assert_eq!(found.names(output, split), folder.names(output, split), "{name}");
        }
        assert_eq!(found.dataset().training.pixels, folder.dataset().training.pixels, "{name}");
    }
}

#[test]
fn a_root_is_stripped_and_a_wrong_one_is_explained() {
    let project = Project::new();
    let mut packed = entries("flowers-v2/jpg/");
    packed.push(file("flowers-v2/README", "ours"));
    project.write("p.tar", tar(&packed));
    let found =
        project.run(&with(&json!({ "path": "p.tar", "root": "./flowers-v2/jpg/" }))).unwrap();
    assert_eq!(found.dataset().card.classes, ["fir", "oak"]);
    let error = project.failure(&with(&json!({ "path": "p.tar" })));
    assert!(error.contains("set `source.root: flowers-v2`"), "{error}");
    let error = project.failure(&with(&json!({ "path": "p.tar", "root": "flowers" })));
    assert!(error.contains("no file below `flowers`") && error.contains("flowers-v2"), "{error}");
    let mut empty = entries("");
    empty.push(special("elm/", b'5', ""));
    project.write("e.tar", tar(&empty));
    let error = project.failure(&with(&json!({ "path": "e.tar" })));
    assert!(error.contains("class `elm` has no image"), "{error}");
}

#[test]
fn hostile_archives_make_no_dataset() {
    let project = Project::new();
    let mut refused = 0;
    for hostile in all() {
        // What the small limits of other tests refuse is no bomb to a dataset.
        if ["too many", "too large", "unpacks to"].iter().any(|words| hostile.words.contains(words))
        {
            continue;
        }
        project.write("evil.tar", &hostile.bytes);
        let error = project.failure(&with(&json!({ "path": "evil.tar" })));
        assert!(error.contains("archive"), "{}: {error}", hostile.name);
        refused += 1;
    }
    assert!(refused > 40, "{refused}");
}

#[test]
fn another_digest_is_another_archive() {
    let project = Project::new();
    project.write("p.tar", tar(&entries("")));
    let error = project.failure(&with(&json!({ "path": "p.tar", "sha256": hex(b"other") })));
    assert!(error.contains("it is not what the study was made with"), "{error}");
}

/// Answers requests one after another, each with the next of `answers`, and then no more.
fn serve(answers: Vec<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(&answer);
        }
    });
    format!("http://{address}/plants.tar.gz")
}

fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.into_bytes(), body.to_vec()].concat()
}

#[test]
fn the_network_is_read_only_under_a_digest_that_the_error_gives() {
    let bytes = gz(&tar(&entries("")));
    let digest = hex(&bytes);
    let project = Project::new();
    let url = serve(vec![answer("200 OK", &bytes)]);
    let error = project.failure(&with(&json!({ "url": url })));
    assert!(error.contains(&format!("add `sha256: {digest}`")), "{error}");
    let url = serve(vec![answer("200 OK", &bytes)]);
    let found = project.run(&with(&json!({ "url": url, "sha256": digest }))).unwrap();
    assert_eq!(found.dataset().training.len(), 14);
    let url = serve(vec![answer("200 OK", &bytes)]);
    let project = Project::new();
    let error = project.failure(&with(&json!({ "url": url, "sha256": hex(b"") })));
    assert!(error.contains("it is not what the study was made with"), "{error}");
}

#[test]
fn an_archive_is_fetched_once() {
    let bytes = gz(&tar(&entries("")));
    let project = Project::new();
    // Answers once, and never again.
    let url = serve(vec![answer("200 OK", &bytes)]);
    let source = with(&json!({ "url": url, "sha256": hex(&bytes) }));
    let first = project.run(&source).unwrap();
    let again = project.run(&source).unwrap();
    assert_eq!(first.dataset().training.pixels, again.dataset().training.pixels);
    // What is kept and has gone bad is fetched again, which nobody answers here.
    let kept = project.path(&format!(".phytotron/downloads/{}", hex(&bytes)));
    std::fs::remove_file(&kept).unwrap();
    std::fs::write(&kept, &bytes[1..]).unwrap();
    assert!(project.failure(&source).contains("cannot fetch"));
}

#[test]
fn broken_connections_are_tried_again_and_a_no_is_a_no() {
    let bytes = gz(&tar(&entries("")));
    let digest = hex(&bytes);
    let project = Project::new();
    let whole = answer("200 OK", &bytes);
    let url = serve(vec![whole[..whole.len() / 2].to_vec(), answer("503 Slow Down", b""), whole]);
    project.run(&with(&json!({ "url": url, "sha256": digest }))).unwrap();
    let url = serve(vec![answer("404 Not Found", b"")]);
    let project = Project::new();
    let error = project.failure(&with(&json!({ "url": url, "sha256": digest })));
    assert!(error.contains("cannot fetch") && error.contains("the server answers 404"), "{error}");
}

#[test]
fn an_address_is_not_content_and_a_place_is_one() {
    let sha256 = hex(b"");
    let lines = |url: &str| manifest(&with(&json!({ "url": url, "sha256": sha256 })));
    assert_eq!(lines("https://a.org/x.zip"), lines("http://mirror.org/x.zip"));
    let mistake = |source: &Json| match bind(&with(source)) {
        Ok(_) => panic!("it should not bind"),
        Err(mistakes) => mistakes[0].message.clone(),
    };
    assert!(mistake(&json!({})).contains("neither `path` nor `url`"));
    assert!(mistake(&json!({ "path": "a", "url": "https://b" })).contains("a `path` and a `url`"));
    assert!(mistake(&json!({ "url": "ftp://b" })).contains("not of the web"));
    assert_eq!(bind(&with(&json!({ "path": "./a.zip" }))).unwrap().files(), ["a.zip"]);
}
