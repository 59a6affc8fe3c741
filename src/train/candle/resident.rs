//! Weights, and what their optimizer remembers, on a GPU.

use candle_core::{CpuStorage, CudaStorage, Device, InplaceOp2, Layout, Result, Tensor, bail};

use crate::kernel::gpu::{Cuda, View, square_sum_parts};
use crate::kernel::{device_tensor, on_gpu};
use crate::train::engine::{Moment, State};
use crate::train::optimizer::{Update, clip};
use crate::train::parameters::Parameters;
use crate::train::plan::Weight;
use crate::train::recipe::Recipe;

/// One piece of memory: weights, then the averages of their gradients, then those of squares.
pub(super) struct Resident {
    state: Tensor,
    /// Numbers in each of these.
    stride: usize,
}

impl Resident {
    /// What `parameters` has, on `device`.
    pub(super) fn new(parameters: &Parameters, device: &Device) -> Result<Self> {
        let [first, second] = parameters.averages();
        let all = [parameters.values(), first, second].concat();
        let len = all.len();
        let state = Tensor::from_vec(all, len, device)?;
        Ok(Self { state, stride: parameters.len() })
    }

    /// The weights, where they lie.
    pub(super) fn tensors(&self, parameters: &Parameters, list: &[Weight]) -> Result<Vec<Tensor>> {
        let tensor = |(place, weight): (usize, &Weight)| {
            let span = parameters.span(place);
            self.state.narrow(0, span.start, span.len())?.reshape(weight.shape.as_slice())
        };
        list.iter().enumerate().map(tensor).collect()
    }

    /// An optimizer's step. A tensor without gradient feeds nothing that leads to the logits and stays.
    #[expect(clippy::cast_possible_truncation, reason = "a factor up to 1")]
    pub(super) fn update(
        &self,
        recipe: &Recipe,
        parameters: &Parameters,
        gradients: &[Option<Tensor>],
        moment: Moment,
    ) -> Result<()> {
        let factor = match recipe.clip {
            None => 1.0,
            Some(longest) => clip(norm(gradients)?, longest) as f32,
        };
        for (place, gradient) in gradients.iter().enumerate() {
            let Some(gradient) = gradient else { continue };
            let decay = if parameters.decays(place) { recipe.weight_decay } else { 0.0 };
            let (optimizer, span) = (recipe.optimizer, parameters.span(place));
            let update = Update { optimizer, moment, span, stride: self.stride, factor, decay };
            self.state.inplace_op2(&gradient.contiguous()?, &update)?;
        }
        Ok(())
    }

    /// Everything that the next step depends on.
    pub(super) fn state(&self, parameters: &Parameters) -> Result<State> {
        let all = self.state.to_vec1::<f32>()?;
        let (own, averages) = all.split_at(self.stride);
        let (first, second) = averages.split_at(self.stride);
        Ok(parameters.state_of(own, [first, second]))
    }
}

/// 2-norm of all numbers together: sums of parts on the GPU, the parts in their order here.
fn norm(gradients: &[Option<Tensor>]) -> Result<f64> {
    let mut total = 0.0;
    for gradient in gradients.iter().flatten() {
        let len = gradient.elem_count();
        let parts = on_gpu([&gradient.contiguous()?], |gpu, [g]| square_sum_parts(gpu, g, len))?;
        let parts = device_tensor(parts, len.div_ceil(4096).max(1)).to_vec1::<f32>()?;
        total += parts.into_iter().map(f64::from).sum::<f64>();
    }
    Ok(libm::sqrt(total))
}

impl InplaceOp2 for Update {
    fn name(&self) -> &'static str {
        "optimizer"
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<()> {
        bail!("the optimizer of the CPU works on plain memory")
    }

    fn cuda_fwd(
        &self,
        state: &mut CudaStorage,
        _: &Layout,
        gradient: &CudaStorage,
        layout: &Layout,
    ) -> Result<()> {
        let gpu = Cuda::new(&state.device);
        self.run(&gpu, View { memory: gradient, start: layout.start_offset() }, state)
    }
}
