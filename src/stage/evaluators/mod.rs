//! Evaluators as a stage's parameters: `evaluator: { kind: mock }`.

mod train;

pub use train::{Retries, Score, TrainConfig};
