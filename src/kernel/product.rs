//! Sums of products, the heart of convolutions: every number of the output is one chain of fused
//! multiply-adds.
//!
//! `out = start; for k in order { out = fma(left[k], right[k], out) }` fixes the bits, and nothing else
//! does. Vectors run over the columns of the right side, which are independent numbers, never along a chain; how
//! many of them are kept in registers, in which pieces a chain is walked and how wide a vector is, is
//! free. So AVX-512, AVX2 and portable code agree to the last bit.
//!
//! The left side is read where it lies. Rows of a kernel are segments of a chain, so a convolution is a product
//! without a copy of its patches.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::aligned::Memory;
use super::chunks::UNIT;

/// Numbers of the right side that are in use at a time: they stay in the first-level cache with room to spare.
const PIECE: usize = 6144;
/// Columns of a panel: as many as the widest tile has.
const PANEL: usize = 64;
/// Terms of a piece, at least: fewer do not pay for loading and storing the sums.
const TERMS_MIN: usize = 16;

/// The left side: term `(s, t)` of row `r` in line `l` is
/// `values[l * line + r * row + s * segment + t * step]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left<'a> {
    pub(super) values: &'a [f32],
    /// Lines, such as rows of a map.
    pub(super) lines: usize,
    /// From one line to the next.
    pub(super) line: usize,
    /// Rows in a line, such as pixels.
    pub(super) rows: usize,
    /// From one row to the next.
    pub(super) row: usize,
    /// Segments of a chain, such as rows of a kernel.
    pub(super) segments: usize,
    /// From one segment to the next.
    pub(super) segment: usize,
    /// Terms of a segment.
    pub(super) run: usize,
    /// From one term to the next.
    pub(super) step: usize,
}

/// The right side: a row of numbers for each term.
///
/// More columns than a panel has are cut into panels that lie one after another. Rows of all columns would put
/// what a tile reads on a part of the cache's sets only, where it pushes itself out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Right<'a> {
    values: &'a [f32],
    panel: usize,
}

/// A right side of its own memory, in panels.
#[derive(Debug, Default)]
pub(crate) struct Panels(Memory);

impl Panels {
    /// Of rows of `columns` numbers.
    pub(crate) fn of(values: &[f32], columns: usize) -> Self {
        let mut panels = Memory::new(values.len());
        if Self::are_needed(columns) {
            fill(values, columns, &mut panels);
        } else {
            let parts = panels.par_chunks_mut(UNIT).zip(values.par_chunks(UNIT));
            parts.for_each(|(panel, values)| panel.copy_from_slice(values));
        }
        Self(panels)
    }

    /// Of the columns of rows of `columns` numbers: each panel holds its part of these rows with both exchanged.
    pub(crate) fn of_turned(values: &[f32], columns: usize) -> Self {
        let mut panels = Memory::new(values.len());
        let size = PANEL * columns;
        let parts = panels.par_chunks_mut(size).zip(values.par_chunks(size));
        let parts = parts.with_min_len(UNIT.div_ceil(size));
        parts.for_each(|(panel, rows)| turn(rows, columns, panel));
        Self(panels)
    }

    /// Whether so many columns are more than a panel has.
    pub(super) fn are_needed(columns: usize) -> bool {
        columns > PANEL
    }

    /// As the right side of a product.
    pub(super) fn right(&self) -> Right<'_> {
        Right { values: &self.0, panel: PANEL }
    }

    /// Rows as the right side of a product: where they lie, or in these panels.
    pub(super) fn arranged<'a>(&'a mut self, values: &'a [f32], columns: usize) -> Right<'a> {
        if !Self::are_needed(columns) {
            return Right { values, panel: PANEL };
        }
        fill(values, columns, self.0.of_len(values.len()));
        self.right()
    }
}

/// Puts rows of `columns` numbers into panels.
fn fill(values: &[f32], columns: usize, panels: &mut [f32]) {
    let mut place = 0;
    for first in (0..columns).step_by(PANEL) {
        let width = PANEL.min(columns - first);
        for row in values.chunks_exact(columns) {
            panels[place..place + width].copy_from_slice(&row[first..first + width]);
            place += width;
        }
    }
}

/// Overwrites `turned` with the columns of rows of `columns` numbers, one after another.
pub(super) fn turn(values: &[f32], columns: usize, turned: &mut [f32]) {
    let rows = values.len() / columns;
    for (column, turned) in turned.chunks_exact_mut(rows).enumerate() {
        for (number, row) in turned.iter_mut().zip(values.chunks_exact(columns)) {
            *number = row[column];
        }
    }
}

