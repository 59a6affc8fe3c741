//! Progress: what each observer makes of one run, and that it costs nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod screen;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::ProgressDrawTarget;
use phytotron::artifact::{Coordinates, StageId};
use phytotron::digest::Digest;
use phytotron::event::{Emit, Ending, Event};
use phytotron::progress::{Clock, Fancy, Json, Plain, SummaryRow, Tee, Terminal, retold, summary};
use screen::Screen;

/// A clock that tests move.
#[derive(Clone, Default)]
struct Watch(Arc<AtomicU64>);

impl Watch {
    fn clock(&self) -> Clock {
        let millis = Arc::clone(&self.0);
        Box::new(move || Duration::from_millis(millis.load(Ordering::Relaxed)))
    }

    fn advance(&self, secs: u64) {
        self.0.fetch_add(secs * 1000, Ordering::Relaxed);
    }
}

/// A terminal of this width without colours.
fn terminal(width: u16) -> Terminal {
    Terminal { is_terminal: true, colour: false, width }
}

fn stage(name: &str) -> StageId {
    StageId { name: name.to_owned(), coordinates: Coordinates::default() }
}

fn cell(name: &str, strategy: &str) -> StageId {
    let coordinates = [("repeat", "1"), ("strategy", strategy)];
    let coordinates = coordinates.map(|(key, value)| (key.to_owned(), value.to_owned()));
    StageId { name: name.to_owned(), coordinates: Coordinates(coordinates.into()) }
}

fn started(stage: &StageId) -> Event {
    let fingerprint = Digest::of(b"manifest");
    Event::StageStarted { stage: stage.clone(), fingerprint, attempt: 1 }
}

fn progress(stage: &StageId, done: u64, note: &str) -> Event {
    let (unit, note) = ("trials".to_owned(), note.to_owned());
    Event::Progress { stage: stage.clone(), unit, done, total: 300, note }
}

fn ended(stage: &StageId, ending: Ending, secs: f64, reason: Option<&str>) -> Event {
    let reason = reason.map(str::to_owned);
    Event::StageEnded { stage: stage.clone(), ending, secs, reason }
}

/// A run in which everything happens; `at` sees each event with the seconds since the last.
fn run(mut at: impl FnMut(u64, Event)) {
    let (data, search) = (stage("data"), cell("search", "random"));
    let retrain = stage("retrain");
    let run = "2026-11-24-1".to_owned();
    at(0, Event::RunStarted { run, pipeline: "quickstart".to_owned(), stages: 4 });
    at(0, ended(&data, Ending::Cached, 0.0, None));
    at(0, started(&search));
    at(1, progress(&search, 10, "best 0.61"));
    at(4, progress(&search, 90, "best 0.66"));
    at(8, progress(&search, 180, "best 0.71"));
    at(3, progress(&search, 300, "best 0.71"));
    at(0, ended(&search, Ending::Done, 16.2, None));
    at(0, Event::StageWaits { stage: retrain.clone(), holder: "run 2 on greenhouse".to_owned() });
    at(1, started(&retrain));
    at(
        11,
        Event::EpochEnded {
            stage: retrain.clone(),
            child: "01".to_owned(),
            epoch: 3,
            epochs: 12,
            loss: 0.4124,
            accuracy: Some(0.852),
        },
    );
    let text = "3 images could not be read".to_owned();
    at(0, Event::Warning { stage: Some(data), text });
    let reason = "killed by signal 9".to_owned();
    at(0, Event::StageRetries { stage: retrain.clone(), attempt: 1, reason });
    at(0, ended(&retrain, Ending::Failed, 31.0, Some("out of memory")));
    at(0, ended(&stage("report"), Ending::Skipped, 0.0, Some("`retrain` failed")));
    at(0, Event::RunEnded { ok: false, secs: 81.0 });
}

