//! The command line: arguments, one file per command, diagnostics and exit codes.

pub mod diagnostics;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::event::{Emit, Event};
use crate::plan::{self, Request, Selection};
use crate::run::{self, Interrupt, LockUse, RunOptions};
use crate::spec::{self, Project};
use crate::stage::Registry;
use crate::store::{Store, StoreOptions};

#[derive(Debug, Parser)]
enum Command {
    /// Runs a pipeline.
    Run(RunArgs),
    /// Computes one job.
    #[command(hide = true)]
    Worker {
        /// The job.
        job: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    pipeline: PathBuf,
    #[arg(short = 'p', value_parser = key_value)]
    params: Vec<(String, String)>,
    #[arg(short = 'j', long)]
    jobs: Option<usize>,
    #[arg(long)]
    threads: Option<usize>,
    #[arg(long = "pool", value_parser = key_value)]
    pools: Vec<(String, String)>,
    #[arg(short = 'k', long)]
    keep_going: bool,
    #[arg(long)]
    force: bool,
    #[arg(long)]
    only: Vec<String>,
    #[arg(long)]
    from: Vec<String>,
    #[arg(long)]
    until: Vec<String>,
    #[arg(long)]
    store: Option<PathBuf>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("not KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Parses the arguments, does what they say, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    match Command::parse() {
        Command::Worker { job } => run::worker(&job, &Registry::standard()).exit_code().into(),
        Command::Run(args) => run_pipeline(&args).unwrap_or_else(|error| {
            say(&format!("error: {error}"));
            ExitCode::from(4)
        }),
    }
}

fn run_pipeline(args: &RunArgs) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let registry = Registry::standard();
    let project = Project::find(&args.pipeline)?;
    let loaded = spec::load(&project, &args.pipeline, &args.params, &registry.names());
    let (pipeline, _) = loaded.map_err(crate::diagnostic::Diagnostics::from)?;
    let (study, _) = plan::join(pipeline, &registry)?;
    let root = args.store.clone().unwrap_or(project.store);
    let store = Store::open(&root, StoreOptions::default())?;
    let absolute = std::path::absolute(&args.pipeline)?;
    let request = Request {
        file: absolute.strip_prefix(&project.root).unwrap_or(&absolute).to_owned(),
        root: project.root,
        params: args.params.clone(),
        selection: Selection {
            only: args.only.clone(),
            from: args.from.clone(),
            until: args.until.clone(),
        },
        store: store.root().to_owned(),
    };
    let mut pools = project.pools;
    for (pool, capacity) in &args.pools {
        pools.insert(pool.clone(), capacity.parse()?);
    }
    let options = RunOptions {
        program: std::env::current_exe()?,
        jobs: args.jobs,
        threads: args.threads,
        pools,
        keep_going: args.keep_going,
        force: args.force,
    };
    let interrupt = Interrupt::new()?;
    let _listening = interrupt.listen()?;
    let report =
        run::pipeline(&request, &study, &store, &options, LockUse::Leave, &interrupt, &Plain)?;
    Ok(match (report.run.ok, report.run.interrupted) {
        (true, _) => ExitCode::SUCCESS,
        (false, true) => ExitCode::from(130),
        (false, false) => ExitCode::FAILURE,
    })
}

#[expect(clippy::print_stderr, reason = "the command line talks to people")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// A line for each event that a person wants to see.
struct Plain;

impl Emit for Plain {
    fn emit(&self, event: Event) {
        match event {
            Event::StageEnded { stage, ending, reason, .. } => {
                let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
                say(&format!("{stage} {}{reason}", run::ending_word(ending)));
            }
            Event::StageWaits { stage, holder } => say(&format!("{stage} waits for {holder}")),
            Event::StageRetries { stage, reason, .. } => say(&format!("{stage} retries: {reason}")),
            Event::Warning { stage, text } => {
                let stage = stage.map_or_else(String::new, |stage| format!("{stage} "));
                say(&format!("warning: {stage}{text}"));
            }
            _ => {}
        }
    }
}
