//! A browser without a window: keeps the cookie, reads pages and what a server sends while a page is open.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use crate::support::TestSpace;

/// A served project; the server ends with it.
pub(super) struct Served {
    child: Child,
    /// `http://127.0.0.1:PORT`.
    pub(super) base: String,
    /// `?token=…`.
    pub(super) token: String,
    cookie: String,
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: String,
    pub(super) headers: Vec<(String, String)>,
}

impl Served {
    /// Serves the project of `space` at any port.
    pub(super) fn start(space: &TestSpace) -> Self {
        let mut command = space.command(&["serve", "--port", "0"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (base, token) = line.trim().split_once("/?").unwrap();
        let (base, token) = (base.to_owned(), format!("?{token}"));
        let mut served = Self { child, base, token, cookie: String::new() };
        let first = served.ask("GET", &format!("/{}", served.token), &[]);
        assert_eq!(first.status, 303);
        let cookie = first.headers.iter().find(|(name, _)| name == "set-cookie").unwrap();
        cookie.1.split(';').next().unwrap().clone_into(&mut served.cookie);
        served
    }

    /// The page at `path`, which must be there.
    #[track_caller]
    pub(super) fn page(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.text
    }

    /// What `path` gives to one who has the key.
    pub(super) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[("cookie", &self.cookie)])
    }

    /// Any request.
    pub(super) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request =
            ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let config = ureq::Agent::config_builder().max_redirects(0).http_status_as_error(false);
        let agent: ureq::Agent = config.allow_non_standard_methods(true).build().into();
        let mut response = agent.run(request.body(()).unwrap()).unwrap();
        let headers = response.headers().iter();
        let headers = headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let text = response.body_mut().read_to_string().unwrap();
        Answer { status: response.status().as_u16(), text, headers }
    }

    /// Calls `seen` with each event that `path` sends, its name and its data, until it says that this is enough or
    /// the server has said all.
    pub(super) fn watch(&self, path: &str, mut seen: impl FnMut(&str, &str) -> bool) {
        let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
        let request = agent.get(format!("{}{path}", self.base)).header("cookie", &self.cookie);
        let mut response = request.call().unwrap();
        let mut event = String::new();
        for line in BufReader::new(response.body_mut().as_reader()).lines() {
            let line = line.unwrap();
            if let Some(name) = line.strip_prefix("event: ") {
                name.clone_into(&mut event);
            } else if let Some(data) = line.strip_prefix("data:")
                && seen(&event, data.trim_start())
            {
                return;
            }
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
