//! Pages in Debian's Chromium, headless: what they do after their scripts, and how they look.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::skip;

/// A headless browser that forgets everything between two pages.
pub(crate) struct Browser {
    program: PathBuf,
}

/// Ways of a browser to fail a page that its words do not show.
const WATCH: &str = include_str!("browser/watch.js");
/// What a person would try, with what came of it.
const TRY: &str = include_str!("browser/try.js");

impl Browser {
    /// Chromium, or a word about the skipped test.
    pub(crate) fn find() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut programs = std::env::split_paths(&path).map(|folder| folder.join("chromium"));
        let found = programs.find(|program| program.is_file());
        if found.is_none() {
            skip("no chromium on PATH: apt-get install chromium fonts-dejavu-core");
        }
        found.map(|program| Self { program })
    }

    /// What a person finds who tries everything on the page, `width` pixels wide.
    #[track_caller]
    pub(crate) fn try_out(&self, html: &str, width: u32) -> Value {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("page.html");
        let html = html.replacen("<head>", &format!("<head><script>{WATCH}</script>"), 1);
        let end = html.rfind("</body>").unwrap();
        let html = format!("{}<script>{TRY}</script>{}", &html[..end], &html[end..]);
        let escaped = html.replace('&', "&amp;").replace('"', "&quot;");
        fs::write(&page, framed(width, 900, &format!("srcdoc=\"{escaped}\""))).unwrap();
        let output = self.open(&page, width, 900, &["--dump-dom"]);
        let dom = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let console: Vec<&str> = said.lines().filter(|line| line.contains("CONSOLE")).collect();
        assert!(console.is_empty(), "{console:?}");
        let verdict = dom.split("<pre id=\"verdict\">").nth(1);
        let verdict = verdict.unwrap_or_else(|| panic!("no verdict: {said}\n{dom:.2000}"));
        let verdict = verdict.split("</pre>").next().unwrap();
        let verdict = verdict.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        serde_json::from_str(&verdict).unwrap()
    }

    /// A picture of the page's beginning.
    pub(crate) fn screenshot(&self, page: &Path, (width, height): (u32, u32), file: &Path) {
        let folder = tempfile::tempdir().unwrap();
        let frame = folder.path().join("frame.html");
        let source = format!("src=\"file://{}\"", page.display());
        fs::write(&frame, framed(width, height, &source)).unwrap();
        self.open(&frame, width, height, &[&format!("--screenshot={}", file.display())]);
    }

    /// What stands in the page at an address once its scripts have nothing to do and no server says more, and that
    /// nothing complained.
    #[track_caller]
    pub(crate) fn visit(&self, url: &str) -> String {
        let output = self.navigate(url, 900, 900, &["--dump-dom"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let console: Vec<&str> = said.lines().filter(|line| line.contains("CONSOLE")).collect();
        assert!(console.is_empty(), "{console:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn open(&self, page: &Path, width: u32, height: u32, more: &[&str]) -> Output {
        self.navigate(&format!("file://{}", page.display()), width, height, more)
    }

    fn navigate(&self, url: &str, width: u32, height: u32, more: &[&str]) -> Output {
        let fresh = TempDir::new().unwrap();
        let output = Command::new(&self.program)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-quic"])
            .args(["--disable-component-update", "--disable-sync", "--hide-scrollbars"])
            .args(["--enable-logging=stderr", "--virtual-time-budget=20000"])
            .arg(format!("--user-data-dir={}", fresh.path().display()))
            .arg(format!("--window-size={width},{height}"))
            .args(more)
            .arg(url)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    }
}

/// A page in a frame of its own: windows are never narrower than 500 pixels, telephones are.
fn framed(width: u32, height: u32, source: &str) -> String {
    let style = format!("width:{width}px;height:{height}px;border:0;display:block");
    format!(
        "<!doctype html><body style=\"margin:0\"><iframe style=\"{style}\" {source}></iframe></body>"
    )
}

/// What must hold of every page, however wide.
#[track_caller]
pub(crate) fn is_sound(found: &Value) {
    let nothing = serde_json::json!([]);
    for fault in ["errors", "violations", "requests", "cut", "overlaps"] {
        assert_eq!(found[fault], nothing, "{fault} at {}", found["width"]);
    }
    assert_eq!(found["wider_than_window"], 0, "the page scrolls sideways at {}", found["width"]);
}
