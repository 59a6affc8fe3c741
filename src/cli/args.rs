//! Arguments: what people may type, with help and examples.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::trial_field::{Bound, Field};
use crate::spec;
use crate::stage::{Format, Which};
use crate::wording;

/// Grow neural networks under exactly repeatable conditions.
#[derive(Debug, Parser)]
#[command(name = "phytotron", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  phytotron run pipelines/quickstart.yaml              run what changed, restore the rest
  phytotron run pipelines/quickstart.yaml -p trials=50 with another parameter
  phytotron plan pipelines/quickstart.yaml             what would run, and why
  phytotron check pipelines/quickstart.yaml            only look for mistakes
  phytotron init quickstart my-study.yaml              start from a template

Exit codes: 0 done, 1 a stage failed, 2 usage, 3 invalid pipeline, 4 store unusable,
5 a check failed, 130 interrupted.";

const RUN_EXAMPLES: &str = "\
Examples:
  phytotron run study.yaml                       run what changed, restore the rest
  phytotron run study.yaml -p search.trials=500  with another parameter; the lock file is left alone
  phytotron run study.yaml --until search        everything up to the stage `search`
  phytotron run study.yaml -j 1 --threads 8      one stage at a time, with eight threads
  phytotron run study.yaml --locked              for CI: fail where a result differs from the lock file";

const TRIALS_EXAMPLES: &str = "\
Examples:
  phytotron trials study.yaml --sort accuracy                  the twenty best of all searches
  phytotron trials study.yaml search --where 'parameters<1e6'  small networks of one stage
  phytotron trials study.yaml --failed                         what did not train, and why
  phytotron trials study.yaml --csv > trials.csv               everything, for a spreadsheet

Names of numbers: trial, score (or accuracy), reward, parameters, multiply_adds (or macs), epochs, steps, epsilon,
rung, and whatever an evaluator measured.";

const REPORT_EXAMPLES: &str = "\
Examples:
  phytotron report last                                  on the last run
  phytotron report 20261124 20261125 -o comparison       on two runs, by the beginnings of their ids
  phytotron report last --question 'Does depth help?'";

const EXPORT_EXAMPLES: &str = "\
Examples:
  phytotron export out/quickstart/retrain               the chosen network, in every format
  phytotron export out/quickstart/retrain --ensemble    and the ensemble that was tested, as one graph
  phytotron export pipelines/quickstart.yaml retrain    by its pipeline and stage, from the store
  phytotron export out/quickstart/retrain/models/02     one network by its folder";

const PREDICT_EXAMPLES: &str = "\
Examples:
  phytotron predict out/quickstart/retrain shirt.png    by the network that was chosen
  phytotron predict out/quickstart/retrain photos/      every PNG and JPEG image in a folder
  phytotron predict out/quickstart/retrain photos/ --top 1 --json";

const PUSH_EXAMPLES: &str = "\
Examples:
  phytotron push study.yaml                  all results that the study has now
  phytotron push --run last                  what the last run used and made
  phytotron push --all --remote lab          everything in the store, with the trial cache

Remotes are set up in phytotron.yaml:
  remote:
    lab: { kind: s3, bucket: nas-lab, prefix: leaves }
    disk: { kind: dir, path: /mnt/lab/phytotron }";

const PULL_EXAMPLES: &str = "\
Examples:
  phytotron pull study.yaml                  all results of the study that the remote has
  phytotron pull --run last                  what the last run used, if it is gone here
  phytotron pull --all --remote lab          everything, with the trial cache
  phytotron run study.yaml --remote lab      fetch what is there and compute the rest";

const SERVE_EXAMPLES: &str = "\
Examples:
  phytotron serve                  then open the address that it prints; Ctrl-C ends it
  phytotron serve --port 9000      at a port of your choice
  ssh -L 8471:127.0.0.1:8471 lab   on your own machine, to watch runs on another

