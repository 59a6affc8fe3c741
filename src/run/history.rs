//! History: what earlier runs came to, read from their journals; for `log`, `show` and `diff`.
//!
//! Torn lines are passed over: a run that was killed while it wrote is still told of. Returns facts and
//! text tables; printing is not its matter.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::RunError;
use super::follow::Follower;
use super::journal::{
    EVENTS_FILE, INDEX_FILE, IndexLine, JournalLine, RUN_FILE, RunFile, StageEnd,
};
use crate::artifact::StageId;
use crate::event::{Ending, Event};

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// All that was asked for has a result.
    Done,
    /// Something failed.
    Failed,
    /// A person interrupted it.
    Interrupted,
    /// It goes on at this moment.
    Running,
    /// It ended without a word: killed, or the machine stopped.
    Killed,
}

impl RunStatus {
    /// The word that people read.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Running => "running",
            Self::Killed => "killed",
        }
    }
}

/// One run, as `log` lists it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PastRun {
    /// The run's id.
    pub run: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// Seconds since 1970.
    pub started_at: f64,
    /// Seconds on the clock; missing while it goes on and when it was killed.
    pub secs: Option<f64>,
    /// How it stands.
    pub status: RunStatus,
    /// Stages by how they ended.
    pub stages: BTreeMap<String, usize>,
    /// Whether it did more than find everything cached.
    pub has_folder: bool,
}

/// One run in full, as `show` tells it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PastRunDetails {
    /// The run.
    pub run: PastRun,
    /// The earlier run whose results these are, when this one found everything cached.
    pub same_as: Option<String>,
    /// Its facts, where they can still be read.
    pub facts: Option<RunFile>,
    /// Its stages. Of a killed run only those that began, with [`Ending::Interrupted`] for the last ones.
    pub stages: Vec<StageEnd>,
    /// Folder of its logs.
    pub logs: PathBuf,
}

/// The runs of a store.
#[derive(Debug, Clone)]
pub struct History {
    /// `runs/`.
    folder: PathBuf,
}