impl<'a> Right<'a> {
    /// What a tile reads from column `column` of `columns` and term `term` of `terms` on, and from one term to
    /// the next.
    fn at(self, column: usize, columns: usize, term: usize, terms: usize) -> (&'a [f32], usize) {
        let first = column - column % self.panel;
        let width = self.panel.min(columns - first);
        (&self.values[first * terms + term * width + column - first..], width)
    }
}

/// Where chains start.
#[derive(Debug, Clone, Copy)]
pub(super) enum Start<'a> {
    /// At 0.
    Zero,
    /// At a number for each column.
    Each(&'a [f32]),
    /// At what the output holds.
    Output,
}

/// What is to be computed: a row of `columns` numbers for each row of each line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Product<'a> {
    pub(super) left: Left<'a>,
    pub(super) right: Right<'a>,
    pub(super) columns: usize,
    pub(super) start: Start<'a>,
    /// Whether negative results become zero.
    pub(super) relu: bool,
}

/// Terms that are walked before the next rows are: whole segments, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    segments: Range<usize>,
    terms: Range<usize>,
}

impl<'a> Left<'a> {
    /// Rows of `run` terms, one after another.
    pub(super) fn matrix(values: &'a [f32], run: usize) -> Self {
        let rows = values.len() / run;
        Self { values, lines: 1, line: 0, rows, row: run, segments: 1, segment: 0, run, step: 1 }
    }

    /// The same numbers with rows and terms exchanged.
    pub(super) fn transposed(values: &'a [f32], rows: usize) -> Self {
        let run = values.len() / rows;
        Self { values, lines: 1, line: 0, rows, row: 1, segments: 1, segment: 0, run, step: rows }
    }

    /// Terms of a chain.
    fn terms(&self) -> usize {
        self.segments * self.run
    }

    /// One past the last number that is read.
    fn end(&self) -> usize {
        let last = |count: usize, step: usize| (count - 1) * step;
        last(self.lines, self.line)
            + last(self.rows, self.row)
            + last(self.segments, self.segment)
            + last(self.run, self.step)
            + 1
    }

    /// The chain in pieces of at most about `most` terms.
    fn pieces(&self, most: usize) -> Vec<Piece> {
        if self.run <= most {
            let together = (most / self.run).max(1);
            let end = |first: usize| (first + together).min(self.segments);
            let firsts = (0..self.segments).step_by(together);
            return firsts
                .map(|first| Piece { segments: first..end(first), terms: 0..self.run })
                .collect();
        }
        let parts = self.run.div_ceil(most);
        let cut = move |part: usize| part * self.run / parts;
        let part = |segment, part| Piece {
            segments: segment..segment + 1,
            terms: cut(part)..cut(part + 1),
        };
        (0..self.segments).flat_map(|s| (0..parts).map(move |p| part(s, p))).collect()
    }
}

impl Product<'_> {
    /// Writes the rows into `out`, one after another, with the widest vectors that this processor has.
    pub(super) fn write(&self, out: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(simd) = pulp::x86::V4::try_new() {
                return self.write_with(simd, out);
            }
            if let Some(simd) = pulp::x86::V3::try_new() {
                return self.write_with(simd, out);
            }
        }
        self.write_with(pulp::Scalar::new(), out);
    }

    /// The same with vectors of one kind.
    fn write_with<S: Simd>(&self, simd: S, out: &mut [f32]) {
        let (left, columns) = (&self.left, self.columns);
        let rows = left.lines * left.rows;
        assert_eq!(out.len(), rows * columns, "BUG: the output has another size");
        if out.is_empty() {
            return;
        }
        // What makes the pointers below sound.
        assert!(left.terms() > 0, "BUG: a chain without terms");
        assert!(left.end() <= left.values.len(), "BUG: the left side is too short");
        assert!(
            self.right.values.len() >= left.terms() * columns,
            "BUG: the right side is too short"
        );
        if let Start::Each(numbers) = self.start {
            assert_eq!(numbers.len(), columns, "BUG: a start for each column");
        }
        let mut first = 0;
        while first < columns {
            let (vectors, width) = block::<S>(columns - first);
            self.write_columns(simd, first..first + width, vectors, out);
            first += width;
        }
    }

    /// A block of columns, in so many `vectors` or in a part of one.
    fn write_columns<S: Simd>(
        &self,
        simd: S,
        columns: Range<usize>,
        vectors: usize,
        out: &mut [f32],
    ) {
        let left = &self.left;
        let pieces = left.pieces((PIECE / columns.len()).max(TERMS_MIN));
        for (number, piece) in pieces.iter().enumerate() {
            let start = if number == 0 { self.start } else { Start::Output };
            let term = piece.segments.start * left.run + piece.terms.start;
            let (right, stride) = self.right.at(columns.start, self.columns, term, left.terms());
            let relu = self.relu && number + 1 == pieces.len();
            let from = piece.segments.start * left.segment + piece.terms.start * left.step;
            let tiles = left.rows.div_ceil(rows_max::<S>(vectors));
            for line in 0..left.lines {
                for tile in 0..tiles {
                    let rows = tile * left.rows / tiles..(tile + 1) * left.rows / tiles;
                    let place = (line * left.rows + rows.start) * self.columns + columns.start;
                    let tile = Tile {
                        left: &left.values[from + line * left.line + rows.start * left.row..],
                        row: left.row,
                        segments: piece.segments.len(),
                        segment: left.segment,
                        run: piece.terms.len(),
                        step: left.step,
                        right,
                        stride,
                        columns: self.columns,
                        start: match start {
                            Start::Each(numbers) => Start::Each(&numbers[columns.clone()]),
                            other => other,
                        },
                        relu,
                        width: columns.len(),
                        out: &mut out[place..],
                    };
                    tile.write(simd, rows.len(), vectors);
                }
            }
        }
    }
}

