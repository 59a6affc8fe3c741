//! The journal: a run's folder with its facts, its events and the logs of its stages.
//!
//! `runs/<run-id>/` is made when the first stage does anything; a run that finds all cached adds a line
//! to `runs/index.jsonl` and nothing else. Writing never fails a run: losing history loses no result.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::thrift::Thrift;
use crate::artifact::StageId;
use crate::digest::Digest;
use crate::event::{Emit, Ending, Event};
use crate::manifest::Fingerprint;
use crate::plan::{self, Graph, NoOp};
use crate::record::Cost;

/// Version of every file of the journal.
pub const JOURNAL_FORMAT: u32 = 1;

pub(super) const INDEX_FILE: &str = "index.jsonl";
pub(super) const EVENTS_FILE: &str = "events.jsonl";
pub(super) const RUN_FILE: &str = "run.json";

/// One line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalLine {
    /// [`JOURNAL_FORMAT`] at writing.
    pub v: u32,
    /// Seconds since 1970.
    pub time: f64,
    /// What was said.
    #[serde(flatten)]
    pub event: Event,
}

/// `run.json`: the facts of a run, and once it has ended, what became of every stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunFile {
    /// [`JOURNAL_FORMAT`] at writing.
    pub v: u32,
    /// The run's id.
    pub run: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The pipeline's file, relative to the project.
    pub file: String,
    /// `-p key=value`, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<(String, String)>,
    /// Seconds since 1970.
    pub started_at: f64,
    /// Host name.
    pub host: String,
    /// Process number.
    pub process: u32,
    /// The version of phytotron.
    pub version: String,
    /// Its stages and how they feed each other, for drawings; missing in a study too large for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<Graph>,
    /// How it ended; missing in a run that goes on or was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<RunEnd>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEnd {
    /// Whether all that was asked for has a result.
    pub ok: bool,
    /// Seconds on the clock.
    pub secs: f64,
    /// The stages in topological order.
    pub stages: Vec<StageEnd>,
}

/// What became of a stage in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageEnd {
    /// The stage.
    pub stage: StageId,
    /// How it ended.
    pub ending: Ending,
    /// Why it failed or was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The cache key, when it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// Trees of its outputs, when it ended well.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Digest>,
    /// Headline numbers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
    /// What computing its result cost, in whichever run that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Attempts in this run.
    #[serde(default)]
    pub attempts: u32,
}

/// One line of `index.jsonl`: a run that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IndexLine {
    /// [`JOURNAL_FORMAT`] at writing.
    pub v: u32,
    /// The run's id.
    pub run: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// Seconds since 1970.
    pub started_at: f64,
    /// Seconds on the clock.
    pub secs: f64,
    /// Whether all that was asked for has a result.
    pub ok: bool,
    /// Stages by how they ended.
    pub stages: BTreeMap<String, usize>,
    /// Whether the run has a folder.
    pub folder: bool,
}

/// Keeps what a run says.
#[derive(Debug)]
pub(super) struct Journal {
    /// `runs/`.
    runs: PathBuf,
    facts: RunFile,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
enum Inner {
    /// Nothing was worth a folder so far; these events wait for one.
    Pending(Vec<JournalLine>),
    /// Open, and locked for as long as the run lives: that is how others see that it does.
    Open { file: File, thrift: Thrift },
    /// The folder could not be made or written.
    Lost,
}

impl Journal {
    /// A journal below `runs/` whose folder does not exist yet.
    #[must_use]
    pub(super) fn new(runs: PathBuf, facts: RunFile) -> Self {
        Self { runs, facts, inner: Mutex::new(Inner::Pending(Vec::new())) }
    }

    /// The run's id.
    #[must_use]
    pub(super) fn run(&self) -> &str {
        &self.facts.run
    }

    /// When the run began, in seconds since 1970.
    pub(super) fn started_at(&self) -> f64 {
        self.facts.started_at
    }

    fn folder(&self) -> PathBuf {
        self.runs.join(&self.facts.run)
    }

