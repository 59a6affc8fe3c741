//! The `report` kind: pages, tables and figures on trials and retrained networks.
//!
//! It depends on its input artifacts only, so an unchanged study keeps its report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Arity, Component, Config, Input, Job, Outcome, Output, Port, Ports, Stage, StageError,
};
use crate::artifact::ArtifactType;
use crate::manifest::Manifest;
use crate::report::{self, Findings, Options, ReportError, Source, Sources};

/// Parameters of a `report` stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReportConfig {
    /// Title of the page; made from the strategies and the space when missing.
    pub title: Option<String>,
    /// What the study asks, in a sentence; the page has it above the answer. Missing: the pipeline's
    /// description, in the page that a run writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// Networks in the table of the best.
    #[schemars(range(min = 1, max = 1000))]
    pub top: usize,
}

impl Default for ReportConfig {
    fn default() -> Self {
        Self { title: None, question: None, top: 10 }
    }
}

impl Config for ReportConfig {
    const KIND: &'static str = "report";
    const SUMMARY: &'static str =
        "search curves, best networks, test results and provenance as one page, tables and figures";
    const EXAMPLE: &'static str = "\
report:
  use: report
  inputs: # as many as there are, or none: trials, models and controllers; at most one dataset
    trials: [search, score]
    models: finals
    controllers: search
    data: leaves
# makes report.report
";
}

impl Stage for ReportConfig {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn config(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("BUG: parameters serialize")
    }

    fn ports(&self) -> Ports {
        let port = |name: &str, kind: ArtifactType, arity: Arity| Port {
            name: name.to_owned(),
            types: vec![kind],
            arity,
        };
        Ports::Fixed(vec![
            port("trials", ArtifactType::Trials, Arity::Any),
            port("models", ArtifactType::Models, Arity::Any),
            port("controllers", ArtifactType::Controller, Arity::Any),
            port("data", ArtifactType::Dataset, Arity::Optional),
        ])
    }

    fn outputs(&self) -> Vec<Output> {
        vec![Output { name: "report".to_owned(), kind: ArtifactType::Report }]
    }

    fn components(&self) -> Vec<Component> {
        vec![Component { name: Self::KIND, version: 8 }]
    }

    fn parameters(&self, manifest: &mut Manifest) {
        manifest.section("with", self);
    }

    fn run(&self, job: &Job<'_>) -> Result<Outcome, StageError> {
        let sources = Sources {
            trials: job.inputs("trials").iter().map(source).collect(),
            models: job.inputs("models").iter().map(source).collect(),
            controllers: job.inputs("controllers").iter().map(source).collect(),
            data: job.inputs("data").first().map(source),
        };
        let findings = Findings::read(&sources)?;
        let options =
            Options { title: self.title.clone(), question: self.question.clone(), top: self.top };
        report::write(&findings, &options, &job.output("report"))?;
        Ok(Outcome::default())
    }
}

fn source(input: &Input) -> Source {
    Source { coordinates: input.coordinates.clone(), folder: input.path.clone() }
}

impl From<ReportError> for StageError {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Io { action, path, source } => Self::Io { action, path, source },
            other => Self::caused_by(&other),
        }
    }
}
