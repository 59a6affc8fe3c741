//! Joining maps on the channel axis, and the way back.

use candle_core::{Result, Tensor};

#[cfg(feature = "cuda")]
use super::{
    access::{device_tensor, on_device, on_gpu},
    gpu,
};

/// Maps `[n, h, w, c]` of several channel counts, one after another on the channel axis.
///
/// # Errors
/// When they differ in anything but channels.
pub fn concat(inputs: &[Tensor]) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if inputs[0].device().is_cuda() {
        let channels = channels(inputs)?;
        let (images, height, width, _) = inputs[0].dims4()?;
        let ys = on_device(inputs, |gpu, views| {
            gpu::concat(gpu, views, &channels, images * height * width)
        })?;
        return Ok(device_tensor(ys, (images, height, width, channels.iter().sum::<usize>())));
    }
    Tensor::cat(inputs, 3)?.contiguous()
}

/// Each input's channels of the gradient of a concatenation.
///
/// # Errors
/// When the gradient has other channels.
pub fn split(gradient: &Tensor, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let channels = channels(inputs)?;
    #[cfg(feature = "cuda")]
    if gradient.device().is_cuda() {
        let gradient = gradient.contiguous()?;
        let pixels = gradient.elem_count() / gradient.dim(3)?;
        let parts = on_gpu([&gradient], |gpu, [g]| gpu::split(gpu, g, &channels, pixels))?;
        let parts = parts.into_iter().zip(inputs);
        return Ok(parts.map(|(part, input)| device_tensor(part, input.shape())).collect());
    }
    let mut first = 0;
    let part = |width: usize| {
        let part = gradient.narrow(3, first, width)?.contiguous();
        first += width;
        part
    };
    channels.into_iter().map(part).collect()
}

fn channels(inputs: &[Tensor]) -> Result<Vec<usize>> {
    inputs.iter().map(|input| input.dim(3)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::access::{floats, tensor};
    use super::super::reference::{self, numbers};
    use super::*;

    #[test]
    fn joining_and_splitting_equal_their_twins() {
        let maps = [("a", 3), ("b", 1), ("c", 2)].map(|(name, channels)| {
            let dims = [2, 3, 5, channels];
            tensor(numbers(name, &dims).single().to_vec(), dims.as_slice()).unwrap()
        });
        let joined = concat(&maps).unwrap();
        let numbers = maps.each_ref().map(|map| floats(map).unwrap().to_vec());
        let numbers = numbers.each_ref().map(Vec::as_slice);
        assert_eq!(floats(&joined).unwrap().to_vec(), reference::concat(&numbers, &[3, 1, 2]));
        for (part, expected) in split(&joined, &maps).unwrap().iter().zip(numbers) {
            assert_eq!(&*floats(part).unwrap(), expected);
        }
    }
}
