//! Shapes: what fits a type, understood once from the JSON Schema that schemars writes for it.
//!
//! Covers what schemars emits for our configs, not all of JSON Schema. Knows nothing of nodes.

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, RwLock};

use schemars::JsonSchema;
use serde_json::{Map, Value as Json};

use crate::wording;

/// The key that names an enum's variant in YAML.
pub(super) const TAG: &str = "kind";

/// The shape of a type and of all types below it.
#[derive(Debug)]
pub(super) struct Shapes {
    pub(super) root: Shape,
    named: Vec<Shape>,
}

/// What fits at one place.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Anything,
    Null,
    Bool,
    Number(Range),
    /// Text, with the noun that a type of its own has for it (`x-noun` in its schema).
    Text(Lengths, Option<String>),
    /// One of these words.
    Words(Vec<String>),
    List(List),
    Fields(Fields),
    /// A map whose `kind` chooses the other keys.
    Tagged(Vec<(String, Shape)>),
    /// Any of several.
    Choice(Vec<Shape>),
    /// The named shape with this index; how types contain themselves.
    Named(usize),
}

/// Which numbers fit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Range {
    pub(super) whole: bool,
    pub(super) min: Option<Bound>,
    pub(super) max: Option<Bound>,
    /// What the Rust integer holds; said only when a number is beyond it.
    pub(super) holds: Option<(i128, i128)>,
}

/// One end of a range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bound {
    pub(super) value: f64,
    pub(super) exclusive: bool,
}

/// How many items or characters fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lengths {
    pub(super) min: usize,
    pub(super) max: Option<usize>,
}

/// Which lists fit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct List {
    /// Shapes of the first items, for tuples.
    pub(super) first: Vec<Shape>,
    /// Shape of all other items.
    pub(super) item: Box<Shape>,
    pub(super) lengths: Lengths,
}

/// Which maps fit.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Fields {
    pub(super) known: Vec<(String, Shape)>,
    pub(super) required: Vec<String>,
    /// Shape of values under any other key; without it other keys are mistakes.
    pub(super) others: Option<Box<Shape>>,
}

impl Shapes {
    /// The shape of `C`; kept for the whole process, because a pipeline binds one type thousands of times.
    pub(super) fn of<C: JsonSchema + 'static>() -> Arc<Self> {
        static KNOWN: LazyLock<RwLock<HashMap<TypeId, Arc<Shapes>>>> =
            LazyLock::new(RwLock::default);
        let id = TypeId::of::<C>();
        let known = KNOWN.read().expect("no holder of the lock panics").get(&id).cloned();
        known.unwrap_or_else(|| {
            let shapes = Arc::new(Self::understand(schemars::schema_for!(C).as_value()));
            KNOWN.write().expect("no holder of the lock panics").insert(id, Arc::clone(&shapes));
            shapes
        })
    }

    /// Reads a whole schema.
    pub(super) fn understand(schema: &Json) -> Self {
        let none = Map::new();
        let definitions = schema.get("$defs").and_then(Json::as_object).unwrap_or(&none);
        let names = definitions.keys().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
        let reader = SchemaReader { definitions, names };
        let named = definitions.values().map(|definition| reader.shape(definition)).collect();
        Self { root: reader.shape(schema), named }
    }

    /// The shape itself, names followed.
    pub(super) fn follow<'s>(&'s self, shape: &'s Shape) -> &'s Shape {
        let mut shape = shape;
        while let Shape::Named(index) = shape {
            shape = &self.named[*index];
        }
        shape
    }

    /// What a person calls it: `a whole number, at least 1`.
    pub(super) fn describe(&self, shape: &Shape) -> String {
        match self.follow(shape) {
            Shape::Anything | Shape::Named(_) => "any value".to_owned(),
            Shape::Null => "nothing".to_owned(),
            Shape::Bool => "`true` or `false`".to_owned(),
            Shape::Number(range) => {
                let noun = if range.whole { "a whole number" } else { "a number" };
                let limits = range.to_string();
                // That a count is not negative need not be said.
                let is_told = !limits.is_empty() && limits != "at least 0";
                if is_told { format!("{noun}, {limits}") } else { noun.to_owned() }
            }
            Shape::Text(_, noun) => noun.clone().unwrap_or_else(|| "text".to_owned()),
            Shape::Words(words) => choose(words),
            Shape::List(_) => "a list".to_owned(),
            Shape::Fields(_) => "a map".to_owned(),
            Shape::Tagged(kinds) => format!("a map with `{TAG}`: {}", choose(&names(kinds))),
            Shape::Choice(shapes) => {
                let mut parts: Vec<String> = shapes
                    .iter()
                    .filter(|shape| *self.follow(shape) != Shape::Null)
                    .map(|shape| self.describe(shape))
                    .collect();
                parts.dedup();
                parts.join(" or ")
            }
        }
    }
}

