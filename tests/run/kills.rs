//! kill -9 at random moments: the next plain run ends right, and nobody keeps writing.
//!
//! `PHYTOTRON_KILLS=100` asks for that many moments of each sort.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use phytotron::seed::{Seed, Stream};

use crate::support::{PROGRAM, TestSpace};

/// Six stages of slow writers, and what each reads.
const STAGES: [(&str, &str); 6] = [
    ("a", "{}"),
    ("b", "{ x: a }"),
    ("c", "{ x: a }"),
    ("d", "{ x: b, y: c }"),
    ("e", "{ x: c }"),
    ("f", "{ x: d, y: e }"),
];

/// Leaves a grandchild in a session of its own, which ignores what can be ignored and keeps writing
/// into the stage's folder.
///
/// Every program it calls decides whether it succeeds: killing one must not go unnoticed.
const SCRIPT: &str = r#"
set -e
setsid sh -c 'trap "" TERM HUP INT; while :; do echo $NAME >> orphan.log; sleep 0.005; done' &
mkdir out
for file in inputs/*/out/*.txt; do
    if [ -e "$file" ]; then cat "$file" >> out/before.txt; fi
done
i=0
while [ $i -lt 8 ]; do
    echo "$NAME $i" >> out/lines.txt
    sleep 0.005
    i=$((i + 1))
done
"#;

fn slow() -> TestSpace {
    let stage = |(name, inputs): (&str, &str)| {
        format!(
            "  {name}: {{ use: command, inputs: {inputs}, publish: true, with: {{ run: \"sh slow.sh\", \
             files: [slow.sh], outputs: [out], env: {{ NAME: {name} }} }} }}\n"
        )
    };
    let stages: String = STAGES.into_iter().map(stage).collect();
    TestSpace::new().file("slow.sh", SCRIPT).pipeline(&format!("name: slow\nstages:\n{stages}"))
}

/// What an undisturbed run puts into `out/`, and how long it takes.
static UNDISTURBED: LazyLock<(BTreeMap<PathBuf, Vec<u8>>, Duration)> = LazyLock::new(|| {
    let space = slow();
    let started = Instant::now();
    space.run(&[]).success();
    let took = started.elapsed();
    assert_eq!(space.processes(), Vec::<i32>::new());
    (space.files("out"), took)
});

fn moments() -> u64 {
    std::env::var("PHYTOTRON_KILLS").map_or(6, |text| text.parse().unwrap())
}

fn random_moment(stream: &mut Stream) -> Duration {
    UNDISTURBED.1.mul_f64(stream.range(0.0, 1.1))
}

#[track_caller]
fn ends_right(space: &TestSpace, moment: Duration) {
    let ran = space.run(&[]);
    let text = ran.text();
    ran.success();
    assert_eq!(space.files("out"), UNDISTURBED.0, "after {moment:?}: {text}");
    assert_eq!(space.processes(), Vec::<i32>::new(), "after {moment:?}: {text}");
}

#[test]
fn a_killed_run_is_finished_by_the_next() {
    for index in 0..moments() {
        let moment = random_moment(&mut Seed::root(1).stream("kill the run", index));
        let space = slow();
        let mut child = space.start(&[]);
        std::thread::sleep(moment);
        child.kill().unwrap();
        child.wait().unwrap();
        ends_right(&space, moment);
    }
}

#[test]
fn a_killed_command_is_run_again_by_the_next() {
    for index in 0..moments() {
        let mut stream = Seed::root(1).stream("kill a command", index);
        let moment = random_moment(&mut stream);
        let space = slow();
        let child = space.start(&[]);
        std::thread::sleep(moment);
        let own = i32::try_from(child.id()).unwrap();
        let others: Vec<i32> = space.processes().into_iter().filter(|&pid| pid != own).collect();
        if !others.is_empty() {
            let victim = others[stream.index(others.len())];
            // It may have ended by itself meanwhile.
            _ = kill(Pid::from_raw(victim), Signal::SIGKILL);
        }
        space.finish(child);
        ends_right(&space, moment);
    }
}

#[test]
fn an_orphan_that_ignores_signals_is_ended_by_the_next_run() {
    let space = slow();
    let mut child = space.start(&[]);
    space.wait_for(".phytotron/work", "orphan.log");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!space.processes().is_empty(), "the grandchild lives on");
    ends_right(&space, Duration::ZERO);
}

#[test]
fn a_killed_command_says_so() {
    let space = TestSpace::new()
        .pipeline("stages: { a: { use: command, with: { run: \"echo so far; kill -9 $$\" } } }");
    let ran = space.run(&[]).code(1).says("killed by SIGKILL");
    assert!(ran.text().contains("so far"), "{}", ran.text());
}

/// As by `cargo build` while a run goes on.
#[test]
fn a_run_whose_program_was_deleted_starts_its_next_stages_from_it() {
    let space = TestSpace::new();
    let program = space.path("program");
    // Not `fs::copy`: a child that another test starts meanwhile would keep the file "busy".
    assert!(Command::new("cp").arg(PROGRAM).arg(&program).status().unwrap().success());
    let yaml = format!(
        "stages:\n  a: {{ use: command, with: {{ run: \"rm {}\" }} }}\n  \
         b: {{ use: dataset, needs: [a], with: {{ source: {{ kind: leaves, images: 60, size: 16 }}, split: {{ validation: 0.3 }} }} }}\n",
        program.display()
    );
    space.write("pipeline.yaml", &yaml);
    let mut command = Command::new(&program);
    command
        .args(["run", "pipeline.yaml"])
        .current_dir(space.path("."))
        .env_remove("PHYTOTRON_STORE");
    space.ran(command.output().unwrap()).success().stages("a done, b done");
    assert!(!program.exists());
}
