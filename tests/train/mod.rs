//! Training: it learns, it is the same at any thread count, and it goes on from anywhere.

mod engines;
mod evaluator;
mod fit;
mod gate;
mod job;
mod leaves;
mod memory;
mod noise;
mod proxy;
mod retrain;
mod sweep;
mod torch;
mod toy;
