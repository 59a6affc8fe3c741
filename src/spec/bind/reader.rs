//! A serde `Deserializer` over nodes.
//!
//! Differs from a self-describing format in two ways: enums with content are found by `kind`, and every
//! error carries the span of the innermost node. Does not check; [`super::check`] did.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::shape::TAG;
use crate::diagnostic::Diagnostic;
use crate::spec::{Key, Node, Value};

/// Why a value was refused, and the node that it stood in.
#[derive(Debug)]
pub(super) struct ReadError {
    message: String,
    /// A copy without content: span and use are wanted, and errors outlive the tree's borrow.
    place: Option<Box<Node>>,
}

impl ReadError {
    /// As a diagnostic; `root` gives the place when no inner node is to blame.
    pub(super) fn into_diagnostic(self, root: &Node) -> Diagnostic {
        let place = self.place.as_deref().unwrap_or(root);
        place.blame(Diagnostic::error("spec::bad_value", self.message), "here")
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), place: None }
    }
}

/// Which part of a node is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    /// A map's keys but `kind`; nothing when the node is the kind's plain name.
    Content,
}

/// Reads one node.
#[derive(Debug, Clone, Copy)]
pub(super) struct NodeReader<'n> {
    node: &'n Node,
    part: Part,
}

impl<'n> NodeReader<'n> {
    /// Reads all of `node`.
    pub(super) fn new(node: &'n Node) -> Self {
        Self { node, part: Part::Whole }
    }

    /// Adds the place to an error that has none yet.
    fn located<T>(self, result: Result<T, ReadError>) -> Result<T, ReadError> {
        result.map_err(|mut error| {
            let Node { span, used, .. } = *self.node;
            error.place.get_or_insert_with(|| Box::new(Node { value: Value::Null, span, used }));
            error
        })
    }

    fn entries(self) -> EntryReader<'n> {
        let entries: &[(Key, Node)] = match &self.node.value {
            Value::Map(entries) => entries,
            _ => &[],
        };
        EntryReader { entries: entries.iter(), value: None, part: self.part }
    }

    fn natural<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if self.part == Part::Content {
            return visitor.visit_map(self.entries());
        }
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(value) => visitor.visit_borrowed_str(value),
            Value::List(items) => visitor.visit_seq(ItemReader(items.iter())),
            Value::Map(_) => visitor.visit_map(self.entries()),
        }
    }

    fn whole<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let result = match self.node.value {
            // `2e1` is 20 wherever a whole number is wanted; 2^53 bounds what a float says exactly.
            Value::Float(value)
                if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 =>
            {
                #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
                visitor.visit_i64(value as i64)
            }
            _ => self.natural(visitor),
        };
        self.located(result)
    }

    fn fractional<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let result = match self.node.value {
            #[expect(clippy::cast_precision_loss, reason = "a number was wanted, not a count")]
            Value::Int(value) => visitor.visit_f64(value as f64),
            _ => self.natural(visitor),
        };
        self.located(result)
    }
}

macro_rules! read_numbers {
    ($read:ident: $($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            self.$read(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for NodeReader<'de> {
    type Error = ReadError;

    read_numbers!(whole: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64);
    read_numbers!(whole: deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64);
    read_numbers!(fractional: deserialize_f32 deserialize_f64);

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.located(self.natural(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.located(match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.located(visitor.visit_newtype_struct(self))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let tag = match &self.node.value {
            Value::Text(_) => Some(self.node),
            _ => self.node.get(TAG),
        };
        self.located(match tag {
            Some(tag) => visitor.visit_enum(KindReader { tag, node: self.node }),
            None => Err(de::Error::custom(format!("needs `{TAG}`"))),
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map
        struct identifier
    }
}

struct ItemReader<'n>(std::slice::Iter<'n, Node>);

impl<'n> SeqAccess<'n> for ItemReader<'n> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'n>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        self.0.next().map(|item| seed.deserialize(NodeReader::new(item))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct EntryReader<'n> {
    entries: std::slice::Iter<'n, (Key, Node)>,
    value: Option<&'n Node>,
    part: Part,
}

impl<'n> MapAccess<'n> for EntryReader<'n> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'n>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        let part = self.part;
        let next = self.entries.find(|(key, _)| part == Part::Whole || key.name != TAG);
        let Some((key, value)) = next else { return Ok(None) };
        self.value = Some(value);
        let result = seed.deserialize(KeyReader(&key.name));
        let Key { span, .. } = *key;
        let place = || Box::new(Node { value: Value::Null, span, used: value.used });
        result.map(Some).map_err(|mut error| {
            error.place.get_or_insert_with(place);
            error
        })
    }

    fn next_value_seed<S: DeserializeSeed<'n>>(&mut self, seed: S) -> Result<S::Value, ReadError> {
        let value = self.value.take().expect("BUG: a value was asked for before its key");
        seed.deserialize(NodeReader::new(value))
    }
}

/// Reads a key; keys of maps such as `{1: 32, 2: 64}` are whole numbers.
struct KeyReader<'n>(&'n str);

macro_rules! read_keys {
    ($($method:ident $visit:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            match self.0.parse() {
                Ok(number) => visitor.$visit(number),
                Err(_) => Err(de::Error::custom(format!("key `{}` is no whole number that fits", self.0))),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for KeyReader<'de> {
    type Error = ReadError;

    read_keys!(deserialize_i8 visit_i64 deserialize_i16 visit_i64 deserialize_i32 visit_i64);
    read_keys!(deserialize_u8 visit_u64 deserialize_u16 visit_u64 deserialize_u32 visit_u64);
    read_keys!(deserialize_i64 visit_i64 deserialize_u64 visit_u64);

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let word: StrDeserializer<'_, ReadError> = self.0.into_deserializer();
        visitor.visit_enum(word)
    }

    forward_to_deserialize_any! {
        bool i128 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// Reads an enum: the variant from `kind`, its content from the other keys.
struct KindReader<'n> {
    tag: &'n Node,
    node: &'n Node,
}

impl<'n> KindReader<'n> {
    fn content(&self) -> NodeReader<'n> {
        NodeReader { node: self.node, part: Part::Content }
    }
}

impl<'n> EnumAccess<'n> for KindReader<'n> {
    type Error = ReadError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'n>>(self, seed: V) -> Result<(V::Value, Self), ReadError> {
        Ok((seed.deserialize(NodeReader::new(self.tag))?, self))
    }
}

impl<'n> VariantAccess<'n> for KindReader<'n> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'n>>(self, seed: T) -> Result<T::Value, ReadError> {
        seed.deserialize(self.content())
    }

    fn tuple_variant<V: Visitor<'n>>(self, _: usize, _: V) -> Result<V::Value, ReadError> {
        panic!("BUG: a config's enum has a tuple variant, which `kind` cannot name")
    }

    fn struct_variant<V: Visitor<'n>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let content = self.content();
        content.located(content.natural(visitor))
    }
}
