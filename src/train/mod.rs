//! Training: recipes, engines, the loop, checkpoints.
