//! Trained networks for other programs: ONNX files, and `PyTorch` as a page of Python.
//!
//! Pure functions from layers, weights and signature to bytes. A network is first put into the form that both
//! formats share ([`graph`]): inference only, maps `[batch, channel, row, column]`. Knows nothing of engines, stages
//! or folders.

mod error;
mod graph;
mod onnx;
mod protobuf;
mod pytorch;

pub use error::ExportError;
pub use pytorch::PyTorch;

use self::graph::Graph;
use crate::results::{SavedModel, Signature};

/// One network, or several whose class probabilities are averaged, ready to be written in any format.
#[derive(Debug, Clone)]
pub struct Export {
    graphs: Vec<Graph>,
    signature: Signature,
}

impl Export {
    /// Takes up `models`, all with one signature.
    ///
    /// # Errors
    /// When weights do not fit their network, when signatures differ or there is no model.
    pub fn new(models: &[SavedModel]) -> Result<Self, ExportError> {
        let signature = models.first().ok_or(ExportError::Nothing)?.signature.clone();
        if models.iter().any(|model| model.signature != signature) {
            return Err(ExportError::Signatures);
        }
        let graphs = models.iter().map(|model| Graph::of(&model.network, &model.weights));
        Ok(Self { graphs: graphs.collect::<Result<_, _>>()?, signature })
    }

    /// The bytes of an ONNX file, which needs operator set 17.
    ///
    /// # Errors
    /// When it would be larger than the format allows.
    pub fn onnx(&self) -> Result<Vec<u8>, ExportError> {
        onnx::file(&self.graphs, &self.signature)
    }

    /// A page of Python and the weights that it reads.
    ///
    /// # Errors
    /// When the weights cannot be serialized.
    pub fn pytorch(&self) -> Result<PyTorch, ExportError> {
        pytorch::page(&self.graphs, &self.signature)
    }
}
