//! Amounts of images as people write them: a share of what there is, or a count.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::artifact::share;

/// A share of the images or a number of them: `0.15`, `600`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// Between 0 and 1, both excluded.
    Share(f64),
    /// So many.
    Count(u64),
}

impl Amount {
    /// How many of `total` images this is; a count may be more than there are.
    #[must_use]
    pub fn of(self, total: usize) -> usize {
        match self {
            Self::Share(fraction) => share(fraction, total),
            Self::Count(count) => usize::try_from(count).unwrap_or(usize::MAX),
        }
    }
}

/// Where the test images come from: an amount, or `given`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TestAmount {
    /// The source's own test part, all of it.
    Given,
    /// So much: of the source's own test part when it has one, else split off the other images.
    Some(Amount),
}

impl TestAmount {
    /// No test images, and no `test` output.
    pub const NONE: Self = Self::Some(Amount::Count(0));
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Share(share) => serializer.serialize_f64(share),
            Self::Count(count) => serializer.serialize_u64(count),
        }
    }
}

impl Serialize for TestAmount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Given => serializer.serialize_str(GIVEN),
            Self::Some(amount) => amount.serialize(serializer),
        }
    }
}

const GIVEN: &str = "given";

struct AmountVisitor;

impl Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a share below 1 or a whole number of images")
    }

    fn visit_u64<E: de::Error>(self, count: u64) -> Result<Amount, E> {
        Ok(Amount::Count(count))
    }

    fn visit_i64<E: de::Error>(self, count: i64) -> Result<Amount, E> {
        u64::try_from(count)
            .map(Amount::Count)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(count), &self))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole and within range, as the guards say"
    )]
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Amount, E> {
        match number {
            share if share > 0.0 && share < 1.0 => Ok(Amount::Share(share)),
            // A float without fraction is as good as a whole number.
            count
                if (0.0..9e15).contains(&count)
                    && libm::trunc(count).to_bits() == count.to_bits() =>
            {
                Ok(Amount::Count(count as u64))
            }
            other => Err(E::invalid_value(de::Unexpected::Float(other), &self)),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

struct TestVisitor;

impl Visitor<'_> for TestVisitor {
    type Value = TestAmount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a share below 1, a whole number of images, or `given`")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<TestAmount, E> {
        if word == GIVEN {
            Ok(TestAmount::Given)
        } else {
            Err(E::invalid_value(de::Unexpected::Str(word), &self))
        }
    }

    fn visit_u64<E: de::Error>(self, count: u64) -> Result<TestAmount, E> {
        AmountVisitor.visit_u64(count).map(TestAmount::Some)
    }

    fn visit_i64<E: de::Error>(self, count: i64) -> Result<TestAmount, E> {
        AmountVisitor.visit_i64(count).map(TestAmount::Some)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<TestAmount, E> {
        AmountVisitor.visit_f64(number).map(TestAmount::Some)
    }
}

impl<'de> Deserialize<'de> for TestAmount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TestVisitor)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A share of the images (below 1) or a number of them.",
            "type": "number",
            "exclusiveMinimum": 0
        })
    }
}

impl JsonSchema for TestAmount {
    fn schema_name() -> Cow<'static, str> {
        "TestAmount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A share of the images (below 1), a number of them, or `given`: the source's \
                            own test part.",
            "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "enum": [GIVEN]}]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<TestAmount> {
        serde_json::from_str(text).ok()
    }

    #[test]
    fn shares_counts_and_the_word_are_told_apart() {
        assert_eq!(read("0.15"), Some(TestAmount::Some(Amount::Share(0.15))));
        assert_eq!(read("600"), Some(TestAmount::Some(Amount::Count(600))));
        assert_eq!(read("6e2"), Some(TestAmount::Some(Amount::Count(600))));
        assert_eq!(read("0"), Some(TestAmount::NONE));
        assert_eq!(read("\"given\""), Some(TestAmount::Given));
        for wrong in ["-1", "1.5", "-0.1", "\"all\"", "null"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for amount in [TestAmount::Given, TestAmount::NONE, TestAmount::Some(Amount::Share(0.5))] {
            assert_eq!(read(&serde_json::to_string(&amount).unwrap()), Some(amount));
        }
    }
}
