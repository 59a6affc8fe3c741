//! `trials`: the networks that a pipeline's searches looked at, chosen and sorted.

use serde_json::{Value, json};

use super::get;
use crate::artifact::{ArtifactType, StageId};
use crate::cli::args::TrialsArgs;
use crate::cli::error::CliError;
use crate::cli::project::Workplace;
use crate::cli::trial_field::Field;
use crate::cli::{Exit, Terminal};
use crate::dataset::csv;
use crate::digest::Digest;
use crate::plan::{StageIndex, Study};
use crate::results::{self, Trial};
use crate::run;
use crate::store::Store;
use crate::wording;

/// Lines of a table when nobody says how many.
const SHOWN: usize = 20;

/// A trial and where it comes from.
struct Row {
    stage: StageId,
    /// The kind of evaluator that gave the score.
    evaluator: String,
    trial: Trial,
}

/// Lists the trials of all searches, or of one stage.
pub(super) fn trials(
    workplace: &Workplace,
    args: &TrialsArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let (study, _) = workplace.load(&args.pipeline)?;
    let store = workplace.store()?;
    let stages = wanted(&study, args.stage.as_deref())?;
    let records = get::records(workplace, &args.pipeline, &study, &store, &stages)?;
    let mut rows = Vec::new();
    for (index, record) in stages.iter().zip(records) {
        let outputs = record.outputs.values();
        for output in outputs.filter(|output| output.kind == ArtifactType::Trials) {
            let stage = &study.get(*index).id;
            let trials = read(&store, &output.tree)?;
            let evaluator = evaluator(&store, &output.tree)?;
            let row = |trial: &Trial| Row {
                stage: stage.clone(),
                evaluator: evaluator.clone(),
                trial: trial.clone(),
            };
            rows.extend(results::finished(&trials).map(row));
        }
    }
    let mut rows = chosen(rows, args)?;
    let all = rows.len();
    // Programs want everything, people a page.
    let is_for_people = !args.csv && !terminal.json;
    rows.truncate(args.top.unwrap_or(if is_for_people { SHOWN } else { all }));
    if terminal.json {
        terminal.say_json(&rows.iter().map(object).collect());
    } else if args.csv {
        terminal.say(&sheet(&rows));
    } else {
        terminal.say(&table(&rows, stages.len() > 1));
        if args.top.is_none() && rows.len() < all {
            let all = wording::thousands(all as u64);
            terminal.note(&format!("{SHOWN} of {all} trials: `--top N` and `--csv` show more"));
        }
    }
    Ok(Exit::Done)
}

/// The stages that write trials: all of them, or those of this name or with this id.
fn wanted(study: &Study, stage: Option<&str>) -> Result<Vec<StageIndex>, CliError> {
    let writes = |index: &StageIndex| {
        let outputs = study.get(*index).stage.outputs();
        outputs.iter().any(|output| output.kind == ArtifactType::Trials)
    };
    let Some(name) = stage else {
        let stages: Vec<StageIndex> = study.iter().map(|(index, _)| index).filter(writes).collect();
        if stages.is_empty() {
            let text = "no stage of this pipeline looks at networks: `search` and `evaluate` do";
            return Err(CliError::Usage(text.to_owned()));
        }
        return Ok(stages);
    };
    let cells = study.iter().filter(|(_, stage)| stage.id.name == name).map(|(index, _)| index);
    let mut stages: Vec<StageIndex> = cells.collect();
    if stages.is_empty() {
        stages.push(super::find_stage(study, name)?);
    }
    if stages.iter().all(|index| !writes(index)) {
        return Err(CliError::Usage(format!("stage `{name}` has no trials")));
    }
    Ok(stages)
}

fn read(store: &Store, tree: &Digest) -> Result<Vec<Trial>, CliError> {
    let lines = store.read(tree, results::TRIALS_FILE)?;
    results::trials_in(&String::from_utf8_lossy(&lines)).map_err(|(line, reason)| {
        CliError::Usage(format!("line {line} of the trials of tree {tree} is none: {reason}"))
    })
}

/// The kind of evaluator that the trials' card names.
fn evaluator(store: &Store, tree: &Digest) -> Result<String, CliError> {
    let card: Value =
        serde_json::from_slice(&store.read(tree, results::CARD_FILE)?).unwrap_or_default();
    Ok(results::word(&card["evaluator"]).to_owned())
}

