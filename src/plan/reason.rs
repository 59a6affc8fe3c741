//! Reasons: why a stage has to run or be restored, down to the change at the root.

use crate::manifest::{Change, Manifest, summary};
use crate::store::Tree;

use super::{StageIndex, StudyStage};

/// Most changes that a reason names.
const NAMED_MAX: usize = 3;

/// Why a stage is not as the last run left it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reason {
    /// The whole of it: `with.budget.trials 200 → 300`; empty for a stage that is cached.
    pub(super) text: String,
    /// The change at the root with the stage that has it, for the stages after it:
    /// `leaves: with.source.images 4000 → 5000`.
    pub(super) root: Option<String>,
}

/// What a reason looks up about the stages that feed one.
pub(super) trait Upstream {
    /// The root change behind a stage's outputs, when this plan has one.
    fn root(&self, stage: StageIndex) -> Option<&str>;

    /// The files of two versions of an input, when both are known.
    fn trees(&self, before: &str, after: &str) -> Option<(Tree, Tree)>;
}

/// The reason for a stage whose last manifest was `old`.
pub(super) fn between(
    stage: &StudyStage,
    old: &Manifest,
    new: &Manifest,
    upstream: &dyn Upstream,
) -> Reason {
    let changes = new.diff(old);
    let (inputs, own): (Vec<Change>, Vec<Change>) =
        changes.into_iter().partition(|change| change.key.starts_with("input."));
    let own = summary(&own);
    let mut parts = own.clone();
    let mut root = (!own.is_empty()).then(|| format!("{}: {}", stage.id.name, joined(&own)));
    for (port, feeds) in &stage.inputs {
        let changed: Vec<&Change> =
            inputs.iter().filter(|change| port_of(&change.key) == port).collect();
        if changed.is_empty() {
            continue;
        }
        let behind = feeds.iter().find_map(|feed| upstream.root(feed.stage));
        root = root.or_else(|| behind.map(str::to_owned));
        parts.push(input(port, &changed, behind, upstream));
    }
    for change in inputs.iter().filter(|change| is_gone(stage, change)) {
        parts.push(change.to_string());
    }
    Reason { text: joined(&parts), root }
}

/// `input data: 12 files added (leaves: with.source.images 4000 → 5000)`.
fn input(port: &str, changed: &[&Change], behind: Option<&str>, upstream: &dyn Upstream) -> String {
    let what = match changed {
        [change] => {
            files(change, upstream).unwrap_or_else(|| format!("input {port} {}", change.verb()))
        }
        several => format!("input {port}: {} artifacts changed", several.len()),
    };
    match behind {
        Some(root) => format!("{what} ({root})"),
        None => what,
    }
}

/// `input data: 12 files added, 1 changed`, when both trees are known and not all is other.
fn files(change: &Change, upstream: &dyn Upstream) -> Option<String> {
    let (old, new) = upstream.trees(change.before.as_deref()?, change.after.as_deref()?)?;
    let changes = listing(&new).diff(&listing(&old));
    let text = summary(&changes).pop()?;
    let text = text.strip_prefix("files: ").or_else(|| text.strip_prefix("file.")).unwrap_or(&text);
    let port = port_of(&change.key);
    let noun = if changes.len() == 1 { "" } else { "files " };
    Some(format!("input {port}: {noun}{text}"))
}

/// A tree as lines that compare.
fn listing(tree: &Tree) -> Manifest {
    let mut lines = Manifest::default();
    for entry in &tree.entries {
        lines.line(format!("file.{}", entry.path), &format!("{:?}", entry.kind));
    }
    lines
}

/// `data` of `input.data`, `trials` of `input.trials[repeat=1]`.
fn port_of(key: &str) -> &str {
    let port = key.strip_prefix("input.").unwrap_or(key);
    port.split(['[', '#']).next().unwrap_or(port)
}

/// Whether an input's port is bound no more.
fn is_gone(stage: &StudyStage, change: &Change) -> bool {
    !stage.inputs.iter().any(|(port, _)| port == port_of(&change.key))
}

/// The first few, and how many more.
fn joined(parts: &[String]) -> String {
    let named = &parts[..parts.len().min(NAMED_MAX)];
    let more = match parts.len() - named.len() {
        0 => String::new(),
        n => format!("; {n} more"),
    };
    format!("{}{more}", named.join("; "))
}
