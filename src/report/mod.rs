//! Reports: tables, curves and drawings as HTML, Markdown, CSV and JSON.
//!
//! A report is made from artifacts alone ([`write`]): no clock, host, path or stage name is in it, so
//! equal inputs give equal bytes. What a run cost is added afterwards, to a copy that is not an artifact
//! ([`page::with_run_facts`]). It knows nothing of how results came about.

mod document;
mod error;
mod facts;
mod findings;
mod html;
mod markdown;
mod meaning;
pub mod page;
mod plot;
mod ranking;
mod records;
mod sections;
mod table;
mod words;

pub use error::ReportError;
pub use facts::{RunFacts, StageFacts};
pub use findings::{Finals, Findings, Search, Source, Sources};
pub use plot::Figure;
pub use sections::Options;

use std::fs;
use std::path::Path;

/// The page's file.
pub const PAGE_FILE: &str = "report.html";
/// The Markdown's file.
pub const MARKDOWN_FILE: &str = "report.md";
/// The folder of figures.
pub const FIGURES_FOLDER: &str = "figures";

/// Writes the report on `findings` into `folder`: page, Markdown, tables and figures.
pub fn write(findings: &Findings, options: &Options, folder: &Path) -> Result<(), ReportError> {
    let document = sections::compose(findings, options);
    put(folder, PAGE_FILE, &html::page(&document))?;
    put(folder, MARKDOWN_FILE, &markdown::page(&document))?;
    for records in records::all(findings) {
        put(folder, &format!("{}.csv", records.name), &records.csv())?;
        put(folder, &format!("{}.json", records.name), &records.json())?;
    }
    let figures = folder.join(FIGURES_FOLDER);
    fs::create_dir_all(&figures).map_err(|source| ReportError::Io {
        action: "cannot make folder",
        path: figures.clone(),
        source,
    })?;
    for figure in document.figures() {
        put(&figures, &format!("{}.svg", figure.name), &figure.file())?;
    }
    Ok(())
}

fn put(folder: &Path, file: &str, text: &str) -> Result<(), ReportError> {
    let path = folder.join(file);
    fs::write(&path, text).map_err(|source| ReportError::Io {
        action: "cannot write",
        path,
        source,
    })
}
