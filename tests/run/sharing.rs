//! Several runs on one store at once.

use std::fs;

use crate::support::TestSpace;

#[test]
fn eight_runs_at_once_compute_each_stage_once() {
    let counted = tempfile::tempdir().unwrap();
    let stage = |name: &str, inputs: &str| {
        let count = format!("mktemp {}/{name}.XXXXXX", counted.path().display());
        format!(
            "  {name}: {{ use: command, {inputs} with: {{ run: \"{count}; sleep 0.1; echo {name} > o\", \
             outputs: [o] }} }}\n"
        )
    };
    let yaml = format!(
        "stages:\n{}{}{}",
        stage("a", ""),
        stage("b", "inputs: { x: a },"),
        stage("c", "inputs: { x: a },")
    );
    let space = TestSpace::new().pipeline(&yaml);
    let runs: Vec<_> = (0..8).map(|_| space.start(&[])).collect();
    for run in runs {
        space.finish(run).success();
    }
    let names: Vec<String> = fs::read_dir(counted.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy()[..1].to_owned())
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(space.read("out/pipeline/b/o"), "b\n");
}

#[test]
fn a_waiting_run_says_for_whom_and_takes_over_when_that_one_is_killed() {
    let space = TestSpace::new().pipeline(
        "stages: { a: { use: command, with: { run: \"echo > started; sleep $(cat slow); echo a > o\", \
         files: [slow], outputs: [o] } } }",
    );
    space.write("slow", "1000");
    let mut first = space.start(&[]);
    space.wait_for(".phytotron/work", "started");
    let second = space.start(&[]);
    std::thread::sleep(std::time::Duration::from_millis(150));
    first.kill().unwrap();
    first.wait().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(150));
    // The second run computes it now, from the start; it would take its thousand seconds.
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(second.id()).unwrap()),
        nix::sys::signal::Signal::SIGINT,
    )
    .unwrap();
    space.finish(second).code(130).says("waits for run ").says("a: interrupted");
    assert_eq!(space.processes(), Vec::<i32>::new());
}
