//! Mutations of bytes: small ones, several at once.

use phytotron::seed::Stream;

/// Inputs stay below this.
const BYTES_MAX: usize = 64 << 10;
/// Numbers at which arithmetic breaks.
const EXTREMES: [u64; 10] =
    [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, i64::MAX as u64, u64::MAX];

/// One of `corpus` after a few mutations.
pub(super) fn mutated(corpus: &[Vec<u8>], stream: &mut Stream) -> Vec<u8> {
    let mut bytes = corpus[stream.index(corpus.len())].clone();
    for _ in 0..=stream.index(4) {
        let other = &corpus[stream.index(corpus.len())];
        mutate(&mut bytes, other, stream);
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

fn mutate(bytes: &mut Vec<u8>, other: &[u8], stream: &mut Stream) {
    if bytes.is_empty() {
        bytes.push(0);
    }
    let at = stream.index(bytes.len());
    let len = (1 + stream.index(64)).min(bytes.len() - at);
    match stream.index(9) {
        0 => bytes[at] ^= 1 << stream.index(8),
        1 => bytes[at] = u8::try_from(stream.index(256)).unwrap(),
        2 => drop(bytes.drain(at..at + len)),
        3 => {
            let piece = bytes[at..at + len].to_vec();
            bytes.splice(at..at, piece);
        }
        4 => bytes.truncate(at),
        5 if !other.is_empty() => {
            let from = stream.index(other.len());
            let to = (from + 1 + stream.index(600)).min(other.len());
            bytes.splice(at..at + len, other[from..to].iter().copied());
        }
        6 => {
            let number = EXTREMES[stream.index(EXTREMES.len())].to_le_bytes();
            let width = 1 << stream.index(4);
            for (byte, new) in bytes[at..].iter_mut().zip(&number[..width]) {
                *byte = *new;
            }
        }
        // Whole blocks, as tar has them.
        7 if bytes.len() > 1024 => {
            let block = stream.index(bytes.len() / 512) * 512;
            let piece = bytes[block..block + 512].to_vec();
            let place = stream.index(bytes.len() / 512) * 512;
            bytes.splice(place..place, piece);
        }
        _ => {
            let word =
                [&b"../"[..], b"/", b"\0", b"\xff", b": ", b"- ", b"${{ ", b"&a *a", b"\n  "];
            let word = word[stream.index(9)];
            bytes.splice(at..at, word.iter().copied());
        }
    }
}

/// Puts the checksum of every block right that looks like a tar's header.
pub(super) fn with_checksums(bytes: &mut [u8]) {
    for header in bytes.chunks_exact_mut(512).filter(|block| block[257..262] == *b"ustar") {
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}
