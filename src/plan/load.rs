//! From a pipeline file to a study: read, bind, join.

use std::path::Path;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::spec;
use crate::stage::{Registry, Stage};
use crate::wording;

use super::findings::Findings;
use super::{Study, checks, ring, wire};

/// Reads the pipeline at `file` (a path as the command line has it), binds its stages and joins them.
///
/// # Errors
/// Every mistake that was found, in the order of the file. On success the warnings come along.
pub fn load(
    project: &spec::Project,
    file: &Path,
    params: &[(String, String)],
    registry: &Registry,
) -> Result<(Study, Vec<Diagnostic>), Diagnostics> {
    match spec::load(project, file, params, &registry.names()) {
        Ok((pipeline, warnings)) => Joint::with(warnings).join(pipeline, registry),
        // What could be read is bound and joined nevertheless, so that all mistakes are told at once.
        Err(invalid) => Joint::with(invalid.diagnostics).join(invalid.pipeline, registry),
    }
}

/// Binds the stages of a pipeline that was read, and joins them.
///
/// # Errors
/// Every mistake that was found, in the order of the file. On success the warnings come along.
pub fn join(
    pipeline: spec::Pipeline,
    registry: &Registry,
) -> Result<(Study, Vec<Diagnostic>), Diagnostics> {
    Joint::default().join(pipeline, registry)
}

/// The way from a pipeline to a study, with everything found on it.
#[derive(Default)]
struct Joint {
    findings: Findings,
}

impl Joint {
    fn with(found: Vec<Diagnostic>) -> Self {
        let mut joint = Self::default();
        for diagnostic in found {
            joint.findings.add(diagnostic);
        }
        joint
    }

    fn join(
        mut self,
        pipeline: spec::Pipeline,
        registry: &Registry,
    ) -> Result<(Study, Vec<Diagnostic>), Diagnostics> {
        let findings = &mut self.findings;
        let bound = bind(&pipeline, registry, findings);
        let wiring = wire::wire(&pipeline, &bound, findings);
        ring::check(&pipeline, &wiring, findings);
        checks::folders(&pipeline, findings);
        checks::declared_outputs(&pipeline, &bound, findings);
        if findings.has_errors() {
            return Err(Diagnostics { list: self.findings.sorted(), sources: pipeline.sources });
        }
        let bound: Option<Vec<Box<dyn Stage>>> = bound.into_iter().collect();
        let bound = bound.expect("BUG: a stage without a mistake is not bound");
        Ok((wiring.into_study(pipeline, bound), self.findings.sorted()))
    }
}

/// Binds every stage; `None` where that failed.
fn bind(
    pipeline: &spec::Pipeline,
    registry: &Registry,
    findings: &mut Findings,
) -> Vec<Option<Box<dyn Stage>>> {
    let mut bind_one = |stage: &spec::Stage| {
        if stage.gaps.kind {
            return None;
        }
        let Some(kind) = registry.get(&stage.kind) else {
            findings.add_once(unknown_kind(stage, registry));
            return None;
        };
        match kind.bind(&stage.with) {
            Ok(bound) => Some(bound).filter(|_| !stage.gaps.with),
            Err(mistakes) => {
                let stands = |mistake: &Diagnostic| !stage.gaps.with || is_by_itself(mistake);
                mistakes.into_iter().filter(stands).for_each(|mistake| findings.add(mistake));
                None
            }
        }
    };
    pipeline.stages.iter().map(&mut bind_one).collect()
}

/// Whether a mistake lies in the words that it points to, and not in what is missing beside them.
fn is_by_itself(mistake: &Diagnostic) -> bool {
    matches!(mistake.code, "spec::unknown_key" | "spec::wrong_type" | "spec::bad_value")
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
