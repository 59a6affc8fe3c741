//! S3: objects in a bucket, read and written in streams, with patience for networks.
//!
//! Blocking functions over the AWS SDK, so that nobody above has to be asynchronous; the runtime and its
//! threads are made when a client is opened and not before. Credentials come from the default chain
//! (environment, profile, role) and are never written down. Knows nothing of what the objects mean.
//!
//! Without the feature `s3` there are places ([`Location`]) and no client.

#[cfg(feature = "s3")]
mod client;
#[cfg(feature = "s3")]
mod download;
mod error;
#[cfg(feature = "s3")]
mod failure;
mod location;
#[cfg(feature = "s3")]
mod upload;

#[cfg(feature = "s3")]
pub use client::{Client, Listed, MultipartLeft};
#[cfg(feature = "s3")]
pub use download::Download;
pub use error::S3Error;
pub use location::Location;
#[cfg(feature = "s3")]
pub use upload::{Stored, Upload};
