//! The dataset room and its stage kind: artifacts, sources, splits.

mod archive;
mod artifact;
mod cifar;
mod data;
mod folder;
mod idx;
mod leaves;
pub(crate) mod project;
#[cfg(feature = "s3")]
mod s3;
mod stage;
