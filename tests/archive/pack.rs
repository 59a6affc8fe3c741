//! Writers of archives, honest and not: the usual ones refuse to write what has to be tested.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

/// An entry of a tar, with a type byte of any sort.
pub(crate) struct TarEntry {
    pub(crate) path: Vec<u8>,
    pub(crate) kind: u8,
    pub(crate) content: Vec<u8>,
    /// Bytes that the header declares, where that is not the truth.
    pub(crate) size: Option<u64>,
    pub(crate) link: Vec<u8>,
}

/// A file of a tar.
pub(crate) fn file(path: &str, content: impl Into<Vec<u8>>) -> TarEntry {
    TarEntry {
        path: path.into(),
        kind: b'0',
        content: content.into(),
        size: None,
        link: Vec::new(),
    }
}

/// An entry of another type.
pub(crate) fn special(path: &str, kind: u8, link: &str) -> TarEntry {
    TarEntry { kind, link: link.into(), ..file(path, "") }
}

impl TarEntry {
    fn write(&self, tar: &mut Vec<u8>) {
        let mut header = [0_u8; 512];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.path);
        put(100, b"0000644\0");
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        let size = self.size.unwrap_or(self.content.len() as u64);
        if size < 1 << 33 {
            put(124, format!("{size:011o}\0").as_bytes());
        } else {
            put(124, &[0x80, 0, 0, 0]);
            put(128, &size.to_be_bytes());
        }
        put(136, b"00000000000\0");
        put(148, b"        ");
        put(156, &[self.kind]);
        put(157, &self.link);
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend(header);
        tar.extend(&self.content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
}

/// A tar of the entries.
pub(crate) fn tar(entries: &[TarEntry]) -> Vec<u8> {
    let mut tar = Vec::new();
    for entry in entries {
        entry.write(&mut tar);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

pub(crate) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// A file of a zip, with what its headers declare.
#[derive(Clone)]
pub(crate) struct ZipEntry {
    pub(crate) name: Vec<u8>,
    pub(crate) local_name: Option<Vec<u8>>,
    pub(crate) packed: Vec<u8>,
    pub(crate) method: u16,
    pub(crate) flags: u16,
    pub(crate) size: u32,
    pub(crate) crc: u32,
    pub(crate) mode: u32,
    /// Shares the place of the file before it.
    pub(crate) overlaps: bool,
}

/// A deflated file of a zip.
pub(crate) fn zip_file(name: &str, content: &[u8]) -> ZipEntry {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    let mut crc = flate2::Crc::new();
    crc.update(content);
    ZipEntry {
        name: name.into(),
        local_name: None,
        packed: encoder.finish().unwrap(),
        method: 8,
        flags: 0,
        size: u32::try_from(content.len()).unwrap(),
        crc: crc.sum(),
        mode: 0o100_644,
        overlaps: false,
    }
}

/// A zip of the entries.
pub(crate) fn zip(entries: &[ZipEntry]) -> Vec<u8> {
    let mut zip = Vec::new();
    let mut directory = Vec::new();
    let mut offset = 0;
    for entry in entries {
        if !entry.overlaps {
            offset = zip.len();
            let name = entry.local_name.as_ref().unwrap_or(&entry.name);
            zip.extend(b"PK\x03\x04");
            zip.extend(common(entry, name.len()));
            zip.extend(name);
            zip.extend(&entry.packed);
        }
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(common(entry, entry.name.len()));
        directory.extend([0; 6]);
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(u32::try_from(offset).unwrap().to_le_bytes());
        directory.extend(&entry.name);
    }
    let start = zip.len();
    zip.extend(&directory);
    zip.extend(end(entries.len(), directory.len(), start));
    zip
}

/// What both headers of a file share, from the version on.
fn common(entry: &ZipEntry, name: usize) -> Vec<u8> {
    let mut bytes = vec![20, 0];
    bytes.extend(entry.flags.to_le_bytes());
    bytes.extend(entry.method.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(entry.crc.to_le_bytes());
    bytes.extend(u32::try_from(entry.packed.len()).unwrap().to_le_bytes());
    bytes.extend(entry.size.to_le_bytes());
    bytes.extend(u16::try_from(name).unwrap().to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

/// The record at a zip's end.
pub(crate) fn end(entries: usize, size: usize, start: usize) -> Vec<u8> {
    let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
    let entries = u16::try_from(entries).unwrap().to_le_bytes();
    end.extend([entries, entries].concat());
    end.extend(u32::try_from(size).unwrap().to_le_bytes());
    end.extend(u32::try_from(start).unwrap().to_le_bytes());
    end.extend([0, 0]);
    end
}