/// Vectors of the next block of at most `columns` columns, 0 for a part of one, and its columns.
fn block<S: Simd>(columns: usize) -> (usize, usize) {
    let lanes = S::F32_LANES;
    match columns / lanes {
        4.. if is_wide::<S>() => (4, 4 * lanes),
        2.. => (2, 2 * lanes),
        1 => (1, lanes),
        _ => (0, columns),
    }
}

/// Rows whose sums fit into the registers, with what they are made of.
fn rows_max<S: Simd>(vectors: usize) -> usize {
    match vectors {
        4 => 6,
        2 if !is_wide::<S>() => 6,
        _ => 12,
    }
}

/// Whether there are 32 registers, as behind vectors of 16 numbers.
fn is_wide<S: Simd>() -> bool {
    S::F32_LANES >= 16
}

/// The part of a product whose sums are in registers.
struct Tile<'a> {
    left: &'a [f32],
    row: usize,
    segments: usize,
    segment: usize,
    run: usize,
    step: usize,
    right: &'a [f32],
    /// From one term to the next on the right side.
    stride: usize,
    /// From one row to the next of the output.
    columns: usize,
    start: Start<'a>,
    relu: bool,
    /// Columns: those of whole vectors, or fewer than one has.
    width: usize,
    out: &'a mut [f32],
}

/// A tile of `ROWS` rows and `VECTORS` whole vectors, or 0 for a part of one.
struct Sized<'a, const ROWS: usize, const VECTORS: usize>(Tile<'a>);

macro_rules! vectorize {
    ($tile:expr, $simd:expr, $rows:expr, $vectors:literal, [$($n:literal)*]) => {
        match $rows {
            $($n => $simd.vectorize(Sized::<$n, $vectors>($tile)),)*
            _ => unreachable!("BUG: a tile of so many rows"),
        }
    };
}

impl Tile<'_> {
    fn write<S: Simd>(self, simd: S, rows: usize, vectors: usize) {
        match vectors {
            4 => vectorize!(self, simd, rows, 4, [1 2 3 4 5 6]),
            2 => vectorize!(self, simd, rows, 2, [1 2 3 4 5 6 7 8 9 10 11 12]),
            1 => vectorize!(self, simd, rows, 1, [1 2 3 4 5 6 7 8 9 10 11 12]),
            _ => vectorize!(self, simd, rows, 0, [1 2 3 4 5 6 7 8 9 10 11 12]),
        }
    }
}

impl<const ROWS: usize, const VECTORS: usize> WithSimd for Sized<'_, ROWS, VECTORS> {
    type Output = ();

    #[expect(clippy::inline_always, reason = "a vector lives in registers of the caller's target")]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: `Product::write_with` has checked the ends of all three slices, and a part of a vector touches
        // only its own columns.
        unsafe {
            if VECTORS == 0 {
                self.chains::<S, 1, true>(simd);
            } else {
                self.chains::<S, VECTORS, false>(simd);
            }
        }
    }
}

