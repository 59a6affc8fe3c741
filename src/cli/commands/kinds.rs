//! `kinds`: the stage kinds with their parameters.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cli::args::KindsArgs;
use crate::cli::error::CliError;
use crate::cli::{Exit, Terminal};
use crate::spec::builtin;
use crate::stage::{Kind, Registry};
use crate::wording;

/// Lists the kinds, or shows one.
pub(super) fn kinds(args: &KindsArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let registry = Registry::standard();
    match &args.kind {
        None => list(&registry, terminal),
        Some(name) => match builtin::PRESETS.iter().find(|preset| preset.name == name) {
            Some(preset) => show_preset(preset.name, preset.text, terminal),
            None => show(find(&registry, name)?, terminal),
        },
    }
    Ok(Exit::Done)
}

/// A preset is a file that people may read and copy.
fn show_preset(name: &str, text: &str, terminal: &Terminal) {
    if terminal.json {
        terminal.say_json(&json!({ "preset": name, "text": text }));
    } else {
        terminal.say(&format!("stages/{name}.yaml, unless the project has its own:\n\n{text}"));
    }
}

fn find(registry: &Registry, name: &str) -> Result<&'static dyn Kind, CliError> {
    registry.get(name).ok_or_else(|| {
        let names = registry.names();
        let of: Vec<&str> = (registry.iter())
            .filter(|kind| has_choice(&Value::from(kind.schema()), name))
            .map(Kind::name)
            .collect();
        if let Some(kind) = of.first() {
            let of = wording::list(&of);
            return CliError::Usage(format!(
                "`{name}` is a choice within {of}: `phytotron kinds {kind}` shows it"
            ));
        }
        let help = match wording::nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the kinds are {}", wording::list(&names)),
        };
        CliError::Usage(format!("there is no stage kind `{name}`: {help}"))
    })
}

/// Whether `kind: name` may stand somewhere in what a schema describes.
fn has_choice(schema: &Value, name: &str) -> bool {
    match schema {
        Value::Object(fields) => {
            schema["properties"]["kind"]["const"] == name
                || fields.values().any(|field| has_choice(field, name))
        }
        Value::Array(items) => items.iter().any(|item| has_choice(item, name)),
        _ => false,
    }
}

fn list(registry: &Registry, terminal: &Terminal) {
    if terminal.json {
        let kinds = registry.iter().map(
            |kind| json!({ "kind": kind.name(), "summary": kind.summary(), "example": kind.example(), "with": kind.schema() }),
        );
        terminal.say_json(&kinds.collect());
        return;
    }
    let mut text = String::new();
    for kind in registry.iter() {
        let _ = writeln!(text, "{:<10} {}", kind.name(), kind.summary());
    }
    text.push_str("\npresets, kinds with parameters filled in:\n");
    for preset in builtin::PRESETS {
        let _ = writeln!(text, "{:<17} {}", preset.name, description(preset.text));
    }
    text.push_str("\n`phytotron kinds KIND` shows a kind's parameters.");
    terminal.say(&text);
}

/// What a preset says of itself.
fn description(preset: &str) -> &str {
    preset.lines().find_map(|line| line.strip_prefix("description:")).unwrap_or_default().trim()
}

fn show(kind: &dyn Kind, terminal: &Terminal) {
    let schema = Value::from(kind.schema());
    if terminal.json {
        terminal.say_json(&schema);
        return;
    }
    let mut text = format!("{}: {}\n", kind.name(), kind.summary());
    if !kind.example().is_empty() {
        text.push_str("\nexample:\n");
        kind.example().lines().for_each(|line| text.extend(["  ", line, "\n"]));
    }
    text.push_str("\nwith:\n");
    Parameters { root: &schema, text: &mut text }.fields(&schema, 1);
    terminal.say(&text);
}

/// The text up to its first full stop; "et al." has none.
fn first_sentence(text: &str) -> &str {
    let mut ends = text.match_indices(". ").map(|(end, _)| end);
    let end = ends.find(|end| !text[..*end].ends_with("et al"));
    end.map_or(text, |end| &text[..end])
}

/// The words that a value is chosen from.
fn choices(schema: &Value) -> Vec<&str> {
    let listed = schema["enum"].as_array().into_iter().flatten();
    let described = schema["oneOf"].as_array().into_iter().flatten().map(|one| &one["const"]);
    listed.chain(described).filter_map(Value::as_str).collect()
}

/// Writes a schema as an indented list of parameters.
struct Parameters<'a> {
    root: &'a Value,
    text: &'a mut String,
}

impl Parameters<'_> {
    /// Deeper than this a schema repeats itself.
    const DEPTH_MAX: usize = 6;

    fn fields(&mut self, schema: &Value, depth: usize) {
        let schema = self.resolve(schema).clone();
        if depth > Self::DEPTH_MAX {
            return;
        }
        for variant in variants(&schema) {
            self.variant(variant, depth);
        }
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let is_required = required.iter().any(|one| one == name);
            self.field(name, field, is_required, depth);
        }
    }

    fn field(&mut self, name: &str, field: &Value, is_required: bool, depth: usize) {
        let resolved = self.resolve(field).clone();
        if resolved.get("const").is_some() {
            return;
        }
        let words = [&field["description"], &resolved["description"]]
            .into_iter()
            .find_map(Value::as_str)
            .unwrap_or_default();
        let first = first_sentence(words).replace('\n', " ");
        let choices = match choices(&resolved).as_slice() {
            [] => String::new(),
            words => format!(" ({})", words.join(", ")),
        };
        let default = match field.get("default") {
            _ if is_required => " (required)".to_owned(),
            Some(value) if !value.is_null() && !value.is_object() => format!(" [{value}]"),
            _ => String::new(),
        };
        let indent = "  ".repeat(depth);
        let _ = writeln!(self.text, "{indent}{name}{default}: {first}{choices}");
        self.fields(field, depth + 1);
    }

    fn variant(&mut self, variant: &Value, depth: usize) {
        let resolved = self.resolve(variant).clone();
        let name = resolved["properties"]["kind"]["const"]
            .as_str()
            .or_else(|| variant["properties"]["kind"]["const"].as_str());
        if let Some(name) = name {
            let words = variant["description"].as_str().unwrap_or_default();
            let first = first_sentence(words).replace('\n', " ");
            let _ = writeln!(self.text, "{}kind: {name}  {first}", "  ".repeat(depth));
            self.fields(variant, depth + 1);
        }
    }

    /// Follows `$ref` into the schema's own definitions, and single `allOf` members.
    fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        let mut schema = schema;
        while let Some(name) = schema["$ref"].as_str() {
            schema = &self.root["$defs"][name.rsplit('/').next().unwrap_or_default()];
        }
        schema
    }
}

/// The alternatives of a tagged choice.
fn variants(schema: &Value) -> &[Value] {
    schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()).map_or(&[], Vec::as_slice)
}
