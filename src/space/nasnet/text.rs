//! The text of a pair of cells:
//!
//! ```text
//! normal: 0:sep5x5 1:sep3x3 add | 1:avg3x3 0:id concat; reduction: 0:max3x3 1:id add | 0:id 2:id add
//! ```
//!
//! A block is `state:operation state:operation combiner`, where states 0 and 1 are the cell's inputs and
//! block `b` makes state `b + 2`. Blocks are joined by ` | `. A cell may end with `| concat 1,2,3`: the
//! states that are concatenated, where they are not simply those that no block reads. More or less white
//! space between words does not matter. `NASNet-A` stands for that published pair.

use super::cell::INPUTS;
use super::{Cell, CellBlock, CellOp, Cells, Combiner};
use crate::space::ParseError;

/// The name of the published pair.
pub(super) const NASNET_A: &str = "NASNet-A";

/// Appends the canonical text.
pub(super) fn write(cells: &Cells, text: &mut String) {
    text.push_str("normal: ");
    write_cell(&cells.normal, text);
    text.push_str("; reduction: ");
    write_cell(&cells.reduction, text);
}

fn write_cell(cell: &Cell, text: &mut String) {
    for (b, block) in cell.blocks.iter().enumerate() {
        text.push_str(if b == 0 { "" } else { " | " });
        for (input, op) in block.inputs.into_iter().zip(block.ops) {
            push_number(input, text);
            text.push(':');
            text.push_str(op.name());
            text.push(' ');
        }
        text.push_str(block.combiner.name());
    }
    for (i, state) in Cell::places(cell.concat).enumerate() {
        text.push_str(if i == 0 { " | concat " } else { "," });
        push_number(state, text);
    }
}

/// Appends a state; there are fewer than 16.
fn push_number(state: usize, text: &mut String) {
    if state >= 10 {
        text.push('1');
    }
    text.push(char::from(b"0123456789"[state % 10]));
}

/// Reads a pair of cells of `blocks` blocks. Says nothing of which operations a space has.
///
/// # Errors
/// The first thing that is wrong, with its column.
pub(super) fn parse(text: &str, blocks: usize) -> Result<Cells, ParseError> {
    let mut reader = Reader { words: split(text), next: 0, end: text.chars().count() + 1 };
    let first = reader.peek();
    if first.is_some_and(|word| word.eq_ignore_ascii_case(NASNET_A)) {
        reader.next += 1;
        reader.finish()?;
        let cells = Cells::nasnet_a();
        return if cells.normal.blocks.len() == blocks {
            Ok(cells)
        } else {
            let reason = format!("`{NASNET_A}` has 5 blocks and cells of this space have {blocks}");
            Err(ParseError { column: 1, reason })
        };
    }
    reader.expect(&["normal", ":"])?;
    let normal = reader.cell(blocks)?;
    reader.expect(&[";", "reduction", ":"])?;
    let reduction = reader.cell(blocks)?;
    reader.finish()?;
    Ok(Cells { normal, reduction })
}

/// Column of the first place where `word` stands.
pub(super) fn column(text: &str, word: &str) -> Option<usize> {
    split(text).into_iter().find(|(_, found)| found == word).map(|(column, _)| column)
}

/// Words and marks, each with its column from 1.
fn split(text: &str) -> Vec<(usize, String)> {
    let mut words: Vec<(usize, String)> = Vec::new();
    let mut is_open = false;
    for (column, letter) in (1..).zip(text.chars()) {
        if letter.is_whitespace() {
            is_open = false;
        } else if matches!(letter, ':' | ';' | '|' | ',') {
            words.push((column, letter.to_string()));
            is_open = false;
        } else if is_open {
            words.last_mut().expect("a word is open").1.push(letter);
        } else {
            words.push((column, letter.to_string()));
            is_open = true;
        }
    }
    words
}

/// Reads a text word by word.
struct Reader {
    words: Vec<(usize, String)>,
    next: usize,
    /// Column after the last letter.
    end: usize,
}

