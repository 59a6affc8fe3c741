//! JSON Schemas of pipeline files, for editors that complete and check keys as one types.
//!
//! The kinds' own schemas come from their Rust types; here they are put where a pipeline has them, with
//! expressions allowed wherever a value stands. Loading does not use these: it checks with better words.

use schemars::Schema;
use serde_json::{Map, Value as Json, json};

use super::project::ProjectKeys;
use super::settings::SettingsKeys;

/// The dialect of every schema.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Texts that stand for another value: an expression, or a number in groups of three digits, which editors
/// take for text.
const STAND_IN: &str = r"\$\{\{|^[-+]?[0-9]{1,3}(_[0-9]{3})+$";

/// The schema of a whole pipeline file, given each kind's name and the schema of its `with`.
#[must_use]
pub fn pipeline_schema(kinds: &[(&str, Schema)]) -> Json {
    let mut definitions = definitions(kinds);
    definitions.insert("stage".to_owned(), stage(kinds, true));
    json!({
        "$schema": DIALECT,
        "title": "phytotron pipeline",
        "type": "object",
        "properties": {
            "name": {
                "description": "Name of the pipeline, and of its folder in `out/`; the file's name when missing.",
                "type": "string",
                "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]*$"
            },
            "description": {"description": "A sentence for people.", "type": "string"},
            "seed": stand_in_for(json!({
                "description": "The one root of all randomness; 0 when missing.",
                "type": "integer",
                "minimum": 0
            })),
            "params": {
                "description": "Values that `-p key=value` can change and expressions read: `${{ params.key }}`.",
                "type": ["object", "null"]
            },
            "extends": {
                "description": "Files to lay under this one, relative to the project's root; later ones win.",
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
            },
            "stages": {
                "description": "The stages by name.",
                "type": "object",
                "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9_-]*$"},
                "additionalProperties": {"anyOf": [{"$ref": "#/$defs/stage"}, {"type": "null"}]}
            }
        },
        // What begins so holds YAML anchors.
        "patternProperties": {"^x-": true},
        "additionalProperties": false,
        "anyOf": [{"required": ["stages"]}, {"required": ["extends"]}],
        "$defs": definitions,
    })
}

/// The schema of a preset file: a stage of which every part may be missing but `use`.
#[must_use]
pub fn preset_schema(kinds: &[(&str, Schema)]) -> Json {
    let mut schema = stage(kinds, false);
    schema["$schema"] = json!(DIALECT);
    schema["title"] = json!("phytotron preset");
    schema["required"] = json!(["use"]);
    schema["$defs"] = Json::Object(definitions(kinds));
    schema
}

/// The schema of one kind's `with`, by itself.
#[must_use]
pub fn kind_schema(name: &str, schema: &Schema) -> Json {
    let mut schema = schema.as_value().clone();
    let definitions = schema.get("$defs").cloned().unwrap_or_default();
    inline_variants(&mut schema, &definitions);
    close(&mut schema);
    allow_short_kinds(&mut schema);
    allow_stand_ins(&mut schema);
    schema["$schema"] = json!(DIALECT);
    schema["title"] = json!(format!("phytotron: `with` of {name}"));
    schema
}

/// The schema of `phytotron.yaml`.
#[must_use]
pub fn project_schema() -> Json {
    let mut schema = schemars::schema_for!(ProjectKeys).to_value();
    schema["$schema"] = json!(DIALECT);
    schema["title"] = json!("phytotron project");
    schema
}

