//! Tables: cells that know how people read them, how they sort and what machines read.

use serde_json::{Map, Value, json};

use super::plot::{escape, turns_text};
use super::words;
use crate::dataset::csv;
use crate::wording;

/// Letters of a cell's words: more would push all else aside. The tables for machines have all.
const TEXT_MAX: usize = 240;
/// Letters of a column's head.
const HEAD_MAX: usize = 120;
/// Letters of a genotype or a parameter's value.
const CODE_MAX: usize = 2000;

/// A table for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// What it lists.
    pub(super) caption: String,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Cell>>,
}

/// A column's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    /// Whether its cells are numbers, which stand right.
    pub(super) is_number: bool,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    /// What people read.
    pub(super) text: String,
    /// What the column is sorted by, when that is not the text.
    pub(super) key: Option<String>,
    /// Whether it is a genotype or another text for machines.
    pub(super) is_code: bool,
}

impl Table {
    /// A table without rows; a name that begins with `#` heads numbers.
    pub(super) fn new(caption: impl Into<String>, columns: &[&str]) -> Self {
        let column = |name: &&str| match name.strip_prefix('#') {
            Some(name) => Column { name: words::cut(name, HEAD_MAX), is_number: true },
            None => Column { name: words::cut(*name, HEAD_MAX), is_number: false },
        };
        Self {
            caption: words::cut(caption, TEXT_MAX),
            columns: columns.iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "BUG: a cell for each column");
        self.rows.push(cells);
    }

    /// Whether sorting it makes sense.
    pub(super) fn is_sortable(&self) -> bool {
        self.rows.len() > 2 && self.columns.len() > 2
    }

    /// Whether there is enough in it to look for something.
    pub(super) fn is_filterable(&self) -> bool {
        self.rows.len() > 12
    }

    /// The same for machines, under the name `stem`: numbers in full, the rest as people read it.
    pub(super) fn records(&self, stem: String) -> Records {
        let value = |(column, cell): (&Column, &Cell)| match cell.key.as_deref() {
            Some("") => Value::Null,
            Some(key) if column.is_number => number(key),
            _ => json!(cell.text),
        };
        let row = |row: &Vec<Cell>| self.columns.iter().zip(row).map(value).collect();
        Records {
            name: stem,
            columns: self.columns.iter().map(|column| column.name.clone()).collect(),
            rows: self.rows.iter().map(row).collect(),
        }
    }

    /// The table in Markdown.
    pub(super) fn markdown(&self) -> String {
        let heads: Vec<String> = self.columns.iter().map(|column| markdown(&column.name)).collect();
        let rules: Vec<&str> =
            self.columns.iter().map(|c| if c.is_number { "---:" } else { "---" }).collect();
        let mut lines = vec![line(&heads), line(&rules)];
        lines.extend(
            self.rows.iter().map(|row| line(&row.iter().map(Cell::markdown).collect::<Vec<_>>())),
        );
        lines.join("\n")
    }
}

fn line<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |", cells.join(" | "))
}

impl Cell {
    /// Words; of very many, the first.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { text: words::cut(text, TEXT_MAX), key: None, is_code: false }
    }

    /// A genotype or a parameter's value; of a very long one, the beginning.
    pub(super) fn code(text: impl Into<String>) -> Self {
        Self { text: words::cut(text, CODE_MAX), key: None, is_code: true }
    }

    /// Nothing known.
    pub(super) fn none() -> Self {
        Self { key: Some(String::new()), ..Self::text("–") }
    }

    /// A count.
    pub(super) fn count(n: u64) -> Self {
        Self { key: Some(n.to_string()), ..Self::text(wording::thousands(n)) }
    }

    /// A count of which three digits are enough; the tables for machines have all.
    pub(super) fn large(n: u64) -> Self {
        Self { key: Some(n.to_string()), ..Self::text(words::large(n)) }
    }

    /// A number shown as `text`, sorted by `value`.
    pub(super) fn number(value: f64, text: String) -> Self {
        Self { key: Some(value.to_string()), ..Self::text(text) }
    }

    /// Whether it needs a wide column to read well.
    pub(super) fn is_long(&self) -> bool {
        self.text.len() > 24
    }

    fn markdown(&self) -> String {
        if self.is_code {
            // Tables split at a bar even inside code, and only there is its escape none of the code.
            markdown_code(&self.text).replace('|', "\\|")
        } else {
            markdown(&self.text)
        }
    }
}

