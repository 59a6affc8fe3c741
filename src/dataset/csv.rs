//! Comma-separated values, as far as our own tables need them (RFC 4180).
//!
//! Knows nothing of columns: a record is a list of texts.

use std::borrow::Cow;

/// Adds one record to `text`, quoting what needs it; lines end in `\n` on every platform.
pub(crate) fn push_record(text: &mut String, fields: &[&str]) {
    for (i, field) in fields.iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        text.push_str(&quoted(field));
    }
    text.push('\n');
}

/// A field as it stands in a record: in quotes where it needs them.
pub(crate) fn quoted(field: &str) -> Cow<'_, str> {
    if field.contains(['"', ',', '\n', '\r']) {
        Cow::Owned(format!("\"{}\"", field.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(field)
    }
}

/// A record of a table and the line (from 1) that it begins on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// The line.
    pub(crate) line: usize,
    /// The fields, quotes taken off.
    pub(crate) fields: Vec<String>,
}

/// All records of `text`; empty lines are passed over.
///
/// # Errors
/// The line of a quote that never ends, or that ends in the middle of a field.
pub(crate) fn records(text: &str) -> Result<Vec<Record>, usize> {
    let mut reader = Reader { rest: text.trim_start_matches('\u{feff}'), line: 1 };
    let mut records = Vec::new();
    while !reader.rest.is_empty() {
        let record = reader.record()?;
        if record.fields.iter().any(|field| !field.is_empty()) {
            records.push(record);
        }
    }
    Ok(records)
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl Reader<'_> {
    fn record(&mut self) -> Result<Record, usize> {
        let mut record = Record { line: self.line, fields: Vec::new() };
        loop {
            let field = if let Some(quoted) = self.rest.strip_prefix('"') {
                self.rest = quoted;
                self.quoted()?
            } else {
                self.bare()
            };
            record.fields.push(field);
            match self.rest.as_bytes().first() {
                Some(b',') => self.rest = &self.rest[1..],
                Some(b'\r') if self.rest.starts_with("\r\n") => return Ok(self.ended(record, 2)),
                Some(b'\n') => return Ok(self.ended(record, 1)),
                None => return Ok(record),
                Some(_) => return Err(self.line),
            }
        }
    }

    fn ended(&mut self, record: Record, newline_len: usize) -> Record {
        self.rest = &self.rest[newline_len..];
        self.line += 1;
        record
    }

    fn bare(&mut self) -> String {
        let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
        let end = if self.rest[end..].starts_with('\n') && self.rest[..end].ends_with('\r') {
            end - 1
        } else {
            end
        };
        let field = self.rest[..end].to_owned();
        self.rest = &self.rest[end..];
        field
    }

    fn quoted(&mut self) -> Result<String, usize> {
        let opened = self.line;
        let mut field = String::new();
        loop {
            let end = self.rest.find('"').ok_or(opened)?;
            field.push_str(&self.rest[..end]);
            self.line += self.rest[..end].matches('\n').count();
            self.rest = &self.rest[end + 1..];
            let Some(after) = self.rest.strip_prefix('"') else { return Ok(field) };
            field.push('"');
            self.rest = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let rows = [vec!["a", "b,c", ""], vec!["say \"x\"", "two\nlines", "ü"], vec!["", "", "z"]];
        let mut text = String::new();
        for row in &rows {
            push_record(&mut text, row);
        }
        let read: Vec<Vec<String>> =
            records(&text).unwrap().into_iter().map(|record| record.fields).collect();
        assert_eq!(read, rows.map(|row| row.into_iter().map(str::to_owned).collect::<Vec<_>>()));
    }

    #[test]
    fn windows_lines_and_a_missing_last_newline_are_read() {
        let read = records("\u{feff}a,b\r\n\r\n\"c\",d").unwrap();
        assert_eq!(read.iter().map(|record| record.line).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(read[1].fields, ["c", "d"]);
        assert_eq!(read[0].fields, ["a", "b"]);
    }

    #[test]
    fn a_quote_out_of_place_names_its_line() {
        assert_eq!(records("a\n\"b\nc"), Err(2));
        assert_eq!(records("a\n\"b\"c,d\n"), Err(2));
    }
}
