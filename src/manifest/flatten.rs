//! Flattening: any serializable value as dotted lines, so that values that differ give other lines.
//!
//! A serializer of its own and not a walk over `serde_json::Value`, which cannot tell an enum's variant
//! from a map, nor an absent field from an empty list.

use std::borrow::Cow;
use std::fmt::Display;

use serde::ser::{self, Serialize, Serializer};

use super::{Line, fits_a_line, quoted};

/// Adds a line for every leaf of `value` under `prefix`.
pub(super) fn flatten(
    lines: &mut Vec<Line>,
    prefix: &str,
    value: &impl Serialize,
) -> Result<(), Unfit> {
    value.serialize(Writer { lines, path: prefix.to_owned(), place: Place::Field })
}

/// `name` as one part of a dotted path: quoted where its own dots or digits could mislead.
#[must_use]
pub fn segment(name: &str) -> Cow<'_, str> {
    let misleading = name.contains(['.', '[']) || name.bytes().all(|b| b.is_ascii_digit());
    if fits_a_line(name) && !misleading { Cow::Borrowed(name) } else { Cow::Owned(quoted(name)) }
}

/// A value that has no lines.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unfit(String);

impl ser::Error for Unfit {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Where a value stands, which decides what being empty means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A struct's field or the whole: `None` writes nothing.
    Field,
    /// An entry of a list or map: `None` is `null`, or `[1, None]` would equal `[1]`.
    Entry,
    /// What a variant holds: the variant has its line already, so emptiness needs none.
    Content,
}

/// Writes one value.
struct Writer<'a> {
    lines: &'a mut Vec<Line>,
    path: String,
    place: Place,
}

impl<'a> Writer<'a> {
    fn leaf(self, value: String) {
        self.lines.push(Line { key: self.path, value });
    }

    fn entries(self, empty: &'static str) -> Entries<'a> {
        let empty = if self.place == Place::Content { None } else { Some(empty) };
        let first = self.lines.len();
        Entries { lines: self.lines, path: self.path, first, empty, next: 0 }
    }

    /// Writes the variant's line and returns the writer of what it holds.
    fn content(self, variant: &str) -> Self {
        self.lines.push(Line { key: format!("{}.kind", self.path), value: text(variant) });
        Self { place: Place::Content, ..self }
    }
}

/// Text as a value: quoted when it could break the line or be read as a value of another type.
fn text(value: &str) -> String {
    let misleading =
        matches!(value, "true" | "false" | "null" | "[]" | "{}") || value.parse::<f64>().is_ok();
    if fits_a_line(value) && !misleading { value.to_owned() } else { quoted(value) }
}

/// A number in the shortest form that reads back to it; whole numbers as integers are written.
fn float(value: f64, shortest: impl Display, scientific: String) -> String {
    let magnitude = value.abs();
    let plain = magnitude == 0.0 || !value.is_finite() || (1e-7..1e21).contains(&magnitude);
    if plain { shortest.to_string() } else { scientific }
}

macro_rules! integers {
    ($($name:ident: $integer:ty),+ $(,)?) => {
        $(fn $name(self, value: $integer) -> Result<(), Unfit> {
            self.leaf(value.to_string());
            Ok(())
        })+
    };
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = Unfit;
    type SerializeSeq = Entries<'a>;
    type SerializeTuple = Entries<'a>;
    type SerializeTupleStruct = Entries<'a>;
    type SerializeTupleVariant = Entries<'a>;
    type SerializeMap = Sorted<'a>;
    type SerializeStruct = Entries<'a>;
    type SerializeStructVariant = Entries<'a>;

    fn serialize_bool(self, value: bool) -> Result<(), Unfit> {
        self.leaf(value.to_string());
        Ok(())
    }
    integers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32,
        serialize_u64: u64, serialize_u128: u128,
    }

