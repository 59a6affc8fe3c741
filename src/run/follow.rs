//! Following: the board of a run whose journal is still being written.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::board::Board;
use super::history::is_held;
use super::journal::EVENTS_FILE;

/// Reads a journal from where it last stopped.
#[derive(Debug)]
pub struct Follower {
    /// The journal's file.
    path: PathBuf,
    /// Bytes that were read.
    offset: u64,
    /// The beginning of a line whose end was not there yet.
    rest: Vec<u8>,
    board: Board,
}

impl Follower {
    /// Of the run with this folder.
    pub(super) fn new(folder: &Path) -> Self {
        let path = folder.join(EVENTS_FILE);
        Self { path, offset: 0, rest: Vec::new(), board: Board::default() }
    }

    /// The board as of the last look.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Whether the run's process lives; all that one that does not has said is in the journal.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        is_held(&self.path)
    }

    /// Reads what was written since the last look; whether that was anything. A journal that is gone, as `gc`
    /// leaves it, says nothing more.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn look(&mut self) -> io::Result<bool> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = std::mem::take(&mut self.rest);
        self.offset += file.read_to_end(&mut bytes)? as u64;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        self.rest = bytes.split_off(whole);
        for line in bytes.split(|&byte| byte == b'\n') {
            // Torn lines and those of later versions are passed over.
            if let Ok(line) = serde_json::from_slice(line) {
                self.board.take(line);
            }
        }
        Ok(whole > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_line_counts_once_it_is_whole_and_torn_ones_never() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = File::create(folder.path().join(EVENTS_FILE)).unwrap();
        let mut follower = Follower::new(folder.path());
        assert!(!follower.look().unwrap());
        let started =
            r#"{"v":1,"time":5.0,"event":"run_started","run":"r","pipeline":"p","stages":3}"#;
        file.write_all(started.as_bytes()).unwrap();
        assert!(!follower.look().unwrap());
        assert_eq!(follower.board().total, 0);
        file.write_all(b"\n{\"v\":1,\"ti\n{\"v\":9,\"event\":\"later\"}\n{\"v\":1,").unwrap();
        assert!(follower.look().unwrap());
        assert_eq!(follower.board().total, 3);
        file.write_all(b"\"time\":9.0,\"event\":\"run_ended\",\"ok\":true,\"secs\":4.0}\n")
            .unwrap();
        assert!(follower.look().unwrap());
        assert_eq!(follower.board().ended, Some((true, 4.0)));
        assert!(!follower.look().unwrap());
    }

    #[test]
    fn a_journal_that_is_gone_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!Follower::new(&folder.path().join("gone")).look().unwrap());
    }
}