The page is for this machine alone, needs the key in the address, and changes nothing.";

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Folder of the store [default: .phytotron at the project's root]
    #[arg(long, global = true, value_name = "DIR", env = "PHYTOTRON_STORE")]
    pub(crate) store: Option<PathBuf>,
    /// Answer in JSON, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colour [default: on a terminal, unless `NO_COLOR` is set]
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: When,
}

/// When to do something that only a terminal understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal.
    Auto,
    /// In any case.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a pipeline: what changed runs, the rest is cached or restored
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Say what a run would do, and why
    Plan(PlanArgs),
    /// Look for mistakes in a pipeline, all at once
    Check(PipelineArgs),
    /// Say what a stage's result depends on and what changed since the last run
    Explain(ExplainArgs),
    /// Draw the stages and how they feed each other
    Graph(GraphArgs),
    /// List the runs
    Log(LogArgs),
    /// Show one run: stages, costs, headline numbers, curves
    Show(ShowArgs),
    /// Compare two runs (parameters, artifacts, numbers, costs) or two pipelines
    Diff(DiffArgs),
    /// List the networks that the searches of a pipeline looked at
    #[command(after_help = TRIALS_EXAMPLES)]
    Trials(TrialsArgs),
    /// Write one report on the searches and trainings of several runs
    #[command(after_help = REPORT_EXAMPLES)]
    Report(ReportArgs),
    /// Show runs in a browser while they go on: states, curves, logs, reports
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeArgs),
    /// Put a stage's outputs into a folder
    Get(GetArgs),
    /// Write trained networks as files for other programs: ONNX and torch
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(ExportArgs),
    /// Say which classes a trained network sees in images
    #[command(after_help = PREDICT_EXAMPLES)]
    Predict(PredictArgs),
    /// Compute a pipeline or a bundle again in a scratch store and compare with its lock file
    Verify(VerifyArgs),
    /// Put a study into one file: spec, lock, declared files, results
    Pack(PackArgs),
    /// Make a project from such a file; nothing in it is trusted
    Unpack(UnpackArgs),
    /// Check every object of the store
    Fsck(FsckArgs),
    /// Send results to a remote, only what is missing there
    #[command(after_help = PUSH_EXAMPLES)]
    Push(ShareArgs),
    /// Fetch results from a remote, only what is missing here
    #[command(after_help = PULL_EXAMPLES)]
    Pull(ShareArgs),
    /// Free what no lock file and no recent run needs
    Gc(GcArgs),
    /// List the stage kinds with their parameters
    Kinds(KindsArgs),
    /// Write the JSON Schemas that editors complete and check with
    Schema(SchemaArgs),
    /// Start a study from a template
    Init(InitArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Compute one job (started by `run`)
    #[command(hide = true)]
    Worker {
        /// The attempt's `job.json`
        job: PathBuf,
    },
}

/// A pipeline and its parameters.
#[derive(Debug, Clone, Args)]
pub(crate) struct PipelineArgs {
    /// The pipeline's file
    pub(crate) pipeline: PathBuf,
    /// Set a parameter; nested keys with dots, values typed as in YAML
    #[arg(short = 'p', long = "param", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) params: Vec<(String, String)>,
}

/// Which stages of a pipeline.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SelectionArgs {
    /// Only these stages and what they need
    #[arg(long, value_name = "STAGE", conflicts_with_all = ["from", "until"])]
    pub(crate) only: Vec<String>,
    /// These stages and all that depends on them
    #[arg(long, value_name = "STAGE")]
    pub(crate) from: Vec<String>,
    /// Everything up to these stages
    #[arg(long, value_name = "STAGE")]
    pub(crate) until: Vec<String>,
}

