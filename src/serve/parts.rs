//! Parts of pages, from runs and boards.

use std::collections::BTreeMap;
use std::path::Path;

use askama::Template;

use super::pages::Part;
use super::words::{self, State};
use super::{Options, log::LogReader};
use crate::artifact::StageId;
use crate::event::Ending;
use crate::plan::{self, Face, Graph, Node};
use crate::report::live::{self, LiveTraining, LiveTrial};
use crate::run::{self, Board, Doing, PastRun, RunStatus, Standing};
use crate::wording;

/// Runs that are listed.
const RUNS: usize = 200;
/// Stages that are listed; what failed or runs is always.
const STAGES: usize = 200;
/// Stages whose curves are drawn, the latest.
const CURVES: usize = 6;

/// The list of runs.
pub(super) fn runs(options: &Options, runs: &[PastRun]) -> Vec<Part> {
    let rows = runs.iter().take(RUNS).map(|run| {
        let state = words::status(run.status);
        let now = run::now();
        let secs = match (run.secs, run.status) {
            (Some(secs), _) => wording::seconds(secs),
            // Tenths of a second would change with every look.
            (None, RunStatus::Running) => wording::seconds((now - run.started_at).floor()),
            (None, _) => String::new(),
        };
        RunRow {
            href: format!("/runs/{}", run.run),
            pipeline: run.pipeline.clone(),
            class: state.class,
            state: state.word,
            began: run::time_text(run.started_at),
            took: secs,
            stages: counts(&run.stages),
            reports: words::reports(options, &run.pipeline),
        }
    });
    let left_out = runs.len().saturating_sub(RUNS);
    vec![part("runs", &Runs { runs: rows.collect(), left_out })]
}

/// A run that found everything known and has no journal.
pub(super) fn known(options: &Options, run: &PastRun, same_as: Option<&str>) -> Vec<Part> {
    let said = match same_as {
        Some(run) => format!(
            "<p>Everything was known: nothing was done. <a href=\"/runs/{0}\">Run {0}</a> made it.</p>",
            live::escaped(run)
        ),
        None => "<p>Everything was known: nothing was done.</p>".to_owned(),
    };
    let links = words::reports(options, &run.pipeline);
    let link = |(href, word): &(String, String)| {
        format!("<p><a class=\"report\" href=\"{href}\">Open {}</a></p>", live::escaped(word))
    };
    let html = said + &links.iter().map(link).collect::<String>();
    vec![Part { id: "status", html }]
}

/// What a run's page shows beside its board.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) options: &'a Options,
    pub(super) run: &'a PastRun,
    pub(super) graph: Option<&'a Graph>,
    pub(super) logs: &'a Path,
    /// Whether its process lives.
    pub(super) is_alive: bool,
}

