//! Logs of stages, as far as they are written, for people.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

/// Bytes that are shown of what was there before, and sent at a time.
const MOST: u64 = 256 * 1024;

/// Reads a log from where it last stopped.
#[derive(Debug)]
pub(super) struct LogReader {
    path: PathBuf,
    offset: u64,
    /// The beginning of a line, or of a letter, whose end was not there yet.
    rest: Vec<u8>,
}

impl LogReader {
    /// The end of the log at `path`, with a word when it has a beginning that is left out.
    pub(super) fn open(path: PathBuf) -> io::Result<(Self, String)> {
        let mut reader = Self { path, offset: 0, rest: Vec::new() };
        let length = std::fs::metadata(&reader.path)?.len();
        reader.offset = length.saturating_sub(MOST);
        let is_cut = reader.offset > 0;
        let mut text = reader.more()?;
        if is_cut {
            let whole = text.find('\n').map_or(0, |end| end + 1);
            let said =
                format!("(the beginning is left out; all of it: {})\n", reader.path.display());
            text.replace_range(..whole, &said);
        }
        Ok((reader, text))
    }

    /// What was written since; a log that is gone says nothing more.
    pub(super) fn more(&mut self) -> io::Result<String> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = std::mem::take(&mut self.rest);
        self.offset += file.take(MOST).read_to_end(&mut bytes)? as u64;
        let end = bytes.iter().rposition(|&byte| byte == b'\n').map(|end| end + 1);
        // A line without an end is not waited for for ever.
        let is_endless = bytes.len() as u64 > MOST;
        self.rest = bytes.split_off(end.unwrap_or(if is_endless { bytes.len() } else { 0 }));
        Ok(plain(&String::from_utf8_lossy(&bytes)))
    }
}

/// A log as a terminal would leave it: without escape sequences, and of a line that was written over, the last.
fn plain(text: &str) -> String {
    let mut lines = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let line = line.trim_end_matches(['\r', '\n']);
        let last = line.rsplit('\r').next().unwrap_or_default();
        let mut letters = last.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\u{1b}' if letters.as_str().starts_with('[') => {
                    // From the bracket to the letter that ends the sequence.
                    letters.by_ref().skip(1).find(char::is_ascii_alphabetic);
                }
                '\t' => lines.push('\t'),
                letter if letter.is_control() => {}
                letter => lines.push(letter),
            }
        }
        lines.push('\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn lines_are_as_a_terminal_leaves_them() {
        let text = "\u{1b}[1;32mok\u{1b}[0m\r\n10 %\r50 %\r100 %\nbell\u{7}\ttab\n";
        assert_eq!(plain(text), "ok\n100 %\nbell\ttab\n");
    }

    #[test]
    fn a_log_is_read_as_it_grows_in_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"one\ntwo").unwrap();
        let (mut reader, text) = LogReader::open(path).unwrap();
        assert_eq!(text, "one\n");
        assert_eq!(reader.more().unwrap(), "");
        file.write_all(b" and a half\n").unwrap();
        assert_eq!(reader.more().unwrap(), "two and a half\n");
    }

    #[test]
    fn of_a_long_log_the_end_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        std::fs::write(&path, "a line of twenty-one\n".repeat(50_000) + "last\n").unwrap();
        let (_, text) = LogReader::open(path).unwrap();
        assert!(text.starts_with("(the beginning is left out"), "{text:.80}");
        assert!(text.ends_with("\nlast\n") && text.len() < 300_000);
        assert_eq!(text.lines().nth(1), Some("a line of twenty-one"));
    }
}