impl fmt::Display for Range {
    /// `from 1 to 10`, `at least 1`, `above 0 and at most 1`; nothing when all numbers fit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let low = self.min.map(|b| (if b.exclusive { "above" } else { "at least" }, b.value));
        let high = self.max.map(|b| (if b.exclusive { "below" } else { "at most" }, b.value));
        match (low, high) {
            (None, None) => Ok(()),
            (Some((word, value)), None) | (None, Some((word, value))) => {
                write!(f, "{word} {value}")
            }
            (Some(("at least", low)), Some(("at most", high))) => write!(f, "from {low} to {high}"),
            (Some((more, low)), Some((less, high))) => write!(f, "{more} {low} and {less} {high}"),
        }
    }
}

/// `a`, `a or b`, `a, b or c`, in backticks.
pub(super) fn choose<T: AsRef<str>>(words: &[T]) -> String {
    let text = wording::list(words);
    match text.rsplit_once("` and `") {
        Some((before, last)) => format!("{before}` or `{last}"),
        None => text,
    }
}

/// The names of a list of named things.
pub(super) fn names<T>(entries: &[(String, T)]) -> Vec<&str> {
    entries.iter().map(|(name, _)| name.as_str()).collect()
}

/// Reads schemas that may point at definitions.
struct SchemaReader<'j> {
    definitions: &'j Map<String, Json>,
    names: HashMap<&'j str, usize>,
}

impl SchemaReader<'_> {
    fn shape(&self, schema: &Json) -> Shape {
        let Some(schema) = schema.as_object() else { return Shape::Anything };
        if schema.contains_key("properties") {
            return Shape::Fields(self.fields(schema));
        }
        if let Some(index) = self.target(schema) {
            return Shape::Named(index);
        }
        if let Some(Json::Array(parts)) = schema.get("allOf") {
            return self.all_of(parts);
        }
        if let Some(Json::Array(parts)) = schema.get("anyOf").or_else(|| schema.get("oneOf")) {
            return self.alternatives(parts, schema.contains_key("oneOf"));
        }
        if let Some(value) = schema.get("const") {
            return words(std::slice::from_ref(value));
        }
        if let Some(Json::Array(values)) = schema.get("enum") {
            return words(values);
        }
        match schema.get("type") {
            Some(Json::String(name)) => self.typed(name, schema),
            Some(Json::Array(names)) => Shape::Choice(
                names.iter().filter_map(Json::as_str).map(|n| self.typed(n, schema)).collect(),
            ),
            _ => Shape::Anything,
        }
    }

    fn typed(&self, name: &str, schema: &Map<String, Json>) -> Shape {
        match name {
            "null" => Shape::Null,
            "boolean" => Shape::Bool,
            "integer" => Shape::Number(range(schema, true)),
            "number" => Shape::Number(range(schema, false)),
            "string" => {
                let noun = schema.get("x-noun").and_then(Json::as_str).map(str::to_owned);
                Shape::Text(lengths(schema, "minLength", "maxLength"), noun)
            }
            "array" => Shape::List(self.list(schema)),
            "object" => Shape::Fields(self.fields(schema)),
            other => panic!("BUG: JSON Schema has no type `{other}`"),
        }
    }

    fn list(&self, schema: &Map<String, Json>) -> List {
        let first = match schema.get("prefixItems") {
            Some(Json::Array(items)) => items.iter().map(|item| self.shape(item)).collect(),
            _ => Vec::new(),
        };
        let item = schema.get("items").map_or(Shape::Anything, |item| self.shape(item));
        let lengths = lengths(schema, "minItems", "maxItems");
        List { first, item: Box::new(item), lengths }
    }

    /// The keys of a map, together with those of the definition that it extends: schemars writes an
    /// enum's newtype variant as `$ref` to the struct beside the tag's property.
    fn fields(&self, schema: &Map<String, Json>) -> Fields {
        let mut fields = match self.definition(schema) {
            Some(base) => self.fields(base),
            None => Fields::default(),
        };
        if let Some(Json::Object(properties)) = schema.get("properties") {
            for (name, property) in properties {
                fields.known.push((name.clone(), self.shape(property)));
            }
        }
        if let Some(Json::Array(required)) = schema.get("required") {
            fields.required.extend(required.iter().filter_map(Json::as_str).map(str::to_owned));
        }
        // schemars bounds keys that are no plain text (numbers) by a pattern; serde checks the keys.
        let patterns = schema.get("patternProperties").and_then(Json::as_object);
        let pattern = patterns.and_then(|patterns| patterns.values().next());
        fields.others = match pattern.or_else(|| schema.get("additionalProperties")) {
            Some(Json::Bool(false)) => None,
            Some(others) => Some(Box::new(self.shape(others))),
            // A struct that does not say so still has no other keys; a bare object is a free map.
            None if fields == Fields::default() && !schema.contains_key("properties") => {
                Some(Box::new(Shape::Anything))
            }
            None => None,
        };
        fields
    }

    fn all_of(&self, parts: &[Json]) -> Shape {
        match parts {
            [part] => self.shape(part),
            _ => panic!("BUG: a config's schema joins several with `allOf`; do not use `flatten`"),
        }
    }

    fn alternatives(&self, parts: &[Json], exclusive: bool) -> Shape {
        let (nulls, parts): (Vec<&Json>, Vec<&Json>) =
            parts.iter().partition(|part| part.get("type").and_then(Json::as_str) == Some("null"));
        let shape = if let Some(kinds) = self.tagged(&parts) {
            Shape::Tagged(kinds)
        } else {
            let shapes: Vec<Shape> = parts.iter().map(|part| self.shape(part)).collect();
            assert!(
                !exclusive || shapes.iter().all(|shape| !matches!(shape, Shape::Fields(_))),
                "BUG: an enum with content lacks `#[schemars(tag = \"kind\")]`: {parts:?}"
            );
            joined(shapes)
        };
        if nulls.is_empty() { shape } else { Shape::Choice(vec![shape, Shape::Null]) }
    }

    /// The variants of an internally tagged enum, when all parts are one.
    fn tagged(&self, parts: &[&Json]) -> Option<Vec<(String, Shape)>> {
        let variant = |part: &&Json| {
            let name = part.get("properties")?.get(TAG)?.get("const")?.as_str()?.to_owned();
            let mut fields = self.fields(part.as_object()?);
            fields.known.retain(|(key, _)| key != TAG);
            fields.required.retain(|key| key != TAG);
            Some((name, Shape::Fields(fields)))
        };
        let kinds: Option<Vec<_>> = parts.iter().map(variant).collect();
        kinds.filter(|kinds| !kinds.is_empty())
    }

    fn target(&self, schema: &Map<String, Json>) -> Option<usize> {
        let name = schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?;
        self.names.get(name.replace("~1", "/").replace("~0", "~").as_str()).copied()
    }

    fn definition(&self, schema: &Map<String, Json>) -> Option<&Map<String, Json>> {
        self.definitions.values().nth(self.target(schema)?)?.as_object()
    }
}

