//! Runs a pipeline from Rust.
//!
//! `cargo run --release --example run_pipeline -- pipelines/quickstart.yaml`
//!
//! Built-in stages compute in a process of their own, so this program is a worker when it is called
//! with `worker JOB`.

#![expect(clippy::print_stdout, reason = "an example shows what it did")]

use std::error::Error;
use std::path::{Path, PathBuf};

use phytotron::event::Silent;
use phytotron::plan::{self, Request, Selection};
use phytotron::run::{self, Interrupt, LockUse, RunOptions};
use phytotron::spec::Project;
use phytotron::stage::Registry;
use phytotron::store::{Store, StoreOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let registry = Registry::standard();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, job] = arguments.as_slice()
        && command == "worker"
    {
        std::process::exit(run::worker(Path::new(job), &registry).exit_code().into());
    }
    let file = PathBuf::from(arguments.first().ok_or("name a pipeline")?);
    let project = Project::find(&file)?;
    let (study, _warnings) = plan::load(&project, &file, &[], &registry)?;
    let store = Store::open(&project.store, StoreOptions::default())?;
    let request = Request {
        root: project.root.clone(),
        file,
        params: Vec::new(),
        selection: Selection::default(),
        store: project.store.clone(),
    };
    let options = RunOptions {
        program: std::env::current_exe()?,
        cuda_program: run::cuda_program(&std::env::current_exe()?),
        jobs: None,
        threads: None,
        pools: project.pools,
        gpus: run::gpus(),
        keep_going: false,
        force: false,
        profile: false,
    };
    let interrupt = Interrupt::new()?;
    let update = LockUse::Update;
    let report =
        run::pipeline(&request, &study, (&store).into(), &options, update, &interrupt, &Silent)?;
    for end in report.run.stages {
        println!("{} {} {:?}", end.stage, end.ending.word(), end.metrics);
    }
    Ok(())
}