impl Shown<'_> {
    /// All parts of the page.
    pub(super) fn parts(&self, board: &Board) -> Vec<Part> {
        vec![
            self.status(board),
            Part { id: "graph", html: self.picture(board) },
            self.stages(board),
            curves(board),
            notes(board),
        ]
    }

    /// How the run stands, by what it said last.
    pub(super) fn standing(&self, board: &Board) -> RunStatus {
        let was_interrupted = || {
            let ended = Doing::Ended(Ending::Interrupted);
            board.stages.values().any(|standing| standing.state == ended)
        };
        match board.ended {
            Some((true, _)) => RunStatus::Done,
            Some((false, _)) if was_interrupted() => RunStatus::Interrupted,
            Some((false, _)) => RunStatus::Failed,
            None if self.is_alive => RunStatus::Running,
            None => RunStatus::Killed,
        }
    }

    fn status(&self, board: &Board) -> Part {
        let status = self.standing(board);
        let state = words::status(status);
        let mut by_word: BTreeMap<String, usize> = BTreeMap::new();
        let mut ended = 0;
        for standing in board.stages.values() {
            ended += usize::from(matches!(standing.state, Doing::Ended(_)));
            let word = words::doing(&standing.state, self.is_alive).word;
            *by_word.entry(word.to_owned()).or_default() += 1;
        }
        let memory: u64 = board
            .stages
            .values()
            .filter(|standing| standing.state == Doing::Runs && self.is_alive)
            .filter_map(|standing| standing.memory_bytes)
            .sum();
        let secs = match board.ended {
            Some((_, secs)) => secs,
            None if self.is_alive => (run::now() - self.run.started_at).floor(),
            None => board.seen_at - self.run.started_at,
        };
        let said = match status {
            RunStatus::Killed => "its process ended without a word: `run` goes on from there",
            RunStatus::Interrupted => "`run` goes on from there",
            RunStatus::Failed => "the logs say why",
            RunStatus::Running | RunStatus::Done => "",
        };
        let status = Status {
            class: state.class,
            state: state.word,
            said,
            ended,
            total: board.total.max(board.stages.len()),
            counts: counts(&by_word),
            took: wording::seconds(secs),
            began: run::time_text(self.run.started_at),
            memory: if memory > 0 { wording::bytes(memory) } else { "–".to_owned() },
            reports: words::reports(self.options, &self.run.pipeline),
        };
        part("status", &status)
    }

    fn picture(&self, board: &Board) -> String {
        let Some(graph) = self.graph else { return String::new() };
        let svg = graph.svg(|node| self.face(node, board));
        format!("<div class=\"scroll\">{svg}</div>")
    }

    /// What the cells of a node do, the most urgent first.
    fn face(&self, node: &Node, board: &Board) -> Face {
        let cells = board.stages.iter().filter(|(stage, _)| stage.name == node.name);
        let states: Vec<State> =
            cells.map(|(_, standing)| words::doing(&standing.state, self.is_alive)).collect();
        let order = ["failed", "running", "waiting", "stopped"];
        let of = |class: &str| states.iter().filter(|state| state.class == class).count();
        let all_ended = states.len() >= node.cells;
        let (class, word) = match order.into_iter().find(|class| of(class) > 0) {
            Some(class) => (class, states.iter().find(|state| state.class == class)),
            None if states.is_empty() || !all_ended => ("pending", None),
            None if of("done") > 0 => ("done", states.iter().find(|state| state.class == "done")),
            None => ("known", states.first()),
        };
        let word = word.map_or("not yet", |state| state.word);
        let ended = of("done") + of("known");
        let caption = match node.cells {
            1 => format!("{} · {word}", node.kind),
            cells => format!("{} · {ended} of {cells}", node.kind),
        };
        Face { class, caption }
    }

    fn stages(&self, board: &Board) -> Part {
        let is_quiet = |standing: &Standing| matches!(standing.state, Doing::Ended(ending) if ending.is_well());
        let mut room = STAGES;
        let mut left_out = 0;
        let mut rows = Vec::new();
        let mut stages: Vec<(&StageId, &Standing)> = board.stages.iter().collect();
        stages.sort_by_key(|(stage, _)| self.place(stage));
        for (stage, standing) in stages {
            if room == 0 && is_quiet(standing) {
                left_out += 1;
                continue;
            }
            room = room.saturating_sub(1);
            rows.push(self.row(stage, standing));
        }
        part("stages", &Stages { stages: rows, left_out })
    }

    /// Where a stage stands in the graph, whose order is that of needs.
    fn place(&self, stage: &StageId) -> Option<usize> {
        self.graph?.nodes.iter().position(|node| node.name == stage.name)
    }

    fn row(&self, stage: &StageId, standing: &Standing) -> StageRow {
        let state = words::doing(&standing.state, self.is_alive);
        let runs = standing.state == Doing::Runs && self.is_alive;
        let progress = standing.progress.as_ref();
        let bar = progress.filter(|progress| runs && progress.total > 0);
        let said = match (&standing.state, &standing.reason, progress) {
            (Doing::Waits { holder }, ..) => format!("for {holder}"),
            (_, Some(reason), _) => reason.clone(),
            (_, _, Some(at)) => crate::progress::advance(&at.unit, at.done, at.total, &at.note),
            _ => String::new(),
        };
        let again = if standing.attempt > 1 {
            format!("attempt {}; ", standing.attempt)
        } else {
            String::new()
        };
        let name = plan::safe_name(&stage.to_string());
        let log = self.logs.join(format!("{name}.log"));
        let unit = progress.map(|progress| progress.unit.as_str()).unwrap_or_default();
        StageRow {
            name: stage.to_string(),
            class: state.class,
            state: state.word,
            bar: bar.map(|bar| (bar.done.min(bar.total), bar.total)),
            said: format!("{again}{said}"),
            speed: standing
                .speed
                .per_second()
                .filter(|_| runs)
                .map(|speed| crate::progress::speed_words(speed, unit))
                .unwrap_or_default(),
            left: standing.secs_left().filter(|_| runs).map(wording::seconds).unwrap_or_default(),
            memory: standing.memory_bytes.filter(|_| runs).map(wording::bytes).unwrap_or_default(),
            time: match &standing.state {
                Doing::Ended(Ending::Cached | Ending::Skipped) => String::new(),
                Doing::Ended(_) => wording::seconds(standing.secs),
                _ if self.is_alive => wording::seconds((run::now() - standing.since).floor()),
                _ => String::new(),
            },
            log: log.is_file().then(|| format!("/runs/{}/log/{name}", self.run.run)),
        }
    }
}

