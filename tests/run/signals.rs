//! Ctrl-C once and twice, as the terminal sends it.

use std::process::Child;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::TestSpace;

fn stubborn() -> TestSpace {
    TestSpace::new().pipeline(
        "stages:\n  a: { use: command, with: { run: \"trap '' TERM; echo > started; \
         while :; do sleep 0.02; done\" } }\n  b: { use: command, needs: [a], with: { run: \"true\" } }",
    )
}

fn interrupt(child: &Child) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
}

#[test]
fn a_second_ctrl_c_ends_everything_now() {
    let space = stubborn();
    let child = space.start(&[]);
    space.wait_for(".phytotron/work", "started");
    let started = Instant::now();
    interrupt(&child);
    std::thread::sleep(Duration::from_millis(50));
    interrupt(&child);
    space.finish(child).code(130).stages("a interrupted, b interrupted");
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(space.processes(), Vec::<i32>::new());
}

#[test]
fn one_ctrl_c_lets_a_command_end_and_the_next_run_goes_on() {
    let run = "c=$PHYTOTRON_CHECKPOINT_DIR/n; if [ -e $c ]; then cat $c > o; exit; fi; \
               trap 'echo kept > $c; exit 1' TERM; echo > started; while :; do sleep 0.02; done";
    let space = TestSpace::new().pipeline(&format!(
        "stages: {{ a: {{ use: command, with: {{ run: \"{run}\", outputs: [o] }} }} }}"
    ));
    let child = space.start(&[]);
    space.wait_for(".phytotron/work", "started");
    interrupt(&child);
    space.finish(child).code(130).stages("a interrupted");
    space.run(&[]).success().stages("a done");
    assert_eq!(space.read("out/pipeline/a/o"), "kept\n");
}
