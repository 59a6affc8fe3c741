//! Attempts: private folders under `work/<fingerprint>/attempts/`, and what became of earlier ones.
//!
//! Each attempt's process and its descendants hold a lock on a file in its folder, so that a later run sees
//! whether any of them still lives. A folder is never used twice. Everything here happens under the
//! claim on the fingerprint, so no two runs do it at once. Knows nothing of what an attempt computes.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::Pid;

use super::error::JobError;
use super::interrupt::{Interrupt, Urgency};
use super::process;
use crate::store::{Claim, Store};

/// The attempts at one fingerprint.
#[derive(Debug)]
pub(super) struct Attempts {
    /// `work/<fingerprint>`.
    work: PathBuf,
}

/// One attempt that is under way here.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Its private folder.
    pub(super) folder: PathBuf,
    /// Locked for as long as this value or any process of the attempt lives.
    pub(super) lock: File,
}

impl Attempts {
    /// The attempts kept in `work`, which may be missing.
    pub(super) fn new(work: PathBuf) -> Self {
        Self { work }
    }

    /// The folder that survives attempts.
    pub(super) fn checkpoint(&self) -> PathBuf {
        self.work.join("checkpoint")
    }

    /// Whether no attempt has left a checkpoint.
    pub(super) fn are_new(&self) -> bool {
        fs::read_dir(self.checkpoint()).is_ok_and(|mut entries| entries.next().is_none())
    }

    fn folder(&self) -> PathBuf {
        self.work.join("attempts")
    }

    /// Numbers of the attempts there are, oldest first.
    fn numbers(&self) -> Vec<u64> {
        let entries = fs::read_dir(self.folder()).into_iter().flatten().flatten();
        let mut numbers: Vec<u64> =
            entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Folders of earlier attempts, newest first.
    pub(super) fn earlier(&self) -> impl Iterator<Item = PathBuf> {
        let folder = self.folder();
        self.numbers().into_iter().rev().map(move |number| folder.join(number.to_string()))
    }

    /// Ends every process that an earlier attempt left behind, and waits until it is gone.
    ///
    /// `on_wait` is told when one cannot be killed (another user's, or one on another machine).
    pub(super) fn end_orphans(
        &self,
        interrupt: &Interrupt,
        on_wait: &mut dyn FnMut(&str),
    ) -> Result<(), JobError> {
        for folder in self.earlier() {
            end_orphans_of(&folder.join("lock"), interrupt, on_wait)?;
        }
        Ok(())
    }

    /// Whether a process of an earlier attempt still lives.
    fn has_orphans(&self) -> bool {
        self.earlier().any(|folder| {
            let lock = File::open(folder.join("lock"));
            lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock)))
        })
    }

    /// Makes the folder of the next attempt; older ones but the last are removed.
    pub(super) fn next(&self) -> Result<Attempt, JobError> {
        let numbers = self.numbers();
        let outdated = numbers.len().saturating_sub(1);
        for number in &numbers[..outdated] {
            remove(&self.folder().join(number.to_string()));
        }
        let number = numbers.last().map_or(1, |last| last + 1);
        let folder = self.folder().join(number.to_string());
        make(&folder)?;
        make(&self.checkpoint())?;
        let path = folder.join("lock");
        let open = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let lock = open.map_err(JobError::io("cannot write", &path))?;
        lock.lock().map_err(JobError::io("cannot lock", &path))?;
        Ok(Attempt { folder, lock })
    }

    /// Removes everything, the checkpoint too: the result is in the store.
    pub(super) fn clear(&self) {
        remove(&self.work);
    }
}

impl Attempt {
    /// Gives up our own hold and makes sure that no descendant holds on.
    ///
    /// The group was killed when its leader ended; what is left has moved to a group of its own.
    pub(super) fn end(
        self,
        interrupt: &Interrupt,
        on_wait: &mut dyn FnMut(&str),
    ) -> Result<(), JobError> {
        drop(self.lock);
        end_orphans_of(&self.folder.join("lock"), interrupt, on_wait)
    }
}

/// Kills what killed runs left behind, whatever it was computing; what lives on after a second is left
/// to the run that needs its fingerprint.
pub(super) fn sweep(store: &Store) {
    let work = store.root().join("work");
    for entry in fs::read_dir(work).into_iter().flatten().flatten() {
        let Some(fingerprint) = entry.file_name().to_str().and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let attempts = Attempts::new(entry.path());
        if attempts.has_orphans()
            && let Ok(Claim::Granted(_guard)) = store.claim(&fingerprint, "a sweep of orphans")
        {
            let gives_up = Interrupt::new().inspect(Interrupt::raise);
            if let Ok(gives_up) = gives_up {
                _ = attempts.end_orphans(&gives_up, &mut |_| {});
            }
        }
    }
}

/// Kills what holds the lock at `path`, until nobody does.
fn end_orphans_of(
    path: &Path,
    interrupt: &Interrupt,
    on_wait: &mut dyn FnMut(&str),
) -> Result<(), JobError> {
    /// After this many rounds (about a second) a person is told.
    const ROUNDS_BEFORE_WORD: u32 = 50;
    let lock = match File::open(path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(JobError::io("cannot read", path)(error)),
    };
    let leader = fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
    for round in 0_u32.. {
        if is_free(&lock, path)? {
            return Ok(());
        }
        let guard = process::no_forks();
        if is_free(&lock, path)? {
            return Ok(());
        }
        let holders = process::holders(path);
        process::kill_all(&holders, leader.map(Pid::from_raw));
        drop(guard);
        if round == ROUNDS_BEFORE_WORD {
            let names: Vec<String> = holders.iter().map(ToString::to_string).collect();
            on_wait(&names.join(", "));
        }
        if round > ROUNDS_BEFORE_WORD && interrupt.urgency() != Urgency::None {
            return Err(JobError::Interrupted);
        }
        std::thread::sleep(Duration::from_millis(u64::from(round.min(20))));
    }
    Ok(())
}

fn is_free(lock: &File, path: &Path) -> Result<bool, JobError> {
    match lock.try_lock() {
        Ok(()) => Ok(true),
        Err(fs::TryLockError::WouldBlock) => Ok(false),
        Err(fs::TryLockError::Error(error)) => Err(JobError::io("cannot lock", path)(error)),
    }
}

/// Makes a folder and its parents.
pub(super) fn make(folder: &Path) -> Result<(), JobError> {
    fs::create_dir_all(folder).map_err(JobError::io("cannot make", folder))
}

/// Removes a folder with all in it, folders that a program made read-only included.
///
/// What cannot be removed stays for `gc`: a result is not worth less for it.
pub(super) fn remove(folder: &Path) {
    if fs::remove_dir_all(folder).is_ok() {
        return;
    }
    unlock_folders(folder);
    _ = fs::remove_dir_all(folder);
}

fn unlock_folders(folder: &Path) {
    _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            unlock_folders(&entry.path());
        }
    }
}
