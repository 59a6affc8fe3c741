//! Reasons: why a stage has to run or be restored, down to the change at the root.

use crate::manifest::{Change, Fingerprint, Manifest, summary};
use crate::store::Tree;
use crate::wording;

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
    /// The earlier result that the stage goes on from.
    pub(super) earlier: Option<Fingerprint>,
}

impl Reason {
    /// The reason with what the stage makes of an earlier result.
    pub(super) fn with(mut self, text: &str, earlier: Option<Fingerprint>) -> Self {
        self.text = format!("{}; {text}", self.text);
        self.earlier = earlier;
        self
    }
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
    let mut behinds: Vec<(Option<&str>, Vec<String>)> = Vec::new();
    for (port, feeds) in &stage.inputs {
        let changed: Vec<&Change> =
            inputs.iter().filter(|change| port_of(&change.key) == port).collect();
        if changed.is_empty() {
            continue;
        }
        let behind = feeds.iter().find_map(|feed| upstream.root(feed.stage));
        root = root.or_else(|| behind.map(str::to_owned));
        let text = input(port, &changed, upstream);
        match behinds.iter_mut().find(|(known, _)| *known == behind) {
            Some((_, texts)) => texts.push(text),
            None => behinds.push((behind, vec![text])),
        }
    }
    for (behind, texts) in behinds {
        let root = behind.map(|root| format!(" ({root})")).unwrap_or_default();
        parts.push(format!("{}{root}", texts.join(", ")));
    }
    for change in inputs.iter().filter(|change| is_gone(stage, change)) {
        parts.push(change.to_string());
    }
    Reason { text: joined(&parts), root, earlier: None }
}

/// `input data changed`, `input data: 12 files added`, `input trials: 6 artifacts changed`.
fn input(port: &str, changed: &[&Change], upstream: &dyn Upstream) -> String {
    match changed {
        [change] => {
            files(change, upstream).unwrap_or_else(|| format!("input {port} {}", change.verb()))
        }
        several => format!("input {port}: {} artifacts changed", several.len()),
    }
}

/// `input data: 12 files added, 1 changed`, when both trees are known.
fn files(change: &Change, upstream: &dyn Upstream) -> Option<String> {
    let (old, new) = upstream.trees(change.before.as_deref()?, change.after.as_deref()?)?;
    let changes = listing(&new).diff(&listing(&old));
    let port = port_of(&change.key);
    if let [only] = changes.as_slice() {
        return Some(format!("input {port}: {} {}", only.key, only.verb()));
    }
    let mut parts = Vec::new();
    for verb in ["added", "removed", "changed"] {
        let count = changes.iter().filter(|change| change.verb() == verb).count();
        if count > 0 && parts.is_empty() {
            parts.push(format!("{} {verb}", wording::count(count, "file")));
        } else if count > 0 {
            parts.push(format!("{} {verb}", wording::thousands(count as u64)));
        }
    }
    Some(format!("input {port}: {}", parts.join(", ")))
}

/// A tree as lines that compare.
fn listing(tree: &Tree) -> Manifest {
    let mut lines = Manifest::default();
    for entry in &tree.entries {
        lines.line(entry.path.clone(), &format!("{:?}", entry.kind));
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
