//! The finals: what retraining and the test set said of each network, and of the chosen one in detail.

use super::{Study, confusion, figure_name, headed, ranking, training};
use crate::report::document::{Block, Gallery, Photo, Prose};
use crate::report::findings::Finals;
use crate::report::meaning::Meaning;
use crate::report::ranking::Ranking;
use crate::report::table::{Cell, Table};
use crate::report::words;
use crate::results::{By, Mistake, ModelSummary};
use crate::wording;

/// Letters of a class name below an image.
const NAME_MAX: usize = 40;

/// The section.
pub(super) fn blocks(study: &Study<'_>) -> Vec<Block> {
    let finals = &study.findings.finals;
    let many = finals.len() > 1;
    let part = |(i, one): (usize, &Finals)| headed(&one.label, many, one_block(study, one, i));
    finals.iter().enumerate().flat_map(part).collect()
}

fn one_block(study: &Study<'_>, finals: &Finals, index: usize) -> Vec<Block> {
    let mut blocks = vec![Block::Table(table(study, finals)), Block::Text(note(finals))];
    if let Some(ensemble) = &finals.summary.ensemble {
        blocks.push(Block::Text(
            Prose::new(format!(
                "The mean of the class probabilities of {}, of {} retrained, gets ",
                ensemble.genotype,
                finals.summary.models.len()
            ))
            .strong(words::percent(ensemble.test_accuracy))
            .plain(format!(" (95 % interval: {}).", words::interval(ensemble.interval))),
        ));
    }
    blocks.extend(training::figures(finals, index).into_iter().map(Block::Figure));
    blocks.extend(confusion::blocks(study, finals, index));
    blocks.extend(mistakes(study, finals, index).map(Block::Gallery));
    blocks
}

/// The images that the chosen network was surest of and wrong about.
fn mistakes(study: &Study<'_>, finals: &Finals, index: usize) -> Option<Gallery> {
    let names = confusion::class_names(study, finals);
    let name = |class: usize| words::cut(&names[class], NAME_MAX);
    let photo = |(mistake, png): &(Mistake, Vec<u8>)| Photo {
        png: png.clone(),
        alt: format!("{} seen as {}", name(mistake.label), name(mistake.prediction)),
        lines: vec![
            name(mistake.label),
            format!("seen as {}", name(mistake.prediction)),
            words::percent(f64::from(mistake.probability)),
        ],
    };
    let photos: Vec<Photo> = finals.mistakes.iter().map(photo).collect();
    (!photos.is_empty()).then(|| Gallery {
        name: figure_name("mistake", index),
        title: "Most confident mistakes".to_owned(),
        caption: "Test images that the chosen network gave a wrong class with the highest probabilities: the \
                  true class, what it was seen as, and how sure the network was."
            .to_owned(),
        groups: vec![(String::new(), photos)],
    })
}

fn note(finals: &Finals) -> Prose {
    let summary = &finals.summary;
    let tested = if summary.test_images == 0 {
        "No test set was bound, so there is no test accuracy.".to_owned()
    } else {
        format!(
            "Tested once, on {}. Ranks are by search {}; the test set reorders nothing. Intervals are \
             Wilson's at 95 % and cover the choice of test images, not the chance in training.",
            wording::count(usize::try_from(summary.test_images).unwrap_or(usize::MAX), "image"),
            rank_word(summary.by)
        )
    };
    Prose::new(tested)
}

/// What the finals were ranked by, in a word.
pub(super) fn rank_word(by: By) -> &'static str {
    match by {
        By::Score => "score",
        By::Reward => "reward",
    }
}

fn table(study: &Study<'_>, finals: &Finals) -> Table {
    let summary = &finals.summary;
    let some_failed = summary.models.iter().any(|model| model.failure.is_some());
    // What a reader looks for stands first: narrow screens show only the first columns at once.
    let mut columns =
        vec!["#rank", "genotype", "#test accuracy", "#95 % interval", "#balanced accuracy"];
    let by_reward = summary.by == By::Reward;
    columns.extend(by_reward.then_some("#search reward"));
    columns.extend(["#search score", "#parameters", "#multiply-adds", "#training loss", "#epochs"]);
    columns.extend(some_failed.then_some("failure"));
    let mut table = Table::new("Networks trained in full", &columns);
    for model in &summary.models {
        let mut cells = vec![Cell::count(model.rank as u64), Cell::code(&model.genotype)];
        cells.extend(test_cells(finals, model));
        let reward = |reward: f64| Cell::number(reward, format!("{reward:.4}"));
        cells.extend(by_reward.then(|| model.search_reward.map_or_else(Cell::none, reward)));
        let score = words::score(model.search_score, meaning(study, model));
        cells.extend([
            Cell::number(model.search_score, score),
            Cell::large(model.parameters),
            Cell::large(model.multiply_adds),
            Cell::number(model.training_loss, format!("{:.4}", model.training_loss)),
            Cell::count(model.epochs),
        ]);
        if some_failed {
            cells.push(model.failure.as_deref().map_or_else(Cell::none, Cell::text));
        }
        table.row(cells);
    }
    table
}

/// What the score that ranked it is: the ranking that has this very score says so.
fn meaning(study: &Study<'_>, model: &ModelSummary) -> Meaning {
    let gave = |ranking: &&Ranking| {
        ranking.networks.iter().any(|network| {
            network.genotype == model.genotype && (network.score - model.search_score).abs() < 1e-9
        })
    };
    let known = study.rankings.iter().find(gave).or(study.rankings.last());
    known.map_or(Meaning::Accuracy, |ranking| ranking.meaning)
}

fn test_cells(finals: &Finals, model: &ModelSummary) -> [Cell; 3] {
    if finals.summary.test_images == 0 || model.failure.is_some() {
        return [Cell::none(), Cell::none(), Cell::none()];
    }
    let [accuracy, interval] = ranking::accuracy_cells(model);
    let balanced = model.balanced_accuracy;
    [accuracy, interval, Cell::number(balanced, words::percent(balanced))]
}