/// Several shapes as one: words flow together, the rest is a choice.
fn joined(shapes: Vec<Shape>) -> Shape {
    let all_words: Option<Vec<&Vec<String>>> =
        shapes.iter().map(|s| if let Shape::Words(w) = s { Some(w) } else { None }).collect();
    match all_words {
        Some(lists) => Shape::Words(lists.into_iter().flatten().cloned().collect()),
        None => Shape::Choice(shapes),
    }
}

/// The shape of an `enum` or `const`.
fn words(values: &[Json]) -> Shape {
    let texts: Vec<String> = values.iter().filter_map(Json::as_str).map(str::to_owned).collect();
    let has_null = values.contains(&Json::Null);
    match (texts.is_empty(), has_null) {
        (false, false) => Shape::Words(texts),
        (false, true) => Shape::Choice(vec![Shape::Words(texts), Shape::Null]),
        (true, true) => Shape::Null,
        (true, false) => Shape::Anything,
    }
}

fn lengths(schema: &Map<String, Json>, min: &str, max: &str) -> Lengths {
    let length =
        |key| schema.get(key).and_then(Json::as_u64).map(|n| n.try_into().unwrap_or(usize::MAX));
    Lengths { min: length(min).unwrap_or(0), max: length(max) }
}

fn range(schema: &Map<String, Json>, whole: bool) -> Range {
    let bound = |inclusive: &str, exclusive: &str| {
        let at = |key, exclusive| {
            schema.get(key).and_then(Json::as_f64).map(|value| Bound { value, exclusive })
        };
        at(exclusive, true).or_else(|| at(inclusive, false))
    };
    let holds = schema.get("format").and_then(Json::as_str).and_then(holds);
    Range {
        whole,
        min: bound("minimum", "exclusiveMinimum"),
        max: bound("maximum", "exclusiveMaximum"),
        holds,
    }
}

/// The integers that schemars' `format` stands for.
fn holds(format: &str) -> Option<(i128, i128)> {
    Some(match format {
        "int8" => (i8::MIN.into(), i8::MAX.into()),
        "uint8" => (0, u8::MAX.into()),
        "int16" => (i16::MIN.into(), i16::MAX.into()),
        "uint16" => (0, u16::MAX.into()),
        "int32" => (i32::MIN.into(), i32::MAX.into()),
        "uint32" => (0, u32::MAX.into()),
        "int64" | "int" => (i64::MIN.into(), i64::MAX.into()),
        "uint64" | "uint" => (0, u64::MAX.into()),
        _ => return None,
    })
}
