//! A terminal in memory: a cursor over rows that wrap, so that tests see what a person would.

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use indicatif::TermLike;

/// A screen; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Screen {
    width: Arc<AtomicU16>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Cells of each row; an escape sequence stands before the letter of the cell it colours.
    rows: Vec<Vec<String>>,
    row: usize,
    /// Equal to the width when the next letter wraps.
    column: usize,
    writes: usize,
}

impl State {
    fn put(&mut self, width: usize, text: &str) {
        let mut letters = text.chars();
        let mut escape = String::new();
        while let Some(letter) = letters.next() {
            match letter {
                '\r' => self.column = 0,
                '\n' => (self.row, self.column) = (self.row + 1, 0),
                '\u{1b}' => {
                    escape.push(letter);
                    let sequence = letters.by_ref();
                    for letter in sequence {
                        escape.push(letter);
                        if letter.is_ascii_alphabetic() {
                            break;
                        }
                    }
                }
                letter => {
                    if self.column == width {
                        (self.row, self.column) = (self.row + 1, 0);
                    }
                    let column = self.column;
                    let row = self.row_at(column + 1);
                    row[column] = format!("{}{letter}", std::mem::take(&mut escape));
                    self.column += 1;
                }
            }
        }
        let column = self.column;
        self.row_at(column.saturating_sub(1));
    }

    /// The cursor's row, at least this long.
    fn row_at(&mut self, cells: usize) -> &mut Vec<String> {
        let (rows, row) = (self.rows.len().max(self.row + 1), self.row);
        self.rows.resize(rows, Vec::new());
        let cells = self.rows[row].len().max(cells);
        self.rows[row].resize(cells, " ".to_owned());
        &mut self.rows[row]
    }
}

impl Screen {
    pub(super) fn new(width: u16) -> Self {
        Self { width: Arc::new(AtomicU16::new(width)), state: Arc::default() }
    }

    /// Makes it wider or narrower.
    pub(super) fn resize(&self, width: u16) {
        self.width.store(width, Ordering::Relaxed);
    }

    /// What is seen, without trailing blanks.
    pub(super) fn text(&self) -> String {
        let state = self.state.lock().unwrap();
        let rows: Vec<String> =
            state.rows.iter().map(|row| row.concat().trim_end().to_owned()).collect();
        rows.join("\n").trim_end().to_owned()
    }

    /// How often something was written.
    pub(super) fn writes(&self) -> usize {
        self.state.lock().unwrap().writes
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        self.width.load(Ordering::Relaxed)
    }

    fn height(&self) -> u16 {
        40
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.change(|state| state.row = state.row.saturating_sub(n));
        Ok(())
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.change(|state| state.row += n);
        Ok(())
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.change(|state| state.column += n);
        Ok(())
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.change(|state| state.column = state.column.saturating_sub(n));
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.change(|state| {
            state.writes += 1;
            state.put(usize::from(self.width()), text);
        });
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.change(|state| {
            state.row_at(0).clear();
            state.column = 0;
        });
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}
