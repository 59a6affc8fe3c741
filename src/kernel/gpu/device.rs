//! A CUDA device: memory from candle, and our kernels, which a build with `cuda` compiles to PTX.

use candle_core::cuda_backend::cudarc::driver::{
    CudaView, CudaViewMut, LaunchConfig, PushKernelArg as _,
};
use candle_core::cuda_backend::{CudaStorageSlice, WrapErr as _};
use candle_core::{CudaDevice, CudaStorage, Result, bail};

use super::{Launch, Machine, View};

/// The compiled text of a file of kernels.
macro_rules! ptx {
    ($($module:literal),*) => {
        [$(($module, include_str!(concat!(env!("OUT_DIR"), "/", $module, ".ptx")))),*]
    };
}

/// Files of kernels, compiled.
const MODULES: [(&str, &str); 10] = ptx!(
    "batch_norm",
    "conv",
    "conv_bf16",
    "cross_entropy",
    "depthwise",
    "dropout",
    "optimizer",
    "pointwise",
    "pool",
    "sums"
);

/// A device whose memory candle keeps.
#[derive(Debug, Clone)]
pub(crate) struct Cuda(CudaDevice);

impl Cuda {
    /// The device `device`.
    pub(crate) fn new(device: &CudaDevice) -> Self {
        Self(device.clone())
    }

    /// The first GPU, for tests; nothing where there is none.
    #[cfg(test)]
    pub(crate) fn shared() -> Option<&'static Self> {
        use std::io::Write as _;
        static SHARED: std::sync::OnceLock<Option<Cuda>> = std::sync::OnceLock::new();
        let open = || match CudaDevice::new_with_stream(0) {
            Ok(device) => Some(Self(device)),
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "skipped: no GPU: {error}");
                None
            }
        };
        SHARED.get_or_init(open).as_ref()
    }

    fn kept(&self, slice: CudaStorageSlice) -> CudaStorage {
        CudaStorage { slice, device: self.0.clone() }
    }
}

/// Memory that a kernel reads.
enum Read<'a> {
    Floats(CudaView<'a, f32>),
    Words(CudaView<'a, u32>),
    Bytes(CudaView<'a, u8>),
}

/// Memory that a kernel writes.
enum Write<'a> {
    Floats(CudaViewMut<'a, f32>),
    Words(CudaViewMut<'a, u32>),
    Bytes(CudaViewMut<'a, u8>),
}

impl<'a> Read<'a> {
    fn of(view: &View<'a, CudaStorage>) -> Result<Self> {
        match &view.memory.slice {
            CudaStorageSlice::F32(slice) => Ok(Self::Floats(slice.slice(view.start..))),
            CudaStorageSlice::U32(slice) => Ok(Self::Words(slice.slice(view.start..))),
            CudaStorageSlice::U8(slice) => Ok(Self::Bytes(slice.slice(view.start..))),
            _ => bail!("kernels read f32, u32 and bytes"),
        }
    }
}

impl<'a> Write<'a> {
    fn of(memory: &'a mut CudaStorage) -> Result<Self> {
        match &mut memory.slice {
            CudaStorageSlice::F32(slice) => Ok(Self::Floats(slice.as_view_mut())),
            CudaStorageSlice::U32(slice) => Ok(Self::Words(slice.as_view_mut())),
            CudaStorageSlice::U8(slice) => Ok(Self::Bytes(slice.as_view_mut())),
            _ => bail!("kernels write f32, u32 and bytes"),
        }
    }
}

impl Machine for Cuda {
    type Memory = CudaStorage;

    fn floats(&self, len: usize) -> Result<CudaStorage> {
        // SAFETY: every kernel writes all of what it is given before anybody reads it; in the emulator, memory
        // that nobody wrote is NaN, and no test has met one.
        let slice = unsafe { self.0.alloc::<f32>(len)? };
        Ok(self.kept(CudaStorageSlice::F32(slice)))
    }

    fn bytes(&self, len: usize) -> Result<CudaStorage> {
        // SAFETY: as above.
        let slice = unsafe { self.0.alloc::<u8>(len)? };
        Ok(self.kept(CudaStorageSlice::U8(slice)))
    }

    fn words(&self, words: &[u32]) -> Result<CudaStorage> {
        Ok(self.kept(CudaStorageSlice::U32(self.0.clone_htod(words)?)))
    }

    fn numbers(&self, numbers: &[f32]) -> Result<CudaStorage> {
        Ok(self.kept(CudaStorageSlice::F32(self.0.clone_htod(numbers)?)))
    }

    fn launch(
        &self,
        launch: &Launch,
        reads: &[View<'_, CudaStorage>],
        writes: &mut [&mut CudaStorage],
    ) -> Result<()> {
        let kernel = launch.kernel;
        let (_, ptx) = MODULES
            .iter()
            .find(|(module, _)| *module == kernel.module)
            .unwrap_or_else(|| panic!("BUG: no file of kernels is called `{}`", kernel.module));
        let module = format!("phytotron {}", kernel.module);
        let function = self.0.get_or_load_custom_func(kernel.name, &module, ptx)?;
        let reads: Vec<Read<'_>> = reads.iter().map(Read::of).collect::<Result<_>>()?;
        let mut writes: Vec<Write<'_>> =
            writes.iter_mut().map(|memory| Write::of(memory)).collect::<Result<_>>()?;
        let mut builder = function.builder();
        for read in &reads {
            match read {
                Read::Floats(view) => builder.arg(view),
                Read::Words(view) => builder.arg(view),
                Read::Bytes(view) => builder.arg(view),
            };
        }
        for write in &mut writes {
            match write {
                Write::Floats(view) => builder.arg(view),
                Write::Words(view) => builder.arg(view),
                Write::Bytes(view) => builder.arg(view),
            };
        }
        builder.arg(launch.parameters.padded());
        let config = LaunchConfig {
            grid_dim: launch.grid.into(),
            block_dim: launch.block.into(),
            shared_mem_bytes: 0,
        };
        // SAFETY: memories and parameters are the kernel's own, in its order, which the emulator checks for every
        // launch; it holds every index against its memory, too.
        unsafe { builder.launch(config) }.w()?;
        Ok(())
    }
}
