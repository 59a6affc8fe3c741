//! The trials of a running stage on disk, as its checkpoint: what was appended, and a state that fits it.
//!
//! Lines are appended to a file in the checkpoint folder. A save flushes them and then replaces the state
//! file, which knows length and digest of the lines that belong to it, by renaming. So whatever moment
//! a process dies at, the next attempt finds a state and exactly its lines; later lines are cut off and
//! computed again. A checkpoint that does not fit is worth a warning and a fresh start, never trust.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Job, StageError};
use crate::digest::{Digest, Hasher};
use crate::event::Event;
use crate::manifest::Fingerprint;
use crate::results::{TRIALS_FILE, Trial};

/// Version of the state file.
const FORMAT: u32 = 1;
const STATE_FILE: &str = "state.json";
/// Shortest time between two saves.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// Saves take at most about one part in this many of the time.
const SAVE_SHARE: u32 = 50;

/// Trials on their way into an artifact.
#[derive(Debug)]
pub(super) struct TrialLog {
    folder: PathBuf,
    fingerprint: Fingerprint,
    lines: BufWriter<File>,
    bytes: u64,
    hasher: Hasher,
    saved_at: Instant,
    next_save: Duration,
}

/// What an earlier attempt left.
#[derive(Debug)]
pub(super) struct Resumed<S> {
    pub(super) state: S,
    pub(super) trials: Vec<Trial>,
}

#[derive(Serialize)]
struct SavedAs<'a, S> {
    format: u32,
    fingerprint: Fingerprint,
    bytes: u64,
    lines: Digest,
    state: &'a S,
}

#[derive(Deserialize)]
struct Saved<S> {
    format: u32,
    fingerprint: Fingerprint,
    bytes: u64,
    lines: Digest,
    state: S,
}

impl TrialLog {
    /// Opens the log in the job's checkpoint folder, and what an earlier attempt left there.
    ///
    /// # Errors
    /// When the folder cannot be written. A checkpoint that cannot be used is no error.
    pub(super) fn open<S: DeserializeOwned>(
        job: &Job<'_>,
    ) -> Result<(Self, Option<Resumed<S>>), StageError> {
        let folder = job.file.paths.checkpoint.clone();
        fs::create_dir_all(&folder).map_err(|e| io_error("cannot write", &folder, e))?;
        let (resumed, text) = match read(&folder, job.file.fingerprint) {
            Ok(Some((resumed, text))) => (Some(resumed), text),
            Ok(None) => (None, String::new()),
            Err(reason) => {
                let text = format!("the checkpoint cannot be used, starting over: {reason}");
                job.events.emit(Event::Warning { stage: Some(job.file.stage.clone()), text });
                (None, String::new())
            }
        };
        let path = folder.join(TRIALS_FILE);
        let options = OpenOptions::new().create(true).append(true).truncate(false).clone();
        let file = options.open(&path).map_err(|e| io_error("cannot write", &path, e))?;
        file.set_len(text.len() as u64).map_err(|e| io_error("cannot write", &path, e))?;
        let mut hasher = Hasher::new();
        hasher.update(text.as_bytes());
        let log = Self {
            folder,
            fingerprint: job.file.fingerprint,
            lines: BufWriter::new(file),
            bytes: text.len() as u64,
            hasher,
            saved_at: Instant::now(),
            next_save: SAVE_EVERY,
        };
        Ok((log, resumed))
    }

    /// Appends a trial.
    pub(super) fn append(&mut self, trial: &Trial) -> Result<(), StageError> {
        let line = trial.line();
        self.hasher.update(line.as_bytes());
        self.bytes += line.len() as u64;
        let written = self.lines.write_all(line.as_bytes());
        written.map_err(|e| io_error("cannot write", &self.folder.join(TRIALS_FILE), e))
    }

    /// Takes over the lines of an earlier result, before any other.
    pub(super) fn begin_with(&mut self, lines: &str) -> Result<(), StageError> {
        assert_eq!(self.bytes, 0, "BUG: the log of a search that has begun");
        self.hasher.update(lines.as_bytes());
        self.bytes = lines.len() as u64;
        let written = self.lines.write_all(lines.as_bytes());
        written.map_err(|e| io_error("cannot write", &self.folder.join(TRIALS_FILE), e))
    }

    /// Whether enough time has passed for another save: the clock decides how much a kill may cost, and
    /// nothing else.
    pub(super) fn is_due(&self) -> bool {
        self.saved_at.elapsed() >= self.next_save
    }

    /// Makes everything appended so far, and `state`, what the next attempt begins with.
    pub(super) fn save<S: Serialize>(&mut self, state: &S) -> Result<(), StageError> {
        let began = Instant::now();
        let lines = self.folder.join(TRIALS_FILE);
        self.lines.flush().map_err(|e| io_error("cannot write", &lines, e))?;
        let saved = SavedAs {
            format: FORMAT,
            fingerprint: self.fingerprint,
            bytes: self.bytes,
            lines: self.hasher.digest(),
            state,
        };
        let text = serde_json::to_vec(&saved).expect("states are numbers and text");
        let (temporary, path) = (self.folder.join("state.tmp"), self.folder.join(STATE_FILE));
        fs::write(&temporary, text).map_err(|e| io_error("cannot write", &temporary, e))?;
        fs::rename(&temporary, &path).map_err(|e| io_error("cannot write", &path, e))?;
        self.saved_at = Instant::now();
        self.next_save = SAVE_EVERY.max(began.elapsed() * SAVE_SHARE);
        Ok(())
    }

    /// Puts the trials into an output's folder. The checkpoint stays until the stage has succeeded.
    pub(super) fn finish(mut self, output: &Path) -> Result<(), StageError> {
        let (lines, file) = (self.folder.join(TRIALS_FILE), output.join(TRIALS_FILE));
        self.lines.flush().map_err(|e| io_error("cannot write", &lines, e))?;
        let copied = fs::copy(&lines, &file).map_err(|e| io_error("cannot write", &file, e))?;
        if copied != self.bytes {
            let found = io::Error::other(format!("{copied} of {} bytes are there", self.bytes));
            return Err(io_error("cannot read", &lines, found));
        }
        Ok(())
    }
}

/// The state and its lines; nothing when there is no checkpoint, a reason when it cannot be used.
fn read<S: DeserializeOwned>(
    folder: &Path,
    fingerprint: Fingerprint,
) -> Result<Option<(Resumed<S>, String)>, String> {
    let text = match fs::read(folder.join(STATE_FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let saved: Saved<S> = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if saved.format != FORMAT || saved.fingerprint != fingerprint {
        return Err("it belongs to another stage or version".to_owned());
    }
    let lines = fs::read(folder.join(TRIALS_FILE)).map_err(|error| error.to_string())?;
    let length = usize::try_from(saved.bytes).map_err(|error| error.to_string())?;
    let lines = lines.get(..length).ok_or("its trials are cut short")?;
    if Digest::of(lines) != saved.lines {
        return Err("its trials are damaged".to_owned());
    }
    let text = String::from_utf8(lines.to_vec()).map_err(|error| error.to_string())?;
    let trials = parse(&text)?;
    Ok(Some((Resumed { state: saved.state, trials }, text)))
}

/// The trials of a file's lines, or why there are none.
pub(super) fn parse(lines: &str) -> Result<Vec<Trial>, String> {
    let trials = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>();
    trials.map_err(|error| error.to_string())
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> StageError {
    StageError::Io { action, path: path.to_owned(), source }
}
