//! Search strategies: what proposes genotypes and learns from their scores.

mod evaluate;

pub use evaluate::{Candidate, Evaluate, EvaluateError, Evaluation};
