//! A launch before anybody knows where it runs.

/// Threads of a block.
const THREADS: usize = 256;
/// Lanes of a warp, and rows of threads where a block sums columns.
const LANES: usize = 32;
const ROWS: u32 = 8;
/// Words of parameters at most; the largest structure has 19.
const WORDS_MAX: usize = 24;

/// A kernel by the file that holds it, without its ending, and its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kernel {
    pub(crate) module: &'static str,
    pub(crate) name: &'static str,
}

impl Kernel {
    /// The kernel `name` of the file `module`.
    pub(crate) const fn new(module: &'static str, name: &'static str) -> Self {
        Self { module, name }
    }
}

/// A kernel with its grid, its block and the structure of parameters that it takes last.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) kernel: Kernel,
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    pub(crate) parameters: Parameters,
}

impl Launch {
    /// A thread for each of `len` numbers.
    pub(crate) fn over(kernel: Kernel, len: usize, parameters: Parameters) -> Self {
        Self::by_image(kernel, len, 1, parameters)
    }

    /// A thread for each of `len` numbers of each image.
    pub(crate) fn by_image(
        kernel: Kernel,
        len: usize,
        images: usize,
        parameters: Parameters,
    ) -> Self {
        let grid = [blocks(len, THREADS), extent(images), 1];
        Self { kernel, grid, block: [extent(THREADS), 1, 1], parameters }
    }

    /// Blocks of threads along x.
    pub(crate) fn blocks(kernel: Kernel, grid: [usize; 3], parameters: Parameters) -> Self {
        Self { kernel, grid: grid.map(extent), block: [extent(THREADS), 1, 1], parameters }
    }

    /// A warp's lanes for the channels, and rows of threads for pixels.
    pub(crate) fn columns(
        kernel: Kernel,
        channels: usize,
        [y, z]: [usize; 2],
        parameters: Parameters,
    ) -> Self {
        let grid = [blocks(channels, LANES), extent(y), extent(z)];
        Self { kernel, grid, block: [extent(LANES), ROWS, 1], parameters }
    }

    /// A warp for each of `rows` rows.
    pub(crate) fn warps(kernel: Kernel, rows: usize, parameters: Parameters) -> Self {
        Self::over(kernel, rows * LANES, parameters)
    }
}

/// Blocks of `each` that cover `len`, at least one.
fn blocks(len: usize, each: usize) -> u32 {
    extent(len.div_ceil(each).max(1))
}

fn extent(count: usize) -> u32 {
    u32::try_from(count).expect("BUG: a grid of more than 2^32 blocks passed the check of sizes")
}

/// A structure of 32-bit numbers, as kernels declare theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parameters {
    words: [u32; WORDS_MAX],
    len: usize,
}

impl Parameters {
    /// Of the numbers `ints`.
    pub(crate) fn ints(ints: &[usize]) -> Self {
        let none = Self { words: [0; WORDS_MAX], len: 0 };
        ints.iter().fold(none, |parameters, &value| parameters.int(value))
    }

    /// Followed by an `int`.
    pub(crate) fn int(self, value: usize) -> Self {
        let value = isize::try_from(value).expect("BUG: a size passed the check of sizes");
        self.signed(value)
    }

    /// Followed by an `int` that may be negative.
    pub(crate) fn signed(self, value: isize) -> Self {
        let value = i32::try_from(value).expect("BUG: a size passed the check of sizes");
        self.word(value.cast_unsigned())
    }

    /// Followed by a `bool` in an `int`.
    pub(crate) fn flag(self, value: bool) -> Self {
        self.word(u32::from(value))
    }

    /// Followed by a `float`.
    pub(crate) fn real(self, value: f32) -> Self {
        self.word(value.to_bits())
    }

    /// Followed by 32 bits.
    pub(crate) fn word(mut self, value: u32) -> Self {
        self.words[self.len] = value;
        self.len += 1;
        self
    }

    /// All that were given.
    #[cfg(test)]
    pub(crate) fn words(&self) -> &[u32] {
        &self.words[..self.len]
    }

    /// All that were given, and zeros: a launch copies as many as its kernel declares.
    #[cfg(feature = "cuda")]
    pub(crate) fn padded(&self) -> &[u32; WORDS_MAX] {
        &self.words
    }
}