impl<const ROWS: usize, const VECTORS: usize> Sized<'_, ROWS, VECTORS> {
    /// Walks the chains of the tile.
    ///
    /// # Safety
    /// Every number that the tile names lies in its slices.
    #[expect(clippy::inline_always, reason = "a vector lives in registers of the caller's target")]
    #[inline(always)]
    unsafe fn chains<S: Simd, const COUNT: usize, const PART: bool>(self, simd: S) {
        let Tile {
            left,
            row,
            segments,
            segment,
            run,
            step,
            right,
            stride,
            columns,
            start,
            relu,
            width,
            out,
        } = self.0;
        let lanes = S::F32_LANES;
        let mask = simd.mask_between_m32s(0, if PART { narrow(width) } else { 0 });
        let (left, right, out) = (left.as_ptr(), right.as_ptr(), out.as_mut_ptr());
        // SAFETY: see above; vectors may lie anywhere, so reads and writes are unaligned.
        let load = |from: *const f32| unsafe {
            if PART {
                simd.mask_load_ptr_f32s(mask, from)
            } else {
                from.cast::<S::f32s>().read_unaligned()
            }
        };
        let zero = simd.splat_f32s(0.0);
        let mut sums = [[zero; COUNT]; ROWS];
        // SAFETY: see above.
        unsafe {
            match start {
                Start::Zero => {}
                Start::Each(numbers) => {
                    for v in 0..COUNT {
                        let number = load(numbers.as_ptr().add(v * lanes));
                        for sums in &mut sums {
                            sums[v] = number;
                        }
                    }
                }
                Start::Output => {
                    for (r, sums) in sums.iter_mut().enumerate() {
                        for (v, sum) in sums.iter_mut().enumerate() {
                            *sum = load(out.add(r * columns + v * lanes));
                        }
                    }
                }
            }
            let mut right = right;
            for s in 0..segments {
                let mut left = left.add(s * segment);
                for _ in 0..run {
                    let mut factors = [zero; COUNT];
                    for (v, factor) in factors.iter_mut().enumerate() {
                        *factor = load(right.add(v * lanes));
                    }
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let number = simd.splat_f32s(*left.add(r * row));
                        for (sum, factor) in sums.iter_mut().zip(factors) {
                            *sum = simd.mul_add_f32s(number, factor, *sum);
                        }
                    }
                    right = right.wrapping_add(stride);
                    left = left.wrapping_add(step);
                }
            }
            for (r, sums) in sums.into_iter().enumerate() {
                for (v, mut sum) in sums.into_iter().enumerate() {
                    if relu {
                        // Only what is below zero: NaN stays NaN, or a diverged training would not be seen.
                        sum = simd.select_f32s(simd.less_than_f32s(sum, zero), zero, sum);
                    }
                    let to = out.add(r * columns + v * lanes);
                    if PART {
                        simd.mask_store_ptr_f32s(mask, to, sum);
                    } else {
                        to.cast::<S::f32s>().write_unaligned(sum);
                    }
                }
            }
        }
    }
}

