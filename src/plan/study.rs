//! A study: a pipeline whose stages are bound and joined.

use crate::artifact::{Coordinates, StageId};
use crate::spec;
use crate::stage::Stage;

use super::StageIndex;

/// A bound pipeline.
#[derive(Debug)]
pub struct Study {
    /// The pipeline as read (name, seed, params, files, sources).
    pub pipeline: spec::Pipeline,
    /// Stages in topological order; ties in the order of the file.
    pub stages: Vec<StudyStage>,
}

/// A bound stage with its place in the graph.
#[derive(Debug)]
pub struct StudyStage {
    /// Name and cell.
    pub id: StageId,
    /// The bound stage.
    pub stage: Box<dyn Stage>,
    /// What feeds each port: `(port, [(stage, output name, coordinates)])`, gathered ones sorted.
    pub inputs: Vec<(String, Vec<Feed>)>,
    /// Stages that must end well before it starts, beyond those that feed it.
    pub needs: Vec<StageIndex>,
    /// How it runs.
    pub settings: spec::Settings,
    /// Whether no other stage reads its outputs.
    pub is_final: bool,
}

/// An output bound to a port.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// The stage it comes from.
    pub stage: StageIndex,
    /// The output's name.
    pub output: String,
    /// The cell's coordinates.
    pub coordinates: Coordinates,
}
