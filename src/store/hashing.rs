//! Hashing files while they are read or copied.
//!
//! Plain reads, no memory map: a file that somebody cuts short while it is mapped kills the process.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::stamp::Stamp;
use crate::digest::Digest;

const CHUNK_BYTES: usize = 1 << 20;
/// From here on one file is worth several threads.
const LARGE_BYTES: u64 = 32 << 20;
const LARGE_CHUNK_BYTES: usize = 8 << 20;

/// Reads `source` to its end, hands each piece to `sink`, and returns digest and size of the whole.
/// `size` is what the file system says, and only sizes the buffer.
pub(super) fn hash_through(
    source: &mut impl Read,
    size: u64,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<(Digest, u64)> {
    let is_large = size >= LARGE_BYTES;
    let chunk = if is_large { LARGE_CHUNK_BYTES } else { CHUNK_BYTES };
    // One byte more than a small file has, so that one read takes it whole.
    let mut buffer = vec![0; usize::try_from(size).unwrap_or(chunk).saturating_add(1).min(chunk)];
    let mut hasher = blake3::Hasher::new();
    let mut total = 0;
    loop {
        let filled = fill(source, &mut buffer)?;
        let bytes = &buffer[..filled];
        if is_large {
            hasher.update_rayon(bytes);
        } else {
            hasher.update(bytes);
        }
        sink(bytes)?;
        total += filled as u64;
        if filled < buffer.len() {
            return Ok((Digest::from(*hasher.finalize().as_bytes()), total));
        }
    }
}

/// Reads until `buffer` is full or the source ends.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Digest of a file, with the stamp that it had before and after; none when it changed meanwhile.
pub(super) fn digest_of_file(path: &Path) -> io::Result<Option<(Digest, Stamp)>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let before = Stamp::of(&metadata);
    let (digest, size) = hash_through(&mut file, before.size, |_| Ok(()))?;
    let after = Stamp::of(&file.metadata()?);
    Ok((before == after && size == before.size).then_some((digest, before)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns one byte at a time, as a pipe may.
    struct Trickle<'a>(&'a [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(&mut buffer[..1])
        }
    }

    #[test]
    fn any_size_hint_and_any_pace_give_the_same_digest() {
        let content: Vec<u8> = (0..5_000_u32).flat_map(u32::to_le_bytes).collect();
        for size in [0, 1, 5, content.len() as u64, 1 << 40] {
            let mut copy = Vec::new();
            let sink = |bytes: &[u8]| {
                copy.extend_from_slice(bytes);
                Ok(())
            };
            let hashed = hash_through(&mut Trickle(&content), size, sink).unwrap();
            assert_eq!(hashed, (Digest::of(&content), content.len() as u64));
            assert_eq!(copy, content);
        }
    }
}