    /// Path of a stage's log; the folder exists once a stage has started.
    #[must_use]
    pub(super) fn log_path(&self, stage: &StageId) -> PathBuf {
        self.folder().join("logs").join(format!("{}.log", plan::safe_name(&stage.to_string())))
    }

    /// Folder of the profiles of a stage's trainings.
    #[must_use]
    pub(super) fn profile_path(&self, stage: &StageId) -> PathBuf {
        self.folder().join("profiles").join(plan::safe_name(&stage.to_string()))
    }

    /// Whether the folder was made.
    #[must_use]
    pub(super) fn has_folder(&self) -> bool {
        matches!(*self.lock(), Inner::Open { .. })
    }

    /// Ends the journal: `run.json` gets the end when there is a folder, the index a line.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub(super) fn end(&self, end: RunEnd) -> io::Result<()> {
        let index = self.index_line(&end);
        if index.folder {
            let facts = RunFile { ended: Some(end), ..self.facts.clone() };
            write_json(&self.folder().join(RUN_FILE), &facts)?;
        }
        append_line(&self.runs.join(INDEX_FILE), &serde_json::to_string(&index)?)
    }

    fn index_line(&self, end: &RunEnd) -> IndexLine {
        let mut stages: BTreeMap<String, usize> = BTreeMap::new();
        for stage in &end.stages {
            *stages.entry(stage.ending.word().to_owned()).or_default() += 1;
        }
        IndexLine {
            v: JOURNAL_FORMAT,
            run: self.facts.run.clone(),
            pipeline: self.facts.pipeline.clone(),
            started_at: self.facts.started_at,
            secs: end.secs,
            ok: end.ok,
            stages,
            folder: self.has_folder(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, pending: &[JournalLine]) -> io::Result<File> {
        let folder = self.folder();
        fs::create_dir_all(folder.join("logs"))?;
        let path = folder.join(EVENTS_FILE);
        let mut events = OpenOptions::new().append(true).create(true).open(path)?;
        events.lock()?;
        write_json(&folder.join(RUN_FILE), &self.facts)?;
        for line in pending {
            events.write_all(&text(line)?)?;
        }
        Ok(events)
    }
}

/// Adds the line of a run that found nothing to do.
///
/// # Errors
/// When the index cannot be written.
pub fn note_no_op(runs: &Path, no_op: &NoOp) -> io::Result<()> {
    let index = IndexLine {
        v: JOURNAL_FORMAT,
        run: run_id(),
        pipeline: no_op.pipeline.clone(),
        started_at: now(),
        secs: 0.0,
        ok: true,
        stages: BTreeMap::from([(Ending::Cached.word().to_owned(), no_op.stages)]),
        folder: false,
    };
    append_line(&runs.join(INDEX_FILE), &serde_json::to_string(&index)?)
}

impl Emit for Journal {
    fn emit(&self, event: Event) {
        if !is_kept(&event) {
            return;
        }
        let opens = opens_folder(&event);
        let line = JournalLine { v: JOURNAL_FORMAT, time: now(), event };
        let mut inner = self.lock();
        match &mut *inner {
            Inner::Pending(pending) => {
                pending.push(line);
                if opens {
                    let opened = self.open(pending);
                    let thrift = Thrift::new(self.facts.started_at);
                    *inner = opened.map_or(Inner::Lost, |file| Inner::Open { file, thrift });
                }
            }
            Inner::Open { file, thrift } => {
                let Ok(text) = text(&line) else { return };
                if thrift.admits(&line.event, text.len(), line.time)
                    && file.write_all(&text).is_err()
                {
                    *inner = Inner::Lost;
                }
            }
            Inner::Lost => {}
        }
    }
}

/// What moves to a remote is nothing that a run did.
fn is_kept(event: &Event) -> bool {
    !matches!(event, Event::Transfer { .. })
}

/// Whether more happened than finding a result in the store.
fn opens_folder(event: &Event) -> bool {
    match event {
        Event::RunStarted { .. } | Event::RunEnded { .. } | Event::Transfer { .. } => false,
        Event::StageEnded { ending, .. } => *ending != Ending::Cached,
        _ => true,
    }
}

/// A fresh run id that sorts by time: `20261124-041800-3fa9`.
#[must_use]
pub fn run_id() -> String {
    let time = now();
    let unique = format!("{time} {}", std::process::id());
    format!("{}-{}", compact_time(time), &Digest::of(unique.as_bytes()).hex()[..4])
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn compact_time(time: f64) -> String {
    let (date, clock) = utc(time);
    format!("{:04}{:02}{:02}-{:02}{:02}{:02}", date.0, date.1, date.2, clock.0, clock.1, clock.2)
}

/// `2026-11-24 04:18:00`, in UTC.
#[must_use]
pub fn time_text(time: f64) -> String {
    let (date, clock) = utc(time);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        date.0, date.1, date.2, clock.0, clock.1, clock.2
    )
}

/// Date and clock of a time in seconds since 1970 (Hinnant's `civil_from_days`).
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times after 1970")]
fn utc(time: f64) -> ((u64, u64, u64), (u64, u64, u64)) {
    let secs = time as u64;
    let days = secs / 86_400 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    ((year, month, day), (secs / 3600 % 24, secs / 60 % 60, secs % 60))
}

/// A line to be written in one go: a kill leaves at most one torn line, at the end.
fn text(line: &JournalLine) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    Ok(text)
}

/// Appends a line in one write, closing a torn line before it.
fn append_line(path: &Path, line: &str) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let len = file.metadata()?.len();
    let mut last = [b'\n'];
    if len > 0 {
        file.read_exact_at(&mut last, len - 1)?;
    }
    let torn = if last[0] == b'\n' { "" } else { "\n" };
    file.write_all(format!("{torn}{line}\n").as_bytes())
}

