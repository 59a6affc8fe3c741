//! From a pipeline file to a study.

use std::path::Path;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::spec;
use crate::stage::Registry;

use super::Study;

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
    let _ = (pipeline, registry);
    unimplemented!()
}