#[test]
fn plain_says_one_line_for_each_thing_worth_one() {
    let watch = Watch::default();
    let plain = Plain::new(Vec::new(), watch.clock());
    run(|secs, event| {
        watch.advance(secs);
        plain.emit(event);
    });
    let text = String::from_utf8(plain.into_writer()).unwrap();
    insta::assert_snapshot!(text, @r#"
    quickstart: 4 stages, run 2026-11-24-1
    search[repeat=1,strategy=random]: started
    search[repeat=1,strategy=random]: 180 of 300 trials, best 0.71
    search[repeat=1,strategy=random]: done in 16.2 s
    retrain: waits for run 2 on greenhouse
    retrain: started
    retrain: 01: epoch 3 of 12, loss 0.412, accuracy 85.2 %
    data: warning: 3 images could not be read
    retrain: attempt 1 failed: killed by signal 9; trying again
    retrain: failed after 31.0 s: out of memory
    report: skipped: `retrain` failed
    run ended without success in 1 min 21 s, 1 stage cached
    "#);
}

#[test]
fn what_happened_is_told_again_with_its_times() {
    let (mut events, mut now) = (Vec::new(), 1.75e9);
    run(|secs, event| {
        now += f64::from(u32::try_from(secs).unwrap());
        events.push((now, event));
    });
    let of_retrain = |event: &&(f64, Event)| event.1.stage() == Some(&stage("retrain"));
    let told = retold(events.iter().filter(of_retrain).map(|(time, event)| (*time, event)));
    insta::assert_snapshot!(told, @r"
      0 ms  retrain: waits for run 2 on greenhouse
     1.0 s  retrain: started
    12.0 s  retrain: 01: epoch 3 of 12, loss 0.412, accuracy 85.2 %
    12.0 s  retrain: attempt 1 failed: killed by signal 9; trying again
    12.0 s  retrain: failed after 31.0 s: out of memory
    ");
}

#[test]
fn plain_output_does_not_grow_with_the_number_of_trials_or_cached_stages() {
    let watch = Watch::default();
    let plain = Plain::new(Vec::new(), watch.clock());
    let search = stage("search");
    plain.emit(started(&search));
    for done in 0..100_000 {
        plain.emit(progress(&search, done, ""));
        plain.emit(ended(&stage("x"), Ending::Cached, 0.0, None));
    }
    plain.emit(Event::RunEnded { ok: true, secs: 0.0123 });
    let text = String::from_utf8(plain.into_writer()).unwrap();
    assert_eq!(text, "search: started\nrun done in 12 ms, 100,000 stages cached\n");
}

#[test]
fn control_characters_from_data_never_reach_the_terminal() {
    let evil = "\u{1b}[2J\u{7}best\r\nnext";
    let plain = Plain::new(Vec::new(), Watch::default().clock());
    let screen = Screen::new(80);
    let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
    let fancy = Fancy::new(target, terminal(80));
    let one = stage("one");
    for emit in [&plain as &dyn Emit, &fancy] {
        emit.emit(started(&one));
        emit.emit(progress(&one, 300, evil));
        emit.emit(Event::Warning { stage: None, text: evil.to_owned() });
        emit.emit(ended(&one, Ending::Failed, 1.0, Some(evil)));
    }
    let plain = String::from_utf8(plain.into_writer()).unwrap();
    for text in [plain, screen.text()] {
        assert!(text.contains("best"), "{text:?}");
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    }
}

#[test]
fn fancy_leaves_a_line_for_each_finished_stage() {
    let screen = Screen::new(100);
    let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
    let fancy = Fancy::new(target, terminal(100));
    run(|_, event| fancy.emit(event));
    insta::assert_snapshot!(screen.text(), @r#"
    ✓ search[repeat=1,strategy=random] done in 16.2 s (300 of 300 trials, best 0.71)
    … retrain waits for run 2 on greenhouse
    ! data: 3 images could not be read
    ! retrain attempt 1 failed: killed by signal 9; trying again
    ✗ retrain failed after 31.0 s: out of memory
    − report skipped: `retrain` failed
    ✗ run ended without success in 1 min 21 s, 1 stage cached
    "#);
}

#[test]
fn fancy_shows_what_runs_in_wide_and_narrow_terminals() {
    for (width, expected) in [(120, "120/300 trials"), (70, "120/300 trials"), (40, "120/300")] {
        let screen = Screen::new(width);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), 255);
        let fancy = Fancy::new(target, terminal(width));
        let search = cell("search", "regularized_evolution");
        let run = "r".to_owned();
        fancy.emit(Event::RunStarted { run, pipeline: "p".to_owned(), stages: 3 });
        fancy.emit(started(&search));
        fancy.emit(progress(&search, 120, "best 0.71, mean of the last twenty trials 0.64"));
        // A line above the bars is always drawn, and the bars with it.
        fancy.emit(Event::Warning { stage: None, text: "short".to_owned() });
        let text = screen.text();
        assert!(text.contains(expected), "{width}: {text}");
        assert!(text.contains("0/3 stages"), "{width}: {text}");
        let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= usize::from(width), "{width}: {longest} wide\n{text}");
    }
}

