//! Matrix products whose bits are the same everywhere.
//!
//! `c[i][j]` is `c[i][j] + a[i][0] b[0][j] + a[i][1] b[1][j] + …`, one fused multiply-add after the other. A
//! tile of `c` stays in registers while it runs through a block of that sum; blocks are cut along the sum
//! so that a strip of `b` stays in the nearest cache, and go on from what is in `c`, which changes nothing.

use super::machine::{self, Vector, Work};

/// Terms of a sum that are added before the tile goes back to memory.
const BLOCK: usize = 128;

/// A matrix in a slice, row-major or seen transposed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

impl<'a> Matrix<'a> {
    /// `values` as rows of `columns` numbers.
    pub(crate) fn new(values: &'a [f32], columns: usize) -> Self {
        assert_eq!(values.len() % columns, 0, "BUG: a matrix has a broken row");
        let rows = values.len() / columns;
        Self { values, rows, columns, row_step: columns, column_step: 1 }
    }

    /// The same numbers with rows and columns exchanged; nothing is copied.
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_step: self.column_step,
            column_step: self.row_step,
            ..self
        }
    }

    /// Writes the matrix with rows and columns exchanged into `target`, row-major.
    pub(crate) fn transposed_into(self, target: &mut Vec<f32>) {
        target.clear();
        target.reserve(self.values.len());
        for column in 0..self.columns {
            let start = column * self.column_step;
            target.extend((0..self.rows).map(|row| self.values[start + row * self.row_step]));
        }
    }
}

/// Computes products; keeps its scratch memory from one to the next.
#[derive(Debug, Clone, Default)]
pub(crate) struct Products {
    packed: Vec<f32>,
}

impl Products {
    /// Adds `a · b` to `c`; `b` and `c` are row-major, with as many columns.
    ///
    /// # Panics
    /// When the shapes do not fit: a caller has counted wrongly.
    pub(crate) fn add(&mut self, a: Matrix<'_>, b: Matrix<'_>, c: &mut [f32]) {
        assert_eq!(a.columns, b.rows, "BUG: a product of matrices that do not fit");
        assert_eq!(c.len(), a.rows * b.columns, "BUG: a product into a matrix that does not fit");
        assert_eq!(b.column_step, 1, "BUG: the right factor of a product is transposed");
        if !c.is_empty() && a.columns > 0 {
            machine::run(Product { a, b, c, packed: &mut self.packed });
        }
    }

    /// Writes `a · b` into `c`; see [`Products::add`].
    pub(crate) fn set(&mut self, a: Matrix<'_>, b: Matrix<'_>, c: &mut [f32]) {
        c.fill(0.0);
        self.add(a, b, c);
    }
}

struct Product<'a> {
    a: Matrix<'a>,
    b: Matrix<'a>,
    c: &'a mut [f32],
    packed: &'a mut Vec<f32>,
}

impl Work for Product<'_> {
    #[expect(clippy::inline_always, reason = "it is compiled for each instruction set")]
    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { a, b, c, packed } = self;
        for start in (0..a.columns).step_by(BLOCK) {
            let depth = BLOCK.min(a.columns - start);
            pack(a, start, depth, V::ROWS, packed);
            let block = Block {
                packed,
                rows: a.rows,
                depth,
                highest: V::ROWS,
                b: &b.values[start * b.columns..(start + depth) * b.columns],
                width: b.columns,
            };
            let mut column = 0;
            column = block.strips::<V, 2>(column, c);
            column = block.strips::<V, 1>(column, c);
            column = block.strips::<V::Narrow, 1>(column, c);
            block.strips::<f32, 1>(column, c);
        }
    }
}

/// Heights of the tiles that `rows` are cut into, with the first row of each.
#[inline]
fn tiles(rows: usize, highest: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut row = 0;
    std::iter::from_fn(move || {
        let left = rows - row;
        let height = [8, 4, 2, 1].into_iter().find(|&h| h <= highest && h <= left)?;
        row += height;
        Some((row - height, height))
    })
}

/// Copies `depth` columns of `a` from `start` on, tile by tile and column by column within a tile.
#[inline]
fn pack(a: Matrix<'_>, start: usize, depth: usize, highest: usize, packed: &mut Vec<f32>) {
    packed.clear();
    packed.reserve(a.rows * depth);
    for (row, height) in tiles(a.rows, highest) {
        for column in start..start + depth {
            let first = row * a.row_step + column * a.column_step;
            packed.extend((0..height).map(|r| a.values[first + r * a.row_step]));
        }
    }
}

/// A block of all sums.
#[derive(Clone, Copy)]
struct Block<'a> {
    /// The left factor, tile by tile.
    packed: &'a [f32],
    rows: usize,
    depth: usize,
    /// Most rows of a tile.
    highest: usize,
    /// The right factor.
    b: &'a [f32],
    /// Columns of the right factor.
    width: usize,
}

