//! Matrix products: a checked face for `matrixmultiply`, on one thread.
//!
//! Threads are the caller's: it cuts the work by shape, so the order of every sum stays fixed.

/// A matrix in a slice, row-major or seen transposed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    transposed: bool,
}

/// What a product does to the matrix it is written into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Product {
    /// Overwrites it.
    Replaces,
    /// Is added to it.
    Adds,
}

impl<'a> Matrix<'a> {
    /// `values` as rows of `columns` numbers.
    pub(super) fn new(values: &'a [f32], columns: usize) -> Self {
        assert_eq!(values.len() % columns, 0, "BUG: a matrix has a broken row");
        Self { values, rows: values.len() / columns, columns, transposed: false }
    }

    /// The same numbers with rows and columns exchanged; nothing is copied.
    pub(super) fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows, transposed: !self.transposed, ..self }
    }

    /// Distances between rows and between columns in the slice.
    fn steps(&self) -> (isize, isize) {
        let line = if self.transposed { self.rows } else { self.columns };
        let line = isize::try_from(line).expect("a slice is shorter than isize::MAX");
        if self.transposed { (1, line) } else { (line, 1) }
    }
}

/// Writes `a · b` into `c`, which is row-major.
///
/// # Panics
/// When the shapes do not fit: a kernel has counted wrongly.
pub(super) fn multiply(a: Matrix<'_>, b: Matrix<'_>, product: Product, c: &mut [f32]) {
    assert_eq!(a.columns, b.rows, "BUG: a product of matrices that do not fit");
    assert_eq!(c.len(), a.rows * b.columns, "BUG: a product into a matrix that does not fit");
    let (a_steps, b_steps) = (a.steps(), b.steps());
    let c_step = isize::try_from(b.columns).expect("a slice is shorter than isize::MAX");
    let beta = if product == Product::Adds { 1.0 } else { 0.0 };
    // SAFETY: the pointers come from slices that hold rows * columns numbers each: `new` checked `a`
    // and `b`, the assertion above `c`; the steps address exactly these. `c` is borrowed mutably, so it
    // overlaps neither.
    unsafe {
        matrixmultiply::sgemm(
            a.rows,
            a.columns,
            b.columns,
            1.0,
            a.values.as_ptr(),
            a_steps.0,
            a_steps.1,
            b.values.as_ptr(),
            b_steps.0,
            b_steps.1,
            beta,
            c.as_mut_ptr(),
            c_step,
            1,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "small whole numbers")]
    fn transposed_and_accumulating_products_are_right() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let b = [1.0, 0.0, 2.0, 1.0, 0.0, 3.0];
        let mut c = [10.0; 4];
        multiply(Matrix::new(&a, 3), Matrix::new(&b, 2), Product::Replaces, &mut c);
        assert_eq!(c, [5.0, 11.0, 14.0, 23.0]);
        let left = Matrix::new(&a, 2).transposed();
        multiply(left, Matrix::new(&b, 2), Product::Adds, &mut c);
        assert_eq!(c, [5.0 + 7.0, 11.0 + 18.0, 14.0 + 10.0, 23.0 + 22.0]);
    }
}
