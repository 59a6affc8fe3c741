//! Full and read-only disks: a clear error, and nothing corrupted.
//!
//! The disks are small file systems in memory, mounted in a namespace of their own.

use std::process::{Command, Output};

use crate::support::{PROGRAM, TestSpace, skip};

/// Runs `script` where file systems can be mounted; `$DISK` is a folder for one, `$PROGRAM` the binary.
/// Nothing where the kernel does not allow it.
fn with_mounts(space: &TestSpace, script: &str) -> Option<Output> {
    let disk = space.path("disk");
    std::fs::create_dir_all(&disk).unwrap();
    let unshare = |script: &str| {
        Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-e", "-c", script])
            .current_dir(space.path(""))
            .env("DISK", &disk)
            .env("PROGRAM", PROGRAM)
            .env_remove("PHYTOTRON_STORE")
            .output()
    };
    let allowed = unshare("mount -t tmpfs -o size=1m tmpfs $DISK");
    if !allowed.is_ok_and(|output| output.status.success()) {
        skip("this machine lets nobody mount a file system in a namespace");
        return None;
    }
    Some(unshare(script).unwrap())
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_full_disk_is_said_and_harms_nothing() {
    let space = TestSpace::new().pipeline(
        "stages:\n  small: { use: command, with: { run: \"echo small > o\", outputs: [o] } }\n  \
         large: { use: command, needs: [small], with: { run: \"head -c 3000000 /dev/zero > o\", \
         outputs: [o] } }\n",
    );
    let script = "mount -t tmpfs -o size=2m tmpfs $DISK
        $PROGRAM run pipeline.yaml --store $DISK/store && exit 9
        mount -o remount,size=64m $DISK
        $PROGRAM run pipeline.yaml --store $DISK/store
        wc -c < out/pipeline/large/o";
    let Some(output) = with_mounts(&space, script) else { return };
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.to_lowercase().contains("no space left"), "{text}");
    assert!(text.contains("large: done") && text.contains("3000000"), "{text}");
}

#[test]
fn a_read_only_store_is_said_and_still_answers() {
    let space = TestSpace::new().pipeline(
        "params: { word: one }\nstages: { a: { use: command, with: { run: \"echo ${{ params.word }} > o\", \
         outputs: [o] } } }",
    );
    let script = "mount -t tmpfs -o size=8m tmpfs $DISK
        $PROGRAM run pipeline.yaml --store $DISK/store
        mount -o remount,ro $DISK
        $PROGRAM run pipeline.yaml --store $DISK/store
        echo ---
        $PROGRAM run pipeline.yaml --store $DISK/store -p word=two && exit 9
        exit 0";
    let Some(output) = with_mounts(&space, script) else { return };
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("is read-only"), "{text}");
}
