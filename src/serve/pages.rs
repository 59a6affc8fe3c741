//! Pages: a frame around parts, which the server sends again when they change.

use askama::Template;

/// A piece of a page that can be put in anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Its element.
    pub(super) id: &'static str,
    /// What is inside.
    pub(super) html: String,
}

/// A whole page.
#[derive(Debug, Template)]
#[template(path = "frame.html", config = "src/serve/templates/askama.toml")]
pub(super) struct Page {
    /// Its title, and its first heading.
    pub(super) title: String,
    /// The way to it: addresses and words.
    pub(super) crumbs: Vec<(String, String)>,
    /// Where the server says what changed, if anything can.
    pub(super) events: Option<String>,
    /// Seconds after which a browser without script should load it again.
    pub(super) refresh: Option<u32>,
    /// Its parts.
    pub(super) parts: Vec<Part>,
}

impl Page {
    /// The page as text.
    pub(super) fn html(&self) -> String {
        self.render().expect("BUG: rendering into a string")
    }
}
