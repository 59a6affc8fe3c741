//! The commands, one file each; every one returns its exit code and says its answer once.

mod check;
mod curves;
mod export;
mod fsck;
mod gc;
mod get;
mod graph;
mod history;
mod init;
mod kinds;
mod model;
mod pack;
mod plan;
mod predict;
mod report;
mod run;
mod run_export;
mod schema;
mod serve;
mod share;
mod trials;
mod verify;

use clap::CommandFactory as _;

use super::args::{Cli, Command};
use super::error::CliError;
use super::project::Workplace;
use super::{Exit, Terminal};
use crate::plan::{StageIndex, Study};
use crate::run as runs;
use crate::stage::Registry;
use crate::wording;

/// Does what the command line says.
pub(super) fn dispatch(cli: &Cli, terminal: &Terminal) -> Result<Exit, CliError> {
    let at = |pipeline: Option<&std::path::Path>| Workplace::find(&cli.global, pipeline);
    match &cli.command {
        Command::Run(args) => run::run(&at(Some(&args.pipeline.pipeline))?, args, terminal),
        Command::Plan(args) => plan::plan(&at(Some(&args.pipeline.pipeline))?, args, terminal),
        Command::Explain(args) => {
            plan::explain(&at(Some(&args.pipeline.pipeline))?, args, terminal)
        }
        Command::Graph(args) => graph::graph(&at(Some(&args.pipeline.pipeline))?, args, terminal),
        Command::Log(args) => history::log(&at(None)?, args, terminal),
        Command::Show(args) => history::show(&at(None)?, args, terminal),
        Command::Diff(args) => history::diff(&at(None)?, args, terminal),
        Command::Push(args) => share::push(&at(args.pipeline.as_deref())?, args, terminal),
        Command::Pull(args) => share::pull(&at(args.pipeline.as_deref())?, args, terminal),
        Command::Report(args) => report::report(&at(None)?, args, terminal),
        Command::Serve(args) => serve::serve(&at(None)?, args, terminal),
        Command::Gc(args) => gc::gc(&at(None)?, args, terminal),
        Command::Check(args) => check::check(&at(Some(&args.pipeline))?, args, terminal),
        Command::Get(args) => get::get(&at(Some(&args.pipeline.pipeline))?, args, terminal),
        Command::Trials(args) => {
            trials::trials(&at(Some(&args.pipeline.pipeline))?, args, terminal)
        }
        Command::Export(args) => export::export(&cli.global, args, terminal),
        Command::Predict(args) => predict::predict(args, terminal),
        Command::Verify(args) => {
            verify::verify(|| at(Some(&args.pipeline.pipeline)), args, terminal)
        }
        Command::Pack(args) => pack::pack(&at(Some(&args.pipeline))?, args, terminal),
        Command::Unpack(args) => pack::unpack(args, terminal),
        Command::Fsck(args) => fsck::fsck(&at(None)?, args, terminal),
        Command::Kinds(args) => kinds::kinds(args, terminal),
        Command::Schema(args) => schema::schema(args, terminal),
        Command::Init(args) => init::init(args, terminal),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "phytotron", &mut script);
            terminal.say(&String::from_utf8_lossy(&script));
            Ok(Exit::Done)
        }
        Command::Worker { job } => Ok(worker(job)),
    }
}

/// The worker's exit code is for the curious: the truth is in the attempt's result file.
fn worker(job: &std::path::Path) -> Exit {
    match runs::worker(job, &Registry::standard()) {
        runs::WorkerEnd::Done => Exit::Done,
        runs::WorkerEnd::Failed(_) => Exit::StageFailed,
        runs::WorkerEnd::Interrupted => Exit::Interrupted,
    }
}

/// The stage with this id: a name, or a name with a cell.
fn find_stage(study: &Study, id: &str) -> Result<StageIndex, CliError> {
    if let Some((index, _)) = study.iter().find(|(_, stage)| stage.id.to_string() == id) {
        return Ok(index);
    }
    let ids: Vec<String> = study.iter().map(|(_, stage)| stage.id.to_string()).collect();
    let help = match wording::nearest(id, ids.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the stages are {}", wording::list(&ids)),
    };
    Err(CliError::Usage(format!("there is no stage `{id}`: {help}")))
}
