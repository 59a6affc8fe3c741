//! Binds spanned nodes to typed configs: all mistakes at once, each under its words.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::Node;
use crate::diagnostic::Diagnostic;

/// Reads a `C` from `node`.
///
/// The schema of `C` finds every mistake first; serde then reads what is known to fit.
///
/// # Errors
/// All mistakes, in the order of the file.
pub fn bind<C: DeserializeOwned + JsonSchema>(node: &Node) -> Result<C, Vec<Diagnostic>> {
    let _ = node;
    unimplemented!()
}
