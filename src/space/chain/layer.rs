//! Layers and chains of them, and their canonical text: `[C(64,3,1), P(2,2), SM(10)]`.
//!
//! The grammar of Baker et al. 2017 without the parts their spaces never use. Knows nothing of which
//! chains a space allows.

use std::fmt;

use crate::space::ParseError;

/// Largest number in a text: keeps every count of parameters far from the end of 64 bits.
const NUMBER_MAX: usize = 1_000_000;

/// One layer. Convolutions and poolings are square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each variant's sentence names its fields")]
pub enum Layer {
    /// `C(d,f,l)`: convolution to `filters` channels with `kernel` and `stride`, then a rectifier.
    Conv { filters: usize, kernel: usize, stride: usize },
    /// `P(f,l)`: max pooling with `kernel` and `stride`.
    Pool { kernel: usize, stride: usize },
    /// `FC(d)`: fully connected layer of `units`, then a rectifier.
    Fc { units: usize },
    /// `GAP(k)`: 1x1 convolution to `classes` maps, a rectifier, the mean of each map.
    Gap { classes: usize },
    /// `SM(k)`: fully connected layer to the logits of `classes`; always the last.
    Softmax { classes: usize },
    /// `D(i,n)`: dropout in the `slot`-th of `slots` places, rate `slot / (2 slots)`.
    Dropout { slot: usize, slots: usize },
}

/// A chain of layers whose only [`Layer::Softmax`] is the last one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chain {
    layers: Vec<Layer>,
}

impl Chain {
    /// A chain of these layers.
    ///
    /// # Panics
    /// When the softmax is missing or not only the last.
    #[must_use]
    pub fn new(layers: Vec<Layer>) -> Self {
        let softmax = |layer: &Layer| matches!(layer, Layer::Softmax { .. });
        let ends = layers.iter().position(softmax).is_some_and(|at| at + 1 == layers.len());
        assert!(ends, "BUG: a chain ends with its one softmax: {layers:?}");
        Self { layers }
    }

    /// The layers in order.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Reads a chain; white space does not matter.
    ///
    /// # Errors
    /// The first thing that is wrong, with its column.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Self::parse_with_columns(text).map(|(chain, _)| chain)
    }

    /// Reads a chain and the column at which each layer stands.
    pub(super) fn parse_with_columns(text: &str) -> Result<(Self, Vec<usize>), ParseError> {
        Parser { letters: text.chars().collect(), at: 0 }.chain()
    }

    /// The chain as it is trained (Baker et al. 2017, sec. 5): a dropout after every second layer and
    /// after each fully connected one, not after the softmax or a global pooling.
    ///
    /// Rates rise to one half in equal steps. As in the released code, the number of steps also counts
    /// places that stay empty (before the softmax).
    #[must_use]
    pub fn with_dropout(&self) -> Self {
        let all = self.layers.len();
        let of = |test: fn(&Layer) -> bool| self.layers.iter().filter(|l| test(l)).count();
        let fcs = of(|layer| matches!(layer, Layer::Fc { .. }));
        let gaps = of(|layer| matches!(layer, Layer::Gap { .. }));
        let slots = (all - gaps - fcs) / 2 + fcs;
        let mut layers = Vec::with_capacity(all + slots);
        let mut slot = 0;
        for (place, &layer) in (1..).zip(&self.layers) {
            layers.push(layer);
            let ends = matches!(layer, Layer::Softmax { .. } | Layer::Gap { .. });
            let due = place % 2 == 0 || matches!(layer, Layer::Fc { .. });
            if due && !ends && slot < slots {
                slot += 1;
                layers.push(Layer::Dropout { slot, slots });
            }
        }
        Self { layers }
    }
}

impl Layer {
    /// The layer's name in tables of actions: its text, where `GAP` and `SM` need no class count.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Gap { .. } => "GAP".to_owned(),
            Self::Softmax { .. } => "SM".to_owned(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conv { filters, kernel, stride } => write!(f, "C({filters},{kernel},{stride})"),
            Self::Pool { kernel, stride } => write!(f, "P({kernel},{stride})"),
            Self::Fc { units } => write!(f, "FC({units})"),
            Self::Gap { classes } => write!(f, "GAP({classes})"),
            Self::Softmax { classes } => write!(f, "SM({classes})"),
            Self::Dropout { slot, slots } => write!(f, "D({slot},{slots})"),
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, layer) in self.layers.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{layer}")?;
        }
        f.write_str("]")
    }
}

/// Reads a text letter by letter.
struct Parser {
    letters: Vec<char>,
    at: usize,
}

impl Parser {
    /// `[ layer {, layer} ]` and nothing after it.
    fn chain(mut self) -> Result<(Chain, Vec<usize>), ParseError> {
        self.expect('[')?;
        let (mut layers, mut columns) = (Vec::new(), Vec::new());
        loop {
            columns.push(self.column());
            layers.push(self.layer()?);
            match self.peek() {
                Some(',') => self.at += 1,
                Some(']') => break,
                _ => return Err(self.wrong("expected `,` or `]`")),
            }
            if let Some(Layer::Softmax { .. }) = layers.last() {
                let column = columns[columns.len() - 1];
                return Err(error(column, "`SM` must be the last layer"));
            }
        }
        if !matches!(layers.last(), Some(Layer::Softmax { .. })) {
            return Err(self.wrong("the last layer must be `SM`"));
        }
        self.expect(']')?;
        if self.peek().is_some() {
            return Err(self.wrong("nothing may follow `]`"));
        }
        Ok((Chain { layers }, columns))
    }

