//! Plain memory for numbers that begins at a line of the cache.
//!
//! A vector of 16 numbers is as long as a line: one that lies across two costs two reads, and large blocks of an
//! ordinary allocation all begin 16 bytes behind a line.

use std::ops::{Deref, DerefMut};

/// Numbers in a line of the cache.
const LINE: usize = 16;

/// Zeros to begin with.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    values: Vec<f32>,
    start: usize,
    len: usize,
}

impl Memory {
    /// Memory for `len` numbers.
    pub(crate) fn new(len: usize) -> Self {
        let values = vec![0.0; len + LINE];
        let start = values.as_ptr().align_offset(LINE * size_of::<f32>());
        // Only a speed is lost where nothing can be said about alignment.
        Self { values, start: if start < LINE { start } else { 0 }, len }
    }

    /// The same memory, or more, for `len` numbers, which are whatever they are.
    pub(crate) fn of_len(&mut self, len: usize) -> &mut [f32] {
        if self.values.len() < len + LINE {
            *self = Self::new(len);
        }
        self.len = len;
        self
    }

    /// Bytes that memory for `len` numbers takes.
    pub(crate) fn bytes(len: usize) -> usize {
        size_of::<f32>() * (len + LINE)
    }

    /// The next place, from `place` on, at which a line begins.
    pub(crate) fn aligned(place: usize) -> usize {
        place.next_multiple_of(LINE)
    }
}

impl Deref for Memory {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[self.start..self.start + self.len]
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.start..self.start + self.len]
    }
}
