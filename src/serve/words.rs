//! Words for states, times and places.

use std::path::PathBuf;

use super::Options;
use crate::event::Ending;
use crate::plan;
use crate::run::{Doing, RunStatus};

/// A state as the style and people know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    /// The style's class, which gives colour and mark.
    pub(super) class: &'static str,
    /// The word.
    pub(super) word: &'static str,
}

/// What a stage does; in a run that is gone, nothing runs any more.
pub(super) fn doing(doing: &Doing, is_alive: bool) -> State {
    match doing {
        Doing::Runs | Doing::Waits { .. } if !is_alive => {
            State { class: "stopped", word: "stopped" }
        }
        Doing::Runs => State { class: "running", word: "running" },
        Doing::Waits { .. } => State { class: "waiting", word: "waiting" },
        Doing::Ended(ending) => State { class: class(*ending), word: ending.word() },
    }
}

fn class(ending: Ending) -> &'static str {
    match ending {
        Ending::Done => "done",
        Ending::Cached | Ending::Restored => "known",
        Ending::Failed => "failed",
        Ending::Skipped | Ending::Interrupted => "stopped",
    }
}

/// How a run stands.
pub(super) fn status(status: RunStatus) -> State {
    let class = match status {
        RunStatus::Done => "done",
        RunStatus::Failed => "failed",
        RunStatus::Interrupted | RunStatus::Killed => "stopped",
        RunStatus::Running => "running",
    };
    State { class, word: status.word() }
}

/// The pages in `out/` of a pipeline's reports: address and word.
pub(super) fn reports(options: &Options, pipeline: &str) -> Vec<(String, String)> {
    let pipeline = plan::safe_name(pipeline);
    let entries = std::fs::read_dir(options.root.join("out").join(&pipeline)).into_iter();
    let mut names: Vec<String> = entries
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".html").map(str::to_owned))
        .filter(|name| plan::safe_name(name) == *name)
        .collect();
    names.sort();
    let link = |name: String| (format!("/reports/{pipeline}/{name}"), name);
    names.into_iter().map(link).collect()
}

/// The file of such a page; none where a word is not as [`reports`] makes them.
pub(super) fn report_file(options: &Options, pipeline: &str, name: &str) -> Option<PathBuf> {
    let is_plain = |word: &str| !word.is_empty() && plan::safe_name(word) == word;
    let folder = options.root.join("out").join(pipeline);
    (is_plain(pipeline) && is_plain(name)).then(|| folder.join(format!("{name}.html")))
}
