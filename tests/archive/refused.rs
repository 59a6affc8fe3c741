//! The reader under hostile archives, and honest ones read whole.

use std::io::{Cursor, Read};

use phytotron::archive::{self, ArchiveError, Entry, EntryKind, Limits};

use super::hostile::{self, Hostile};
use super::pack::{TarEntry, file, gz, special, tar, zip, zip_file, zst};

/// A megabyte, so that bombs can be small.
const SMALL: Limits =
    Limits { entries: 1000, file_bytes: 2 << 20, bytes: 64 << 20, ratio: 10, free_bytes: 1 << 20 };
/// As `SMALL`, with room for what shrinks well.
const ROOMY: Limits = Limits { file_bytes: 1 << 30, ratio: 1000, ..SMALL };

/// Paths, kinds and contents of an archive.
fn all(bytes: &[u8], limits: &Limits) -> Result<Vec<(String, EntryKind, Vec<u8>)>, ArchiveError> {
    let mut found = Vec::new();
    archive::read(
        &mut Cursor::new(bytes),
        limits,
        &mut |entry: &Entry, content: &mut dyn Read| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(ArchiveError::reading)?;
            found.push((entry.path.clone(), entry.kind, bytes));
            Ok(())
        },
    )?;
    Ok(found)
}

/// An error and its causes.
fn said(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(said).unwrap_or_default();
    format!("{error}: {cause}")
}

#[test]
fn hostile_archives_are_refused_in_words_that_fit() {
    let cases = hostile::all();
    assert!(cases.len() >= 60, "{}", cases.len());
    for Hostile { name, bytes, words } in cases {
        let limits = if name.contains("zstd window") { &ROOMY } else { &SMALL };
        match all(&bytes, limits) {
            Ok(found) => panic!("{name}: it was read: {:?}", found.first().map(|it| &it.0)),
            Err(error) => {
                let said = said(&error);
                assert!(said.contains(words), "{name}: `{words}` is not in `{said}`");
            }
        }
    }
}

#[test]
fn bombs_are_left_before_they_are_unpacked() {
    // A gigabyte of zeros: reading all of it would take a second and is a thousand times the limit.
    let zeros = vec![0; 64 << 20];
    let bomb = gz(&tar(&[file("a", zeros)]));
    let limits = Limits { file_bytes: 1 << 40, ..SMALL };
    let mut read = 0;
    let ended = archive::read(
        &mut Cursor::new(&bomb),
        &limits,
        &mut |_: &Entry, content: &mut dyn Read| {
            let mut piece = [0; 4096];
            loop {
                match content.read(&mut piece) {
                    Ok(0) => return Ok(()),
                    Ok(n) => read += n,
                    Err(error) => return Err(ArchiveError::reading(error)),
                }
            }
        },
    );
    assert!(matches!(ended, Err(ArchiveError::TooMuch { .. })));
    assert!(read as u64 <= limits.of(bomb.len() as u64), "{read}");
}

fn honest() -> Vec<TarEntry> {
    vec![
        special("./", b'5', ""),
        special("./fir/", b'5', ""),
        file("./fir/1.png", "one"),
        file("oak/2.png", vec![7; 3000]),
        special("oak/", b'5', ""),
    ]
}

#[test]
fn honest_archives_of_every_format_hold_the_same() {
    let plain = tar(&honest());
    let expected = all(&plain, &SMALL).unwrap();
    let paths: Vec<&str> = expected.iter().map(|(path, ..)| path.as_str()).collect();
    assert_eq!(paths, ["fir", "fir/1.png", "oak/2.png", "oak"]);
    assert_eq!(expected[2].2, vec![7; 3000]);
    assert_eq!(all(&gz(&plain), &ROOMY).unwrap(), expected);
    assert_eq!(all(&zst(&plain), &ROOMY).unwrap(), expected);
    let zipped = zip(&[zip_file("fir/1.png", b"one"), zip_file("oak/2.png", &[7; 3000])]);
    let files: Vec<_> =
        expected.into_iter().filter(|(_, kind, _)| *kind != EntryKind::Folder).collect();
    assert_eq!(all(&zipped, &ROOMY).unwrap(), files);
}

#[test]
fn a_long_path_is_read_as_gnu_and_pax_write_it() {
    let path = "long/".repeat(40) + "1.png";
    let mut gnu = file("././@LongLink", path.clone() + "\0");
    gnu.kind = b'L';
    let found = all(&tar(&[gnu, file("cut", "x")]), &SMALL).unwrap();
    assert_eq!(found[0].0, path);
    let mut writer = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o755);
    writer.append_data(&mut header, &path, &b"x"[..]).unwrap();
    let found = all(&writer.into_inner().unwrap(), &SMALL).unwrap();
    assert_eq!(found[0].0, path);
    assert_eq!(found[0].1, EntryKind::File { size: 1, executable: true });
}

#[test]
fn content_need_not_be_read() {
    let mut paths = Vec::new();
    archive::read(
        &mut Cursor::new(tar(&honest())),
        &SMALL,
        &mut |entry: &Entry, _: &mut dyn Read| {
            paths.push(entry.path.clone());
            Ok::<(), ArchiveError>(())
        },
    )
    .unwrap();
    assert_eq!(paths.len(), 4);
}
