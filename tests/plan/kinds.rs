//! Stage kinds that compute nothing: planning needs only what a stage says of itself.

use std::collections::BTreeMap;

use phytotron::artifact::ArtifactType;
use phytotron::manifest::Manifest;
use phytotron::stage::{
    Arity, CommandLine, CommandOutput, Component, Config, Job, Launch, Outcome, Output, Port,
    Ports, Registry, Stage, StageError, Typed,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All of them.
pub(super) fn registry() -> Registry {
    Registry::default()
        .with(&Typed::<Grow>::KIND)
        .with(&Typed::<Seek>::KIND)
        .with(&Typed::<Raise>::KIND)
        .with(&Typed::<Tell>::KIND)
        .with(&Typed::<Shell>::KIND)
}

/// Writes a data set and a test set; draws random numbers and reads files.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Grow {
    images: u32,
    seed: u64,
    files: Vec<String>,
}

/// Reads a data set, writes trials and a controller; has an engine of its own.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Seek {
    trials: u32,
    strategy: String,
    repeat: u32,
}

/// Reads many trials, a data set and perhaps a test set; writes models.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raise {
    epochs: u32,
}

/// Reads any trials and models.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tell {
    title: String,
}

/// A program; its ports are open.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Shell {
    run: Vec<String>,
    outputs: BTreeMap<String, String>,
    files: Vec<String>,
    env: BTreeMap<String, String>,
    tools: Vec<String>,
}

fn port(name: &str, kind: ArtifactType, arity: Arity) -> Port {
    Port { name: name.to_owned(), types: vec![kind], arity }
}

fn output(kind: ArtifactType, name: &str) -> Output {
    Output { name: name.to_owned(), kind }
}

/// The parts of a stage that are the same for all of these.
macro_rules! stage {
    ($kind:ident $name:literal { $($body:tt)* }) => {
        impl Stage for $kind {
            fn kind(&self) -> &'static str {
                $name
            }
            fn config(&self) -> serde_json::Value {
                serde_json::to_value(self).unwrap()
            }
            fn components(&self) -> Vec<Component> {
                vec![Component { name: $name, version: 1 }]
            }
            fn run(&self, _: &Job<'_>) -> Result<Outcome, StageError> {
                unreachable!("planning runs nothing")
            }
            $($body)*
        }

        impl Config for $kind {
            const KIND: &'static str = $name;
            const SUMMARY: &'static str = "for tests";
        }
    };
}

stage!(Grow "grow" {
    fn ports(&self) -> Ports {
        Ports::Fixed(Vec::new())
    }
    fn outputs(&self) -> Vec<Output> {
        vec![output(ArtifactType::Dataset, "data"), output(ArtifactType::Testset, "test")]
    }
    fn parameters(&self, manifest: &mut Manifest) {
        manifest.line("with.images", &self.images);
    }
    fn seed(&self) -> Option<u64> {
        Some(self.seed)
    }
    fn files(&self) -> Vec<String> {
        self.files.clone()
    }
});

stage!(Seek "seek" {
    fn ports(&self) -> Ports {
        Ports::Fixed(vec![port("data", ArtifactType::Dataset, Arity::One)])
    }
    fn outputs(&self) -> Vec<Output> {
        vec![output(ArtifactType::Trials, "trials"), output(ArtifactType::Controller, "controller")]
    }
    fn parameters(&self, manifest: &mut Manifest) {
        manifest.section("with", self);
    }
    fn numerics(&self) -> Option<&'static str> {
        Some("mock-f32")
    }
});

stage!(Raise "raise" {
    fn ports(&self) -> Ports {
        Ports::Fixed(vec![
            port("trials", ArtifactType::Trials, Arity::Many),
            port("data", ArtifactType::Dataset, Arity::One),
            port("test", ArtifactType::Testset, Arity::Optional),
        ])
    }
    fn outputs(&self) -> Vec<Output> {
        vec![output(ArtifactType::Models, "models")]
    }
    fn parameters(&self, manifest: &mut Manifest) {
        manifest.section("with", self);
    }
});

stage!(Tell "tell" {
    fn ports(&self) -> Ports {
        Ports::Fixed(vec![
            port("trials", ArtifactType::Trials, Arity::Any),
            port("models", ArtifactType::Models, Arity::Any),
        ])
    }
    fn outputs(&self) -> Vec<Output> {
        vec![output(ArtifactType::Report, "report")]
    }
    fn parameters(&self, manifest: &mut Manifest) {
        manifest.section("with", self);
    }
});

stage!(Shell "shell" {
    fn ports(&self) -> Ports {
        Ports::Open
    }
    fn outputs(&self) -> Vec<Output> {
        self.outputs.keys().map(|name| output(ArtifactType::Files, name)).collect()
    }
    fn parameters(&self, _: &mut Manifest) {}
    fn files(&self) -> Vec<String> {
        self.files.clone()
    }
    fn launch(&self) -> Launch {
        let output = |(name, path): (&String, &String)| CommandOutput {
            name: name.clone(),
            kind: ArtifactType::Files,
            paths: vec![path.clone()],
            keeps_paths: false,
        };
        Launch::Command(CommandLine {
            argv: self.run.clone(),
            env: self.env.clone().into_iter().collect(),
            outputs: self.outputs.iter().map(output).collect(),
            tools: self.tools.clone(),
        })
    }
});
