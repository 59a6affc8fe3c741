//! Training of child networks: recipes, the loop, checkpoints, and the engines that compute steps.
//!
//! An [`Engine`] turns a [`crate::net::Network`] into a [`Child`] that can step, evaluate and hand out
//! its state; the loop ([`fit`]) draws batches from named streams, watches for divergence and keeps
//! checkpoints from which a training goes on to the same bits. Knows nothing of genotypes, trials,
//! stages or the store.

mod augment;
mod batch;
mod candle;
mod checkpoint;
mod cpu;
mod cuda;
mod device;
mod engine;
mod error;
mod fit;
mod init;
mod memory;
mod optimizer;
mod parameters;
mod plan;
mod predict;
mod predictor;
mod recipe;
pub mod reference;
mod schedule;
mod tape;

pub use augment::Augmentation;
pub use batch::{Examples, Standard};
pub use candle::CandleCpu;
pub use checkpoint::Checkpoint;
pub use cpu::Cpu;
pub use cuda::Cuda;
pub use device::{Device, engine_for, engine_in_lane};
pub use engine::{
    Batch, Child, Codes, Engine, Footprint, Moment, Outline, State, Step, Timing, Values,
};
pub use error::TrainError;
pub use fit::{Assignment, Fitted, Gate, Outcome, Pace, Watch, fit, pace};
pub use optimizer::Optimizer;
pub use predict::{Scores, predict};
pub use predictor::Predictor;
pub use recipe::{ClassWeights, Init, Kept, Precision, Preprocessing, RECIPE_VERSION, Recipe};
pub use schedule::{Level, Schedule};
