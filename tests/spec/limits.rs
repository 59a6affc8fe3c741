//! Hostile and huge files: bounded time and memory, and a clear refusal.

use std::fmt::Write;
use std::time::{Duration, Instant};

use phytotron::cli::diagnostics::{render, to_json};
use proptest::prelude::*;

use super::Space;

/// Twice what a slow machine needs for a file that is refused early.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn twenty_thousand_stages_are_refused_soon() {
    let mut text = "stages:\n".to_owned();
    for n in 0..20_000 {
        writeln!(text, "  stage-{n}: {{use: command, with: {{run: echo {n}}}}}").unwrap();
    }
    let started = Instant::now();
    let mistakes = Space::new(&text).load(&[]).unwrap_err();
    assert_eq!(mistakes.list[0].code, "spec::too_many_stages");
    assert!(mistakes.list[0].message.contains("20,000"), "{mistakes}");
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[test]
fn five_thousand_stages_load_soon() {
    let mut text = "stages:\n".to_owned();
    for n in 0..5_000 {
        let inputs = match n {
            0..500 => String::new(),
            _ => format!(", inputs: {{x: stage-{}}}", n - 500),
        };
        writeln!(text, "  stage-{n}: {{use: command, with: {{run: echo {n}}}{inputs}}}").unwrap();
    }
    let space = Space::new(&text);
    let started = Instant::now();
    assert_eq!(space.good(&[]).stages.len(), 5_000);
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[test]
fn a_file_of_fifty_megabytes_is_refused_unread() {
    let space = Space::new("stages: {}\n");
    let file = std::fs::File::create(space.path("pipeline.yaml")).unwrap();
    file.set_len(50_000_000).unwrap();
    let started = Instant::now();
    let mistakes = space.load(&[]).unwrap_err();
    assert_eq!(mistakes.list[0].code, "spec::unreadable_file");
    assert!(mistakes.list[0].message.contains("47.7 MiB"), "{mistakes}");
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[test]
fn a_matrix_that_explodes_is_counted_not_made() {
    let list = (0..1_000).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let axes: Vec<String> = ('a'..='h').map(|key| format!("{key}: [{list}]")).collect();
    let axes = axes.join(", ");
    let text = format!("stages:\n  s: {{use: search, matrix: {{{axes}}}}}\n");
    let started = Instant::now();
    assert_eq!(Space::new(&text).code(&[]), "spec::too_many_stages");
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[test]
fn matrices_that_gather_each_other_whole_are_refused() {
    let list = (0..4_000).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let text = format!(
        "stages:\n  a: {{use: search, matrix: {{r: [{list}]}}, with: {{r: \"${{{{ matrix.r }}}}\"}}}}\n  \
         b: {{use: search, matrix: {{r: [{list}]}}, with: {{r: \"${{{{ matrix.r }}}}\"}}, inputs: {{x: \"a[*]\"}}}}\n"
    );
    let started = Instant::now();
    assert_eq!(Space::new(&text).code(&[]), "spec::too_many_references");
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[test]
fn cells_find_their_counterpart_in_bounded_time() {
    let list = (0..4_000).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let text = format!(
        "stages:\n  a: {{use: search, matrix: {{r: [{list}]}}, with: {{r: \"${{{{ matrix.r }}}}\"}}}}\n  \
         b: {{use: search, matrix: {{r: [{list}]}}, inputs: {{x: \"a[r=${{{{ matrix.r }}}}]\"}}}}\n"
    );
    let started = Instant::now();
    assert_eq!(Space::new(&text).good(&[]).stages.len(), 8_000);
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[test]
fn a_long_list_in_every_cell_is_refused() {
    let list = (0..2_000).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let text = format!(
        "stages:\n  a:\n    use: search\n    matrix: {{r: [{list}]}}\n    \
         with: {{r: \"${{{{ matrix.r }}}}\", l: \"${{{{ range(50000) }}}}\"}}\n"
    );
    let started = Instant::now();
    assert_eq!(Space::new(&text).code(&[]), "spec::too_many_values");
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[test]
fn a_file_full_of_nothing_but_values_is_bounded() {
    let text = format!("x-a: [{}]\n", "a,".repeat(4 << 20));
    let started = Instant::now();
    assert_eq!(Space::new(&text).code(&[]), "spec::too_many_values");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn what_is_no_file_is_refused() {
    let space = Space::new("stages: {}\n");
    std::fs::remove_file(space.path("pipeline.yaml")).unwrap();
    assert_eq!(space.code(&[]), "spec::unreadable_file");
    std::fs::create_dir(space.path("pipeline.yaml")).unwrap();
    let mistakes = space.load(&[]).unwrap_err();
    assert!(mistakes.to_string().contains("it is no file"), "{mistakes}");
}

const STUDY: &str = "\
name: x
extends: base.yaml
params: {n: 3, l: [1, 2]}
stages:
  leaves: &l {use: dataset, with: {size: 64, kind: a}}
  search:
    use: mine
    matrix: {s: [ppo, random], r: \"${{ params.l }}\", exclude: [{s: ppo, r: 1}]}
    inputs: {data: leaves, more: \"leaves[*].x\"}
    with: {s: \"${{ matrix.s }}\", t: a ${{ params.n * 2 }} b, r: \"${{ matrix.r }}\", <<: {a: b}}
    timeout: 1h30m
    retries: 2
  report: {use: report, inputs: {t: \"search[s=random,r=2]\"}, needs: [search]}
";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Damages a study anywhere; whatever comes of it, it is a pipeline or diagnostics that can be drawn.
    #[test]
    fn no_damage_makes_loading_panic(
        cuts in prop::collection::vec((0..STUDY.len(), 0_usize..12, "[-a-z0-9:\\[\\]{},&*!|>'\"# \n\t%@`$?~<.=_ä]{0,4}"), 1..6)
    ) {
        let mut text = STUDY.to_owned();
        for (at, length, inserted) in cuts {
            let at = text.floor_char_boundary(at.min(text.len()));
            let end = text.floor_char_boundary((at + length).min(text.len()));
            text.replace_range(at..end, &inserted);
        }
        let space = Space::new(&text)
            .file("base.yaml", "seed: 2\nparams: {m: 1}\nstages: {leaves: {retries: 1}}\n")
            .file("stages/mine.yaml", "use: search\nwith: {s: {kind: ppo, c: 1}, q: \"${{ params.m }}\"}\n");
        if let Err(mistakes) = space.load(&["n=4"]) {
            prop_assert!(mistakes.has_errors());
            let _ = render(&mistakes, false, 80);
            let _ = to_json(&mistakes);
        }
    }
}
