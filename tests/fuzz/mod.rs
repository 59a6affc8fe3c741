//! Fuzzers of what reads strangers' bytes, in process and seeded: the archive reader, the bundle, the pipeline.
//!
//! Some hundreds or thousands of inputs each in every run of the suite. `PHYTOTRON_FUZZ=1000000 cargo test --release --test suite
//! fuzz -- --nocapture` tries that many, and `PHYTOTRON_FUZZ_SEED=2` others. Inputs are mutations of honest and
//! hostile ones, with checksums put right again: else nothing behind the first check would ever be reached.

mod mutation;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Cursor, Read, Write as _};
use std::path::Path;
use std::time::Instant;

use phytotron::archive::{self, ArchiveError, Entry, Limits};
use phytotron::seed::{Seed, Stream};
use phytotron::spec::Project;
use phytotron::stage::Registry;
use phytotron::store::StoreOptions;
use phytotron::{bundle, plan};

use crate::archive::hostile;
use crate::archive::pack::{file, gz, tar, zip, zip_file, zst};
use mutation::{mutated, with_checksums};

const LIMITS: Limits =
    Limits { entries: 100, file_bytes: 1 << 20, bytes: 4 << 20, ratio: 20, free_bytes: 1 << 16 };

/// Calls `attempt` with `few` streams of chance, or as many as was asked for, and says how fast that was.
fn fuzz(name: &str, few: u64, attempt: impl Fn(&mut Stream)) {
    let number = |key: &str| std::env::var(key).ok().and_then(|text| text.parse::<u64>().ok());
    let (count, seed) =
        (number("PHYTOTRON_FUZZ").unwrap_or(few), number("PHYTOTRON_FUZZ_SEED").unwrap_or(1));
    let began = Instant::now();
    for i in 0..count {
        let mut stream = Seed::root(seed).child(name).stream("input", i);
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| attempt(&mut stream)));
        assert!(ended.is_ok(), "{name}: input {i} of seed {seed}");
    }
    let secs = began.elapsed().as_secs_f64();
    let _ = writeln!(std::io::stderr(), "{name}: {count} inputs in {secs:.1} s, no crash");
}

/// Small archives, hostile and honest, before they are shrunk.
fn archives() -> Vec<Vec<u8>> {
    let honest = [file("a/1.png", "leaf"), file("a/2.png", vec![7; 700]), file("b/c/3.png", "x")];
    let zipped = zip(&[zip_file("a/1.png", b"leaf"), zip_file("b/2.png", &[7; 700])]);
    let hostile =
        hostile::all().into_iter().map(|hostile| hostile.bytes).filter(|bytes| bytes.len() < 8192);
    hostile.chain([tar(&honest), zipped, gz(&tar(&honest)), zst(&tar(&honest))]).collect()
}

/// A mutation of one of `corpus`, sometimes shrunk after it was mutated.
fn input(corpus: &[Vec<u8>], stream: &mut Stream) -> Vec<u8> {
    let mut bytes = mutated(corpus, stream);
    if stream.index(4) > 0 {
        with_checksums(&mut bytes);
    }
    match stream.index(10) {
        0 => gz(&bytes),
        1 => zst(&bytes),
        _ => bytes,
    }
}

#[test]
fn fuzz_archives() {
    let corpus = archives();
    fuzz("archive", 5_000, |stream| {
        let bytes = input(&corpus, stream);
        let (mut total, mut paths) = (0, BTreeSet::new());
        let _ = archive::read(
            &mut Cursor::new(&bytes),
            &LIMITS,
            &mut |entry: &Entry, content: &mut dyn Read| {
                let is_plain = entry.path.split('/').all(|part| !["", ".", ".."].contains(&part));
                assert!(is_plain, "{:?}", entry.path);
                if matches!(entry.kind, archive::EntryKind::File { .. }) {
                    assert!(
                        paths.insert(entry.path.clone()),
                        "{:?} stands there twice",
                        entry.path
                    );
                }
                let mut out = Vec::new();
                let read = content.read_to_end(&mut out).map_err(ArchiveError::reading);
                total += out.len() as u64;
                read.map(drop)
            },
        );
        assert!(total <= LIMITS.of(bytes.len() as u64), "{total} bytes out of {}", bytes.len());
    });
}

/// A bundle of a small study, as a plain tar.
fn small_bundle() -> Vec<u8> {
    let space = crate::bundle::study();
    space.run(&[]).success();
    crate::bundle::check(&space.path(""), "pack pipeline.yaml -o study.tar", 0, &[]);
    fs::read(space.path("study.tar")).unwrap()
}

#[test]
fn fuzz_bundles() {
    let mut corpus = archives();
    let honest = small_bundle();
    // Mostly bundles: another archive is refused at its first entry.
    corpus.truncate(8);
    corpus.extend(std::iter::repeat_n(honest, 24));
    let folder = tempfile::tempdir().unwrap();
    let (bundle, there) = (folder.path().join("b.tar"), folder.path().join("there"));
    fuzz("bundle", 100, |stream| {
        fs::write(&bundle, input(&corpus, stream)).unwrap();
        let unpacked = bundle::unpack(&bundle, &there, StoreOptions::default());
        if unpacked.is_ok() {
            fs::remove_dir_all(&there).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something was left behind");
    });
}

/// Pipelines that ship, and those with mistakes.
fn pipelines() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["pipelines", "tests/spec/bad", "tests/plan/bad", "stages"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "yaml") {
                found.push(fs::read(path).unwrap());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn fuzz_pipelines() {
    let corpus = pipelines();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join(".phytotron")).unwrap();
    let pipeline = folder.path().join("pipeline.yaml");
    let project = Project::find(folder.path()).unwrap();
    let registry = Registry::standard();
    fuzz("pipeline", 1_000, |stream| {
        fs::write(&pipeline, mutated(&corpus, stream)).unwrap();
        if let Err(found) = plan::load(&project, &pipeline, &[], &registry) {
            assert!(found.has_errors(), "refused for no reason");
            let drawn = phytotron::cli::diagnostics::render(&found, false, 100);
            assert!(!drawn.is_empty());
        }
    });
}
