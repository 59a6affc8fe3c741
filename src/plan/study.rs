//! A study: a pipeline whose stages are bound and joined.
//!
//! Knows who feeds whom and in which order; knows nothing of results.

use std::path::PathBuf;

use crate::artifact::{Coordinates, StageId};
use crate::spec;
use crate::stage::Stage;

use super::folder;

/// Index of a stage in a [`Study`]: its place in topological order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageIndex(pub usize);

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
    /// What feeds each port, sorted by port; gathered feeds sorted by coordinates.
    pub inputs: Vec<(String, Vec<Feed>)>,
    /// Stages that must end well before it starts, beyond those that feed it.
    pub needs: Vec<StageIndex>,
    /// Every stage that must end well before it starts: feeds and needs, each once, ascending.
    pub before: Vec<StageIndex>,
    /// Every stage that has it in `before`, ascending.
    pub after: Vec<StageIndex>,
    /// How it runs.
    pub settings: spec::Settings,
    /// Whether no other stage reads its outputs.
    pub is_final: bool,
    /// Its place in `pipeline.stages`, where its spans are.
    pub written: usize,
}

/// An output bound to a port.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// The stage it comes from.
    pub stage: StageIndex,
    /// The output's name.
    pub output: String,
    /// The label that the reading stage sees and its manifest holds: the cell's coordinates where
    /// several may be gathered, empty on a port that takes one.
    pub coordinates: Coordinates,
}

impl Study {
    /// The stage at `index`.
    #[must_use]
    pub fn get(&self, index: StageIndex) -> &StudyStage {
        &self.stages[index.0]
    }

    /// All stages with their indices, in topological order.
    pub fn iter(&self) -> impl Iterator<Item = (StageIndex, &StudyStage)> {
        self.stages.iter().enumerate().map(|(i, stage)| (StageIndex(i), stage))
    }

    /// The stage as the file has it, with its spans.
    #[must_use]
    pub fn written(&self, index: StageIndex) -> &spec::Stage {
        &self.pipeline.stages[self.get(index).written]
    }

    /// The study, of which nothing goes to `out/`.
    #[must_use]
    pub fn unpublished(mut self) -> Self {
        for stage in &mut self.stages {
            stage.is_final = false;
            stage.settings.publish = false;
        }
        self
    }

    /// Whether its outputs go to `out/`: nobody reads them, or `publish` asks for it.
    #[must_use]
    pub fn is_published(&self, index: StageIndex) -> bool {
        let stage = self.get(index);
        stage.is_final || stage.settings.publish
    }

    /// Folder of its published outputs, relative to the project: `out/<pipeline>/<stage>`.
    #[must_use]
    pub fn folder(&self, index: StageIndex) -> PathBuf {
        PathBuf::from("out")
            .join(folder::safe(&self.pipeline.name))
            .join(folder::of_stage(&self.get(index).id))
    }
}
