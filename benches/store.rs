//! The store beside the tools that people would use: `cp -r` for taking 4,000 files in, and nothing
//! but `stat` for finding that none of them has changed.
//!
//! Each measurement has its yardstick in the same group, so that a ratio can be read from one run.

use std::fs::{self, File};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use phytotron::store::{LinkMode, Store, StoreOptions};
use tempfile::TempDir;

const FILES: u32 = 4_000;
const BYTES: usize = 8 << 10;

fn open(folder: &Path) -> Store {
    Store::open(&folder.join("store"), StoreOptions::default()).expect("a store")
}

/// 4,000 files of 8 KiB in 20 folders, each with other content.
fn fill(folder: &Path) -> Vec<PathBuf> {
    let paths = (0..FILES).map(|file| {
        let path = folder.join((file % 20).to_string()).join(format!("{file}.png"));
        fs::create_dir_all(path.parent().expect("it has a parent")).expect("a folder");
        let content: Vec<u8> = file.to_le_bytes().into_iter().cycle().take(BYTES).collect();
        fs::write(&path, content).expect("a file");
        path
    });
    paths.collect()
}

fn taking_in(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("4,000 files of 8 KiB");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    let folder = TempDir::new().expect("a folder");
    let source = folder.path().join("source");
    fill(&source);
    let fresh = || TempDir::new_in(folder.path()).expect("a folder");
    group.bench_function("cp -r", |bencher| {
        bencher.iter_batched(
            fresh,
            |to| {
                let copied = Command::new("cp").arg("-r").args([&source, to.path()]).status();
                assert!(copied.expect("cp").success());
                to
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("ingest by copying", |bencher| {
        bencher.iter_batched(
            || {
                let to = fresh();
                (open(to.path()), to)
            },
            |(store, to)| {
                store.ingest_copy(&source).expect("it is taken in");
                to
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("ingest by moving", |bencher| {
        bencher.iter_batched(
            || {
                let to = fresh();
                let incoming = to.path().join("incoming");
                fill(&incoming);
                (open(to.path()), incoming, to)
            },
            |(store, incoming, to)| {
                store.ingest(&incoming).expect("it is taken in");
                to
            },
            BatchSize::PerIteration,
        );
    });
    let store = open(folder.path());
    let tree = store.ingest_copy(&source).expect("it is taken in").tree;
    group.bench_function("materialize", |bencher| {
        bencher.iter_batched(
            fresh,
            |to| {
                let out = to.path().join("out");
                store.materialize(&tree, &out, LinkMode::Auto).expect("it is restored");
                to
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn nothing_changed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("4,000 files unchanged");
    let folder = TempDir::new().expect("a folder");
    let paths = fill(&folder.path().join("source"));
    // Files are only remembered when they have been left alone for two seconds.
    let long_ago = SystemTime::now() - Duration::from_hours(1);
    for path in &paths {
        File::open(path).and_then(|file| file.set_modified(long_ago)).expect("an old file");
    }
    std::thread::sleep(Duration::from_millis(2_100));
    open(folder.path()).digest_files(&paths).expect("they are hashed");
    group.bench_function("stat", |bencher| {
        bencher.iter(|| {
            for path in &paths {
                black_box(fs::metadata(path).expect("it is there"));
            }
        });
    });
    group.bench_function("stat cache, new process", |bencher| {
        bencher.iter(|| open(folder.path()).digest_files(&paths).expect("they are known"));
    });
    let store = open(folder.path());
    let tree = store.ingest_copy(&folder.path().join("source")).expect("it is taken in").tree;
    let out = folder.path().join("out");
    store.publish(&tree, &out).expect("it is published");
    group.bench_function("publish", |bencher| {
        bencher.iter(|| store.publish(&tree, &out).expect("nothing is to be done"));
    });
    group.finish();
}

criterion_group!(benches, taking_in, nothing_changed);
criterion_main!(benches);
