//! Sequences of different lengths in one time-major buffer.

use std::ops::Range;

/// Where the steps of some sequences lie: the rows of step 0, then those of step 1, and so on. Longer
/// sequences stand first, so the sequences that still run are always the first ones, in the same order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Packing {
    /// The sequence at each place.
    order: Vec<usize>,
    /// First row of each step, and one past the last.
    starts: Vec<usize>,
}

impl Packing {
    /// A place for each step of sequences with these lengths.
    pub(crate) fn new(lengths: &[usize]) -> Self {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|&sequence| std::cmp::Reverse(lengths[sequence]));
        let mut starts = vec![0];
        let mut running = order.len();
        for step in 0.. {
            while running > 0 && lengths[order[running - 1]] <= step {
                running -= 1;
            }
            if running == 0 {
                break;
            }
            starts.push(starts[step] + running);
        }
        Self { order, starts }
    }

    /// Number of steps of the longest sequence.
    pub(crate) fn steps(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of rows of all steps.
    pub(crate) fn rows(&self) -> usize {
        self.starts[self.steps()]
    }

    /// The rows of a step.
    pub(crate) fn step(&self, step: usize) -> Range<usize> {
        self.starts[step]..self.starts[step + 1]
    }

    /// The sequences that take a step, row by row.
    pub(crate) fn running(&self, step: usize) -> &[usize] {
        &self.order[..self.step(step).len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_sequences_stand_first_and_run_on() {
        let packing = Packing::new(&[2, 0, 3, 2]);
        assert_eq!((packing.steps(), packing.rows()), (3, 7));
        assert_eq!(packing.running(0), [2, 0, 3]);
        assert_eq!(packing.running(1), [2, 0, 3]);
        assert_eq!(packing.running(2), [2]);
        assert_eq!(packing.step(2), 6..7);
        assert_eq!(Packing::new(&[]).rows(), 0);
    }
}
