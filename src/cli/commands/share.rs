//! `push` and `pull`: results go to a remote and come from one.

use std::time::Instant;

use serde_json::json;

use crate::cli::args::{PipelineArgs, SelectionArgs, ShareArgs};
use crate::cli::error::CliError;
use crate::cli::project::Workplace;
use crate::cli::{Exit, Terminal};
use crate::event::Emit;
use crate::manifest::Fingerprint;
use crate::plan::{KnownResults, Study, World};
use crate::progress::{self, Mode};
use crate::remote::{Tier, Transferred};
use crate::run::History;
use crate::store::Store;
use crate::wording;

/// Sends results.
pub(super) fn push(
    workplace: &Workplace,
    args: &ShareArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let store = workplace.store()?;
    let tier = workplace.tier(&store, args.remote.as_deref(), true)?;
    let results = match results(workplace, args, &store, &store, terminal, "the store")? {
        Some(results) => results,
        None => store.fingerprints()?,
    };
    // What is sent is to be there after a power cut, too.
    store.sync()?;
    let started = Instant::now();
    let mut sent = tier.send(&results, events(terminal).as_ref())?;
    // Which children a study has trained nobody wrote down; they are small, and found by what they are.
    tier.send_trials(&mut sent)?;
    say(&Words { did: "pushed", to: "to", nothing: "push" }, &tier, &sent, started, terminal);
    Ok(exit(&sent))
}

/// Fetches results.
pub(super) fn pull(
    workplace: &Workplace,
    args: &ShareArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let store = workplace.store()?;
    let tier = workplace.tier(&store, args.remote.as_deref(), false)?;
    let results = match results(workplace, args, &store, &tier, terminal, tier.name())? {
        Some(results) => results,
        None => tier.results()?,
    };
    let started = Instant::now();
    let fetched = tier.fetch(&results, events(terminal).as_ref());
    store.sync()?;
    let mut fetched = fetched?;
    if args.all {
        tier.fetch_trials(&mut fetched)?;
    }
    say(&Words { did: "pulled", to: "from", nothing: "pull" }, &tier, &fetched, started, terminal);
    Ok(exit(&fetched))
}

/// The results that are meant; none for all. Says what `world`, called `place`, does not have.
fn results(
    workplace: &Workplace,
    args: &ShareArgs,
    store: &Store,
    world: &dyn World,
    terminal: &Terminal,
    place: &str,
) -> Result<Option<Vec<Fingerprint>>, CliError> {
    if let Some(run) = &args.run {
        let history = History::new(store.runs());
        let details = history.details(&history.find(run)?.run)?;
        return Ok(Some(details.stages.iter().filter_map(|end| end.fingerprint).collect()));
    }
    let Some(pipeline) = &args.pipeline else { return Ok(None) };
    let pipeline = PipelineArgs { pipeline: pipeline.clone(), params: args.params.clone() };
    let request = workplace.request(&pipeline, &SelectionArgs::default())?;
    let (study, _) = workplace.load(&pipeline)?;
    let known = KnownResults::of(&mut super::plan::planner(&request, &study, world)?)
        .map_err(|error| workplace.explain(error, &study))?;
    if !known.missing.is_empty() {
        terminal.note(&format!("note: {place} has no result of {}", missing(&known, &study)));
    }
    Ok(Some(known.found.into_iter().map(|(_, fingerprint)| fingerprint).collect()))
}

fn missing(known: &KnownResults, study: &Study) -> String {
    const NAMED_MAX: usize = 5;
    let ids: Vec<String> =
        known.missing.iter().map(|index| study.get(*index).id.to_string()).collect();
    match ids.len().checked_sub(NAMED_MAX) {
        None | Some(0) => wording::list(&ids),
        Some(more) => format!("{} and {more} more", wording::list(&ids[..NAMED_MAX])),
    }
}

fn events(terminal: &Terminal) -> std::sync::Arc<dyn Emit> {
    let mode = if terminal.json { Mode::Quiet } else { Mode::Auto };
    progress::open(progress::choose(mode, terminal.interactive), &terminal.progress())
}

/// How the direction is called.
struct Words {
    did: &'static str,
    to: &'static str,
    nothing: &'static str,
}

fn say(words: &Words, tier: &Tier<'_>, done: &Transferred, started: Instant, terminal: &Terminal) {
    if terminal.json {
        return terminal.say_json(&as_json(tier, done));
    }
    let (name, Words { did, to, nothing }) = (tier.name(), words);
    for left in &done.left {
        terminal.note(&format!("not {did}: {}: {}", left.fingerprint.short(), left.reason));
    }
    for conflict in &done.conflicts {
        let (result, output) = (conflict.fingerprint.short(), &conflict.output);
        terminal.note(&format!(
            "nondeterministic: {result} has another `{output}` here than at {name}; both stay"
        ));
    }
    let results = wording::count(done.results, "result");
    if done.objects == 0 {
        return terminal.say(&format!("nothing to {nothing}: {results} on both sides"));
    }
    let objects = wording::count(usize::try_from(done.objects).unwrap_or(usize::MAX), "object");
    let (bytes, time) = (wording::bytes(done.bytes), wording::duration(started.elapsed()));
    terminal.say(&format!(
        "{did} {objects}, {bytes} of content, {to} {name} in {time}; {results} on both sides"
    ));
}

fn as_json(tier: &Tier<'_>, done: &Transferred) -> serde_json::Value {
    let conflicts = done
        .conflicts
        .iter()
        .map(|conflict| json!({ "fingerprint": conflict.fingerprint, "output": conflict.output }));
    let left = done
        .left
        .iter()
        .map(|left| json!({ "fingerprint": left.fingerprint, "reason": left.reason }));
    json!({
        "remote": tier.name(),
        "objects": done.objects,
        "bytes": done.bytes,
        "results": done.results,
        "nondeterministic": conflicts.collect::<Vec<_>>(),
        "left": left.collect::<Vec<_>>(),
    })
}

/// What did not move is no success; another result of the same stage is a finding.
fn exit(done: &Transferred) -> Exit {
    if !done.left.is_empty() {
        Exit::Store
    } else if !done.conflicts.is_empty() {
        Exit::CheckFailed
    } else {
        Exit::Done
    }
}