/// `run`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that people type")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    /// Stages running at once [default: number of cores]
    #[arg(short = 'j', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) jobs: Option<u32>,
    /// Threads of each stage [default: number of cores]; never changes a result
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) threads: Option<u32>,
    /// Capacity of a pool: `gpu=1`
    #[arg(long = "pool", value_name = "NAME=N", value_parser = key_value)]
    pub(crate) pools: Vec<(String, String)>,
    /// Start stages that do not depend on a failed one
    #[arg(short = 'k', long)]
    pub(crate) keep_going: bool,
    /// Compute again although results are known
    #[arg(long)]
    pub(crate) force: bool,
    /// Write what each operation of a training took below the run's folder; never changes a result
    #[arg(long)]
    pub(crate) profile: bool,
    /// Fail when a result differs from the lock file
    #[arg(long)]
    pub(crate) locked: bool,
    /// Write the lock file although parameters were set with -p
    #[arg(long)]
    pub(crate) lock: bool,
    /// Plan from the files instead of the last run's snapshot
    #[arg(long)]
    pub(crate) no_snapshot: bool,
    /// Fetch results that this remote of phytotron.yaml has instead of computing them
    #[arg(long, value_name = "NAME")]
    pub(crate) remote: Option<String>,
    /// With --remote: send there what it lacks, each result as soon as it is computed
    #[arg(long, requires = "remote")]
    pub(crate) push: bool,
    /// Put the outputs into a bucket for people to open: `s3://bucket/prefix`
    #[arg(long, value_name = "URL")]
    pub(crate) export: Option<String>,
    /// Progress as bars, plain lines, or none [default: bars on a terminal]
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) progress: Option<ProgressArg>,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressArg {
    /// A bar for each running stage.
    Bars,
    /// A line for each event.
    Plain,
    /// Nothing.
    None,
}

/// `plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,
    /// Look also at what this remote of phytotron.yaml has
    #[arg(long, value_name = "NAME")]
    pub(crate) remote: Option<String>,
    /// Time a few networks of each stage for a few steps, and say what a run would cost
    #[arg(long)]
    pub(crate) calibrate: bool,
    /// With --calibrate: say what would fit into this time
    #[arg(long, value_name = "TIME", default_value = "1h", requires = "calibrate", value_parser = time)]
    pub(crate) within: Time,
    /// With --calibrate: threads of each stage [default: number of cores]
    #[arg(long, value_name = "N", requires = "calibrate", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) threads: Option<u32>,
}

/// `explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,
    /// The stage, or one cell: `search[repeat=1,strategy=random]`
    pub(crate) stage: String,
}

/// `graph`.
#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,
    /// How to draw it
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: GraphFormat,
    /// Draw every cell of a matrix by itself
    #[arg(long)]
    pub(crate) cells: bool,
}

/// How to draw a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// For terminals.
    Text,
    /// For Markdown.
    Mermaid,
    /// For Graphviz.
    Dot,
    /// A picture.
    Svg,
}

/// `log`.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Only runs of this pipeline (its name or file)
    pub(crate) pipeline: Option<String>,
    /// How many, newest first
    #[arg(short = 'n', long, default_value_t = 20)]
    pub(crate) most: usize,
}

/// `show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// A run's id or its beginning [default: the newest]
    pub(crate) run: Option<String>,
    /// Tell what this stage did when, and what its program printed
    #[arg(long, value_name = "STAGE")]
    pub(crate) log: Option<String>,
}

/// `diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// A run's id or its beginning, or a pipeline's file
    pub(crate) before: String,
    /// The run or pipeline to compare with
    pub(crate) after: String,
}

/// `get`.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,
    /// The stage, one cell, or one output: `retrain.models`
    pub(crate) stage: String,
    /// Where to put the files [default: out/PIPELINE/STAGE]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
}

/// `trials`.
#[derive(Debug, Args)]
pub(crate) struct TrialsArgs {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,
    /// Only of this stage, or one cell of it [default: of all that have some]
    pub(crate) stage: Option<String>,
    /// Sort by a number: gains from the largest, costs from the smallest
    #[arg(long, value_name = "NUMBER", value_parser = |name: &str| Ok::<_, String>(Field::of(name)))]
    pub(crate) sort: Option<Field>,
    /// Sort the other way round
    #[arg(long, requires = "sort")]
    pub(crate) reverse: bool,
    /// Only where a number is so: `score>=0.9`; all of them where given several times
    #[arg(long = "where", value_name = "CONDITION", value_parser = Bound::parse)]
    pub(crate) bounds: Vec<Bound>,
    /// Only networks with this in their text
    #[arg(long, value_name = "TEXT")]
    pub(crate) contains: Option<String>,
    /// Only those that failed
    #[arg(long)]
    pub(crate) failed: bool,
    /// At most so many [default: 20 in a table]
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,
    /// As comma-separated values, with every number
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
}

