//! Exporting after a run: what lies in `out/` goes to a bucket, for people to open.

use std::path::{Path, PathBuf};

use crate::cli::error::CliError;
use crate::cli::project::Workplace;
use crate::cli::{Terminal, view};
use crate::event::Emit;
use crate::plan::{Study, safe_name};
use crate::remote::{self, Content, Piece};
use crate::run::RunReport;
use crate::store::{EntryKind, Store};
use crate::wording;

/// Puts the run's outputs under `url`, in a folder of the pipeline's name.
pub(super) fn export(
    workplace: &Workplace,
    url: &str,
    study: &Study,
    store: &Store,
    run: &RunReport,
    events: &dyn Emit,
    terminal: &Terminal,
) -> Result<(), CliError> {
    let pipeline = safe_name(&study.pipeline.name);
    let folder = Path::new("out").join(&pipeline);
    let mut pieces = Vec::new();
    for (place, tree) in &run.published {
        for entry in store.tree(tree)?.into_iter().flat_map(|tree| tree.entries) {
            if let EntryKind::File { digest, size, .. } = entry.kind {
                let content = Content::Blob { digest, size };
                pieces.push(Piece { name: name(&place.join(entry.path), &folder), content });
            }
        }
    }
    for page in view::pages(study, run) {
        let content = Content::File(workplace.project.root.join(&page));
        pieces.push(Piece { name: name(&page, &folder), content });
    }
    let remotes = &workplace.project.remotes;
    let exported = remote::export(url, remotes, &pipeline, &pieces, store, events)?;
    if !terminal.json {
        let others = [(exported.same, "as before"), (exported.removed, "removed")];
        let others = others.into_iter().filter(|&(n, _)| n > 0);
        let others: String = others
            .flat_map(|(n, what)| {
                [", ".to_owned(), wording::thousands(n as u64), format!(" {what}")]
            })
            .collect();
        let (place, sent) = (&exported.place, wording::count(exported.sent, "file"));
        terminal.say(&format!("exported to {place}: {sent} sent{others}"));
    }
    Ok(())
}

/// A path below `out/<pipeline>/` as it is called there.
fn name(path: &Path, folder: &Path) -> String {
    let below: PathBuf = path.strip_prefix(folder).unwrap_or(path).to_owned();
    below.to_string_lossy().into_owned()
}
