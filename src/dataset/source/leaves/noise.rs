//! Value noise: random heights on a square lattice, smoothly joined.

use crate::seed::Stream;

/// A smooth random field over the square from -1 to 1.
#[derive(Debug, Clone)]
pub(super) struct Lattice {
    side: usize,
    heights: Vec<f64>,
}

impl Lattice {
    /// Draws `side * side` heights, row by row.
    pub(super) fn draw(stream: &mut Stream, side: usize) -> Self {
        Self { side, heights: (0..side * side).map(|_| stream.unit()).collect() }
    }

    /// Height at a place, -1 to 1; places outside the square have the height of its edge.
    pub(super) fn at(&self, x: f64, y: f64) -> f64 {
        let (column, across) = self.cell(x);
        let (row, down) = self.cell(y);
        let height = |row: usize, column: usize| self.heights[row * self.side + column];
        let above = mix(height(row, column), height(row, column + 1), across);
        let below = mix(height(row + 1, column), height(row + 1, column + 1), across);
        2.0 * mix(above, below, down) - 1.0
    }

    /// Lattice cell of a coordinate and how far into it, eased so that slopes join (3t^2 - 2t^3).
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the place is clamped into a small lattice first"
    )]
    fn cell(&self, coordinate: f64) -> (usize, f64) {
        let last = (self.side - 1) as f64;
        let place = (0.5 * (coordinate + 1.0) * last).clamp(0.0, last);
        let cell = (place as usize).min(self.side - 2);
        let t = place - cell as f64;
        (cell, t * t * (3.0 - 2.0 * t))
    }
}

/// From `a` to `b` as `t` goes from 0 to 1.
pub(super) fn mix(a: f64, b: f64, t: f64) -> f64 {
    a + (b - a) * t
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn the_field_meets_its_heights_and_stays_in_range() {
        let lattice = Lattice::draw(&mut Seed::root(1).stream("noise", 0), 5);
        for (place, index) in [(-1.0, 0), (9.0, 24), (0.0, 12)] {
            let height = 2.0 * lattice.heights[index] - 1.0;
            assert!((lattice.at(place, place) - height).abs() < 1e-12);
        }
        for step in -20..=20 {
            let place = f64::from(step) / 17.0;
            assert!((-1.0..=1.0).contains(&lattice.at(place, 0.3 * place)));
        }
    }
}
