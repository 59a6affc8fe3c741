//! temp
use crate::diagnostic::Diagnostics;
pub(crate) fn render(d: &Diagnostics, _c: bool) -> String { d.to_string() }
pub(crate) fn to_json(d: &Diagnostics) -> serde_json::Value { serde_json::json!(d.to_string()) }