/// Those that pass, in the order that is wanted.
fn chosen(mut rows: Vec<Row>, args: &TrialsArgs) -> Result<Vec<Row>, CliError> {
    let known = |field: &Field| match field {
        Field::Measure(name) => rows.iter().any(|row| row.trial.measures.contains_key(name)),
        _ => true,
    };
    let fields = args.bounds.iter().map(|bound| &bound.field).chain(&args.sort);
    if let Some(Field::Measure(name)) = fields.into_iter().find(|field| !known(field)) {
        return Err(CliError::Usage(unknown(name, &rows)));
    }
    rows.retain(|row| {
        let Row { trial, .. } = row;
        args.bounds.iter().all(|bound| bound.holds(trial))
            && (!args.failed || trial.failure.is_some())
            && args.contains.as_ref().is_none_or(|text| trial.genotype.contains(text))
    });
    if let Some(field) = &args.sort {
        // A stable sort: equals stay in the order of the search, those without a value come last.
        rows.sort_by(|a, b| field.order(&a.trial, &b.trial, args.reverse));
        if field.is_judgement() {
            // Evaluators do not measure the same thing: trained networks come first, each kind by itself.
            rows.sort_by(|a, b| {
                let place = |row: &Row| (row.evaluator != "train", row.evaluator.clone());
                place(a).cmp(&place(b))
            });
        }
    }
    Ok(rows)
}

fn unknown(name: &str, rows: &[Row]) -> String {
    let measures = rows.iter().flat_map(|row| row.trial.measures.keys()).map(String::as_str);
    let mut names: Vec<&str> = Field::NAMES.into_iter().chain(measures).collect();
    names.sort_unstable();
    names.dedup();
    match wording::nearest(name, names.iter().copied()) {
        Some(near) => format!("trials have no number `{name}`: did you mean `{near}`?"),
        None => format!("trials have no number `{name}`, but {}", wording::list(&names)),
    }
}

fn table(rows: &[Row], with_stage: bool) -> String {
    if rows.is_empty() {
        return "no such trials\n".to_owned();
    }
    let rewards = rows.iter().any(|row| row.trial.reward.to_bits() != row.trial.score.to_bits());
    let failures = rows.iter().any(|row| row.trial.failure.is_some());
    let mut head = vec!["trial", "score", "parameters", "multiply-adds", "epochs", "network"];
    if rewards {
        head.insert(2, "reward");
    }
    let evaluators = rows.iter().any(|row| row.evaluator != rows[0].evaluator);
    if evaluators {
        head.insert(0, "evaluator");
    }
    if with_stage {
        head.insert(0, "stage");
    }
    if failures {
        head.push("failure");
    }
    let lines = rows.iter().map(|Row { stage, evaluator, trial }| {
        let mut cells = vec![
            trial.trial.to_string(),
            format!("{:.4}", trial.score),
            wording::thousands(trial.parameters),
            wording::thousands(trial.multiply_adds),
            trial.epochs.to_string(),
            trial.genotype.clone(),
        ];
        if rewards {
            cells.insert(2, format!("{:.4}", trial.reward));
        }
        if evaluators {
            cells.insert(0, evaluator.clone());
        }
        if with_stage {
            cells.insert(0, stage.to_string());
        }
        if failures {
            cells.push(trial.failure.clone().unwrap_or_default());
        }
        cells
    });
    let words = usize::from(with_stage) + usize::from(evaluators);
    let numbers: Vec<usize> = (words..head.len())
        .filter(|&column| !matches!(head[column], "network" | "failure"))
        .collect();
    run::text_table(&head, lines, &numbers)
}

/// A trial as an object, with its stage and every number by its name.
fn object(row: &Row) -> Value {
    let mut value = json!(row.trial);
    value["stage"] = json!(row.stage.to_string());
    value["evaluator"] = json!(row.evaluator);
    value
}

fn sheet(rows: &[Row]) -> String {
    let mut measures: Vec<&str> =
        rows.iter().flat_map(|row| row.trial.measures.keys()).map(String::as_str).collect();
    measures.sort_unstable();
    measures.dedup();
    let mut text = String::new();
    let head: Vec<&str> = ["stage", "evaluator", "genotype", "failure"]
        .into_iter()
        .chain(Field::NAMES)
        .chain(measures.iter().copied())
        .collect();
    csv::push_record(&mut text, &head);
    for Row { stage, evaluator, trial } in rows {
        let own = Field::NAMES.map(|name| Field::of(name).value(trial));
        let measured = measures.iter().map(|&name| trial.measures.get(name).copied());
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let texts = [
            stage.to_string(),
            evaluator.clone(),
            trial.genotype.clone(),
            trial.failure.clone().unwrap_or_default(),
        ];
        let cells: Vec<String> =
            texts.into_iter().chain(own.into_iter().chain(measured).map(number)).collect();
        csv::push_record(&mut text, &cells.iter().map(String::as_str).collect::<Vec<_>>());
    }
    text
}
