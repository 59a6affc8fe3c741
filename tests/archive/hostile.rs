//! Hostile archives, each with the words of its refusal. The generator of the tests and of the fuzzers' corpus.

use super::pack::{ZipEntry, end, file, gz, special, tar, zip, zip_file, zst};

/// A hostile archive.
pub(crate) struct Hostile {
    /// What it tries.
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// Words of the refusal.
    pub(crate) words: &'static str,
}

fn hostile(name: &'static str, bytes: Vec<u8>, words: &'static str) -> Hostile {
    Hostile { name, bytes, words }
}

/// Every hostile archive.
pub(crate) fn all() -> Vec<Hostile> {
    [paths(), kinds(), lies(), bombs(), zips()].into_iter().flatten().collect()
}

fn paths() -> Vec<Hostile> {
    let one = |path: &str| tar(&[file("a/1.png", "x"), file(path, "evil")]);
    let raw = |path: &[u8]| {
        let mut entry = file("", "evil");
        entry.path = path.to_vec();
        tar(&[entry])
    };
    vec![
        hostile("absolute path", one("/tmp/evil"), "absolute path"),
        hostile("parent folder", one("../evil"), "leads outside"),
        hostile("parent folder inside", one("a/../../evil"), "leads outside"),
        hostile("parent folder after a dot", one("./../evil"), "leads outside"),
        hostile("empty part", one("a//evil"), "empty part"),
        hostile("dot inside", one("a/./evil"), "empty part"),
        hostile("backslashes", one("..\\evil"), "backslash"),
        hostile("newline", one("a/ev\nil"), "control character"),
        hostile("terminal escape", one("a/\u{1b}[2J"), "control character"),
        hostile("not UTF-8", raw(b"a/\xff\xfe.png"), "not UTF-8"),
        hostile("no path", raw(b""), "empty part"),
        hostile("file twice", one("a/1.png"), "stands there twice"),
        hostile("file as folder", one("a/1.png/evil"), "lies below a file"),
        hostile("folder as file", one("a"), "stands there twice"),
        hostile(
            "deep",
            tar(&[
                long("x/".repeat(100) + "evil")[0].take(),
                long("x/".repeat(100) + "evil")[1].take(),
            ]),
            "too deep",
        ),
        hostile("long part", tar(&long("x".repeat(300))), "too long a name"),
        hostile("long path", tar(&long("abcdefg/".repeat(600) + "evil")), "too long a path"),
    ]
}

/// An entry under a long path, as GNU writes it.
fn long(path: String) -> [super::pack::TarEntry; 2] {
    let mut note = file("././@LongLink", path.into_bytes());
    note.kind = b'L';
    [note, file("short", "evil")]
}

impl super::pack::TarEntry {
    fn take(&self) -> Self {
        let Self { path, kind, content, size, link } = self;
        Self {
            path: path.clone(),
            kind: *kind,
            content: content.clone(),
            size: *size,
            link: link.clone(),
        }
    }
}

fn kinds() -> Vec<Hostile> {
    let one = |kind, link| tar(&[special("a/evil", kind, link)]);
    vec![
        hostile("link outside", one(b'2', "/etc/passwd"), "is a link"),
        hostile("link to the parent", one(b'2', ".."), "is a link"),
        hostile("hard link", one(b'1', "/etc/passwd"), "is a link"),
        hostile("character device", one(b'3', ""), "is a device"),
        hostile("block device", one(b'4', ""), "is a device"),
        hostile("named pipe", one(b'6', ""), "named pipe"),
        hostile("sparse file", one(b'S', ""), "sparse"),
        hostile("unknown kind", one(b'Q', ""), "neither a file nor a folder"),
        hostile("pax sparse", tar(&[pax("GNU.sparse.size", "9"), file("a", "")]), "sparse"),
        hostile("pax size", tar(&[pax("size", "99999999999"), file("a", "")]), "not read here"),
        hostile("global path", tar(&[global("path", "../evil"), file("a", "")]), "not read here"),
        hostile("pax path outside", tar(&[pax("path", "../evil"), file("a", "")]), "leads outside"),
        hostile(
            "pax torn",
            tar(&[{
                let mut torn = file("x", "999 path=../evil\n");
                torn.kind = b'x';
                torn
            }]),
            "unreadable",
        ),
    ]
}

fn pax(key: &str, value: &str) -> super::pack::TarEntry {
    let rest = format!(" {key}={value}\n");
    let len = (rest.len()..rest.len() + 9)
        .find(|len| len.to_string().len() + rest.len() == *len)
        .unwrap();
    let mut entry = file("pax", format!("{len}{rest}"));
    entry.kind = b'x';
    entry
}

fn global(key: &str, value: &str) -> super::pack::TarEntry {
    let mut entry = pax(key, value);
    entry.kind = b'g';
    entry
}

