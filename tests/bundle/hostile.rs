//! Bundles from strangers: every lie is refused, and a refused bundle leaves nothing behind.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read as _};
use std::path::Path;

use phytotron::bundle;
use phytotron::digest::Digest;
use phytotron::store::StoreOptions;

use super::{check, study};
use crate::archive::hostile::all;
use crate::archive::pack::{TarEntry, file, tar};

/// The files of a bundle in order.
fn entries(bundle: &Path) -> Vec<(String, Vec<u8>)> {
    let bytes = zstd::decode_all(Cursor::new(fs::read(bundle).unwrap())).unwrap();
    let mut archive = ::tar::Archive::new(Cursor::new(bytes));
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        found.push((path, bytes));
    }
    found
}

/// Paths are longer than a header's: the usual writer knows how.
fn written(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (path, bytes) in entries {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, &bytes[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

type Entries = Vec<(String, Vec<u8>)>;

fn position(entries: &Entries, begin: &str) -> usize {
    entries.iter().position(|(path, _)| path.starts_with(begin)).unwrap()
}

fn card(entries: &mut Entries, change: impl FnOnce(&mut serde_json::Value)) {
    let mut card = serde_json::from_slice(&entries[0].1).unwrap();
    change(&mut card);
    entries[0].1 = serde_json::to_vec(&card).unwrap();
}

/// Adds a file of the project that the card knows.
fn add(entries: &mut Entries, path: &str) {
    let digest = Digest::of(b"evil").to_string();
    card(entries, |card| card["files"][path] = serde_json::json!({ "digest": digest }));
    entries.insert(1, (format!("project/{path}"), b"evil".to_vec()));
}

/// A tree that leads outside, named by a record that is sealed again.
fn outside(entries: &mut Entries) {
    let record = position(entries, "results/");
    let tree = position(entries, "trees/");
    let old = entries[tree].0.trim_start_matches("trees/").to_owned();
    let text = String::from_utf8(entries[tree].1.clone()).unwrap().replace("\"o\"", "\"../o\"");
    let digest = Digest::of(text.as_bytes()).to_string();
    entries[tree] = (format!("trees/{digest}"), text.into_bytes());
    for record in &mut entries[record..] {
        if record.0.starts_with("results/") {
            let text = String::from_utf8(record.1.clone())
                .unwrap()
                .replace(&format!("\"tree\": \"{old}\""), &format!("\"tree\": \"{digest}\""));
            record.1 = resealed(&text);
        }
    }
}

/// A record whose checksum fits again.
fn resealed(text: &str) -> Vec<u8> {
    let (head, body) = text.split_once("\",\n").unwrap();
    let at = head.len() - 64;
    format!("{}{}\",\n{body}", &head[..at], Digest::of(body.as_bytes())).into_bytes()
}

/// A lie, how it is told, and the words of the refusal.
type Lie = (&'static str, fn(&mut Entries), &'static str);

const LIES: &[Lie] = &[
    ("no card", |e| drop(e.remove(0)), "comes before its card"),
    ("card later", |e| e.swap(0, 1), "comes before its card"),
    ("empty", |e| e.clear(), "no card"),
    ("card is no card", |e| e[0].1 = b"[]".to_vec(), "its card cannot be read"),
    ("newer card", |e| card(e, |c| c["format"] = 9.into()), "format 9"),
    ("card with more", |e| card(e, |c| c["x"] = 1.into()), "its card cannot be read"),
    (
        "pipeline outside",
        |e| card(e, |c| c["pipeline"] = "../p.yaml".into()),
        "its pipeline is not in it",
    ),
    ("file that nothing names", |e| e.push(("project/evil".into(), vec![])), "nothing in it names"),
    ("place that no bundle has", |e| e.push(("evil".into(), vec![])), "nothing in it names"),
    ("file outside", |e| add(e, "../evil"), "leads outside"),
    ("git hook", |e| add(e, "sub/.git/hooks/post-checkout"), "git"),
    ("git hook in capitals", |e| add(e, ".GIT/config"), "git"),
    ("file of the store", |e| add(e, ".phytotron/results/x"), "store"),
    ("project settings", |e| add(e, "phytotron.yaml"), "sets up the machine"),
    (
        "other spec",
        |e| {
            let i = position(e, "project/base");
            e[i].1.push(b'\n');
        },
        "other content than the card",
    ),
    (
        "missing spec",
        |e| {
            let i = position(e, "project/base");
            e.remove(i);
        },
        "`base.yaml` is missing",
    ),
    (
        "missing record",
        |e| {
            let i = position(e, "results/");
            e.remove(i);
        },
        "nothing in it names",
    ),
    ("missing blob", |e| drop(e.pop()), "is missing"),
    (
        "torn record",
        |e| {
            let i = position(e, "results/");
            e[i].1[90] ^= 1;
        },
        "record",
    ),
    (
        "record of another",
        |e| {
            let i = position(e, "results/");
            e[i].1 = e[i + 1].1.clone();
        },
        "record",
    ),
    ("record without a name", |e| e.push(("results/x.json".into(), vec![])), "not a digest"),
    (
        "other tree",
        |e| {
            let i = position(e, "trees/");
            e[i].1.push(b'\n');
        },
        "tree",
    ),
    ("tree that leads outside", outside, "plain"),
    (
        "tree that no record names",
        |e| e.push((format!("trees/{}", Digest::of(b"x")), b"x".to_vec())),
        "nothing in it names",
    ),
    (
        "other blob",
        |e| {
            let i = position(e, "blobs/");
            e[i].1.push(b'\n');
        },
        "blob",
    ),
    (
        "blob that no tree names",
        |e| e.push((format!("blobs/{}", Digest::of(b"x")), b"x".to_vec())),
        "nothing in it names",
    ),
];

/// Every path below a folder.
fn paths(folder: &Path) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let size = entry.metadata().unwrap().len();
        found.insert(entry.file_name().to_str().unwrap().to_owned(), size);
    }
    found
}

#[test]
fn every_lie_of_a_bundle_is_refused_and_leaves_nothing() {
    let space = study();
    space.run(&[]).success();
    check(&space.path(""), "pack pipeline.yaml -o study.tar.zst", 0, &[]);
    let honest = entries(&space.path("study.tar.zst"));
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle.tar");
    fs::write(&bundle, written(&honest)).unwrap();
    bundle::unpack(&bundle, &folder.path().join("honest"), StoreOptions::default()).unwrap();
    assert!(LIES.len() >= 25);
    for (name, lie, words) in LIES {
        let mut lying = honest.clone();
        lie(&mut lying);
        // `Builder` refuses to write what leads outside.
        let bytes = if *name == "file outside" { raw(&lying) } else { written(&lying) };
        fs::write(&bundle, bytes).unwrap();
        let before = paths(folder.path());
        refused(&bundle, &folder.path().join("there"), name, words);
        assert_eq!(paths(folder.path()), before, "{name}");
    }
}

fn raw(entries: &Entries) -> Vec<u8> {
    let entries: Vec<TarEntry> = entries
        .iter()
        .map(|(path, bytes)| file(&path[..path.len().min(99)], bytes.clone()))
        .collect();
    tar(&entries)
}

#[track_caller]
fn refused(bundle: &Path, folder: &Path, name: &str, words: &str) {
    let error = bundle::unpack(bundle, folder, StoreOptions::default()).expect_err(name);
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    let said = format!("{error}: {cause}");
    assert!(said.contains(words), "{name}: `{words}` is not in `{said}`");
}

#[test]
fn hostile_archives_are_no_bundles_either() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle.tar");
    for hostile in all() {
        fs::write(&bundle, &hostile.bytes).unwrap();
        let before = paths(folder.path());
        assert!(
            bundle::unpack(&bundle, &folder.path().join("there"), StoreOptions::default()).is_err(),
            "{}",
            hostile.name
        );
        assert_eq!(paths(folder.path()), before, "{}", hostile.name);
    }
    fs::write(&bundle, b"no bundle").unwrap();
    check(folder.path(), "unpack bundle.tar", 5, &["cannot be used", "no tar"]);
}

