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
pub mod live;
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
pub use findings::{Controller, Data, Finals, Findings, QValue, Search, Source, Sources};
pub use plot::Figure;
pub use sections::Options;

use std::fs;
use std::path::{Path, PathBuf};

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use document::Gallery;
use table::Records;

/// The page's file.
pub const PAGE_FILE: &str = "report.html";
/// The Markdown's file.
pub const MARKDOWN_FILE: &str = "report.md";
/// The folder of figures.
pub const FIGURES_FOLDER: &str = "figures";
/// The folder of the page's tables, as CSV and JSON.
pub const TABLES_FOLDER: &str = "tables";

/// Writes the report on `findings` into `folder`: page, Markdown, tables and figures.
pub fn write(findings: &Findings, options: &Options, folder: &Path) -> Result<(), ReportError> {
    let document = sections::compose(findings, options);
    put(folder, PAGE_FILE, html::page(&document))?;
    put(folder, MARKDOWN_FILE, markdown::page(&document))?;
    records::all(findings).iter().try_for_each(|records| put_records(folder, records))?;
    let tables = made(folder, TABLES_FOLDER)?;
    document.tables().iter().try_for_each(|records| put_records(&tables, records))?;
    let figures = made(folder, FIGURES_FOLDER)?;
    for (name, photo) in document.galleries().into_iter().flat_map(Gallery::photos) {
        put(&figures, &format!("{name}.png"), &photo.png)?;
    }
    // Rasterising is most of the work, and no picture knows of another.
    document.figures().into_par_iter().try_for_each(|figure| {
        put(&figures, &format!("{}.svg", figure.name), figure.file())?;
        put(&figures, &format!("{}.png", figure.name), figure.png())
    })
}

fn put_records(folder: &Path, records: &Records) -> Result<(), ReportError> {
    put(folder, &format!("{}.csv", records.name), records.csv())?;
    put(folder, &format!("{}.json", records.name), records.json())
}

/// A folder in the report.
fn made(folder: &Path, name: &str) -> Result<PathBuf, ReportError> {
    let path = folder.join(name);
    match fs::create_dir_all(&path) {
        Ok(()) => Ok(path),
        Err(source) => Err(ReportError::Io { action: "cannot make folder", path, source }),
    }
}

fn put(folder: &Path, file: &str, content: impl AsRef<[u8]>) -> Result<(), ReportError> {
    let path = folder.join(file);
    fs::write(&path, content).map_err(|source| ReportError::Io {
        action: "cannot write",
        path,
        source,
    })
}
