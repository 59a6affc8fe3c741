//! Fuzzers of what reads strangers' bytes, in process and seeded: the archive reader, the bundle, the pipeline.
//!
//! Some hundreds or thousands of inputs each in every run of the suite. `PHYTOTRON_FUZZ=1000000 cargo test --release --test suite
//! fuzz -- --nocapture` tries that many, and `PHYTOTRON_FUZZ_SEED=2` others. Inputs are mutations of honest and
//! hostile ones, with checksums put right again: else nothing behind the first check would ever be reached.
//!
//! `Cargo.toml` here has the same properties as targets of `cargo fuzz`, which looks for new paths by itself;
//! `PHYTOTRON_FUZZ_CORPUS=FOLDER` writes the inputs that ours begin with for it.

mod mutation;
mod properties;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use phytotron::seed::{Seed, Stream};

use crate::archive::hostile;
use crate::archive::pack::{file, gz, tar, zip, zip_file, zst};
use mutation::{mutated, with_checksums};
use properties::{Bundles, Pipelines};

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

/// Writes what a fuzzer begins with to where it was asked for.
fn write_corpus(name: &str, corpus: &[Vec<u8>]) {
    let Some(folder) = std::env::var_os("PHYTOTRON_FUZZ_CORPUS").map(PathBuf::from) else { return };
    let folder = folder.join(name);
    fs::create_dir_all(&folder).unwrap();
    for (i, bytes) in corpus.iter().enumerate() {
        fs::write(folder.join(i.to_string()), bytes).unwrap();
    }
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
    write_corpus("archive", &corpus);
    fuzz("archive", 5_000, |stream| properties::archive(&input(&corpus, stream)));
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
    write_corpus("bundle", &corpus[..9]);
    let bundles = Bundles::new();
    fuzz("bundle", 100, |stream| bundles.check(&input(&corpus, stream)));
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
    write_corpus("pipeline", &corpus);
    let pipelines = Pipelines::new();
    fuzz("pipeline", 1_000, |stream| pipelines.check(&mutated(&corpus, stream)));
}
