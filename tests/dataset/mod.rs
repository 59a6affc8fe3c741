//! The dataset room and its stage kind: artifacts, sources, splits.

mod artifact;