fn lies() -> Vec<Hostile> {
    let declared = |size| {
        let mut entry = file("a/1.png", "short");
        entry.size = Some(size);
        tar(&[entry])
    };
    let honest = tar(&[file("a/1.png", vec![7; 4000])]);
    let mut note = file("././@LongLink", "x");
    (note.kind, note.size) = (b'L', Some(1 << 40));
    vec![
        hostile("no archive", b"#!/bin/sh\necho hello\n".to_vec(), "no tar"),
        hostile("empty", Vec::new(), "no tar"),
        hostile("cut tar", honest[..2000].to_vec(), "damaged"),
        hostile("cut gzip", gz(&honest)[..60].to_vec(), "damaged"),
        hostile(
            "cut zstd",
            {
                let z = zst(&honest);
                z[..z.len() - 4].to_vec()
            },
            "damaged",
        ),
        hostile(
            "junk after gzip's magic",
            [b"\x1f\x8b".to_vec(), vec![9; 400]].concat(),
            "damaged",
        ),
        hostile(
            "junk after zstd's magic",
            [b"\x28\xb5\x2f\xfd".to_vec(), vec![9; 400]].concat(),
            "damaged",
        ),
        hostile("more declared than there is", declared(1 << 20), "damaged"),
        hostile("a petabyte declared", declared(1 << 50), "too large a file"),
        hostile("a long path of a terabyte", tar(&[note]), "too long a header"),
        hostile("zstd window of gigabytes", zst_window(), "damaged"),
    ]
}

/// A frame that asks the reader for a window of two gigabytes.
fn zst_window() -> Vec<u8> {
    // Magic, no single segment, window exponent 21: 2^(10+21) bytes.
    [b"\x28\xb5\x2f\xfd".to_vec(), vec![0, 21 << 3, 1, 0, 0], vec![0; 600]].concat()
}

/// Bombs are tried under limits of a megabyte: `refused.rs` says which.
fn bombs() -> Vec<Hostile> {
    const MEGABYTE: usize = 1 << 20;
    let zeros: Vec<_> = (0..8).map(|i| file(&format!("a/{i}"), vec![0; MEGABYTE])).collect();
    let zeros = tar(&zeros);
    let zipped: Vec<_> = (0..8).map(|i| zip_file(&format!("a/{i}"), &vec![0; MEGABYTE])).collect();
    let notes: Vec<_> = (0..2000).map(|_| global("comment", "x")).collect();
    let many: Vec<_> = (0..1500).map(|i| file(&format!("a/{i}"), "")).collect();
    vec![
        hostile("gzip bomb", gz(&zeros), "unpacks to far more"),
        hostile("zstd bomb", zst(&zeros), "unpacks to far more"),
        hostile("a bomb of headers", gz(&tar(&notes)), "unpacks to far more"),
        hostile("too many entries", tar(&many), "too many entries"),
        hostile("zip bomb", zip(&zipped), "unpacks to far more"),
        hostile("too large a file", tar(&[file("a/1", vec![1; 3 * MEGABYTE])]), "too large a file"),
    ]
}

fn zips() -> Vec<Hostile> {
    let honest = zip_file("a/1.png", b"leaf");
    let with = |change: fn(&mut ZipEntry)| {
        let mut entry = honest.clone();
        change(&mut entry);
        zip(&[entry])
    };
    let named = |name: &str| zip(&[zip_file(name, b"evil")]);
    let overlap = ZipEntry { overlaps: true, ..honest.clone() };
    let mut lost = zip(std::slice::from_ref(&honest));
    lost.truncate(lost.len() - 22);
    vec![
        hostile("zip: absolute", named("/evil"), "absolute path"),
        hostile("zip: parent", named("../evil"), "leads outside"),
        hostile("zip: backslash", named("..\\evil"), "backslash"),
        hostile("zip: link", with(|entry| entry.mode = 0o120_777), "is a link"),
        hostile("zip: device", with(|entry| entry.mode = 0o020_666), "neither a file"),
        hostile("zip: encrypted", with(|entry| entry.flags = 1), "encrypted"),
        hostile("zip: odd method", with(|entry| entry.method = 14), "other than deflate"),
        hostile(
            "zip: two names",
            with(|entry| entry.local_name = Some(b"b/2.png".to_vec())),
            "two names",
        ),
        hostile("zip: wrong checksum", with(|entry| entry.crc ^= 1), "checksum"),
        hostile("zip: longer than declared", with(|entry| entry.size = 2), "longer than declared"),
        hostile("zip: shorter than declared", with(|entry| entry.size = 9), "cut off"),
        hostile("zip: one place, twice", zip(&[honest.clone(), overlap]), "overlaps"),
        hostile("zip: twice", zip(&[honest.clone(), honest.clone()]), "stands there twice"),
        hostile("zip: no directory", lost, "directory"),
        hostile(
            "zip: directory beyond the end",
            [b"PK\x03\x04".to_vec(), end(3, 900, 900)].concat(),
            "beyond its end",
        ),
        hostile(
            "zip: counts too few",
            {
                let mut z = zip(&[honest.clone(), zip_file("b/2.png", b"x")]);
                let n = z.len();
                z[n - 14] = 1;
                z[n - 12] = 1;
                z
            },
            "more files than it counts",
        ),
        hostile(
            "zip: counts too many",
            {
                let mut z = zip(&[honest]);
                let n = z.len();
                z[n - 14] = 9;
                z[n - 12] = 9;
                z
            },
            "damaged",
        ),
    ]
}
