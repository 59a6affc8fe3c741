//! `predict`: which classes a trained network sees in images.

use std::path::{Path, PathBuf};

use comfy_table::{CellAlignment, Table, presets};
use rayon::prelude::*;
use serde_json::{Value, json};

use super::model;
use crate::cli::args::PredictArgs;
use crate::cli::error::CliError;
use crate::cli::{Exit, Terminal};
use crate::dataset::{self, DatasetError, Images};
use crate::results::{SavedModel, Signature};
use crate::train::{Cpu, Predictor, Scores, TrainError};
use crate::wording;

/// Images in memory at a time.
const CHUNK: usize = 512;
/// Images that are named when they cannot be used.
const NAMED: usize = 10;

/// An image and its likeliest classes.
struct Prediction {
    path: PathBuf,
    /// Places of classes with their probabilities, likeliest first.
    likeliest: Vec<(usize, f32)>,
}

/// Says the likeliest classes of every image; where one cannot be read, all such are named instead.
pub(super) fn predict(args: &PredictArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let models = model::read(&model::place(&args.model)?, args.ensemble)?;
    let signature = models[0].signature.clone();
    let paths = image_paths(&args.images)?;
    let predictions = look_at(&models, &paths, args.top)?;
    if terminal.json {
        terminal.say_json(&as_json(&predictions, &signature));
    } else {
        terminal.say(&as_table(&predictions, &signature));
    }
    Ok(Exit::Done)
}

/// The files, and those of the folders.
fn image_paths(given: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut paths = Vec::new();
    for path in given {
        if path.is_dir() {
            let found = dataset::images_below(path)?;
            if found.is_empty() {
                let text = format!("there is no PNG or JPEG image in `{}`", path.display());
                return Err(CliError::Usage(text));
            }
            paths.extend(found);
        } else {
            paths.push(path.clone());
        }
    }
    Ok(paths)
}

fn look_at(
    models: &[SavedModel],
    paths: &[PathBuf],
    top: usize,
) -> Result<Vec<Prediction>, CliError> {
    let predictors = models.iter().map(|model| Predictor::new(model, &Cpu));
    let predictors: Vec<Predictor> = predictors.collect::<Result<_, _>>()?;
    let (mut predictions, mut unusable) = (Vec::new(), Vec::new());
    for paths in paths.chunks(CHUNK) {
        let (images, errors) = read(&models[0].signature, paths);
        unusable.extend(errors);
        if unusable.is_empty() {
            let scores = mean_scores(&predictors, &images)?;
            let rows = scores.probabilities.chunks_exact(scores.classes);
            predictions.extend(paths.iter().zip(rows).map(|(path, row)| Prediction {
                path: path.clone(),
                likeliest: likeliest(row, top),
            }));
        }
    }
    match unusable.len() {
        0 => Ok(predictions),
        1 => Err(unusable.swap_remove(0).into()),
        count => Err(CliError::Usage(all_of_them(&unusable, count))),
    }
}

/// The images in `paths`, and what is wrong with those that are none.
fn read(signature: &Signature, paths: &[PathBuf]) -> (Images, Vec<DatasetError>) {
    let shape = signature.image;
    let read = |path: &PathBuf| dataset::read_image(path, shape, signature.fit);
    let read: Vec<_> = paths.par_iter().map(read).collect();
    let mut images = Images { pixels: Vec::new(), labels: Vec::new(), shape };
    let mut errors = Vec::new();
    for result in read {
        match result {
            Ok(pixels) => {
                images.pixels.extend(pixels);
                images.labels.push(0);
            }
            Err(error) => errors.push(error),
        }
    }
    (images, errors)
}

fn mean_scores(predictors: &[Predictor], images: &Images) -> Result<Scores, TrainError> {
    let scores = predictors.iter().map(|predictor| predictor.predict(images));
    let mut scores: Vec<Scores> = scores.collect::<Result<_, _>>()?;
    Ok(if scores.len() == 1 { scores.swap_remove(0) } else { Scores::mean(&scores) })
}

/// The `top` classes of an image; of equal ones the first come first.
fn likeliest(row: &[f32], top: usize) -> Vec<(usize, f32)> {
    let mut classes: Vec<(usize, f32)> = row.iter().copied().enumerate().collect();
    classes.sort_by(|a, b| b.1.total_cmp(&a.1));
    classes.truncate(top);
    classes
}

fn all_of_them(errors: &[DatasetError], count: usize) -> String {
    let words = |error: &DatasetError| match std::error::Error::source(error) {
        Some(cause) => format!("\n  {error}: {cause}"),
        None => format!("\n  {error}"),
    };
    let named: String = errors.iter().take(NAMED).map(words).collect();
    let more =
        if count > NAMED { format!("\n  and {} more", count - NAMED) } else { String::new() };
    format!("{} cannot be used:{named}{more}", wording::count(count, "image"))
}

fn as_table(predictions: &[Prediction], signature: &Signature) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["image", "class", "probability"]);
    for Prediction { path, likeliest } in predictions {
        for (place, (class, probability)) in likeliest.iter().enumerate() {
            let image = if place == 0 { path.display().to_string() } else { String::new() };
            let percent = format!("{:.1} %", 100.0 * probability);
            table.add_row([image, signature.classes[*class].clone(), percent]);
        }
    }
    if let Some(column) = table.column_mut(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn as_json(predictions: &[Prediction], signature: &Signature) -> Value {
    let class = |&(class, probability): &(usize, f32)| json!({ "class": signature.classes[class], "probability": probability });
    let image = |path: &Path| path.display().to_string();
    let entries = predictions.iter().map(|Prediction { path, likeliest }| {
        json!({ "image": image(path), "classes": likeliest.iter().map(class).collect::<Value>() })
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_come_first_and_the_first_of_equals_before_the_second() {
        let row = [0.1, 0.4, 0.1, 0.4];
        let places = |top| likeliest(&row, top).iter().map(|(place, _)| *place).collect::<Vec<_>>();
        assert_eq!((places(3), places(9)), (vec![1, 3, 0], vec![1, 3, 0, 2]));
    }
}