impl Block<'_> {
    /// Strips of `VECTORS` vectors from `column` on, as many as there is room for; the next column.
    #[expect(clippy::inline_always, reason = "it is compiled for each instruction set")]
    #[inline(always)]
    fn strips<V: Vector, const VECTORS: usize>(self, from: usize, c: &mut [f32]) -> usize {
        let mut column = from;
        while column + VECTORS * V::LANES <= self.width {
            let (b, c) = (&self.b[column..], &mut c[column..]);
            for (row, height) in tiles(self.rows, self.highest) {
                let a = &self.packed[row * self.depth..(row + height) * self.depth];
                let c = &mut c[row * self.width..];
                match height {
                    8 => tile::<V, 8, VECTORS>(a, b, c, self.width),
                    4 => tile::<V, 4, VECTORS>(a, b, c, self.width),
                    2 => tile::<V, 2, VECTORS>(a, b, c, self.width),
                    _ => tile::<V, 1, VECTORS>(a, b, c, self.width),
                }
            }
            column += VECTORS * V::LANES;
        }
        column
    }
}

/// A tile of `c`: `a` has a column of `ROWS` numbers for each term, `b` a row of `width`.
#[expect(clippy::inline_always, reason = "it is compiled for each instruction set")]
#[inline(always)]
fn tile<V: Vector, const ROWS: usize, const VECTORS: usize>(
    a: &[f32],
    b: &[f32],
    c: &mut [f32],
    width: usize,
) {
    let mut sums = [[V::splat(0.0); VECTORS]; ROWS];
    for (sums, c) in sums.iter_mut().zip(c.chunks(width)) {
        for (sum, c) in sums.iter_mut().zip(c.chunks(V::LANES)) {
            *sum = V::load(c);
        }
    }
    let (columns, _) = a.as_chunks::<ROWS>();
    for (a, b) in columns.iter().zip(b.chunks(width)) {
        let b: [V; VECTORS] = std::array::from_fn(|vector| V::load(&b[vector * V::LANES..]));
        for (sums, a) in sums.iter_mut().zip(a) {
            let a = V::splat(*a);
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum = a.fused(b, *sum);
            }
        }
    }
    for (sums, c) in sums.iter().zip(c.chunks_mut(width)) {
        for (sum, c) in sums.iter().zip(c.chunks_mut(V::LANES)) {
            sum.store(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Seed, Stream};

    #[expect(clippy::cast_possible_truncation, reason = "any numbers will do")]
    fn numbers(stream: &mut Stream, count: usize) -> Vec<f32> {
        (0..count).map(|_| stream.normal() as f32).collect()
    }

    /// The definition.
    fn reference(a: Matrix<'_>, b: Matrix<'_>, c: &mut [f32]) {
        for i in 0..a.rows {
            for j in 0..b.columns {
                for k in 0..a.columns {
                    let left = a.values[i * a.row_step + k * a.column_step];
                    let c = &mut c[i * b.columns + j];
                    *c = left.mul_add(b.values[k * b.columns + j], *c);
                }
            }
        }
    }

    #[test]
    fn products_equal_their_definition_bit_for_bit() {
        let mut stream = Seed::root(1).stream("matrices", 0);
        let mut products = Products::default();
        for (rows, depth, columns) in [
            (1, 1, 1),
            (20, 100, 400),
            (3, 300, 7),
            (8, 129, 32),
            (15, 7, 37),
            (0, 3, 2),
            (2, 0, 2),
        ] {
            let a = numbers(&mut stream, rows * depth);
            let b = numbers(&mut stream, depth * columns);
            let mut found = numbers(&mut stream, rows * columns);
            let mut expected = found.clone();
            if depth > 0 {
                let (a, b) = (Matrix::new(&a, depth), Matrix::new(&b, columns));
                products.add(a, b, &mut found);
                reference(a, b, &mut expected);
            }
            assert_eq!(found, expected, "{rows} x {depth} x {columns}");
        }
    }

    #[test]
    fn a_transposed_left_factor_is_read_in_its_columns() {
        let mut stream = Seed::root(2).stream("matrices", 0);
        let (a, b) = (numbers(&mut stream, 200 * 13), numbers(&mut stream, 200 * 21));
        let (mut found, mut expected) = (vec![0.5; 13 * 21], vec![0.5; 13 * 21]);
        let a = Matrix::new(&a, 13).transposed();
        Products::default().add(a, Matrix::new(&b, 21), &mut found);
        reference(a, Matrix::new(&b, 21), &mut expected);
        assert_eq!(found, expected);
        let mut copy = Vec::new();
        a.transposed_into(&mut copy);
        assert_eq!(copy, a.values);
    }

    #[test]
    fn a_row_does_not_depend_on_the_rows_beside_it() {
        let mut stream = Seed::root(3).stream("matrices", 0);
        let (a, b) = (numbers(&mut stream, 20 * 100), numbers(&mut stream, 100 * 50));
        let (mut all, mut one) = (vec![0.0; 20 * 50], vec![0.0; 50]);
        let mut products = Products::default();
        products.set(Matrix::new(&a, 100), Matrix::new(&b, 50), &mut all);
        products.set(Matrix::new(&a[1700..1800], 100), Matrix::new(&b, 50), &mut one);
        assert_eq!(all[17 * 50..18 * 50], one);
    }
}
