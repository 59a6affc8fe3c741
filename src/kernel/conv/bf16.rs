//! Mixed precision: operands of products are rounded to bfloat16, and sums are kept in single precision.
//!
//! Tensor cores do it on a GPU (`kernels/tile_bf16.cuh`). On the CPU it is no faster: it is there so that what is
//! rounded, and what is not, is tested without a GPU.

use std::borrow::Cow;

use super::super::pointwise::add;
use super::{Conv, Gradients};

impl Conv {
    /// With operands that are rounded to bfloat16, when `bf16`.
    #[must_use]
    pub fn bf16(self, bf16: bool) -> Self {
        Self { bf16, ..self }
    }

    /// Numbers as its products take them.
    pub(super) fn operands<'a>(&self, numbers: &'a [f32]) -> Cow<'a, [f32]> {
        if self.bf16 {
            numbers.iter().map(|&number| rounded_to_bf16(number)).collect()
        } else {
            Cow::Borrowed(numbers)
        }
    }

    /// Gradients by products of operands. The bias's is a sum and no product: nothing in it is rounded.
    pub(super) fn gradients_of_operands(
        &self,
        xs: &[f32],
        weight: &[f32],
        ys: &[f32],
        gradient: &[f32],
    ) -> Gradients {
        let [xs, weight, operands] = [xs, weight, gradient].map(|numbers| self.operands(numbers));
        let found = self.backward(&xs, &weight, ys, &operands);
        if self.bf16 {
            return Gradients { bias: self.bias_gradient(ys, gradient), ..found };
        }
        found
    }

    fn bias_gradient(&self, ys: &[f32], gradient: &[f32]) -> Vec<f32> {
        let mut masked = Vec::new();
        let gradient = self.masked(ys, gradient, &mut masked);
        let mut bias = vec![0.0; self.slide.output.channels];
        for pixel in gradient.chunks_exact(bias.len()) {
            add(pixel, &mut bias);
        }
        bias
    }
}

/// The number of bfloat16 that is nearest to `number`, the even one of two.
pub(crate) fn rounded_to_bf16(number: f32) -> f32 {
    if number.is_nan() {
        return number;
    }
    let bits = number.to_bits();
    f32::from_bits((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000)
}

#[cfg(test)]
mod tests {
    use candle_core::{CustomOp3, DType, Device, Tensor};

    use super::super::super::access::{floats, tensor};
    use super::super::super::reference::check::Argument;
    use super::super::super::reference::{self, close, numbers, slide};
    use super::*;
    use crate::net::{Shape, Window};

    #[test]
    fn numbers_are_rounded_as_candle_converts_them() {
        let given: Vec<f32> = (0..4096_u32)
            .map(|i| f32::from_bits(i.wrapping_mul(0x9E37_79B9)))
            .chain([0.0, 1.0, 1.003_906_3, 1.011_718_8, f32::MAX, f32::INFINITY, 1e-40, -3.4e38])
            .filter(|number| !number.is_nan())
            .collect();
        let tensor = Tensor::from_slice(&given, given.len(), &Device::Cpu).unwrap();
        let there = tensor.to_dtype(DType::BF16).unwrap().to_dtype(DType::F32).unwrap();
        let bits = |numbers: Vec<f32>| numbers.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        let ours = given.into_iter().map(rounded_to_bf16).collect();
        assert_eq!(bits(ours), bits(there.to_vec1().unwrap()));
        assert!(rounded_to_bf16(f32::NAN).is_nan());
    }

    #[test]
    fn products_are_of_rounded_numbers_and_the_bias_is_not() {
        let slide = slide(Shape { channels: 3, height: 7, width: 6 }, 5, Window::same(3, 2, 7), 1);
        let conv = Conv { slide, relu: true, input_gradient: true, bf16: true };
        let Shape { height, width, .. } = slide.output;
        let shapes: [(&str, &[usize]); 4] = [
            ("xs", &[2, 7, 6, 3]),
            ("weight", &[3, 3, 3, 5]),
            ("bias", &[5]),
            ("gradient", &[2, height, width, 5]),
        ];
        let numbers = shapes.map(|(name, shape)| numbers(name, shape));
        let operands = |values: &[f64]| -> Vec<f64> {
            #[expect(clippy::cast_possible_truncation, reason = "made of single precision")]
            values.iter().map(|&value| f64::from(rounded_to_bf16(value as f32))).collect()
        };
        let [x, w, bias, g] = numbers.each_ref().map(Argument::exact);
        let (x, w) = (operands(&x), operands(&w));
        let expected = reference::relu(&reference::conv(&slide, &x, &w, Some(&bias)));
        let g = reference::relu_gradient(&expected, &g);
        let (dx, dw, _) = reference::conv_gradient(&slide, &x, &w, &operands(&g));
        let (_, _, db) = reference::conv_gradient(&slide, &x, &w, &g);

        let mut tensors = numbers.iter().zip(shapes);
        let [xs, weight, bias, gradient] = std::array::from_fn(|_| {
            let (numbers, (_, shape)) = tensors.next().expect("there are four");
            tensor(numbers.single().to_vec(), shape).unwrap()
        });
        let ys = xs.apply_op3_no_bwd(&weight, &bias, &conv).unwrap();
        close("forward", &floats(&ys).unwrap(), &expected, 2e-5);
        let found = CustomOp3::bwd(&conv, &xs, &weight, &bias, &ys, &gradient).unwrap();
        for (what, found, expected) in
            [("dx", found.0, dx), ("dw", found.1, dw), ("db", found.2, db)]
        {
            close(what, &floats(&found.expect("it is wanted")).unwrap(), &expected, 2e-5);
        }
    }
}
