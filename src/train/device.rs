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
}

/// The engine that trains on `device`.
#[must_use]
pub fn engine_for(device: Device) -> &'static dyn Engine {
    match device {
        Device::Cpu => &Cpu,
        Device::Cuda => &Cuda,
    }
}
