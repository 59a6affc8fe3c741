//! The one tree that every file is read into: values with the place where they stand.
//!
//! `extends`, presets, `-p` and expressions work on this tree; `stage` binds typed configs from it last.

use super::yaml::TEXT_BYTES_PER_VALUE;
use crate::diagnostic::Diagnostic;
use crate::span::Span;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it was written.
    pub span: Span,
    /// Where it is used, when that is elsewhere: the `use:` that pulled in the preset it stands in,
    /// the expression that reads the parameter.
    pub used: Option<Span>,
}

/// A YAML value; maps keep the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping; keys are unique.
    Map(Vec<(Key, Node)>),
}

/// A mapping's key and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub name: String,
    /// Where it was written.
    pub span: Span,
}

impl Node {
    /// The value under `key`, when this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => {
                entries.iter().find(|(k, _)| k.name == key).map(|(_, node)| node)
            }
            _ => None,
        }
    }

    /// Where `text` is written in it as a value of its own, the last time.
    #[must_use]
    pub fn last_text(&self, text: &str) -> Option<&Self> {
        match &self.value {
            Value::Text(found) if found == text => Some(self),
            Value::List(items) => items.iter().rev().find_map(|item| item.last_text(text)),
            Value::Map(entries) => entries.iter().rev().find_map(|(_, item)| item.last_text(text)),
            _ => None,
        }
    }

    /// How many values it holds, itself among them, where a long text counts as several.
    pub(super) fn weight(&self) -> usize {
        match &self.value {
            Value::Text(text) => 1 + text.len() / TEXT_BYTES_PER_VALUE,
            Value::List(items) => 1 + items.iter().map(Self::weight).sum::<usize>(),
            Value::Map(entries) => {
                1 + entries.iter().map(|(_, value)| value.weight()).sum::<usize>()
            }
            _ => 1,
        }
    }

    /// Says that this value and all in it are used at `used`.
    pub(super) fn mark_used(&mut self, used: Span) {
        self.used = Some(used);
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.mark_used(used)),
            Value::Map(entries) => entries.iter_mut().for_each(|(_, value)| value.mark_used(used)),
            _ => {}
        }
    }

    /// Says that this value and all in it were written at `span`.
    pub(super) fn place_at(&mut self, span: Span) {
        self.span = span;
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.place_at(span)),
            Value::Map(entries) => {
                for (key, value) in entries {
                    key.span = span;
                    value.place_at(span);
                }
            }
            _ => {}
        }
    }

    /// Puts `label` under the place where this value is used, and marks where it was written when that
    /// is elsewhere.
    #[must_use]
    pub fn blame(&self, diagnostic: Diagnostic, label: impl Into<String>) -> Diagnostic {
        match self.used {
            Some(used) => diagnostic.label(used, label).label(self.span, "it comes from here"),
            None => diagnostic.label(self.span, label),
        }
    }
}

impl Value {
    /// A scalar as a word of a longer text or a coordinate; equal numbers give equal words, however they
    /// were written (`20`, `2e1`). Nothing for lists and maps.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        match self {
            Self::Null => Some("null".to_owned()),
            Self::Bool(value) => Some(value.to_string()),
            Self::Int(value) => Some(value.to_string()),
            Self::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => {
                Some(format!("{value:.0}"))
            }
            Self::Float(value) => Some(format!("{value:?}")),
            Self::Text(text) => Some(text.clone()),
            Self::List(_) | Self::Map(_) => None,
        }
    }

    /// What a person calls it: `a number`, `text`, `a list`.
    #[must_use]
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}