/// Definitions that stages refer to: each kind's `with`, whole and as a part.
fn definitions(kinds: &[(&str, Schema)]) -> Map<String, Json> {
    let mut definitions = Map::new();
    for (name, schema) in kinds {
        let mut schema = kind_schema(name, schema);
        rename_references(&mut schema, name);
        if let Json::Object(schema) = &mut schema {
            schema.remove("$schema");
            if let Some(Json::Object(inner)) = schema.remove("$defs") {
                for (inner_name, inner) in inner {
                    definitions.insert(format!("{name}.{inner_name}"), inner);
                }
            }
        }
        definitions.insert(format!("with.{name}"), schema);
    }
    for (name, definition) in settings_definitions() {
        definitions.insert(name, definition);
    }
    definitions.insert(
        "reference".to_owned(),
        json!({
            "description": "`stage`, `stage.output`, `stage[*]` or `stage[key=value].output`.",
            "type": "string"
        }),
    );
    definitions.insert(
        "references".to_owned(),
        json!({"anyOf": [
            {"$ref": "#/$defs/reference"},
            {"type": "array", "items": {"$ref": "#/$defs/reference"}}
        ]}),
    );
    definitions
}

/// A stage; a preset's `with` is a part and checked only when a pipeline uses it.
fn stage(kinds: &[(&str, Schema)], is_whole: bool) -> Json {
    let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
    let mut properties = json!({
        "use": {
            "description": "A stage kind, a preset of `stages/` or one shipped with phytotron, or the path of one.",
            "anyOf": [{"enum": names}, {"type": "string"}]
        },
        "with": {"description": "Parameters of the kind.", "type": ["object", "null"]},
        "inputs": {
            "description": "What feeds each port of the kind.",
            "type": ["object", "null"],
            "additionalProperties": {"$ref": "#/$defs/references"}
        },
        "matrix": stand_in_for(json!({
            "description": "Runs the stage once for each combination of values: `${{ matrix.key }}`.",
            "type": ["object", "null"],
            "properties": {
                "include": {
                    "description": "Cells to add, each with a value for every key.",
                    "type": "array",
                    "items": {"type": "object"}
                },
                "exclude": {
                    "description": "Cells to leave out, by some of their values.",
                    "type": "array",
                    "items": {"type": "object"}
                }
            },
            "additionalProperties": stand_in_for(json!({"type": "array", "minItems": 1}))
        })),
        "needs": {
            "description": "Stages that must end well before this one starts.",
            "$ref": "#/$defs/references"
        }
    });
    if let (Json::Object(properties), Json::Object(settings)) = (&mut properties, settings()) {
        properties.extend(settings);
    }
    let mut stage = json!({
        "description": "A stage.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false
    });
    if is_whole {
        let checks: Vec<Json> = names
            .iter()
            .map(|name| {
                json!({
                    "if": {"required": ["use"], "properties": {"use": {"const": name}}},
                    "then": {"properties": {"with": {"$ref": format!("#/$defs/with.{name}")}}}
                })
            })
            .collect();
        stage["allOf"] = Json::Array(checks);
    }
    stage
}

/// The properties of a stage's settings, with expressions allowed.
fn settings() -> Json {
    let mut schema = schemars::schema_for!(SettingsKeys).to_value();
    allow_stand_ins(&mut schema);
    schema["properties"].take()
}

fn settings_definitions() -> Map<String, Json> {
    let mut schema = schemars::schema_for!(SettingsKeys).to_value();
    allow_stand_ins(&mut schema);
    match schema["$defs"].take() {
        Json::Object(definitions) => definitions,
        _ => Map::new(),
    }
}

/// `schema`, or a text that stands for such a value.
fn stand_in_for(mut schema: Json) -> Json {
    let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
    let mut either = json!({"anyOf": [schema, {"type": "string", "pattern": STAND_IN}]});
    if let Some(description) = description {
        either["description"] = description;
    }
    either
}