/// Writes JSON to a file beside `path` and renames it.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let beside = path.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&beside, serde_json::to_vec(value)?)?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(run: &str) -> RunFile {
        RunFile {
            v: JOURNAL_FORMAT,
            run: run.to_owned(),
            pipeline: "leaves".to_owned(),
            file: "leaves.yaml".to_owned(),
            params: Vec::new(),
            started_at: 1.0,
            host: "host".to_owned(),
            process: 1,
            version: "0".to_owned(),
            graph: None,
            ended: None,
        }
    }

    fn ended(name: &str, ending: Ending) -> Event {
        let coordinates = crate::artifact::Coordinates::default();
        let stage = StageId { name: name.to_owned(), coordinates };
        Event::StageEnded { stage, ending, secs: 0.0, reason: None }
    }

    #[test]
    fn a_run_that_finds_all_cached_makes_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path().join("runs"), facts("a"));
        journal.emit(Event::RunStarted { run: "a".into(), pipeline: "p".into(), stages: 1 });
        journal.emit(ended("x", Ending::Cached));
        journal.end(RunEnd { ok: true, secs: 0.1, stages: Vec::new() }).unwrap();
        let names: Vec<_> = fs::read_dir(folder.path().join("runs"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["index.jsonl"]);
    }

    #[test]
    fn the_folder_holds_the_events_from_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path().to_owned(), facts("a"));
        journal.emit(Event::RunStarted { run: "a".into(), pipeline: "p".into(), stages: 2 });
        journal.emit(ended("x", Ending::Cached));
        journal.emit(ended("y", Ending::Done));
        let text = fs::read_to_string(folder.path().join("a/events.jsonl")).unwrap();
        let lines: Vec<JournalLine> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[2].event, ended("y", Ending::Done));
    }

    #[test]
    fn a_torn_line_of_the_index_harms_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.jsonl");
        fs::write(&path, "{\"v\":1}\n{\"v\":").unwrap();
        append_line(&path, "{\"v\":2}").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"v\":1}\n{\"v\":\n{\"v\":2}\n");
    }

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(time_text(0.0), "1970-01-01 00:00:00");
        assert_eq!(time_text(1_709_164_799.9), "2024-02-28 23:59:59");
        assert_eq!(time_text(1_709_164_800.0), "2024-02-29 00:00:00");
        assert_eq!(time_text(1_795_493_880.0), "2026-11-24 04:18:00");
    }
}
