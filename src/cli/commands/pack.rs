//! `pack` and `unpack`: a study as one file, and a study from one.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::bundle::{self, Contents, Outputs};
use crate::cli::args::{OutputsArg, PackArgs, PipelineArgs, SelectionArgs, UnpackArgs};
use crate::cli::error::CliError;
use crate::cli::project::Workplace;
use crate::cli::{Exit, Terminal};
use crate::store::StoreOptions;
use crate::wording;

/// Endings of a bundle's name.
const ENDINGS: [&str; 2] = [".tar.zst", ".tar"];

/// Packs a pipeline with its results.
pub(super) fn pack(
    workplace: &Workplace,
    args: &PackArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let bundle = args.output.clone().unwrap_or_else(|| {
        PathBuf::from(args.pipeline.file_stem().unwrap_or_default()).with_added_extension("tar.zst")
    });
    if !is_bundle(&bundle) {
        let name = bundle.display();
        return Err(CliError::Usage(format!(
            "`{name}`: a bundle is called NAME.tar.zst, or NAME.tar to leave it unshrunk"
        )));
    }
    let pipeline = PipelineArgs { pipeline: args.pipeline.clone(), params: Vec::new() };
    let (study, _) = workplace.load(&pipeline)?;
    let store = workplace.store()?;
    let request = workplace.request(&pipeline, &SelectionArgs::default())?;
    let mut planner = super::plan::planner(&request, &study, &store)?;
    let contents = Contents {
        root: &request.root,
        file: &request.file,
        planner: &mut planner,
        store: &store,
        outputs: match args.outputs {
            OutputsArg::All => Outputs::All,
            OutputsArg::Final => Outputs::Final,
            OutputsArg::None => Outputs::None,
        },
        spec_only: args.spec_only,
    };
    let packed = bundle::pack(contents, &bundle)?;
    let (files, results) = (packed.card.files.len(), packed.card.results.len());
    if terminal.json {
        let left_out: Vec<&String> = packed.card.left_out.keys().collect();
        let bytes = packed.bytes;
        terminal.say_json(&json!({ "bundle": bundle, "bytes": bytes, "files": files, "results": results, "left_out": left_out }));
        return Ok(Exit::Done);
    }
    let (files, results) = (wording::count(files, "file"), wording::count(results, "result"));
    terminal.say(&format!(
        "{}: {files}, {results}, {}",
        bundle.display(),
        wording::bytes(packed.bytes)
    ));
    if !packed.card.left_out.is_empty() {
        let left_out = wording::count(packed.card.left_out.len(), "data file");
        terminal.note(&format!(
            "note: {left_out} left out; whoever unpacks needs them to run the study"
        ));
    }
    Ok(Exit::Done)
}

/// Unpacks a bundle into a project of its own.
pub(super) fn unpack(args: &UnpackArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let folder = args.folder.clone().unwrap_or_else(|| PathBuf::from(stem(&args.bundle)));
    let unpacked = bundle::unpack(&args.bundle, &folder, StoreOptions::default())?;
    let pipeline = unpacked.folder.join(&unpacked.card.pipeline);
    if terminal.json {
        terminal.say_json(
            &json!({ "folder": unpacked.folder, "pipeline": pipeline, "card": unpacked.card }),
        );
        return Ok(Exit::Done);
    }
    for path in unpacked.card.left_out.keys() {
        terminal.note(&format!("note: the study reads `{path}`, which is not in the bundle"));
    }
    let (pipeline, results) =
        (pipeline.display(), wording::count(unpacked.card.results.len(), "result"));
    terminal.say(&format!("{results} unpacked; go on with `phytotron run {pipeline}`, or check by `phytotron verify {pipeline}`"));
    Ok(Exit::Done)
}

/// Whether a file is called as bundles are.
pub(super) fn is_bundle(file: &Path) -> bool {
    let name = file.to_string_lossy();
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// A bundle's file name without its ending.
fn stem(bundle: &Path) -> String {
    let name = bundle.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending));
    stem.filter(|stem| !stem.is_empty()).map_or_else(|| format!("{name}.unpacked"), str::to_owned)
}
