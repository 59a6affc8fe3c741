//! A trained network as it lies in its folder, read back with all its files held against each other.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::{
    MODELS_FORMAT, ModelsSummary, NETWORK_FILE, ResultsError, SIGNATURE_FILE, SIGNATURE_FORMAT,
    SUMMARY_FILE, Signature, WEIGHTS_FILE, Weights, tensors_in,
};
use crate::net::Network;

/// A trained network with all that its use needs.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedModel {
    /// Its folder.
    pub folder: PathBuf,
    /// The layers.
    pub network: Network,
    /// The trained tensors by name, in the layout that engines share.
    pub weights: Weights,
    /// What goes in and comes out.
    pub signature: Signature,
}

impl SavedModel {
    /// Reads the network in `folder`, a `models/NN` of an artifact. Weights are held against the layers by
    /// whoever uses them.
    ///
    /// # Errors
    /// When a file is missing, of another format, or does not fit the others.
    pub fn read(folder: &Path) -> Result<Self, ResultsError> {
        let network: Network = json(&folder.join(NETWORK_FILE))?;
        network.check().map_err(malformed(&folder.join(NETWORK_FILE)))?;
        let path = folder.join(SIGNATURE_FILE);
        let signature: Signature = json(&path)?;
        known(signature.format, SIGNATURE_FORMAT, &path)?;
        signature.check(network.image(), network.classes()).map_err(malformed(&path))?;
        let path = folder.join(WEIGHTS_FILE);
        let weights = tensors_in(&bytes(&path)?)
            .ok_or("is damaged, or no safetensors file of f32".to_owned())
            .map_err(malformed(&path))?;
        Ok(Self { folder: folder.to_owned(), network, weights, signature })
    }
}

impl ModelsSummary {
    /// Reads the summary of the artifact in `folder`.
    ///
    /// # Errors
    /// When it is missing, malformed or of another format.
    pub fn read(folder: &Path) -> Result<Self, ResultsError> {
        let path = folder.join(SUMMARY_FILE);
        let summary: Self = json(&path)?;
        known(summary.format, MODELS_FORMAT, &path)?;
        Ok(summary)
    }
}

fn known(found: u32, known: u32, path: &Path) -> Result<(), ResultsError> {
    if found == known {
        return Ok(());
    }
    Err(ResultsError::Format { path: path.to_owned(), found, known })
}

fn malformed(path: &Path) -> impl FnOnce(String) -> ResultsError {
    let path = path.to_owned();
    |reason| ResultsError::Malformed { path, line: 1, reason }
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, ResultsError> {
    serde_json::from_slice(&bytes(path)?).map_err(|error| ResultsError::Malformed {
        path: path.to_owned(),
        line: error.line(),
        reason: error.to_string(),
    })
}

fn bytes(path: &Path) -> Result<Vec<u8>, ResultsError> {
    fs::read(path).map_err(|source| ResultsError::Io {
        action: "cannot read",
        path: path.to_owned(),
        source,
    })
}
