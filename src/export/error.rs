//! Why a network cannot be exported.

/// A network that cannot be written in another format.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// No network was given.
    #[error("there is no network to export")]
    Nothing,
    /// An ensemble of networks that read different images or tell other classes apart.
    #[error(
        "the networks differ in images, scaling or classes and cannot be one graph: export each by itself"
    )]
    Signatures,
    /// A tensor that a layer needs is missing or has another shape.
    #[error("the weights do not fit the network: `{name}` {reason}")]
    Weights {
        /// The tensor.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// More than a protobuf message holds.
    #[error(
        "the ONNX file would have {bytes} bytes, and ONNX allows 2^31 - 1: export networks one by one, or to PyTorch"
    )]
    TooLarge {
        /// What it would take.
        bytes: usize,
    },
    /// The weights' file could not be made.
    #[error("cannot make the weights' file")]
    Serialize(#[source] std::io::Error),
}
