//! Feeds: what the server says to a page while it is open, a few times a second at most.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};

use super::Site;
use super::log::LogReader;
use super::pages::Part;
use super::parts::{self, Shown};
use crate::plan::Graph;
use crate::run::{Follower, History, PastRun, RunStatus};

/// Something that a page watches.
pub(super) trait Feed: Send + 'static {
    /// Time between two looks.
    const PAUSE: Duration;

    /// Looks whether anything is new.
    fn look(&mut self) -> Step;
}

/// What a look found.
pub(super) enum Step {
    /// Nothing new.
    Nothing,
    /// This.
    Say(Event),
    /// Nothing will ever change again.
    End,
}

/// Looks until the page is closed or all is said.
pub(super) fn events<F: Feed>(feed: F) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let stream = stream::unfold(Some(feed), |feed| async {
        let mut feed = feed?;
        loop {
            // Files are read where waiting for a disk holds up no other page.
            let looked = tokio::task::spawn_blocking(move || {
                let step = feed.look();
                (feed, step)
            });
            let (same, step) = looked.await.ok()?;
            feed = same;
            match step {
                Step::Say(event) => {
                    tokio::time::sleep(F::PAUSE).await;
                    return Some((Ok(event), Some(feed)));
                }
                Step::End => return Some((Ok(Event::default().event("end").data("of all")), None)),
                Step::Nothing => tokio::time::sleep(F::PAUSE).await,
            }
        }
    });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(5)))
}

/// Parts that differ from those that were sent before, which it replaces.
fn changed(before: &mut Vec<Part>, now: Vec<Part>) -> Option<Event> {
    let news: serde_json::Map<String, serde_json::Value> = now
        .iter()
        .filter(|part| !before.contains(part))
        .map(|part| (part.id.to_owned(), part.html.clone().into()))
        .collect();
    *before = now;
    (!news.is_empty())
        .then(|| Event::default().event("parts").data(serde_json::json!(news).to_string()))
}

/// The list of runs.
pub(super) struct RunsFeed {
    site: Arc<Site>,
    history: History,
    sent: Vec<Part>,
}

impl RunsFeed {
    pub(super) fn new(site: Arc<Site>) -> Self {
        let history = History::new(site.options.runs.clone());
        Self { site, history, sent: Vec::new() }
    }
}

impl Feed for RunsFeed {
    const PAUSE: Duration = Duration::from_secs(2);

    fn look(&mut self) -> Step {
        // What cannot be read now may be in a moment.
        let Ok(runs) = self.history.runs() else { return Step::Nothing };
        changed(&mut self.sent, parts::runs(&self.site.options, &runs))
            .map_or(Step::Nothing, Step::Say)
    }
}

/// A run.
pub(super) struct RunFeed {
    pub(super) site: Arc<Site>,
    pub(super) run: PastRun,
    pub(super) graph: Option<Graph>,
    pub(super) logs: PathBuf,
    pub(super) follower: Follower,
    sent: Vec<Part>,
    is_over: bool,
}

impl RunFeed {
    pub(super) fn new(site: Arc<Site>, name: &str) -> Result<Self, crate::run::RunError> {
        let history = History::new(site.options.runs.clone());
        let details = history.details(name)?;
        let follower = history.follow(&details.run);
        let graph = details.facts.and_then(|facts| facts.graph);
        let (run, logs) = (details.run, details.logs);
        Ok(Self { site, run, graph, logs, follower, sent: Vec::new(), is_over: false })
    }

    /// The parts as of now, and how the run stands.
    pub(super) fn parts(&mut self) -> io::Result<(Vec<Part>, RunStatus)> {
        // In this order: what is said between the two is read, and a run that has ended has said all.
        let is_alive = self.follower.is_alive();
        self.follower.look()?;
        let shown = Shown {
            options: &self.site.options,
            run: &self.run,
            graph: self.graph.as_ref(),
            logs: &self.logs,
            is_alive,
        };
        let board = self.follower.board();
        Ok((shown.parts(board), shown.standing(board)))
    }
}

impl Feed for RunFeed {
    const PAUSE: Duration = Duration::from_millis(700);

    fn look(&mut self) -> Step {
        if self.is_over {
            return Step::End;
        }
        let Ok((parts, status)) = self.parts() else { return Step::Nothing };
        self.is_over = status != RunStatus::Running && !self.follower.is_alive();
        changed(&mut self.sent, parts).map_or(Step::Nothing, Step::Say)
    }
}

/// A log: the whole page first, since lines may have been written after it was made, then what comes.
pub(super) struct LogFeed {
    path: PathBuf,
    reader: Option<LogReader>,
}

impl LogFeed {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, reader: None }
    }
}

impl Feed for LogFeed {
    const PAUSE: Duration = Duration::from_millis(500);

    fn look(&mut self) -> Step {
        let Some(reader) = &mut self.reader else {
            let Ok((reader, parts)) = parts::log(&self.path) else { return Step::Nothing };
            self.reader = Some(reader);
            return changed(&mut Vec::new(), parts).map_or(Step::Nothing, Step::Say);
        };
        match reader.more() {
            Ok(text) if !text.is_empty() => {
                Step::Say(Event::default().event("more").data(serde_json::json!(text).to_string()))
            }
            _ => Step::Nothing,
        }
    }
}