/// Columns of a part of a vector.
fn narrow(width: usize) -> u32 {
    u32::try_from(width).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::seed::Seed;

    fn numbers(name: &str, count: usize) -> Vec<f32> {
        let mut stream = Seed::root(5).stream(name, count as u64);
        #[expect(clippy::cast_possible_truncation, reason = "test numbers")]
        (0..count).map(|_| stream.normal() as f32).collect()
    }

    /// The chains word for word.
    fn twin(product: &Product<'_>, out: &mut [f32]) {
        let (left, columns) = (product.left, product.columns);
        for (place, out) in out.iter_mut().enumerate() {
            let (row, column) = (place / columns, place % columns);
            let from = row / left.rows * left.line + row % left.rows * left.row;
            let mut sum = match product.start {
                Start::Zero => 0.0,
                Start::Each(numbers) => numbers[column],
                Start::Output => *out,
            };
            for s in 0..left.segments {
                for t in 0..left.run {
                    let number = left.values[from + s * left.segment + t * left.step];
                    let term = s * left.run + t;
                    let factor = product.right.at(column, columns, term, left.terms()).0[0];
                    sum = number.mul_add(factor, sum);
                }
            }
            *out = if product.relu && sum < 0.0 { 0.0 } else { sum };
        }
    }

    fn bits(numbers: &[f32]) -> Vec<u32> {
        numbers.iter().map(|number| number.to_bits()).collect()
    }

    /// On every path that this processor has.
    fn check(product: &Product<'_>) {
        let before = numbers("out", product.left.lines * product.left.rows * product.columns);
        let mut expected = before.clone();
        twin(product, &mut expected);
        let mut paths: Vec<(&str, Vec<f32>)> = Vec::new();
        let mut out = before.clone();
        product.write_with(pulp::Scalar::new(), &mut out);
        paths.push(("portable", out));
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(simd) = pulp::x86::V3::try_new() {
                let mut out = before.clone();
                product.write_with(simd, &mut out);
                paths.push(("AVX2", out));
            }
            if let Some(simd) = pulp::x86::V4::try_new() {
                let mut out = before.clone();
                product.write_with(simd, &mut out);
                paths.push(("AVX-512", out));
            }
        }
        for (path, out) in paths {
            assert!(bits(&out) == bits(&expected), "{path}: {product:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn every_path_has_the_bits_of_the_chains(
            (lines, rows, columns) in (1_usize..3, 1_usize..30, 1_usize..90),
            (segments, run, step) in (1_usize..4, 1_usize..30, 1_usize..3),
            (row, start, relu) in (1_usize..4, 0_usize..3, any::<bool>()),
        ) {
            let segment = run * step + 3;
            let line = segment * segments + rows * row;
            let values = numbers("left", lines * line + 100);
            let left = Left { values: &values, lines, line, rows, row, segments, segment, run, step };
            let right = numbers("right", segments * run * columns);
            let first = numbers("first", columns);
            let start = [Start::Zero, Start::Each(&first), Start::Output][start];
            let panels = Panels::of(&right, columns);
            check(&Product { left, right: panels.right(), columns, start, relu });
        }
    }

    #[test]
    fn panels_hold_the_rows() {
        let values = numbers("right", 3 * 150);
        let panels = Panels::of(&values, 150);
        for (place, number) in values.iter().enumerate() {
            let found = panels.right().at(place % 150, 150, place / 150, 3).0[0];
            assert_eq!(found.to_bits(), number.to_bits());
        }
        let narrow = &values[..3 * 50];
        let mut spare = Panels::default();
        assert_eq!(spare.arranged(narrow, 50).values.as_ptr(), narrow.as_ptr());
    }

    #[test]
    fn long_chains_are_walked_in_pieces_and_keep_their_bits() {
        let values = numbers("left", 9 * 1500);
        let right = Panels::of(&numbers("right", 1500 * 70), 70);
        let right = right.right();
        let left = Left::matrix(&values, 1500);
        assert!(left.pieces(PIECE / 64).len() > 10);
        check(&Product { left, right, columns: 70, start: Start::Zero, relu: true });
        let left = Left { segments: 50, segment: 30, run: 30, rows: 9, ..left };
        assert!(left.pieces(PIECE / 64).iter().all(|piece| piece.segments.len() <= 3));
        check(&Product { left, right, columns: 70, start: Start::Output, relu: false });
    }

    #[test]
    fn pieces_cover_the_chain_in_order() {
        for (segments, run, most) in [(1, 5, 16), (3, 7, 16), (5, 7, 16), (2, 40, 16), (3, 16, 16)]
        {
            let left = Left { segments, run, ..Left::matrix(&[0.0; 40], 40) };
            let pieces = left.pieces(most);
            let terms = pieces.iter().flat_map(|piece| {
                let terms = piece.terms.clone();
                piece.segments.clone().flat_map(move |s| terms.clone().map(move |t| s * run + t))
            });
            assert_eq!(terms.collect::<Vec<_>>(), (0..segments * run).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_matrix_and_its_transpose_are_the_same_numbers() {
        let values = numbers("left", 6 * 4);
        let turned: Vec<f32> = (0..24).map(|i| values[i % 6 * 4 + i / 6]).collect();
        let right = Panels::of(&numbers("right", 4 * 3), 3);
        let right = right.right();
        let product = |left| Product { left, right, columns: 3, start: Start::Zero, relu: false };
        let (mut a, mut b) = (vec![0.0; 18], vec![0.0; 18]);
        product(Left::matrix(&values, 4)).write(&mut a);
        product(Left::transposed(&turned, 6)).write(&mut b);
        assert_eq!(a, b);
    }

    #[test]
    fn nan_passes_the_rectifier() {
        let (values, right) = ([f32::NAN, -1.0], [1.0]);
        let left = Left::matrix(&values, 1);
        let mut out = [0.0; 2];
        let right = Panels::of(&right, 1);
        let right = right.right();
        Product { left, right, columns: 1, start: Start::Zero, relu: true }.write(&mut out);
        assert!(out[0].is_nan() && out[1] == 0.0);
    }
}