/// A run of two stages at work, one of which trains a network.
fn two_at_work(fancy: &Fancy, watch: &Watch) {
    let (search, retrain) = (stage("search"), stage("retrain"));
    let run = "r".to_owned();
    fancy.emit(Event::RunStarted { run, pipeline: "quickstart".to_owned(), stages: 3 });
    fancy.emit(started(&search));
    fancy.emit(started(&retrain));
    fancy.emit(progress(&search, 10, "best 0.61"));
    watch.advance(10);
    fancy.emit(progress(&search, 110, "best 0.66"));
    fancy.emit(Event::Usage { stage: search, memory_bytes: 412 << 20 });
    fancy.emit(Event::EpochEnded {
        stage: retrain,
        child: "[C(64,3,1), GAP(10), SM(10)]".to_owned(),
        epoch: 3,
        epochs: 12,
        loss: 0.4124,
        accuracy: Some(0.852),
    });
    // A line above the bars is always drawn, and the bars with it.
    fancy.emit(Event::Warning { stage: None, text: "short".to_owned() });
}

#[test]
fn fancy_is_a_tree_with_speed_time_left_best_memory_and_epochs() {
    let (watch, screen) = (Watch::default(), Screen::new(120));
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), 255);
    let fancy = Fancy::resizing(target, terminal(120), watch.clock(), Box::new(|| 120));
    two_at_work(&fancy, &watch);
    let text = screen.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "! short", "{text}");
    assert!(lines[1].contains("quickstart") && lines[1].contains("0/3 stages"), "{text}");
    let words = "110/300 trials  best 0.66, 19.0 s left, 10.0 trials/s, 412.0 MiB";
    assert!(lines[2].starts_with("├─ search   ━") && lines[2].ends_with(words), "{text}");
    assert!(lines[3].starts_with("└─ retrain  "), "{text}");
    let words = "[C(64,3,1), GAP(10), SM(10)]: epoch 3 of 12, loss 0.412, accuracy 85.2 %";
    assert!(lines[4].starts_with("   └─ ━━") && lines[4].ends_with(words), "{text}");
    fancy.emit(ended(&stage("retrain"), Ending::Done, 1.0, None));
    let text = screen.text();
    assert!(text.contains("\n└─ search  ━") && !text.contains("epoch 3"), "{text}");
}

#[test]
fn fancy_follows_a_terminal_that_is_made_narrower() {
    let (watch, screen, width) =
        (Watch::default(), Screen::new(120), Arc::new(AtomicU64::new(120)));
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), 255);
    let now = Arc::clone(&width);
    let measure = move || u16::try_from(now.load(Ordering::Relaxed)).unwrap();
    let fancy = Fancy::resizing(target, terminal(120), watch.clock(), Box::new(measure));
    two_at_work(&fancy, &watch);
    for narrow in [50, 20] {
        screen.resize(narrow);
        width.store(narrow.into(), Ordering::Relaxed);
        let widest = || screen.text().lines().map(|line| line.chars().count()).max().unwrap();
        let begin = Instant::now();
        while widest() > usize::from(narrow) && begin.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(widest() <= usize::from(narrow), "{narrow}: {}", screen.text());
        assert!(screen.text().contains("110/300"), "{narrow}: {}", screen.text());
    }
}

#[test]
fn fancy_colours_only_when_asked() {
    for colour in [false, true] {
        let screen = Screen::new(80);
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let fancy = Fancy::new(target, Terminal { colour, ..terminal(80) });
        fancy.emit(started(&stage("data")));
        fancy.emit(ended(&stage("data"), Ending::Done, 1.0, None));
        assert_eq!(screen.text().contains("\u{1b}[32m✓\u{1b}[0m data done in 1.0 s"), colour);
    }
}

#[test]
fn a_flood_of_events_is_cheap_and_redraws_little() {
    let screen = Screen::new(100);
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), 10);
    let fancy = Fancy::new(target, terminal(100));
    let search = stage("search");
    fancy.emit(started(&search));
    let begin = Instant::now();
    for done in 0..30_000 {
        fancy.emit(progress(&search, done % 299, "best 0.71"));
    }
    let took = begin.elapsed();
    // A second's trials of the fastest search; ten redraws a second, each of a few writes.
    let redraws = took.as_millis() / 50 + 5;
    assert!((screen.writes() as u128) < 20 * redraws, "{} writes in {took:?}", screen.writes());
    assert!(took < Duration::from_millis(500), "30,000 events took {took:?}");
}