    /// `NAME(number{,number})`.
    fn layer(&mut self) -> Result<Layer, ParseError> {
        let column = self.column();
        let start = self.at;
        while self.letters.get(self.at).is_some_and(char::is_ascii_alphabetic) {
            self.at += 1;
        }
        let name: String = self.letters[start..self.at].iter().collect();
        Ok(match name.as_str() {
            "C" => {
                let [filters, kernel, stride] = self.numbers()?;
                Layer::Conv { filters, kernel, stride }
            }
            "P" => {
                let [kernel, stride] = self.numbers()?;
                Layer::Pool { kernel, stride }
            }
            "FC" => {
                let [units] = self.numbers()?;
                Layer::Fc { units }
            }
            "GAP" => {
                let [classes] = self.numbers()?;
                Layer::Gap { classes }
            }
            "SM" => {
                let [classes] = self.numbers()?;
                Layer::Softmax { classes }
            }
            "D" => {
                let [slot, slots] = self.numbers()?;
                Layer::Dropout { slot, slots }
            }
            _ => return Err(error(column, "expected a layer: `C`, `P`, `FC`, `GAP`, `SM` or `D`")),
        })
    }

    /// Exactly `N` numbers in parentheses.
    fn numbers<const N: usize>(&mut self) -> Result<[usize; N], ParseError> {
        let mut numbers = [0; N];
        self.expect('(')?;
        for (i, number) in numbers.iter_mut().enumerate() {
            if i > 0 {
                self.expect(',')?;
            }
            *number = self.number()?;
        }
        self.expect(')')?;
        Ok(numbers)
    }

    /// A whole number from 1 to [`NUMBER_MAX`].
    fn number(&mut self) -> Result<usize, ParseError> {
        let column = self.column();
        let mut value: Option<usize> = None;
        while let Some(digit) = self.letters.get(self.at).and_then(|letter| letter.to_digit(10)) {
            let more = value.unwrap_or(0).saturating_mul(10).saturating_add(digit as usize);
            value = Some(more);
            self.at += 1;
        }
        match value {
            Some(value) if (1..=NUMBER_MAX).contains(&value) => Ok(value),
            Some(_) => Err(error(column, format!("expected a number from 1 to {NUMBER_MAX}"))),
            None => Err(error(column, "expected a number")),
        }
    }

    fn expect(&mut self, letter: char) -> Result<(), ParseError> {
        if self.peek() != Some(letter) {
            return Err(self.wrong(format!("expected `{letter}`")));
        }
        self.at += 1;
        Ok(())
    }

    /// The next letter that is no white space.
    fn peek(&mut self) -> Option<char> {
        while self.letters.get(self.at).is_some_and(|letter| letter.is_whitespace()) {
            self.at += 1;
        }
        self.letters.get(self.at).copied()
    }

    /// Column of the next letter that is no white space.
    fn column(&mut self) -> usize {
        self.peek();
        self.at + 1
    }

    fn wrong(&mut self, reason: impl Into<String>) -> ParseError {
        error(self.column(), reason)
    }
}

fn error(column: usize, reason: impl Into<String>) -> ParseError {
    ParseError { column, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_what_was_parsed_is_the_identity_on_canonical_text() {
        let text = "[C(64,3,1), D(1,2), P(2,2), GAP(10), FC(128), SM(10)]";
        assert_eq!(Chain::parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn mistakes_name_their_column() {
        let cases = [
            ("", "column 1: expected `[`"),
            ("[]", "column 2: expected a layer: `C`, `P`, `FC`, `GAP`, `SM` or `D`"),
            ("[X(1), SM(10)]", "column 2: expected a layer: `C`, `P`, `FC`, `GAP`, `SM` or `D`"),
            ("[C(64,3), SM(10)]", "column 8: expected `,`"),
            ("[C(64,3,1,1), SM(10)]", "column 10: expected `)`"),
            ("[C(64, ,1), SM(10)]", "column 8: expected a number"),
            ("[C(0,3,1), SM(10)]", "column 4: expected a number from 1 to 1000000"),
            ("[C(99999999999999999999,3,1)", "column 4: expected a number from 1 to 1000000"),
            ("[C(64,3,1) SM(10)]", "column 12: expected `,` or `]`"),
            ("[C(64,3,1)]", "column 11: the last layer must be `SM`"),
            ("[SM(10), C(64,3,1), SM(10)]", "column 2: `SM` must be the last layer"),
            ("[SM(10)] x", "column 10: nothing may follow `]`"),
            ("[SM(10)", "column 8: expected `,` or `]`"),
            ("[é(1)]", "column 2: expected a layer: `C`, `P`, `FC`, `GAP`, `SM` or `D`"),
        ];
        for (text, expected) in cases {
            assert_eq!(Chain::parse(text).unwrap_err().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn fully_connected_layers_have_their_own_dropout() {
        let chain = Chain::parse("[C(64,3,1), FC(256), FC(128), SM(10)]").unwrap();
        let text = "[C(64,3,1), FC(256), D(1,3), FC(128), D(2,3), SM(10)]";
        assert_eq!(chain.with_dropout().to_string(), text);
    }
}
