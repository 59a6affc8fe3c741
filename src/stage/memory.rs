//! How much memory this process may still take: what the machine has left, or a control group leaves of it.
//!
//! Decides how many trainings go on side by side and whether one can begin, never what comes out.

use std::fs;
use std::path::{Path, PathBuf};

/// Bytes that are free for this process; nothing where the system does not say.
pub(super) fn available() -> Option<u64> {
    available_below(Path::new("/"))
}

fn available_below(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let left = groups.lines().filter_map(|line| left_in_groups(root, line));
    machine(root).into_iter().chain(left).min()
}

/// What the whole machine can give without writing memory out.
fn machine(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Files of a memory controller, of which version 2 and version 1 have others.
struct Controller {
    folder: &'static str,
    limit: &'static str,
    taken: &'static str,
    /// In `memory.stat`: files that are kept in memory as long as nobody needs it.
    files: &'static str,
}

const V2: Controller = Controller {
    folder: "sys/fs/cgroup",
    limit: "memory.max",
    taken: "memory.current",
    files: "inactive_file ",
};
const V1: Controller = Controller {
    folder: "sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    taken: "memory.usage_in_bytes",
    files: "total_inactive_file ",
};

/// The least that a group of `/proc/self/cgroup` and the groups around it leave (cgroups(7)). In a container the
/// groups around its own cannot be seen, and its own is the root.
fn left_in_groups(root: &Path, line: &str) -> Option<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, group) = (parts.next()?, parts.next()?);
    let controller = match controllers {
        "" => &V2,
        list if list.split(',').any(|name| name == "memory") => &V1,
        _ => return None,
    };
    let top = root.join(controller.folder);
    let own = top.join(group.trim_start_matches('/'));
    let folders = own.ancestors().take_while(|folder| folder.starts_with(&top));
    folders.map(PathBuf::from).filter_map(|folder| controller.left(&folder)).min()
}

impl Controller {
    fn left(&self, folder: &Path) -> Option<u64> {
        let number =
            |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
        let (limit, taken) = (number(self.limit)?, number(self.taken)?);
        let statistics = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
        let files = statistics.lines().find_map(|line| line.strip_prefix(self.files));
        let files = files.and_then(|files| files.parse::<u64>().ok()).unwrap_or(0);
        Some(limit.saturating_sub(taken.saturating_sub(files)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const MACHINE: (&str, &str) = ("proc/meminfo", "MemTotal: 99 kB\nMemAvailable:      40 kB\n");

    #[test]
    fn without_a_group_the_machine_says_what_there_is() {
        assert_eq!(available_below(root(&[MACHINE]).path()), Some(40 * 1024));
        assert_eq!(available_below(root(&[]).path()), None);
    }

    #[test]
    fn a_group_leaves_its_limit_less_what_is_taken_and_cannot_be_dropped() {
        let root = root(&[
            MACHINE,
            ("proc/self/cgroup", "0::/outer/inner\n"),
            ("sys/fs/cgroup/outer/inner/memory.max", "max\n"),
            ("sys/fs/cgroup/outer/inner/memory.current", "7000\n"),
            ("sys/fs/cgroup/outer/memory.max", "20000\n"),
            ("sys/fs/cgroup/outer/memory.current", "9000\n"),
            ("sys/fs/cgroup/outer/memory.stat", "anon 5000\ninactive_file 1000\n"),
        ]);
        assert_eq!(available_below(root.path()), Some(12_000));
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_root_also_in_the_first_version() {
        let root = root(&[
            MACHINE,
            ("proc/self/cgroup", "3:cpu,memory:/somewhere/outside\n2:pids:/x\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "5000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "6000\n"),
            ("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 3500\n"),
        ]);
        assert_eq!(available_below(root.path()), Some(2_500));
    }
}