impl History {
    /// The history kept in `folder`, a store's `runs/`.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// All runs, newest first.
    ///
    /// # Errors
    /// When the index is there and cannot be read.
    pub fn runs(&self) -> Result<Vec<PastRun>, RunError> {
        let ended: Vec<IndexLine> = lines(&self.folder.join(INDEX_FILE))?;
        let known: BTreeSet<String> = ended.iter().map(|line| line.run.clone()).collect();
        let mut runs: Vec<PastRun> = ended.into_iter().map(past_run).collect();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !known.contains(&name) {
                runs.extend(self.without_end(&name));
            }
        }
        runs.sort_by(|a, b| b.started_at.total_cmp(&a.started_at).then_with(|| b.run.cmp(&a.run)));
        Ok(runs)
    }

    /// The run that `name` means: its id, the beginning of one, or `last`.
    ///
    /// # Errors
    /// When none or several fit.
    pub fn find(&self, name: &str) -> Result<PastRun, RunError> {
        let runs = self.runs()?;
        let unknown = || RunError::UnknownRun { name: name.to_owned() };
        if name == "last" {
            return runs.into_iter().next().ok_or_else(unknown);
        }
        let fitting: Vec<PastRun> =
            runs.into_iter().filter(|run| run.run.starts_with(name)).collect();
        if let Some(exact) = fitting.iter().find(|run| run.run == name) {
            return Ok(exact.clone());
        }
        match <[PastRun; 1]>::try_from(fitting) {
            Ok([only]) => Ok(only),
            Err(fitting) if fitting.is_empty() => Err(unknown()),
            Err(fitting) => Err(RunError::AmbiguousRun {
                name: name.to_owned(),
                matches: fitting.into_iter().map(|run| run.run).collect(),
            }),
        }
    }

    /// Everything that is known of a run.
    ///
    /// # Errors
    /// As [`History::find`].
    pub fn details(&self, name: &str) -> Result<PastRunDetails, RunError> {
        let run = self.find(name)?;
        let source = if run.has_folder { Some(run.run.clone()) } else { self.source_of(&run)? };
        let folder = self.folder.join(source.as_deref().unwrap_or(&run.run));
        let facts: Option<RunFile> = read(&folder.join(RUN_FILE));
        let mut stages = match facts.as_ref().and_then(|facts| facts.ended.as_ref()) {
            Some(ended) => ended.stages.clone(),
            None => stages_by_events(&folder)?,
        };
        if !run.has_folder {
            for stage in &mut stages {
                stage.ending = Ending::Cached;
            }
        }
        let same_as = source.filter(|source| *source != run.run);
        Ok(PastRunDetails { run, same_as, facts, stages, logs: folder.join("logs") })
    }

    /// Follows the journal of a run, by its whole id.
    #[must_use]
    pub fn follow(&self, run: &PastRun) -> Follower {
        Follower::new(&self.folder.join(&run.run))
    }

    /// What the journal of a run says of the stage called `stage`, with seconds since 1970.
    #[must_use]
    pub fn told(&self, run: &str, stage: &str) -> Vec<(f64, Event)> {
        let events: Vec<JournalLine> =
            lines(&self.folder.join(run).join(EVENTS_FILE)).unwrap_or_default();
        let is_of = |event: &Event| event.stage().is_some_and(|of| of.to_string() == stage);
        let events = events.into_iter().filter(|line| is_of(&line.event));
        events.map(|line| (line.time, line.event)).collect()
    }

    /// When each stage of a run began, in seconds since 1970; nothing of one that only found results.
    #[must_use]
    pub fn starts(&self, run: &str) -> BTreeMap<StageId, f64> {
        let mut starts = BTreeMap::new();
        let events = lines(&self.folder.join(run).join(EVENTS_FILE)).unwrap_or_default();
        for JournalLine { time, event, .. } in events {
            if let Event::StageStarted { stage, .. } = event {
                starts.entry(stage).or_insert(time);
            }
        }
        starts
    }

    /// The run that left what a run without a folder found: the last one before it of its pipeline
    /// in which everything ended well.
    fn source_of(&self, cached: &PastRun) -> Result<Option<String>, RunError> {
        let mut runs = self.runs()?.into_iter().skip_while(|run| run.run != cached.run);
        let is_source = |run: &PastRun| {
            run.has_folder && run.pipeline == cached.pipeline && run.status == RunStatus::Done
        };
        Ok(runs.find(is_source).map(|run| run.run))
    }

    /// A run that has a folder and no line in the index.
    fn without_end(&self, name: &str) -> Option<PastRun> {
        let folder = self.folder.join(name);
        let facts: RunFile = read(&folder.join(RUN_FILE))?;
        let status =
            if is_held(&folder.join(EVENTS_FILE)) { RunStatus::Running } else { RunStatus::Killed };
        let mut stages: BTreeMap<String, usize> = BTreeMap::new();
        for stage in stages_by_events(&folder).unwrap_or_default() {
            let is_at_work = status == RunStatus::Running && stage.ending == Ending::Interrupted;
            let word = if is_at_work { "running" } else { stage.ending.word() };
            *stages.entry(word.to_owned()).or_default() += 1;
        }
        Some(PastRun {
            run: facts.run,
            pipeline: facts.pipeline,
            started_at: facts.started_at,
            secs: None,
            status,
            stages,
            has_folder: true,
        })
    }
}

fn past_run(line: IndexLine) -> PastRun {
    let status = match (line.ok, line.stages.contains_key(Ending::Interrupted.word())) {
        (true, _) => RunStatus::Done,
        (false, true) => RunStatus::Interrupted,
        (false, false) => RunStatus::Failed,
    };
    PastRun {
        run: line.run,
        pipeline: line.pipeline,
        started_at: line.started_at,
        secs: Some(line.secs),
        status,
        stages: line.stages,
        has_folder: line.folder,
    }
}