/// `report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Runs: ids, their beginnings, or `last`
    #[arg(required = true, value_name = "RUN")]
    pub(crate) runs: Vec<String>,
    /// Where to put the page, tables and figures
    #[arg(short, long, value_name = "DIR", default_value = "report")]
    pub(crate) output: PathBuf,
    /// Title of the page
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// What is asked, in a sentence
    #[arg(long)]
    pub(crate) question: Option<String>,
    /// Networks in the table of the best
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) top: usize,
}

/// `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Folder of a `retrain` stage, of one network in it, or, before STAGE, a pipeline's file
    pub(crate) model: PathBuf,
    /// The stage of the pipeline, or one cell
    pub(crate) stage: Option<String>,
    /// Where to put the files
    #[arg(short, long, value_name = "DIR", default_value = "export")]
    pub(crate) output: PathBuf,
    /// The networks of the stage: `best`, `all`, or a rank
    #[arg(long, value_name = "WHICH", default_value = "best", value_parser = which)]
    pub(crate) which: Which,
    /// Kinds of files [default: all]
    #[arg(long = "format", value_name = "FORMAT", value_parser = format)]
    pub(crate) formats: Vec<Format>,
    /// Write the ensemble that was tested, too, as one graph
    #[arg(long)]
    pub(crate) ensemble: bool,
    /// Set a parameter of the pipeline
    #[arg(short = 'p', long = "param", value_name = "KEY=VALUE", requires = "stage", value_parser = key_value)]
    pub(crate) params: Vec<(String, String)>,
}

/// `predict`.
#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// Folder of a `retrain` stage, or of one network in it
    pub(crate) model: PathBuf,
    /// PNG and JPEG images, or folders of them
    #[arg(required = true, value_name = "IMAGE")]
    pub(crate) images: Vec<PathBuf>,
    /// Classes of each image
    #[arg(long, value_name = "K", default_value = "3", value_parser = at_least_one)]
    pub(crate) top: usize,
    /// Ask the ensemble that was tested
    #[arg(long)]
    pub(crate) ensemble: bool,
}

/// `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The port; 0 for any [default: 8471, or any where it is taken]
    #[arg(long, value_name = "N")]
    pub(crate) port: Option<u16>,
}

/// `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) pipeline: PipelineArgs,
    /// Stages running at once [default: number of cores]
    #[arg(short = 'j', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) jobs: Option<u32>,
    /// Compute only this share of the stages, above 0 and below 1; the others' results are taken as they are
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) sample: Option<f64>,
    /// Which stages a sample holds: another seed, others
    #[arg(long, value_name = "N", default_value_t = 0, requires = "sample")]
    pub(crate) seed: u64,
}

/// `pack`.
#[derive(Debug, Args)]
pub(crate) struct PackArgs {
    /// The pipeline's file
    pub(crate) pipeline: PathBuf,
    /// The file to write: NAME.tar.zst, or NAME.tar [default: PIPELINE.tar.zst]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Whose outputs to pack: those of every stage, of the final and published ones, or none
    #[arg(long, value_enum, default_value = "all")]
    pub(crate) outputs: OutputsArg,
    /// Leave out results and data: kilobytes, for handing in
    #[arg(long, conflicts_with = "outputs")]
    pub(crate) spec_only: bool,
}

/// Whose outputs to pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputsArg {
    /// Every stage's.
    All,
    /// Those of final and published stages.
    Final,
    /// Nobody's.
    None,
}

/// `unpack`.
#[derive(Debug, Args)]
pub(crate) struct UnpackArgs {
    /// The bundle
    pub(crate) bundle: PathBuf,
    /// The project's folder, new or empty [default: the bundle's name]
    pub(crate) folder: Option<PathBuf>,
}