impl Reader {
    fn peek(&self) -> Option<&str> {
        self.words.get(self.next).map(|(_, word)| word.as_str())
    }

    fn column(&self) -> usize {
        self.words.get(self.next).map_or(self.end, |(column, _)| *column)
    }

    fn wrong<T>(&self, reason: impl Into<String>) -> Result<T, ParseError> {
        Err(ParseError { column: self.column(), reason: reason.into() })
    }

    fn expect(&mut self, words: &[&str]) -> Result<(), ParseError> {
        for word in words {
            if self.peek() != Some(word) {
                return self.wrong(format!("expected `{word}`"));
            }
            self.next += 1;
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), ParseError> {
        if self.peek().is_some() { self.wrong("nothing may follow here") } else { Ok(()) }
    }

    fn cell(&mut self, blocks: usize) -> Result<Cell, ParseError> {
        let mut cell = Cell { blocks: Vec::with_capacity(blocks), concat: 0 };
        for b in 0..blocks {
            if b > 0 && self.peek() != Some("|") {
                return self
                    .wrong(format!("expected `|` and block {b}: cells have {blocks} blocks"));
            }
            self.next += usize::from(b > 0);
            let block = self.block(b)?;
            cell.blocks.push(block);
        }
        if self.peek() == Some("|") {
            self.next += 1;
            if self.peek() != Some("concat") {
                let reason = format!("only `concat` may follow the last of {blocks} blocks");
                return self.wrong(reason);
            }
            self.next += 1;
            self.concat(&mut cell)?;
        }
        Ok(cell.canonical())
    }

    fn block(&mut self, b: usize) -> Result<CellBlock, ParseError> {
        let mut halves = [(0, CellOp::Identity); 2];
        for half in &mut halves {
            let input = self.state(b + INPUTS)?;
            self.expect(&[":"])?;
            *half = (input, self.named("an operation", &CellOp::ALL, CellOp::name)?);
        }
        let combiner = self.named("a combiner", &Combiner::ALL, Combiner::name)?;
        let [(i, first), (j, second)] = halves;
        Ok(CellBlock { inputs: [i, j], ops: [first, second], combiner })
    }

    /// A number below `states`.
    fn state(&mut self, states: usize) -> Result<usize, ParseError> {
        let is_number = |word: &&str| word.len() < 3 && word.bytes().all(|b| b.is_ascii_digit());
        let number = self.peek().filter(is_number).and_then(|word| word.parse::<usize>().ok());
        match number.filter(|number| *number < states) {
            Some(number) => {
                self.next += 1;
                Ok(number)
            }
            None => self.wrong(format!("expected a state from 0 to {}", states - 1)),
        }
    }

    fn named<T: Copy>(
        &mut self,
        noun: &str,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Result<T, ParseError> {
        let found = all.iter().find(|one| self.peek() == Some(name(**one)));
        let Some(&found) = found else {
            let names: Vec<&str> = all.iter().map(|one| name(*one)).collect();
            return self.wrong(format!("expected {noun}: {}", names.join(", ")));
        };
        self.next += 1;
        Ok(found)
    }

    /// States in rising order, those that no block reads among them.
    fn concat(&mut self, cell: &mut Cell) -> Result<(), ParseError> {
        let start = self.column();
        loop {
            let column = self.column();
            let state = self.state(cell.states())?;
            if cell.concat >> state != 0 {
                let reason = "the states of `concat` stand in rising order, each once".to_owned();
                return Err(ParseError { column, reason });
            }
            cell.concat |= 1 << state;
            if self.peek() != Some(",") {
                break;
            }
            self.next += 1;
        }
        match Cell::places(cell.unread() & !cell.concat).next() {
            Some(left) => {
                let reason = format!("`concat` must hold state {left}, which no block reads");
                Err(ParseError { column: start, reason })
            }
            None => Ok(()),
        }
    }
}
