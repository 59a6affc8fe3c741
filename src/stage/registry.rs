//! The registry: every stage kind by name, one line each.

use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    CommandConfig, DatasetConfig, EvaluateConfig, ExportConfig, ReportConfig, RetrainConfig,
    SearchConfig,
};
use super::{Kind, Stage};
use crate::diagnostic::Diagnostic;
use crate::spec::{self, Node};

/// A config that is a bound stage: what most kinds are.
pub trait Config: Stage + DeserializeOwned + Serialize + JsonSchema + 'static {
    /// The word after `use:`.
    const KIND: &'static str;
    /// One line for `kinds`.
    const SUMMARY: &'static str;
    /// A stage as it stands in a pipeline, with what each port takes and what it makes, for `kinds`.
    const EXAMPLE: &'static str = "";

    /// Finds what a schema cannot say, with labels into `with`.
    fn check(&self, with: &Node) -> Vec<Diagnostic> {
        let _ = with;
        Vec::new()
    }
}

/// The stage kind of a config type.
#[derive(Debug)]
pub struct Typed<C>(PhantomData<fn() -> C>);

impl<C> Typed<C> {
    /// The kind.
    pub const KIND: Self = Self(PhantomData);
}

impl<C: Config> Kind for Typed<C> {
    fn name(&self) -> &'static str {
        C::KIND
    }

    fn summary(&self) -> &'static str {
        C::SUMMARY
    }

    fn example(&self) -> &'static str {
        C::EXAMPLE
    }

    fn schema(&self) -> schemars::Schema {
        schemars::schema_for!(C)
    }

    fn bind(&self, with: &Node) -> Result<Box<dyn Stage>, Vec<Diagnostic>> {
        let config: C = spec::bind(with)?;
        let mistakes = config.check(with);
        if mistakes.is_empty() { Ok(Box::new(config)) } else { Err(mistakes) }
    }

    fn revive(&self, config: &serde_json::Value) -> Result<Box<dyn Stage>, serde_json::Error> {
        Ok(Box::new(C::deserialize(config)?))
    }
}

/// The kinds that a pipeline may use.
#[derive(Clone, Default)]
pub struct Registry {
    kinds: Vec<&'static dyn Kind>,
}

impl Registry {
    /// The kinds that ship with phytotron.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            kinds: vec![
                &Typed::<DatasetConfig>::KIND,
                &Typed::<SearchConfig>::KIND,
                &Typed::<EvaluateConfig>::KIND,
                &Typed::<RetrainConfig>::KIND,
                &Typed::<ReportConfig>::KIND,
                &Typed::<ExportConfig>::KIND,
                &Typed::<CommandConfig>::KIND,
            ],
        }
    }

    /// Adds a kind, as a test or another crate does.
    #[must_use]
    pub fn with(mut self, kind: &'static dyn Kind) -> Self {
        self.kinds.push(kind);
        self
    }

    /// The kind called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'static dyn Kind> {
        self.kinds.iter().copied().find(|kind| kind.name() == name)
    }

    /// All kinds in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = &'static dyn Kind> {
        self.kinds.iter().copied()
    }

    /// All names.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.iter().map(Kind::name).collect()
    }
}
