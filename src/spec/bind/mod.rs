//! Binds spanned nodes to typed configs: all mistakes at once, each under its words.
//!
//! A config's Rust type is the only source: schemars tells what fits ([`Shapes`]), the check walks node
//! and shape together and collects every mistake, and serde then reads what is known to fit. Knows
//! nothing of stages or files.
//!
//! # How to write a config
//!
//! ```
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Serialize, Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct SearchConfig {
//!     /// Trials in all.
//!     #[schemars(range(min = 1))]
//!     trials: u64,
//!     /// Share of old rewards in the baseline.
//!     #[serde(default)]
//!     #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
//!     decay: Option<f64>,
//!     /// What proposes genotypes.
//!     strategy: Strategy,
//! }
//!
//! // Written `strategy: {kind: q_learning, steps: 3}`; a kind without other keys also as plain text,
//! // `strategy: random`, so that an expression can fill it in.
//! #[derive(Debug, Serialize, Deserialize, JsonSchema)]
//! #[serde(rename_all = "snake_case")]
//! #[schemars(tag = "kind")]
//! enum Strategy {
//!     QLearning(QLearningConfig),
//!     Random,
//! }
//!
//! #[derive(Debug, Serialize, Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct QLearningConfig {
//!     steps: u32,
//! }
//! ```
//!
//! - An enum with content has `#[schemars(tag = "kind")]` and *no* serde `tag`: serde's tagged enums
//!   buffer their content and lose its spans. Reading finds `kind` by itself. Serialize stays externally
//!   tagged, which is what `serde_json` reads back in a worker.
//! - An enum of plain words has neither and is written as text.
//! - Never `untagged` or `flatten` in serde. A value of several forms (`text or a list`) has a
//!   `Deserialize` of its own by a visitor and a `JsonSchema` with `anyOf`
//!   (`#[schemars(untagged)]` writes one).
//! - A struct's unknown keys are mistakes even where `deny_unknown_fields` was forgotten.
//! - A type written as text in a form of its own (`6h`) gives its schema an `x-noun`, which messages say
//!   instead of `text`.
//! - What a schema cannot say (a duration's text) may fail in `Deserialize`; the message stands under
//!   the innermost value.

mod check;
mod reader;
mod shape;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use self::reader::NodeReader;
use self::shape::Shapes;
use super::Node;
use crate::diagnostic::Diagnostic;

/// Reads a `C` from `node`.
///
/// The schema of `C` finds every mistake first; serde then reads what is known to fit.
///
/// # Errors
/// All mistakes, in the order of the file.
pub fn bind<C: DeserializeOwned + JsonSchema + 'static>(node: &Node) -> Result<C, Vec<Diagnostic>> {
    let mistakes = check::check(&Shapes::of::<C>(), node);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    C::deserialize(NodeReader::new(node)).map_err(|error| vec![error.into_diagnostic(node)])
}

#[cfg(test)]
mod tests;