/// `text` for Markdown: markup, HTML included, stays text.
pub(super) fn markdown(text: &str) -> String {
    let mut escaped = String::new();
    // Quotation marks, which attributes of HTML need escaped, are none of Markdown's marks.
    for character in escape(text).replace("&#39;", "'").replace("&quot;", "\"").chars() {
        if matches!(character, '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// `text` as code in Markdown; fenced by more backticks than it has in a row.
pub(super) fn markdown_code(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let shown = |c: char| match c {
        c if c.is_control() => ' ',
        c if turns_text(c) => '\u{fffd}',
        c => c,
    };
    let text: String = text.chars().map(shown).collect();
    let pad = if longest > 0 { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A table for machines: one record a row, one name a column, numbers in full.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Records {
    /// Stem of its files.
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Value>>,
}

impl Records {
    /// Comma-separated values (RFC 4180, lines end in `\n`); nothing for `null`.
    pub(super) fn csv(&self) -> String {
        let mut text = String::new();
        let heads: Vec<Value> = self.columns.iter().map(|name| json!(name)).collect();
        for row in std::iter::once(&heads).chain(&self.rows) {
            let fields: Vec<String> = row.iter().map(csv_field).collect();
            text.push_str(&fields.join(","));
            text.push('\n');
        }
        text
    }

    /// A JSON array with an object a line.
    pub(super) fn json(&self) -> String {
        let rows: Vec<String> = self
            .rows
            .iter()
            .map(|row| {
                let record: Map<String, Value> =
                    self.columns.iter().cloned().zip(row.iter().cloned()).collect();
                Value::Object(record).to_string()
            })
            .collect();
        if rows.is_empty() { "[]\n".to_owned() } else { format!("[\n{}\n]\n", rows.join(",\n")) }
    }
}

/// The number that a key writes.
fn number(key: &str) -> Value {
    serde_json::from_str(key).unwrap_or_else(|_| json!(key))
}

fn csv_field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => csv::quoted(text).into_owned(),
        other => csv::quoted(&other.to_string()).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_genotype_with_commas_is_one_field() {
        let records = Records {
            name: "x".to_owned(),
            columns: vec!["genotype".to_owned(), "score".to_owned()],
            rows: vec![
                vec![json!("[C(64,3,1), \"SM\"]"), json!(0.1)],
                vec![json!("a"), Value::Null],
            ],
        };
        assert_eq!(records.csv(), "genotype,score\n\"[C(64,3,1), \"\"SM\"\"]\",0.1\na,\n");
        let read: Vec<Map<String, Value>> = serde_json::from_str(&records.json()).unwrap();
        assert_eq!(read[0]["genotype"], "[C(64,3,1), \"SM\"]");
    }

    #[test]
    fn markdown_keeps_markup_as_text() {
        assert_eq!(markdown("a|b <i> *c* 'd'"), "a\\|b &lt;i&gt; \\*c\\* 'd'");
        assert_eq!(markdown("&#39; \"e\""), "&amp;\\#39; \"e\"");
        assert_eq!(markdown_code("a`b|"), "`` a`b| ``");
        assert_eq!(Cell::code("a|b").markdown(), "`a\\|b`");
    }

    #[test]
    fn machines_read_numbers_in_full() {
        let mut table = Table::new("t", &["name", "#size", "#score"]);
        table.row(vec![Cell::text("x"), Cell::large(123_456), Cell::number(0.5, "50 %".into())]);
        table.row(vec![Cell::text("y"), Cell::none(), Cell::none()]);
        assert_eq!(table.records("t".to_owned()).csv(), "name,size,score\nx,123456,0.5\ny,,\n");
    }

    #[test]
    fn numbers_stand_right() {
        let mut table = Table::new("t", &["name", "#size"]);
        table.row(vec![Cell::text("x"), Cell::count(1200)]);
        assert_eq!(table.markdown(), "| name | size |\n| --- | ---: |\n| x | 1,200 |");
    }
}