/// A bundle may claim any result for a fingerprint; only computing shows that it is another.
#[test]
fn a_forged_result_is_found_by_verifying() {
    let space = study();
    space.run(&[]).success();
    let here = space.path("");
    check(&here, "pack pipeline.yaml -o honest.tar.zst", 0, &[]);
    let mut forged = entries(&space.path("honest.tar.zst"));
    let is_last =
        |(path, bytes): &(String, Vec<u8>)| path.starts_with("blobs/") && bytes.ends_with(b"2.5\n");
    let blob = forged.iter().position(is_last).unwrap();
    let old = forged[blob].0.trim_start_matches("blobs/").to_owned();
    let (new, size) = (b"9\n9.5\n", 6);
    let mut names = vec![(old, Digest::of(new).to_string())];
    forged[blob] = (format!("blobs/{}", names[0].1), new.to_vec());
    for part in ["trees/", "results/", "project/pipeline.lock"] {
        for (path, bytes) in forged.iter_mut().filter(|(path, _)| path.starts_with(part)) {
            let mut text = String::from_utf8(bytes.clone()).unwrap();
            for (old, new) in &names {
                text = text.replace(old, new);
            }
            if part == "trees/" && text.as_bytes() != bytes.as_slice() {
                let before = text
                    .split("\"size\":")
                    .nth(1)
                    .unwrap()
                    .split([',', '}'])
                    .next()
                    .unwrap()
                    .to_owned();
                text = text.replace(&format!("\"size\":{before}"), &format!("\"size\":{size}"));
                names.push((
                    path.trim_start_matches("trees/").to_owned(),
                    Digest::of(text.as_bytes()).to_string(),
                ));
                *path = format!("trees/{}", names[1].1);
            }
            *bytes = if part == "results/" { resealed(&text) } else { text.into_bytes() };
        }
    }
    let lock = position(&forged, "project/pipeline.lock");
    let digest = Digest::of(&forged[lock].1).to_string();
    card(&mut forged, |card| card["files"]["pipeline.lock"]["digest"] = digest.into());
    fs::write(space.path("forged.tar"), written(&forged)).unwrap();
    check(&here, "unpack forged.tar there", 0, &[]);
    let said = check(&here, "verify forged.tar", 5, &["different"]);
    assert!(said.contains("numbers differ") || said.contains("other text"), "{said}");
    check(&here, "verify honest.tar.zst", 0, &["2 stages computed again, 0 different"]);
}
