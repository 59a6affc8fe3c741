//! What children are trained on, and the engine of each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cpu::Cpu;
use super::cuda::Cuda;
use super::engine::Engine;

/// What a training runs on. Results depend on it in their last bits, so it is part of what they are found by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// A CUDA GPU, by the program `phytotron-cuda`. Compiled and emulated, not yet run.
    Cuda,
}

impl Device {
    /// Whether it is the processor.
    #[must_use]
    pub fn is_cpu(&self) -> bool {
        *self == Self::Cpu
    }

    /// GPUs of the kind that this process may use; nothing where it is no GPU. A computer without a driver has none.
    #[must_use]
    pub fn gpus(self) -> Option<usize> {
        match self {
            Self::Cpu => None,
            Self::Cuda => Some(Cuda::count()),
        }
    }
}

/// The engine that trains on `device`.
#[must_use]
pub fn engine_for(device: Device) -> &'static dyn Engine {
    engine_in_lane(device, 0)
}

/// The engine that trains on `device` in one of several lanes, beside the others: each lane has a GPU of its own as
/// long as there are enough. All of them compute the same.
#[must_use]
pub fn engine_in_lane(device: Device, lane: usize) -> &'static dyn Engine {
    match device {
        Device::Cpu => &Cpu,
        Device::Cuda => Cuda::nth(lane),
    }
}
