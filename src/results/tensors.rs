//! Named tensors in a safetensors file: the weights of a network, the numbers of a checkpoint.

use std::collections::{BTreeMap, HashMap};
use std::io;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// A tensor in plain memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its numbers, last dimension fastest.
    pub values: Vec<f32>,
}

/// A network's tensors by name.
pub type Weights = BTreeMap<String, Values>;

impl Values {
    /// The numbers as little-endian bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.values.iter().flat_map(|number| number.to_le_bytes()).collect()
    }
}

/// A safetensors file of `tensors`, with entries of text in its head.
///
/// # Errors
/// When serialization fails, which only an impossible shape brings about.
pub fn tensors_file(
    tensors: &BTreeMap<String, &Values>,
    metadata: &[(&str, String)],
) -> io::Result<Vec<u8>> {
    let metadata: HashMap<String, String> =
        metadata.iter().map(|(key, text)| ((*key).to_owned(), text.clone())).collect();
    let metadata = Some(metadata).filter(|metadata| !metadata.is_empty());
    let bytes: Vec<Vec<u8>> = tensors.values().map(|values| values.bytes()).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, values), bytes)| {
            TensorView::new(Dtype::F32, values.shape.clone(), bytes)
                .map(|view| (name.clone(), view))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(io::Error::other)?;
    safetensors::serialize(views, metadata).map_err(io::Error::other)
}

/// The tensors in a safetensors file; nothing when it is damaged or has others than single-precision
/// numbers.
#[must_use]
pub fn tensors_in(bytes: &[u8]) -> Option<Weights> {
    let file = SafeTensors::deserialize(bytes).ok()?;
    let read = |(name, view): (String, TensorView<'_>)| {
        let (numbers, rest) = view.data().as_chunks::<4>();
        let values = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
        let fits = view.dtype() == Dtype::F32 && rest.is_empty();
        fits.then(|| (name, Values { shape: view.shape().to_vec(), values }))
    };
    file.tensors().into_iter().map(read).collect()
}
