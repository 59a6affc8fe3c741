//! Layers as data and their text: `3x3x36 | 5x7x48/2x1 < 0 | 1x3x24 < 0,1`.
//!
//! A layer is rows x columns x filters, `/` its strides where they are a decision, and `<` the earlier
//! layers, from 0, that it reads.

use std::fmt::Write as _;

use crate::space::ParseError;

/// A convolution and what it reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Layer {
    /// Rows and columns of the kernel.
    pub kernel: (usize, usize),
    /// Number of filters.
    pub filters: usize,
    /// Steps down and to the right; none where the space does not choose them.
    pub stride: Option<(usize, usize)>,
    /// Earlier layers in rising order; the first layer and one that reads none read the image.
    pub reads: Vec<usize>,
}

/// Appends the canonical text.
pub(super) fn write(layers: &[Layer], text: &mut String) {
    for (i, layer) in layers.iter().enumerate() {
        text.push_str(if i == 0 { "" } else { " | " });
        let (rows, columns) = layer.kernel;
        write!(text, "{rows}x{columns}x{}", layer.filters).expect("writing to a string");
        if let Some((down, right)) = layer.stride {
            write!(text, "/{down}x{right}").expect("writing to a string");
        }
        for (place, from) in layer.reads.iter().enumerate() {
            let mark = if place == 0 { " < " } else { "," };
            write!(text, "{mark}{from}").expect("writing to a string");
        }
    }
}

/// Reads layers and the column at which each stands; white space does not matter.
///
/// # Errors
/// The first thing that is wrong, with its column.
pub(super) fn parse(text: &str) -> Result<Vec<(usize, Layer)>, ParseError> {
    let letters = (1..).zip(text.chars()).filter(|(_, letter)| !letter.is_whitespace()).collect();
    let mut reader = Reader { letters, at: 0, end: text.chars().count() + 1 };
    let mut layers = Vec::new();
    loop {
        let column = reader.column();
        let layer = reader.layer()?;
        layers.push((column, layer));
        if !reader.took('|') {
            break;
        }
    }
    if reader.at < reader.letters.len() {
        return Err(reader.wrong("expected `/`, `<`, `|` or the end"));
    }
    Ok(layers)
}

/// Reads letters, white space left out, with their columns.
struct Reader {
    letters: Vec<(usize, char)>,
    at: usize,
    end: usize,
}

impl Reader {
    fn layer(&mut self) -> Result<Layer, ParseError> {
        let rows = self.number()?;
        self.expect('x')?;
        let columns = self.number()?;
        self.expect('x')?;
        let filters = self.number()?;
        let mut stride = None;
        if self.took('/') {
            let down = self.number()?;
            self.expect('x')?;
            stride = Some((down, self.number()?));
        }
        let mut reads = Vec::new();
        if self.took('<') {
            loop {
                let column = self.column();
                let from = self.number()?;
                if reads.last().is_some_and(|last| *last >= from) {
                    let reason = "layers that are read stand in rising order, each once".to_owned();
                    return Err(ParseError { column, reason });
                }
                reads.push(from);
                if !self.took(',') {
                    break;
                }
            }
        }
        Ok(Layer { kernel: (rows, columns), filters, stride, reads })
    }

    /// A whole number of at most six digits.
    fn number(&mut self) -> Result<usize, ParseError> {
        let digits = self.letters[self.at..].iter().map_while(|(_, letter)| letter.to_digit(10));
        let (mut value, mut count) = (0, 0);
        for digit in digits.take(7) {
            value = 10 * value + digit as usize;
            count += 1;
        }
        if count == 0 || count > 6 {
            return Err(self.wrong("expected a number below 1000000"));
        }
        self.at += count;
        Ok(value)
    }

    fn expect(&mut self, letter: char) -> Result<(), ParseError> {
        if self.took(letter) { Ok(()) } else { Err(self.wrong(&format!("expected `{letter}`"))) }
    }

    fn took(&mut self, letter: char) -> bool {
        let found = self.letters.get(self.at).is_some_and(|(_, found)| *found == letter);
        self.at += usize::from(found);
        found
    }

    fn column(&self) -> usize {
        self.letters.get(self.at).map_or(self.end, |(column, _)| *column)
    }

    fn wrong(&self, reason: &str) -> ParseError {
        ParseError { column: self.column(), reason: reason.to_owned() }
    }
}
