//! Determinants and eigenvalues of small symmetric matrices, in one fixed order of operations.

/// A square matrix, row by row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Square {
    side: usize,
    values: Vec<f64>,
}

impl Square {
    /// From rows that are as many as they are long.
    pub(super) fn of(rows: &[Vec<f64>]) -> Self {
        let square = Self { side: rows.len(), values: rows.concat() };
        assert_eq!(square.values.len(), square.side * square.side, "BUG: a matrix is not square");
        square
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.values[row * self.side + column]
    }

    fn at_mut(&mut self, row: usize, column: usize) -> &mut f64 {
        &mut self.values[row * self.side + column]
    }
}

/// log |det|, by elimination with the largest pivot of each column; minus infinity when it is singular.
pub(super) fn log_abs_determinant(mut matrix: Square) -> f64 {
    let side = matrix.side;
    let mut total = 0.0;
    for step in 0..side {
        let larger = |a: usize, b: usize| {
            if matrix.at(b, step).abs() > matrix.at(a, step).abs() { b } else { a }
        };
        let pivot = (step..side).reduce(larger).expect("a row is left");
        for column in 0..side {
            matrix.values.swap(step * side + column, pivot * side + column);
        }
        let head = matrix.at(step, step);
        total += libm::log(head.abs());
        if head == 0.0 {
            return f64::NEG_INFINITY;
        }
        for row in step + 1..side {
            let factor = matrix.at(row, step) / head;
            for column in step..side {
                *matrix.at_mut(row, column) -= factor * matrix.at(step, column);
            }
        }
    }
    total
}

/// Eigenvalues of a symmetric matrix, ascending (cyclic Jacobi: Golub and Van Loan, section 8.5).
pub(super) fn eigenvalues(mut matrix: Square) -> Vec<f64> {
    /// Sweeps converge quadratically; ten are enough for any matrix of this size.
    const SWEEPS: usize = 30;
    let side = matrix.side;
    for _ in 0..SWEEPS {
        let off: f64 = (0..side)
            .flat_map(|row| (0..row).map(move |column| (row, column)))
            .map(|(row, column)| matrix.at(row, column) * matrix.at(row, column))
            .sum();
        if off < 1e-24 {
            break;
        }
        for p in 0..side {
            for q in p + 1..side {
                rotate(&mut matrix, p, q);
            }
        }
    }
    let mut values: Vec<f64> = (0..side).map(|place| matrix.at(place, place)).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Turns rows and columns `p` and `q` so that the number where they meet becomes 0.
fn rotate(matrix: &mut Square, p: usize, q: usize) {
    let meeting = matrix.at(p, q);
    if meeting == 0.0 {
        return;
    }
    let theta = (matrix.at(q, q) - matrix.at(p, p)) / (2.0 * meeting);
    let sign = if theta < 0.0 { -1.0 } else { 1.0 };
    let tangent = sign / (theta.abs() + libm::sqrt(theta * theta + 1.0));
    let cosine = 1.0 / libm::sqrt(tangent * tangent + 1.0);
    let sine = tangent * cosine;
    for k in 0..matrix.side {
        let (a, b) = (matrix.at(k, p), matrix.at(k, q));
        *matrix.at_mut(k, p) = cosine * a - sine * b;
        *matrix.at_mut(k, q) = sine * a + cosine * b;
    }
    for k in 0..matrix.side {
        let (a, b) = (matrix.at(p, k), matrix.at(q, k));
        *matrix.at_mut(p, k) = cosine * a - sine * b;
        *matrix.at_mut(q, k) = sine * a + cosine * b;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    /// A random symmetric matrix.
    fn symmetric(side: usize) -> Square {
        let mut stream = Seed::root(1).stream("matrix", 0);
        let mut matrix = Square { side, values: vec![0.0; side * side] };
        for row in 0..side {
            for column in 0..=row {
                let value = stream.range(-1.0, 1.0);
                *matrix.at_mut(row, column) = value;
                *matrix.at_mut(column, row) = value;
            }
        }
        matrix
    }

    #[test]
    fn eigenvalues_have_the_trace_the_length_and_the_determinant() {
        let matrix = symmetric(20);
        let values = eigenvalues(matrix.clone());
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} is not {b}");
        near(values.iter().sum(), (0..20).map(|i| matrix.at(i, i)).sum());
        near(values.iter().map(|v| v * v).sum(), matrix.values.iter().map(|v| v * v).sum());
        near(values.iter().map(|v| v.abs().ln()).sum(), log_abs_determinant(matrix));
        assert!(values.is_sorted());
    }

    #[test]
    fn a_small_matrix_has_its_known_eigenvalues() {
        let values = eigenvalues(Square::of(&[vec![2.0, 1.0], vec![1.0, 2.0]]));
        assert!((values[0] - 1.0).abs() < 1e-14 && (values[1] - 3.0).abs() < 1e-14, "{values:?}");
    }

    #[test]
    fn a_singular_matrix_has_no_logarithm() {
        let singular = Square::of(&[vec![1.0, 2.0], vec![2.0, 4.0]]);
        assert!(log_abs_determinant(singular).is_infinite());
        let exchanged = Square::of(&[vec![0.0, 2.0], vec![3.0, 0.0]]);
        assert!((log_abs_determinant(exchanged) - libm::log(6.0)).abs() < 1e-14);
    }
}
