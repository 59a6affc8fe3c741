//! `serve`: runs in a browser.

use crate::cli::args::ServeArgs;
use crate::cli::error::CliError;
use crate::cli::project::Workplace;
use crate::cli::{Exit, Terminal};

/// Says the address and answers until a person ends it.
#[cfg(feature = "serve")]
pub(super) fn serve(
    workplace: &Workplace,
    args: &ServeArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    use crate::serve::{Options, Server};
    let root = workplace.project.root.clone();
    let runs = workplace.store()?.runs();
    let server = Server::bind(Options { root, runs, port: args.port })?;
    if terminal.json {
        terminal.say_json(&serde_json::json!({ "url": server.url() }));
    } else {
        terminal.say(&server.url());
        terminal.note("open this address on this machine; Ctrl-C ends it");
    }
    server.run()?;
    Ok(Exit::Done)
}

/// Says that this build cannot.
#[cfg(not(feature = "serve"))]
pub(super) fn serve(_: &Workplace, _: &ServeArgs, _: &Terminal) -> Result<Exit, CliError> {
    Err(CliError::Usage(
        "this phytotron was built without `serve`: build it with `--features serve`".to_owned(),
    ))
}