    fn serialize_f32(self, value: f32) -> Result<(), Unfit> {
        self.leaf(float(f64::from(value), value, format!("{value:e}")));
        Ok(())
    }
    fn serialize_f64(self, value: f64) -> Result<(), Unfit> {
        self.leaf(float(value, value, format!("{value:e}")));
        Ok(())
    }
    fn serialize_char(self, value: char) -> Result<(), Unfit> {
        self.leaf(text(value.encode_utf8(&mut [0; 4])));
        Ok(())
    }
    fn serialize_str(self, value: &str) -> Result<(), Unfit> {
        self.leaf(text(value));
        Ok(())
    }
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Unfit> {
        value.serialize(self)
    }
    fn serialize_none(self) -> Result<(), Unfit> {
        if self.place == Place::Field { Ok(()) } else { self.serialize_unit() }
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unfit> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<(), Unfit> {
        self.leaf("null".to_owned());
        Ok(())
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Unfit> {
        self.entries("{}").finish();
        Ok(())
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Unfit> {
        self.leaf(text(variant));
        Ok(())
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Unfit> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Unfit> {
        value.serialize(self.content(variant))
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Entries<'a>, Unfit> {
        Ok(self.entries("[]"))
    }
    fn serialize_tuple(self, _: usize) -> Result<Entries<'a>, Unfit> {
        Ok(self.entries("[]"))
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Entries<'a>, Unfit> {
        Ok(self.entries("[]"))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Entries<'a>, Unfit> {
        Ok(self.content(variant).entries("[]"))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Sorted<'a>, Unfit> {
        Ok(Sorted { whole: self.entries("{}"), key: None, entries: Vec::new() })
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Entries<'a>, Unfit> {
        Ok(self.entries("{}"))
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Entries<'a>, Unfit> {
        Ok(self.content(variant).entries("{}"))
    }
}

/// Writes the entries of a list, tuple or struct as they come.
struct Entries<'a> {
    lines: &'a mut Vec<Line>,
    path: String,
    first: usize,
    empty: Option<&'static str>,
    next: usize,
}

impl Entries<'_> {
    fn entry<T: Serialize + ?Sized>(
        &mut self,
        name: &str,
        place: Place,
        value: &T,
    ) -> Result<(), Unfit> {
        let path = format!("{}.{name}", self.path);
        value.serialize(Writer { lines: self.lines, path, place })
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        let name = self.next.to_string();
        self.next += 1;
        self.entry(&name, Place::Entry, value)
    }

    /// What wrote no line at all says that it is empty, or it would equal `None`.
    fn finish(self) {
        if let Some(empty) = self.empty
            && self.lines.len() == self.first
        {
            self.lines.push(Line { key: self.path, value: empty.to_owned() });
        }
    }
}

macro_rules! elements {
    ($($shape:ident::$element:ident),+ $(,)?) => {
        $(impl ser::$shape for Entries<'_> {
            type Ok = ();
            type Error = Unfit;

            fn $element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
                self.element(value)
            }

            fn end(self) -> Result<(), Unfit> {
                self.finish();
                Ok(())
            }
        })+
    };
}

elements!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
);

macro_rules! fields {
    ($($shape:ident),+ $(,)?) => {
        $(impl ser::$shape for Entries<'_> {
            type Ok = ();
            type Error = Unfit;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Unfit> {
                self.entry(&segment(name), Place::Field, value)
            }

            fn end(self) -> Result<(), Unfit> {
                self.finish();
                Ok(())
            }
        })+
    };
}

fields!(SerializeStruct, SerializeStructVariant);

/// Writes the entries of a map sorted by key: hash maps have no order of their own.
struct Sorted<'a> {
    whole: Entries<'a>,
    key: Option<String>,
    entries: Vec<(String, Vec<Line>)>,
}

impl ser::SerializeMap for Sorted<'_> {
    type Ok = ();
    type Error = Unfit;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unfit> {
        self.key = Some(key_text(key)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        let key = self.key.take().ok_or_else(|| Unfit("a map's value has no key".to_owned()))?;
        let path = format!("{}.{}", self.whole.path, segment(&key));
        let mut lines = Vec::new();
        value.serialize(Writer { lines: &mut lines, path, place: Place::Entry })?;
        self.entries.push((key, lines));
        Ok(())
    }

    fn end(mut self) -> Result<(), Unfit> {
        self.entries.sort_by(|a, b| a.0.cmp(&b.0));
        for (_, lines) in self.entries {
            self.whole.lines.extend(lines);
        }
        self.whole.finish();
        Ok(())
    }
}

