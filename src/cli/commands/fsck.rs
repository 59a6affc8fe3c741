//! `fsck`: check every object of the store.

use serde_json::json;

use crate::cli::args::FsckArgs;
use crate::cli::error::CliError;
use crate::cli::project::Workplace;
use crate::cli::{Exit, Terminal};
use crate::store::FsckReport;
use crate::wording;

/// Checks the store; bad objects go to quarantine and their stages run again when wanted.
pub(super) fn fsck(
    workplace: &Workplace,
    args: &FsckArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let report = workplace.store()?.fsck(!args.quick)?;
    if terminal.json {
        terminal.say_json(&as_json(&report));
    } else {
        terminal.say(&as_text(&report));
    }
    Ok(if report.is_clean() { Exit::Done } else { Exit::CheckFailed })
}

fn as_text(report: &FsckReport) -> String {
    let mut lines = vec![format!(
        "{} ({}), {}, {} and {} checked",
        wording::count(as_usize(report.blobs), "blob"),
        wording::bytes(report.bytes),
        wording::count(as_usize(report.trees), "tree"),
        wording::count(as_usize(report.records), "record"),
        wording::count(as_usize(report.trials), "trial"),
    )];
    for problem in &report.problems {
        let moved = if problem.quarantined { "; moved to quarantine" } else { "" };
        lines.push(format!("bad: {} {}{moved}", problem.path.display(), problem.what));
    }
    for dangling in &report.dangling {
        let missing = wording::count(as_usize(dangling.missing), "missing blob");
        lines.push(format!("incomplete: artifact {}: {missing}", dangling.tree.short()));
    }
    for lost in &report.lost {
        let result = lost.fingerprint.short();
        lines.push(format!("lost: output `{}` of result {result}: {}", lost.output, lost.detail));
    }
    if report.strays_removed > 0 {
        let strays = wording::count(as_usize(report.strays_removed), "leaving");
        lines.push(format!("{strays} of killed processes removed"));
    }
    lines.push(if report.is_clean() {
        "the store is whole".to_owned()
    } else {
        "what was lost is computed again by the next run that needs it".to_owned()
    });
    lines.join("\n")
}

fn as_json(report: &FsckReport) -> serde_json::Value {
    json!({
        "clean": report.is_clean(),
        "blobs": report.blobs,
        "bytes": report.bytes,
        "trees": report.trees,
        "records": report.records,
        "trials": report.trials,
        "problems": report.problems.iter().map(|problem| json!({
            "path": problem.path, "what": problem.what, "quarantined": problem.quarantined,
        })).collect::<Vec<_>>(),
        "dangling": report.dangling.iter().map(|dangling| json!({
            "tree": dangling.tree, "missing": dangling.missing,
        })).collect::<Vec<_>>(),
        "lost": report.lost.iter().map(|lost| json!({
            "fingerprint": lost.fingerprint, "output": lost.output, "detail": lost.detail,
        })).collect::<Vec<_>>(),
        "strays_removed": report.strays_removed,
    })
}

fn as_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