/// `fsck`.
#[derive(Debug, Args)]
pub(crate) struct FsckArgs {
    /// Look only at names, sizes and checksums, not at every blob's content
    #[arg(long)]
    pub(crate) quick: bool,
}

/// `push` and `pull`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["pipeline", "run", "all"])))]
pub(crate) struct ShareArgs {
    /// The results of this pipeline
    pub(crate) pipeline: Option<PathBuf>,
    /// Set a parameter of the pipeline
    #[arg(short = 'p', long = "param", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) params: Vec<(String, String)>,
    /// The results that a run of this store used or made: its id, the beginning of one, or `last`
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Every result, and with `pull` the trial cache, which every `push` sends
    #[arg(long)]
    pub(crate) all: bool,
    /// The remote [default: the only one in phytotron.yaml]
    #[arg(long, value_name = "NAME")]
    pub(crate) remote: Option<String>,
}

/// `gc`.
#[derive(Debug, Args)]
pub(crate) struct GcArgs {
    /// Say what would be freed; free nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Keep what the last N runs computed [default: `keep_runs` of phytotron.yaml, or 10]
    #[arg(long, value_name = "N")]
    pub(crate) keep_runs: Option<usize>,
    /// Keep what is younger than this: 30m, 12h, 7d [default: 1h, or 7d at a remote]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) grace: Option<Time>,
    /// Sweep this remote instead: say what no result there needs; --delete removes it
    #[arg(long, value_name = "NAME", conflicts_with = "dry_run")]
    pub(crate) remote: Option<String>,
    /// With --remote: remove it
    #[arg(long, requires = "remote")]
    pub(crate) delete: bool,
    /// With --remote: also results that no lock file known here and no recent run names; other people's
    /// lock files are not known here
    #[arg(long, requires = "remote")]
    pub(crate) results: bool,
}

/// `kinds`.
#[derive(Debug, Args)]
pub(crate) struct KindsArgs {
    /// Show this kind's parameters
    pub(crate) kind: Option<String>,
}

/// `schema`.
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Folder for the schemas
    #[arg(default_value = "schemas")]
    pub(crate) folder: PathBuf,
    /// Write nothing; fail when a schema there is stale
    #[arg(long)]
    pub(crate) check: bool,
}

/// `init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The template [default: list them]
    pub(crate) template: Option<String>,
    /// The file to write [default: TEMPLATE.yaml]
    pub(crate) file: Option<PathBuf>,
}

/// A span of time as people write it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time(pub(crate) Duration);

/// Reads `90s`, `12h`, `7d`; `0s` is a time too.
fn time(text: &str) -> Result<Time, String> {
    spec::time(text).map(Time).ok_or_else(|| format!("`{text}` is no time: write 30m, 12h or 7d"))
}

/// Reads `best`, `all` or a rank.
fn which(text: &str) -> Result<Which, String> {
    text.parse().map_err(|()| format!("`{text}` is not `best`, `all` or a rank from 1"))
}

/// Reads the word of a format.
fn format(text: &str) -> Result<Format, String> {
    Format::ALL.into_iter().find(|format| format.word() == text).ok_or_else(|| {
        let words = Format::ALL.map(Format::word);
        format!("`{text}` is no format: they are {}", wording::list(&words))
    })
}

/// Reads a number above 0.
fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("`{text}` is no whole number above 0"))
}

/// Reads a share such as `0.3`.
fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| *share > 0.0 && *share <= 1.0);
    share.ok_or_else(|| format!("`{text}` is no share: write 0.3 for three stages of ten"))
}

/// Splits `key=value`.
fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not of the form KEY=VALUE")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_parameter_keeps_everything_after_its_first_equals_sign() {
        assert_eq!(key_value("a.b=c=d"), Ok(("a.b".to_owned(), "c=d".to_owned())));
        assert!(key_value("=x").is_err());
        assert!(key_value("x").is_err());
    }
}
