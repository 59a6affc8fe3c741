//! Named tensors in a safetensors file: the weights of a network, the numbers of a checkpoint.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, View};

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

impl View for &Values {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.bytes())
    }

    fn data_len(&self) -> usize {
        size_of::<f32>() * self.values.len()
    }
}

/// A safetensors file of `tensors`.
///
/// # Errors
/// When serialization fails, which only an impossible shape brings about.
pub fn tensors_file(tensors: &BTreeMap<String, &Values>) -> io::Result<Vec<u8>> {
    safetensors::serialize(tensors.iter().map(|(name, values)| (name, *values)), None)
        .map_err(io::Error::other)
}

/// Replaces the file `path` by `tensors`, with an entry of text in its head. Tensor by tensor, so that there are never
/// all of them twice, into a file beside it that is then renamed: a kill leaves the old or the new one.
///
/// # Errors
/// When the file cannot be written.
pub fn replace_tensors(
    path: &Path,
    tensors: &BTreeMap<String, &Values>,
    (key, text): (&str, String),
) -> io::Result<()> {
    let metadata = HashMap::from([(key.to_owned(), text)]);
    let tensors = tensors.iter().map(|(name, values)| (name, *values));
    safetensors::serialize_to_file(tensors, Some(metadata), path).map_err(io::Error::other)
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