/// Curves of the stages that began last.
fn curves(board: &Board) -> Part {
    let has_curve =
        |standing: &Standing| !standing.trials.is_empty() || !standing.trainings.is_empty();
    let mut stages: Vec<(&StageId, &Standing)> =
        board.stages.iter().filter(|(_, standing)| has_curve(standing)).collect();
    stages.sort_by(|a, b| b.1.since.total_cmp(&a.1.since));
    let curves = stages.into_iter().take(CURVES).enumerate().map(|(i, (stage, standing))| {
        let trials: Vec<LiveTrial> = standing
            .trials
            .iter()
            .map(|&run::Score { trial, score, best }| LiveTrial { trial, score, best })
            .collect();
        let trainings: Vec<LiveTraining<'_>> = standing
            .trainings
            .iter()
            .map(|training| LiveTraining {
                child: &training.child,
                epochs: training.epochs,
                curve: &training.curve,
            })
            .collect();
        let figures = [
            live::search(&format!("search-{i}"), &trials),
            live::trainings(&format!("training-{i}"), &trainings),
        ];
        StageCurves {
            name: stage.to_string(),
            figures: figures.into_iter().flatten().map(|figure| figure.inline()).collect(),
            latest: trainings.last().map(|training| training.child.to_owned()),
        }
    });
    let stages = curves.filter(|stage| !stage.figures.is_empty()).collect();
    part("curves", &Curves { stages })
}

/// `3 done, 1 running`.
fn counts(stages: &BTreeMap<String, usize>) -> String {
    let words: Vec<String> = stages.iter().map(|(word, count)| format!("{count} {word}")).collect();
    words.join(", ")
}

fn notes(board: &Board) -> Part {
    let notes = board.notes.iter().rev().map(|(time, stage, text)| {
        (run::time_text(*time), stage.as_ref().map(ToString::to_string), text.clone())
    });
    part("notes", &Notes { notes: notes.collect() })
}

/// A log, as far as it was written.
pub(super) fn log(path: &Path) -> std::io::Result<(LogReader, Vec<Part>)> {
    let (reader, text) = LogReader::open(path.to_owned())?;
    let lines: Vec<String> = text.lines().map(live::escaped).collect();
    let end = if lines.is_empty() { "" } else { "\n" };
    let html = format!("<pre class=\"log\">{}{end}</pre>", lines.join("\n"));
    Ok((reader, vec![Part { id: "log", html }]))
}

fn part(id: &'static str, template: &impl Template) -> Part {
    Part { id, html: template.render().expect("BUG: rendering into a string") }
}

#[derive(Template)]
#[template(path = "runs.html", config = "src/serve/templates/askama.toml")]
struct Runs {
    runs: Vec<RunRow>,
    left_out: usize,
}

struct RunRow {
    href: String,
    pipeline: String,
    class: &'static str,
    state: &'static str,
    began: String,
    took: String,
    stages: String,
    reports: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "status.html", config = "src/serve/templates/askama.toml")]
struct Status {
    class: &'static str,
    state: &'static str,
    said: &'static str,
    ended: usize,
    total: usize,
    counts: String,
    took: String,
    began: String,
    memory: String,
    reports: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "stages.html", config = "src/serve/templates/askama.toml")]
struct Stages {
    stages: Vec<StageRow>,
    left_out: usize,
}

struct StageRow {
    name: String,
    class: &'static str,
    state: &'static str,
    bar: Option<(u64, u64)>,
    said: String,
    speed: String,
    left: String,
    memory: String,
    time: String,
    log: Option<String>,
}

