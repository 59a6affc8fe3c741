//! Routes: which address gives what.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use super::Site;
use super::access::{REPORT_POLICY, guard};
use super::feed::{LogFeed, RunFeed, RunsFeed, events};
use super::pages::Page;
use super::{parts, words};
use crate::report::live;
use crate::run::{History, PastRun, RunError, RunStatus};

/// Seconds between two loads of a page whose browser runs no script.
const REFRESH: u32 = 5;

/// All addresses, guarded.
pub(super) fn all(site: Arc<Site>) -> Router {
    Router::new()
        .route("/", get(runs))
        .route("/events", get(runs_events))
        .route("/runs/{run}", get(run))
        .route("/runs/{run}/events", get(run_events))
        .route("/runs/{run}/log/{stage}", get(log))
        .route("/runs/{run}/log/{stage}/events", get(log_events))
        .route("/reports/{pipeline}/{page}", get(report))
        .route("/style.css", get(style))
        .route("/live.js", get(script))
        .fallback(async || Refusal::Unknown)
        .layer(from_fn_with_state(Arc::clone(&site), guard))
        .with_state(site)
}

/// Why an address gives nothing.
enum Refusal {
    /// There is nothing.
    Unknown,
    /// It cannot be read.
    Unreadable(String),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Unknown => (StatusCode::NOT_FOUND, "there is no such page".to_owned()),
            Self::Unreadable(text) => (StatusCode::INTERNAL_SERVER_ERROR, text),
        };
        let crumbs = vec![("/".to_owned(), "not found".to_owned())];
        let parts = Vec::new();
        let page = Page { title: text, crumbs, events: None, refresh: None, parts };
        (status, Html(page.html())).into_response()
    }
}

impl From<RunError> for Refusal {
    fn from(error: RunError) -> Self {
        match error {
            RunError::UnknownRun { .. } | RunError::AmbiguousRun { .. } => Self::Unknown,
            error => Self::Unreadable(error.to_string()),
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Unknown,
            _ => Self::Unreadable(error.to_string()),
        }
    }
}

type Answer<T> = Result<T, Refusal>;

/// Reads files where waiting for a disk holds up no other page.
async fn read<T: Send + 'static>(
    site: Arc<Site>,
    work: impl FnOnce(Arc<Site>) -> Answer<T> + Send + 'static,
) -> Answer<T> {
    let done = tokio::task::spawn_blocking(move || work(site)).await;
    done.unwrap_or_else(|error| Err(Refusal::Unreadable(error.to_string())))
}

/// The run with exactly this id.
fn find(site: &Site, name: &str) -> Answer<PastRun> {
    let run = History::new(site.options.runs.clone()).find(name)?;
    if run.run == name { Ok(run) } else { Err(Refusal::Unknown) }
}

async fn runs(State(site): State<Arc<Site>>) -> Answer<Html<String>> {
    read(site, |site| {
        let runs = History::new(site.options.runs.clone()).runs()?;
        let page = Page {
            title: "Runs".to_owned(),
            crumbs: Vec::new(),
            events: Some("/events".to_owned()),
            refresh: Some(REFRESH),
            parts: parts::runs(&site.options, &runs),
        };
        Ok(Html(page.html()))
    })
    .await
}

async fn runs_events(State(site): State<Arc<Site>>) -> impl IntoResponse {
    events(RunsFeed::new(site))
}

async fn run(State(site): State<Arc<Site>>, Path(name): Path<String>) -> Answer<Html<String>> {
    read(site, move |site| {
        let run = find(&site, &name)?;
        let href = format!("/runs/{name}");
        let crumbs = vec![(href.clone(), name.clone())];
        let (title, mut events, mut refresh) = (run.pipeline.clone(), None, None);
        let parts = if run.has_folder {
            let (parts, status) = RunFeed::new(Arc::clone(&site), &name)?.parts()?;
            if status == RunStatus::Running {
                (events, refresh) = (Some(format!("{href}/events")), Some(REFRESH));
            }
            parts
        } else {
            let details = History::new(site.options.runs.clone()).details(&name)?;
            parts::known(&site.options, &run, details.same_as.as_deref())
        };
        Ok(Html(Page { title, crumbs, events, refresh, parts }.html()))
    })
    .await
}

async fn run_events(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
) -> Answer<impl IntoResponse> {
    let feed = read(site, move |site| {
        find(&site, &name)?;
        Ok(RunFeed::new(site, &name)?)
    });
    Ok(events(feed.await?))
}

/// The log of a stage; its address has the name of the log's file, so nothing but a log can be asked for.
fn log_file(site: &Site, run: &str, stage: &str) -> Answer<(PathBuf, PastRun)> {
    let run = find(site, run)?;
    if stage.is_empty() || crate::plan::safe_name(stage) != stage {
        return Err(Refusal::Unknown);
    }
    let details = History::new(site.options.runs.clone()).details(&run.run)?;
    Ok((details.logs.join(format!("{stage}.log")), run))
}

async fn log(
    State(site): State<Arc<Site>>,
    Path((name, stage)): Path<(String, String)>,
) -> Answer<Html<String>> {
    read(site, move |site| {
        let (path, run) = log_file(&site, &name, &stage)?;
        let (_, parts) = parts::log(&path)?;
        let runs = run.status == RunStatus::Running;
        let here = format!("/runs/{name}/log/{stage}");
        let page = Page {
            title: format!("Log of {stage}"),
            crumbs: vec![(format!("/runs/{name}"), name), (here.clone(), "log".to_owned())],
            events: runs.then(|| format!("{here}/events")),
            refresh: runs.then_some(REFRESH),
            parts,
        };
        Ok(Html(page.html()))
    })
    .await
}

async fn log_events(
    State(site): State<Arc<Site>>,
    Path((name, stage)): Path<(String, String)>,
) -> Answer<impl IntoResponse> {
    let feed = read(site, move |site| {
        let (path, _) = log_file(&site, &name, &stage)?;
        Ok(LogFeed::new(path))
    });
    Ok(events(feed.await?))
}

async fn report(
    State(site): State<Arc<Site>>,
    Path((pipeline, page)): Path<(String, String)>,
) -> Answer<Response> {
    read(site, move |site| {
        let path = words::report_file(&site.options, &pipeline, &page).ok_or(Refusal::Unknown)?;
        let html = std::fs::read_to_string(path)?;
        let mut response = Html(html).into_response();
        let policy = HeaderValue::from_static(REPORT_POLICY);
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        Ok(response)
    })
    .await
}

async fn style() -> impl IntoResponse {
    let style = format!("{}{}", live::style(), include_str!("templates/serve.css"));
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], style)
}

async fn script() -> impl IntoResponse {
    let script = include_str!("templates/live.js");
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], script)
}
