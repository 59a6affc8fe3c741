//! How work is cut: by shape, before anybody asks for the number of threads.

use std::ops::Range;

use rayon::prelude::*;

/// Most parts of a sum over a batch. More would let more threads help, and would cost a weight
/// gradient's memory each.
const PARTS_MAX: usize = 8;

/// Numbers of a part of a pass over many, where parts know nothing of each other.
pub(crate) const UNIT: usize = 1 << 14;

/// Cuts `images` into at most [`PARTS_MAX`] runs of near equal length, with at least `least` images
/// each where there are enough.
pub(crate) fn parts(images: usize, least: usize) -> Vec<Range<usize>> {
    let count = (images / least.max(1)).clamp(1, PARTS_MAX);
    (0..count).map(|part| part * images / count..(part + 1) * images / count).collect()
}

/// Adds the partial sums in their order.
pub(super) fn reduce(parts: Vec<Vec<f32>>) -> Vec<f32> {
    let mut parts = parts.into_iter();
    let mut total = parts.next().unwrap_or_default();
    for part in parts {
        for (sum, number) in total.iter_mut().zip(&part) {
            *sum += number;
        }
    }
    total
}

/// A copy of a batch of maps in which `change` has been over each image, by its place in the batch.
pub(super) fn changed_by_image(
    xs: &[f32],
    images: usize,
    change: impl Fn(usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    let mut ys = xs.to_vec();
    let size = (xs.len() / images.max(1)).max(1);
    ys.par_chunks_mut(size).enumerate().for_each(|(image, ys)| change(image, ys));
    ys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_image_once_in_order() {
        for images in [1, 7, 8, 33, 128] {
            for least in [1, 4, 1000] {
                let all: Vec<usize> = parts(images, least).into_iter().flatten().collect();
                assert_eq!(all, (0..images).collect::<Vec<_>>());
            }
        }
        assert_eq!(parts(128, 16).len(), 8);
        assert_eq!(parts(20, 16).len(), 1);
    }
}