#[derive(Template)]
#[template(path = "curves.html", config = "src/serve/templates/askama.toml")]
struct Curves {
    stages: Vec<StageCurves>,
}

struct StageCurves {
    name: String,
    figures: Vec<String>,
    latest: Option<String>,
}

#[derive(Template)]
#[template(path = "notes.html", config = "src/serve/templates/askama.toml")]
struct Notes {
    notes: Vec<(String, Option<String>, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Coordinates;
    use crate::event::Event;
    use crate::run::JournalLine;

    fn board(events: Vec<Event>) -> Board {
        let mut board = Board::default();
        for (i, event) in (0_u32..).zip(events) {
            board.take(JournalLine { v: 1, time: f64::from(i), event });
        }
        board
    }

    fn html(board: &Board, is_alive: bool) -> String {
        let options = Options { root: "/nowhere".into(), runs: "/nowhere".into(), port: None };
        let run = PastRun {
            run: "r".to_owned(),
            pipeline: "p".to_owned(),
            started_at: 0.0,
            secs: None,
            status: RunStatus::Running,
            stages: BTreeMap::new(),
            has_folder: true,
        };
        let logs = Path::new("/nowhere");
        let shown = Shown { options: &options, run: &run, graph: None, logs, is_alive };
        shown.parts(board).into_iter().map(|part| part.html).collect()
    }

    const EVIL: &str = "<script>alert(1)</script>\u{202e}\"'&";

    /// A search with everything that a journal can hold, every word of it by an enemy.
    fn search() -> Board {
        let stage = StageId { name: "search".to_owned(), coordinates: Coordinates::default() };
        let fingerprint = crate::digest::Digest::of(b"x");
        let mut events = vec![
            Event::RunStarted { run: "r".to_owned(), pipeline: EVIL.to_owned(), stages: 3 },
            Event::StageStarted { stage: stage.clone(), fingerprint, attempt: 2 },
        ];
        for i in 0..9_u32 {
            let (stage, unit, note) = (stage.clone(), EVIL.to_owned(), EVIL.to_owned());
            let score = Some(0.1 * f64::from(i));
            let genotype = EVIL.to_owned();
            events.push(Event::TrialEnded {
                stage: stage.clone(),
                trial: i.into(),
                genotype,
                score,
                best: score,
            });
            events.push(Event::Progress { stage, unit, done: u64::from(i) + 1, total: 20, note });
        }
        for epoch in 1..=3_u32 {
            let (stage, child, loss) = (stage.clone(), EVIL.to_owned(), 1.0 / f64::from(epoch));
            events.push(Event::EpochEnded {
                stage,
                child,
                epoch: epoch.into(),
                epochs: 5,
                loss,
                accuracy: None,
            });
        }
        events.push(Event::Usage { stage: stage.clone(), memory_bytes: 412 << 20 });
        events.push(Event::Warning { stage: Some(stage.clone()), text: EVIL.to_owned() });
        events.push(Event::StageRetries {
            stage: stage.clone(),
            attempt: 2,
            reason: EVIL.repeat(500),
        });
        let holder = EVIL.to_owned();
        let other = StageId { name: "other".to_owned(), ..stage.clone() };
        events.push(Event::StageWaits { stage: other, holder });
        board(events)
    }

    #[test]
    fn a_running_search_shows_curves_speed_time_left_and_memory() {
        let html = html(&search(), true);
        for words in
            ["Scores so far", "Loss over the epochs", "412.0 MiB", "attempt 2; 9 of 20", "22.0 s"]
        {
            assert!(html.contains(words), "`{words}` is not in {html}");
        }
        assert!(html.contains("<progress value=\"9\" max=\"20\">"), "{html}");
    }

    #[test]
    fn in_a_run_that_is_gone_nothing_runs() {
        let html = html(&search(), false);
        assert!(html.contains("killed") && html.contains("state stopped"), "{html}");
        assert!(!html.contains("<progress") && !html.contains("state running"), "{html}");
    }

    #[test]
    fn no_word_of_a_journal_is_markup() {
        let html = html(&search(), true);
        assert!(!html.contains("<script") && !html.contains('\u{202e}'), "{html}");
        assert!(html.contains("&lt;script&gt;"), "{html}");
    }
}