/// A map's key as text: text, numbers and bare variants, as in JSON.
fn key_text<T: Serialize + ?Sized>(key: &T) -> Result<String, Unfit> {
    match serde_json::to_value(key) {
        Ok(serde_json::Value::String(text)) => Ok(text),
        Ok(key @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))) => {
            Ok(key.to_string())
        }
        _ => Err(Unfit("a map's key is neither text nor a number".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use proptest::prelude::*;
    use serde::Serialize;
    use serde_json::{Value, json};

    use crate::manifest::Manifest;

    fn text(value: &impl Serialize) -> String {
        let mut manifest = Manifest::default();
        manifest.section("with", value);
        manifest.text()
    }

    #[derive(Serialize, Clone)]
    struct Config {
        source: Source,
        fraction: f64,
        filters: Vec<u32>,
        note: Option<String>,
        activation: Activation,
    }

    #[derive(Serialize, Clone)]
    #[serde(rename_all = "snake_case")]
    enum Source {
        Leaves(Leaves),
        Folder { path: String },
        Nothing(Empty),
    }

    #[derive(Serialize, Clone)]
    struct Leaves {
        images: u32,
    }

    #[derive(Serialize, Clone)]
    struct Empty {}

    #[derive(Serialize, Clone)]
    #[serde(rename_all = "snake_case")]
    enum Activation {
        Relu,
    }

    fn config() -> Config {
        Config {
            source: Source::Leaves(Leaves { images: 4000 }),
            fraction: 0.15,
            filters: vec![16, 32],
            note: None,
            activation: Activation::Relu,
        }
    }

    #[test]
    fn a_config_reads_like_its_yaml() {
        assert_eq!(
            text(&config()),
            "with.source.kind leaves\nwith.source.images 4000\nwith.fraction 0.15\n\
             with.filters.0 16\nwith.filters.1 32\nwith.activation relu\n"
        );
        let folder = Source::Folder { path: "data/leaves".to_owned() };
        assert_eq!(text(&folder), "with.kind folder\nwith.path data/leaves\n");
        assert_eq!(text(&Source::Nothing(Empty {})), "with.kind nothing\n");
    }

    #[test]
    fn numbers_have_one_form() {
        assert_eq!(text(&20), text(&20.0));
        assert_eq!(text(&2e16), text(&20_000_000_000_000_000_u64));
        assert_eq!(text(&0.1_f32), text(&0.1));
        assert_eq!(text(&1e300), "with 1e300\n");
        assert_eq!(text(&3e-10), "with 3e-10\n");
    }

    #[test]
    fn absent_empty_and_null_differ() {
        let cases = [
            text(&None::<Vec<u32>>),
            text(&Some(Vec::<u32>::new())),
            text(&Some(vec![None::<u32>])),
            text(&json!({})),
            text(&"[]"),
            text(&"null"),
            text(&json!([null, null])),
        ];
        assert_eq!(cases[0], "");
        let distinct: std::collections::BTreeSet<&String> = cases.iter().collect();
        assert_eq!(distinct.len(), cases.len(), "{cases:?}");
    }

    #[test]
    fn text_that_looks_like_another_type_is_quoted_and_other_text_is_not() {
        for plain in ["random", "a b", "5 epochs", "ä", "a\"b", "{x}"] {
            assert_eq!(text(&plain), format!("with {plain}\n"));
        }
        for other in ["20", "2e1", "true", "null", "", " a", "a\nb", "\"a\"", "nan"] {
            assert_eq!(text(&other), format!("with {}\n", json!(other)));
        }
    }

    #[test]
    fn hash_maps_are_sorted() {
        let pairs: Vec<(String, u32)> = (0..50).map(|i| (format!("k{i}"), i)).collect();
        let hashed: HashMap<String, u32> = pairs.iter().cloned().collect();
        let sorted: BTreeMap<String, u32> = pairs.into_iter().collect();
        assert_eq!(text(&hashed), text(&sorted));
    }

    #[test]
    fn a_dot_in_a_key_is_not_a_path() {
        assert_ne!(text(&json!({"a.b": 1})), text(&json!({"a": {"b": 1}})));
        assert_ne!(text(&json!({"0": 1})), text(&json!([1])));
        assert_ne!(text(&json!({"a 1\nwith.b": 2})), text(&json!({"a": 1, "b": 2})));
    }

    /// Any value, of few and nasty words, so that near collisions are common.
    fn value() -> impl Strategy<Value = Value> {
        let word = prop::sample::select(vec![
            "a",
            "b",
            "a.b",
            "kind",
            "0",
            "1",
            "",
            " ",
            "\n",
            "\"",
            "[]",
            "{}",
            "null",
            "a 1",
            "with.a",
            "a\nwith.b 1",
            "[0]",
            "\\",
        ]);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-3_i64..3).prop_map(Value::from),
            word.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 3, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map(word.clone().prop_map(str::to_owned), inner, 0..3)
                    .prop_map(Value::from_iter),
            ]
        })
    }

    proptest! {
        #[test]
        fn different_values_have_different_text(values in prop::collection::vec(value(), 40)) {
            let mut seen: HashMap<String, Value> = HashMap::new();
            for value in values {
                let first = seen.entry(text(&value)).or_insert_with(|| value.clone());
                prop_assert_eq!(&*first, &value);
            }
        }

        #[test]
        fn every_float_reads_back(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
            let text = text(&value);
            let read: f64 = text.trim_start_matches("with ").trim_end().parse().unwrap();
            prop_assert_eq!(read.to_bits(), value.to_bits());
        }

        #[test]
        fn a_line_never_becomes_two(key in "[\\PC\\n \"]{1,8}", value in "[\\PC\\n \"]{0,8}") {
            let mut manifest = Manifest::default();
            manifest.line(key, &value);
            prop_assert_eq!(manifest.text().matches('\n').count(), 1);
            let json = serde_json::to_string(&manifest).unwrap();
            prop_assert_eq!(serde_json::from_str::<Manifest>(&json).unwrap(), manifest);
        }
    }
}
