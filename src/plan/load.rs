//! From a pipeline file to a study: read, bind, join.

use std::path::Path;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::spec;
use crate::stage::{Registry, Stage};
use crate::wording;

use super::findings::Findings;
use super::{Study, checks, ring, wire};

/// Reads the pipeline at `file` (relative to `project`), binds its stages and joins them.
///
/// # Errors
/// Every mistake that was found, in the order of the file. On success the warnings come along.
pub fn load(
    project: &Path,
    file: &Path,
    params: &[(String, String)],
    registry: &Registry,
) -> Result<(Study, Vec<Diagnostic>), Diagnostics> {
    let _ = (project, file, params, registry);
    unimplemented!()
}

/// Binds the stages of a pipeline that was read, and joins them.
///
/// # Errors
/// Every mistake that was found, in the order of the file. On success the warnings come along.
pub fn join(
    pipeline: spec::Pipeline,
    registry: &Registry,
) -> Result<(Study, Vec<Diagnostic>), Diagnostics> {
    let mut findings = Findings::default();
    let bound = bind(&pipeline, registry, &mut findings);
    let wiring = wire::wire(&pipeline, &bound, &mut findings);
    ring::check(&pipeline, &wiring, &mut findings);
    checks::folders(&pipeline, &mut findings);
    checks::declared_outputs(&pipeline, &bound, &mut findings);
    if findings.has_errors() {
        return Err(Diagnostics { list: findings.sorted(), sources: pipeline.sources });
    }
    let bound = bound.into_iter().map(|stage| stage.expect("BUG: no error, yet unbound")).collect();
    Ok((wiring.into_study(pipeline, bound), findings.sorted()))
}

/// Binds every stage; `None` where that failed.
fn bind(
    pipeline: &spec::Pipeline,
    registry: &Registry,
    findings: &mut Findings,
) -> Vec<Option<Box<dyn Stage>>> {
    let mut bind_one = |stage: &spec::Stage| {
        let Some(kind) = registry.get(&stage.kind) else {
            findings.add_once(unknown_kind(stage, registry));
            return None;
        };
        let mistakes = match kind.bind(&stage.with) {
            Ok(bound) => return Some(bound),
            Err(mistakes) => mistakes,
        };
        for mistake in mistakes {
            findings.add(mistake);
        }
        None
    };
    pipeline.stages.iter().map(&mut bind_one).collect()
}

fn unknown_kind(stage: &spec::Stage, registry: &Registry) -> Diagnostic {
    let names = registry.names();
    let help = match wording::nearest(&stage.kind, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the kinds are {}", wording::list(&names)),
    };
    Diagnostic::error("plan::unknown_kind", format!("there is no stage kind `{}`", stage.kind))
        .label(stage.kind_span, "no kind or preset has this name")
        .help(help)
}
