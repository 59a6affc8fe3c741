//! Reports beside their size: page, Markdown, tables and pictures of the example study with 300, 3,000 and 100,000
//! trials, read from its artifacts and written to a folder.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/report/example.rs"]
mod example;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use example::Example;
use phytotron::artifact::Coordinates;
use phytotron::report::{self, Findings, Options, Sources};

fn reports(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("report");
    group.sample_size(10);
    for trials in [300, 3_000, 100_000] {
        let folder = tempfile::tempdir().unwrap();
        let sources = study(&Example::new(&folder.path().join("artifacts")), trials);
        let out = folder.path().join("report");
        std::fs::create_dir_all(&out).unwrap();
        group.bench_function(BenchmarkId::from_parameter(trials), |bencher| {
            bencher.iter(|| {
                let findings = Findings::read(&sources).unwrap();
                let options = Options { title: None, question: None, top: 10 };
                report::write(&findings, &options, &out).unwrap();
            });
        });
    }
    group.finish();
}

/// The example with a search of so many trials.
fn study(example: &Example, count: usize) -> Sources {
    let card = example::card("q_learning", example::mock_evaluator());
    let trials = example::trials(3, "q_learning", count);
    let search = example.trials("long", Coordinates::default(), &card, &trials);
    let mut sources = example.sources();
    sources.trials[0] = search;
    sources
}

criterion_group!(benches, reports);
criterion_main!(benches);
