//! Hostile and huge files: bounded time and memory, and a clear refusal.

use std::fmt::Write;
use std::time::{Duration, Instant};

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
