//! Tensors of bytes as `NumPy`'s `.npy` files, version 1.0.
//!
//! Of all formats it is the one that a student's Python reads (`np.load`) and writes (`np.save`) without
//! a package of its own, and its header lets a reader check the size. Only bytes in row order are known.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// The header's text ends on a multiple of this, so that pixels are aligned.
const ALIGNMENT: usize = 64;
/// No header of ours or `NumPy`'s comes near it.
const HEADER_MAX: usize = 4096;

/// Why a tensor could not be read.
#[derive(Debug)]
pub(crate) enum NpyError {
    /// The file could not be read.
    Io(io::Error),
    /// It can be read but is not what was wanted.
    Format(String),
}

impl From<io::Error> for NpyError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Writes `bytes` as a tensor of this shape.
pub(crate) fn write(file: &mut impl Write, shape: [usize; 4], bytes: &[u8]) -> io::Result<()> {
    file.write_all(&header(shape))?;
    file.write_all(bytes)
}

fn header(shape: [usize; 4]) -> Vec<u8> {
    let [n, h, w, c] = shape;
    let mut text =
        format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({n}, {h}, {w}, {c}), }}");
    let prefix = MAGIC.len() + 4;
    let padded = (prefix + text.len() + 1).next_multiple_of(ALIGNMENT) - prefix;
    let spaces = padded - 1 - text.len();
    writeln!(text, "{:spaces$}", "").expect("writing to a string");
    let length = u16::try_from(text.len()).expect("a header of four numbers is short");
    [MAGIC.as_slice(), &[1, 0], &length.to_le_bytes(), text.as_bytes()].concat()
}

/// Shape and bytes of the tensor at `path`; nothing is allocated that the file does not hold.
pub(crate) fn read(path: &Path) -> Result<(Vec<usize>, Vec<u8>), NpyError> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut start = [0; 10];
    read_exactly(&mut file, &mut start)?;
    if start[..6] != *MAGIC {
        return Err(NpyError::Format("is not a NumPy file".to_owned()));
    }
    // Version 2 only widens the length field, for headers no byte tensor has.
    if start[6] != 1 {
        return Err(NpyError::Format(format!("has version {}, not 1", start[6])));
    }
    let length = usize::from(u16::from_le_bytes([start[8], start[9]]));
    if length > HEADER_MAX {
        return Err(NpyError::Format("has an overlong header".to_owned()));
    }
    let mut text = vec![0; length];
    read_exactly(&mut file, &mut text)?;
    let shape = parse_header(&String::from_utf8_lossy(&text)).map_err(NpyError::Format)?;
    let held = size.saturating_sub((start.len() + length) as u64);
    let wanted = shape.iter().try_fold(1_u64, |n, &side| n.checked_mul(side as u64));
    if wanted != Some(held) {
        return Err(NpyError::Format(format!("says shape {shape:?} but holds {held} bytes")));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(held).unwrap_or(usize::MAX));
    file.read_to_end(&mut bytes)?;
    if bytes.len() as u64 != held {
        return Err(NpyError::Format("changed while it was read".to_owned()));
    }
    Ok((shape, bytes))
}

fn read_exactly(file: &mut File, bytes: &mut [u8]) -> Result<(), NpyError> {
    file.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => NpyError::Format("ends inside its header".to_owned()),
        _ => NpyError::Io(error),
    })
}

/// The shape in `{'descr': '|u1', 'fortran_order': False, 'shape': (2, 4, 4, 3), }`.
fn parse_header(text: &str) -> Result<Vec<usize>, String> {
    let after = |key: &str| {
        let (_, rest) = text.split_once(&format!("'{key}':"))?;
        Some(rest.trim_start())
    };
    let descr = after("descr").and_then(|rest| rest.split('\'').nth(1)).unwrap_or_default();
    if !matches!(descr, "|u1" | "u1" | "<u1" | ">u1") {
        return Err(format!("holds `{descr}` numbers: save it as uint8"));
    }
    if !after("fortran_order").is_some_and(|rest| rest.starts_with("False")) {
        return Err("is in Fortran order: save `np.ascontiguousarray(…)`".to_owned());
    }
    after("shape")
        .and_then(|rest| rest.strip_prefix('(')?.split_once(')'))
        .and_then(|(sides, _)| {
            let sides = sides.split(',').map(str::trim).filter(|side| !side.is_empty());
            sides.map(|side| side.parse().ok()).collect::<Option<Vec<usize>>>()
        })
        .ok_or_else(|| "has no readable shape".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_bytes(bytes: &[u8]) -> Result<(Vec<usize>, Vec<u8>), String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        read(file.path()).map_err(|error| match error {
            NpyError::Io(error) => error.to_string(),
            NpyError::Format(reason) => reason,
        })
    }

    #[test]
    fn a_tensor_round_trips_with_aligned_pixels() {
        let mut file = Vec::new();
        write(&mut file, [2, 1, 3, 1], &[1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!((file.len() - 6) % ALIGNMENT, 0);
        assert_eq!(read_bytes(&file), Ok((vec![2, 1, 3, 1], vec![1, 2, 3, 4, 5, 6])));
    }

    #[test]
    fn numpys_own_header_is_read() {
        let mut text = "{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }".to_owned();
        text.push_str(&" ".repeat(118 - text.len() - 1));
        text.push('\n');
        let file = [b"\x93NUMPY\x01\x00v\x00".as_slice(), text.as_bytes(), &[9; 5]].concat();
        assert_eq!(read_bytes(&file), Ok((vec![5], vec![9; 5])));
    }

    #[test]
    fn other_files_are_refused_before_anything_is_allocated() {
        let mut huge = header([usize::MAX / 4, 2, 2, 3]);
        huge.push(0);
        let float = String::from_utf8_lossy(&header([1, 1, 1, 1])[10..]).replace("|u1", "<f4");
        let float = [b"\x93NUMPY\x01\x00v\x00", float.as_bytes(), &[0; 4]].concat();
        for (file, reason) in [
            (b"PNG".to_vec(), "ends inside its header"),
            (b"not a tensor".to_vec(), "is not a NumPy file"),
            (huge, "holds 1 bytes"),
            (float, "holds `<f4` numbers"),
        ] {
            let error = read_bytes(&file).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