#[test]
fn json_is_the_event_with_its_time() {
    let watch = Watch::default();
    watch.advance(1_795_512_600);
    let json = Json::new(Vec::new(), watch.clock());
    json.emit(ended(&cell("search", "random"), Ending::Done, 16.25, None));
    json.emit(Event::Warning { stage: None, text: "a\nb".to_owned() });
    let text = String::from_utf8(json.into_writer()).unwrap();
    insta::assert_snapshot!(text, @r#"
    {"time":1795512600.0,"event":"stage_ended","stage":{"name":"search","coordinates":{"repeat":"1","strategy":"random"}},"ending":"done","secs":16.25}
    {"time":1795512600.0,"event":"warning","stage":null,"text":"a\nb"}
    "#);
    for line in text.lines() {
        serde_json::from_str::<Event>(line).unwrap();
    }
}

/// A pipe whose reader went away.
struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

#[test]
fn a_reader_that_went_away_stops_nothing() {
    let plain = Plain::new(Broken, Watch::default().clock());
    let json = Json::new(Broken, Watch::default().clock());
    run(|_, event| {
        plain.emit(event.clone());
        json.emit(event);
    });
}

/// Keeps events.
#[derive(Default)]
struct Kept(Mutex<Vec<Event>>);

impl Emit for Kept {
    fn emit(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

#[test]
fn tee_gives_every_event_to_all() {
    let (one, two) = (Arc::new(Kept::default()), Arc::new(Kept::default()));
    let observers: Vec<Arc<dyn Emit>> = vec![one.clone(), two.clone()];
    let tee = Tee::new(observers);
    run(|_, event| tee.emit(event));
    assert_eq!(one.0.lock().unwrap().len(), 16);
    assert_eq!(*one.0.lock().unwrap(), *two.0.lock().unwrap());
}

fn row(name: &str, ending: Ending, secs: f64, metrics: &[(&str, f64)]) -> SummaryRow {
    let metrics: BTreeMap<String, f64> =
        metrics.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
    let known = matches!(ending, Ending::Cached | Ending::Restored);
    let saved_secs = known.then_some(412.0);
    SummaryRow { stage: stage(name), ending, secs, saved_secs, metrics, reason: None }
}

#[test]
fn the_summary_shows_state_time_savings_and_results() {
    let mut rows = vec![
        row("data", Ending::Cached, 0.0, &[("images", 4000.0)]),
        row("search", Ending::Done, 6.24, &[("best_score", 0.954_321), ("trials", 300.0)]),
        row("retrain", Ending::Failed, 31.0, &[]),
        row("report", Ending::Skipped, 0.0, &[]),
    ];
    rows[2].reason = Some("out of memory".to_owned());
    rows[3].reason = Some("`retrain` failed".to_owned());
    insta::assert_snapshot!(summary(&rows, &terminal(80)), @r#"
    stage    state      time       saved  result
    data     cached           6 min 52 s  images 4,000
    search   done      6.2 s              best score 0.9543, trials 300
    retrain  failed   31.0 s              out of memory
    report   skipped                      `retrain` failed
    "#);
}

#[test]
fn a_thousand_cached_stages_are_one_line() {
    let mut rows: Vec<SummaryRow> =
        (0..1000).map(|i| row(&format!("s{i}"), Ending::Cached, 0.0, &[])).collect();
    rows.push(row("last", Ending::Done, 0.5, &[]));
    insta::assert_snapshot!(summary(&rows, &terminal(80)), @r#"
    stage         state     time         saved  result
    last          done    500 ms
    1,000 stages  cached          114 h 26 min
    "#);
}

#[test]
fn the_summary_fits_narrow_terminals() {
    let long = "search[repeat=1,strategy=regularized_evolution]";
    let rows = [row(long, Ending::Done, 6.2, &[("best_score", 0.95), ("trials", 300.0)])];
    let text = summary(&rows, &terminal(50));
    assert!(text.lines().all(|line| line.chars().count() <= 50), "{text}");
    assert!(text.contains("0.9500"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

fn transfer(done: u64) -> Event {
    let what = "pushing to lab".to_owned();
    Event::Transfer { what, done, total: 4, bytes: done << 20, bytes_total: 4 << 20 }
}

#[test]
fn a_long_transfer_says_how_far_it_is() {
    let watch = Watch::default();
    let plain = Plain::new(Vec::new(), watch.clock());
    for done in 0..=4 {
        plain.emit(transfer(done));
        watch.advance(6);
    }
    let text = String::from_utf8(plain.into_writer()).unwrap();
    insta::assert_snapshot!(text, @r#"
    pushing to lab: 2 of 4 files, 2.0 MiB of 4.0 MiB
    pushing to lab: 4 of 4 files, 4.0 MiB of 4.0 MiB
    "#);
}

#[test]
fn a_transfer_has_a_bar_until_all_has_moved() {
    let screen = Screen::new(100);
    let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
    let fancy = Fancy::new(target, terminal(100));
    fancy.emit(transfer(0));
    fancy.emit(transfer(3));
    let text = screen.text();
    assert!(text.contains("3.00 MiB of 4.00 MiB"), "{text}");
    assert!(text.ends_with("pushing to lab, 3 of 4 files"), "{text}");
    fancy.emit(transfer(4));
    assert_eq!(screen.text(), "");
}