/// A run holds its events locked for as long as it lives.
pub(super) fn is_held(events: &Path) -> bool {
    let Ok(events) = File::open(events) else { return false };
    matches!(events.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// What became of each stage, by the events of a run that wrote no end.
fn stages_by_events(folder: &Path) -> Result<Vec<StageEnd>, RunError> {
    let mut stages: Vec<StageEnd> = Vec::new();
    for JournalLine { event, .. } in lines(&folder.join(EVENTS_FILE))? {
        match event {
            Event::StageStarted { stage, fingerprint, .. } => {
                let end = found(&mut stages, stage);
                end.fingerprint = Some(fingerprint);
                end.attempts += 1;
            }
            Event::StageEnded { stage, ending, reason, .. } => {
                let end = found(&mut stages, stage);
                (end.ending, end.reason) = (ending, reason);
            }
            _ => {}
        }
    }
    Ok(stages)
}

/// The entry of `stage`, interrupted until its end is found.
fn found(stages: &mut Vec<StageEnd>, stage: StageId) -> &mut StageEnd {
    let place = stages.iter().position(|end| end.stage == stage).unwrap_or_else(|| {
        stages.push(StageEnd {
            stage,
            ending: Ending::Interrupted,
            reason: None,
            fingerprint: None,
            outputs: BTreeMap::new(),
            metrics: BTreeMap::new(),
            cost: None,
            attempts: 0,
        });
        stages.len() - 1
    });
    &mut stages[place]
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// The whole lines of a file; torn ones and those of later versions are passed over.
fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, RunError> {
    let text = match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(RunError::io("cannot read", path)(error)),
    };
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(folder: &Path, lines: &[&str]) {
        fs::write(folder.join(INDEX_FILE), lines.join("\n")).unwrap();
    }

    fn line(run: &str, at: f64, folder: bool) -> String {
        format!(
            r#"{{"v":1,"run":"{run}","pipeline":"p","started_at":{at},"secs":1.0,"ok":true,"stages":{{"done":1}},"folder":{folder}}}"#
        )
    }

    #[test]
    fn runs_come_newest_first_and_torn_lines_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        index(folder.path(), &[&line("a", 1.0, true), "{\"v\":1,\"ru", &line("b", 2.0, false)]);
        let history = History::new(folder.path().to_owned());
        let names: Vec<String> = history.runs().unwrap().into_iter().map(|run| run.run).collect();
        assert_eq!(names, ["b", "a"]);
    }

    #[test]
    fn a_run_is_found_by_its_beginning_when_only_one_fits() {
        let folder = tempfile::tempdir().unwrap();
        index(folder.path(), &[&line("20-aa", 1.0, true), &line("20-ab", 2.0, true)]);
        let history = History::new(folder.path().to_owned());
        assert_eq!(history.find("20-aa").unwrap().run, "20-aa");
        assert_eq!(history.find("last").unwrap().run, "20-ab");
        let text = |name: &str| history.find(name).unwrap_err().to_string();
        assert_eq!(text("20-a"), "`20-a` fits several runs: `20-ab` and `20-aa`");
        assert_eq!(text("x"), "no run is called `x`; `phytotron log` lists them");
    }

    #[test]
    fn a_run_that_wrote_no_end_was_killed() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("k");
        fs::create_dir(&run).unwrap();
        let facts = r#"{"v":1,"run":"k","pipeline":"p","file":"p.yaml","started_at":5.0,"host":"h","process":1,"version":"0"}"#;
        fs::write(run.join(RUN_FILE), facts).unwrap();
        let fingerprint = crate::digest::Digest::of(b"x");
        let events = format!(
            "{{\"v\":1,\"time\":5.0,\"event\":\"stage_started\",\"stage\":{{\"name\":\"a\"}},\
             \"fingerprint\":\"{fingerprint}\",\"attempt\":1}}\n{{\"v\":1,\"ti"
        );
        fs::write(run.join(EVENTS_FILE), events).unwrap();
        let details = History::new(folder.path().to_owned()).details("k").unwrap();
        assert_eq!(details.run.status, RunStatus::Killed);
        assert_eq!(details.stages[0].ending, Ending::Interrupted);
        let starts = History::new(folder.path().to_owned()).starts("k");
        assert_eq!(
            starts.values().copied().map(f64::to_bits).collect::<Vec<_>>(),
            [5.0_f64.to_bits()]
        );
        let held = File::open(run.join(EVENTS_FILE)).unwrap();
        held.lock().unwrap();
        let history = History::new(folder.path().to_owned());
        let run = history.find("k").unwrap();
        assert_eq!(run.status, RunStatus::Running);
        assert_eq!(run.stages, BTreeMap::from([("running".to_owned(), 1)]));
    }
}
