//! `gc`: free what no lock file and no recent run needs.

use std::time::Duration;

use serde_json::json;

use crate::cli::args::GcArgs;
use crate::cli::error::CliError;
use crate::cli::project::Workplace;
use crate::cli::{Exit, Terminal};
use crate::dataset::source::SHA256_PIN;
use crate::manifest::Fingerprint;
use crate::plan::LockFile;
use crate::remote::{self, RemoteGc, RemoteGcReport, Room};
use crate::run::History;
use crate::store::{Freed, GcReport, Keep, Store};
use crate::wording;

/// What is younger stays in the store.
const GRACE: Duration = Duration::from_hours(1);

/// What is younger stays at a remote: somebody may be pushing for days.
const REMOTE_GRACE: Duration = Duration::from_hours(7 * 24);

/// Sweeps the store.
pub(super) fn gc(
    workplace: &Workplace,
    args: &GcArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    if let Some(name) = &args.remote {
        return sweep_remote(workplace, name, args, terminal);
    }
    let grace = args.grace.map_or(GRACE, |grace| grace.0);
    let store = workplace.store()?;
    let keep = keep(&store, runs(workplace, args), terminal)?;
    let report = store.gc(&keep, grace, args.dry_run)?;
    if terminal.json {
        terminal.say_json(&as_json(&report, args.dry_run));
    } else {
        terminal.say(&as_text(&report, args.dry_run, grace));
    }
    Ok(Exit::Done)
}

/// How many runs keep their results.
fn runs(workplace: &Workplace, args: &GcArgs) -> usize {
    args.keep_runs.unwrap_or(workplace.project.keep_runs as usize)
}

/// Sweeps a remote, or only says what would go: others use it, too.
fn sweep_remote(
    workplace: &Workplace,
    name: &str,
    args: &GcArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let (name, settings) = workplace.remote(Some(name))?;
    let remote = remote::open(settings, &workplace.project.root)?;
    let wanted = if args.results {
        let keep = keep(&workplace.store()?, runs(workplace, args), terminal)?;
        Some(keep.fingerprints)
    } else {
        None
    };
    let grace = args.grace.map_or(REMOTE_GRACE, |grace| grace.0);
    let gc = RemoteGc { grace, wanted, dry_run: !args.delete };
    let report = gc.sweep(remote.as_ref())?;
    if terminal.json {
        terminal.say_json(&remote_json(&report, &gc));
    } else {
        terminal.say(&remote_text(&report, &gc, name));
    }
    Ok(Exit::Done)
}

fn remote_text(report: &RemoteGcReport, gc: &RemoteGc, name: &str) -> String {
    let (count, bytes) = report.total();
    if count == 0 && report.leavings == 0 {
        let age = wording::duration(gc.grace);
        return format!("nothing to free at {name}: all is needed or younger than {age}");
    }
    let verb = if gc.dry_run { "would free" } else { "freed" };
    let mut lines = vec![format!("{verb} {} at {name}", wording::bytes(bytes))];
    for (room, (count, bytes)) in Room::ALL.into_iter().zip(report.rooms) {
        if count > 0 {
            let (count, noun) = (wording::thousands(count), room.folder());
            lines.push(format!("  {count:>9} {noun} ({})", wording::bytes(bytes)));
        }
    }
    if report.leavings > 0 {
        lines.push(format!("  {:>9} unfinished uploads", wording::thousands(report.leavings)));
    }
    if gc.dry_run {
        lines.push("nothing was removed: `--delete` does it".to_owned());
    }
    lines.join("\n")
}

fn remote_json(report: &RemoteGcReport, gc: &RemoteGc) -> serde_json::Value {
    let freed = |(count, bytes): (u64, u64)| json!({ "count": count, "bytes": bytes });
    let rooms: serde_json::Map<String, serde_json::Value> = Room::ALL
        .into_iter()
        .zip(report.rooms)
        .map(|(room, sum)| (room.folder().to_owned(), freed(sum)))
        .collect();
    json!({
        "dry_run": gc.dry_run,
        "total": freed(report.total()),
        "freed": rooms,
        "unfinished_uploads": report.leavings,
    })
}

/// What every registered lock file and the last `runs` runs need. A lock file that cannot be read
/// is named, and nothing is swept: what it needs is not known.
fn keep(store: &Store, runs: usize, terminal: &Terminal) -> Result<Keep, CliError> {
    let mut keep = Keep::default();
    for root in store.roots()? {
        let Some(lock_file) = root.lock_file else {
            return Err(CliError::Usage(format!(
                "cannot tell what `{}` in `roots/` keeps: run its pipeline once more, then remove it",
                root.name
            )));
        };
        if !lock_file.exists() {
            terminal.note(&format!("note: lock file `{}` is gone", lock_file.display()));
            continue;
        }
        let lock = LockFile::read(&lock_file)?;
        for locked in lock.stages.into_values() {
            keep.fingerprints.insert(locked.fingerprint);
            keep.trees.extend(locked.outputs.into_values());
        }
        let pins = lock.sources.values().filter_map(|pin| pin.strip_prefix(SHA256_PIN));
        keep.downloads.extend(pins.map(str::to_owned));
    }
    keep.fingerprints.extend(recent_results(store, runs)?);
    Ok(keep)
}

/// Results that the last `runs` runs that computed something used or made.
fn recent_results(store: &Store, runs: usize) -> Result<Vec<Fingerprint>, CliError> {
    let history = History::new(store.runs());
    let computed = history.runs()?.into_iter().filter(|run| run.has_folder).take(runs);
    let mut used = Vec::new();
    for run in computed {
        let details = history.details(&run.run)?;
        used.extend(details.stages.iter().filter_map(|end| end.fingerprint));
    }
    Ok(used)
}

fn as_text(report: &GcReport, dry_run: bool, grace: Duration) -> String {
    let verb = if dry_run { "would free" } else { "freed" };
    let total = report.total();
    if total.count == 0 {
        let age = wording::duration(grace);
        return format!("nothing to free: all is needed or younger than {age}");
    }
    let mut lines = vec![format!("{verb} {}", wording::bytes(total.bytes))];
    for (noun, freed) in sorts(report) {
        if freed.count > 0 {
            let count = wording::thousands(freed.count);
            lines.push(format!("  {count:>9} {noun} ({})", wording::bytes(freed.bytes)));
        }
    }
    lines.join("\n")
}

fn as_json(report: &GcReport, dry_run: bool) -> serde_json::Value {
    let freed = |freed: Freed| json!({ "count": freed.count, "bytes": freed.bytes });
    let sorts: serde_json::Map<String, serde_json::Value> =
        sorts(report).into_iter().map(|(noun, sort)| (noun.to_owned(), freed(sort))).collect();
    json!({ "dry_run": dry_run, "total": freed(report.total()), "freed": sorts })
}

fn sorts(report: &GcReport) -> [(&'static str, Freed); 8] {
    [
        ("results", report.results),
        ("trees", report.trees),
        ("blobs", report.blobs),
        ("trials", report.trials),
        ("fetched archives", report.downloads),
        ("work folders", report.work),
        ("quarantined objects", report.quarantine),
        ("leavings of killed processes", report.tmp),
    ]
}
