//! Memory that a process and all that it started hold, as `/proc` tells it.
//!
//! Pages that several of them share count for each: a bound, not a measurement. Elsewhere than on Linux
//! nothing is known and the answer is 0.

use std::fs;

use nix::unistd::{Pid, SysconfVar, sysconf};

/// Processes that are looked at; a build farm's thousands are not.
const MOST: usize = 256;

/// Resident bytes of `pid` and its descendants.
pub(super) fn held_by(pid: Pid) -> u64 {
    let mut found = vec![pid.as_raw()];
    let mut next = 0;
    while let Some(&pid) = found.get(next).filter(|_| next < MOST) {
        found.extend(children(pid));
        next += 1;
    }
    found.into_iter().take(MOST).filter_map(resident).sum()
}

/// Children of every thread of `pid`.
fn children(pid: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

fn resident(pid: i32) -> Option<u64> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    let page = sysconf(SysconfVar::PAGE_SIZE).ok()??;
    Some(pages * u64::try_from(page).ok()?)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn children_count_with_their_parent() {
        let held = 32 << 20;
        let script = format!("x=$(head -c {held} /dev/zero | tr '\\0' x); sleep 5; echo $x");
        let mut child = Command::new("sh")
            .args(["-c", "sh -c \"$0\" & wait", &script])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let is_seen = (0..100).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            held_by(pid) > held
        });
        for child in children(pid.as_raw()) {
            _ = nix::sys::signal::kill(Pid::from_raw(child), nix::sys::signal::Signal::SIGKILL);
        }
        _ = child.kill();
        _ = child.wait();
        assert!(is_seen);
    }

    #[test]
    fn a_process_that_is_gone_holds_nothing() {
        assert_eq!(held_by(Pid::from_raw(i32::MAX)), 0);
    }
}