/// Allows a stand-in at every value inside a schema of a map; not at the map itself.
fn allow_stand_ins(schema: &mut Json) {
    let Json::Object(schema) = schema else { return };
    if let Some(Json::Object(definitions)) = schema.get_mut("$defs") {
        definitions.values_mut().for_each(allow_stand_ins);
    }
    let is_tag = |name: &str, value: &Json| name == "kind" && value.get("const").is_some();
    if let Some(Json::Object(properties)) = schema.get_mut("properties") {
        for (name, value) in properties {
            if !is_tag(name, value) {
                allow_here(value);
            }
        }
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(value @ Json::Object(_)) = schema.get_mut(keyword) {
            allow_here(value);
        }
    }
    if let Some(Json::Object(patterns)) = schema.get_mut("patternProperties") {
        patterns.values_mut().for_each(allow_here);
    }
    for keyword in ["prefixItems"] {
        if let Some(Json::Array(items)) = schema.get_mut(keyword) {
            items.iter_mut().for_each(allow_here);
        }
    }
    for keyword in ["anyOf", "oneOf", "allOf"] {
        if let Some(Json::Array(parts)) = schema.get_mut(keyword) {
            parts.iter_mut().for_each(allow_stand_ins);
        }
    }
}

/// Allows a stand-in for the value of `schema` and for those inside it.
fn allow_here(schema: &mut Json) {
    allow_stand_ins(schema);
    let is_free = schema.as_object().is_none_or(Map::is_empty);
    let is_text = schema.get("type") == Some(&json!("string"))
        && schema.get("enum").is_none()
        && schema.get("pattern").is_none();
    if !is_free && !is_text {
        let inner = schema.take();
        *schema = stand_in_for(inner);
    }
}

/// Writes out the struct that an enum's variant refers to beside its `kind`: closed, the struct alone would
/// refuse `kind`.
fn inline_variants(schema: &mut Json, definitions: &Json) {
    match schema {
        Json::Object(entries) => {
            let target = entries.get("$ref").and_then(Json::as_str);
            let name = target.and_then(|target| target.strip_prefix("#/$defs/"));
            let base = name.and_then(|name| definitions.get(name)).cloned();
            if let (Some(Json::Object(base)), true) = (base, entries.contains_key("properties")) {
                entries.remove("$ref");
                for (keyword, value) in base {
                    match (entries.get_mut(&keyword), value) {
                        (Some(Json::Object(own)), Json::Object(inherited)) => own.extend(inherited),
                        (Some(Json::Array(own)), Json::Array(inherited)) => own.extend(inherited),
                        (Some(_), _) => {}
                        (None, value) => {
                            entries.insert(keyword, value);
                        }
                    }
                }
            }
            entries.values_mut().for_each(|value| inline_variants(value, definitions));
        }
        Json::Array(items) => items.iter_mut().for_each(|item| inline_variants(item, definitions)),
        _ => {}
    }
}

/// Refuses unknown keys of every struct, as binding does.
fn close(schema: &mut Json) {
    match schema {
        Json::Object(entries) => {
            if entries.get("properties").is_some_and(Json::is_object) {
                entries.entry("additionalProperties").or_insert(Json::Bool(false));
            }
            entries.values_mut().for_each(close);
        }
        Json::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Allows the plain name of a kind where a map with `kind` stands: `strategy: random`.
fn allow_short_kinds(schema: &mut Json) {
    match schema {
        Json::Object(entries) => {
            entries.values_mut().for_each(allow_short_kinds);
            if let Some(Json::Array(parts)) = entries.get_mut("oneOf") {
                let names: Option<Vec<Json>> = parts
                    .iter()
                    .map(|part| part.pointer("/properties/kind/const").cloned())
                    .collect();
                if let Some(names) = names {
                    parts.push(json!({"enum": names}));
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(allow_short_kinds),
        _ => {}
    }
}

/// Moves references to a kind's own definitions under the kind's name.
fn rename_references(schema: &mut Json, kind: &str) {
    match schema {
        Json::Object(entries) => {
            for (key, value) in entries {
                match value {
                    Json::String(target) if key == "$ref" => {
                        if let Some(name) = target.strip_prefix("#/$defs/") {
                            *target = format!("#/$defs/{kind}.{name}");
                        }
                    }
                    other => rename_references(other, kind),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| rename_references(item, kind)),
        _ => {}
    }
}
