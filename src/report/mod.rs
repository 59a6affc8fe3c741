//! Reports: tables, curves and drawings as HTML, Markdown, CSV and JSON.
