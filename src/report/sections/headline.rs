//! The headline: what the study comes to, worded with care for what a number can and cannot say.

use super::{Study, finals};
use crate::report::document::{KeyFigure, Prose};
use crate::report::findings::Finals;
use crate::report::meaning::Meaning;
use crate::report::ranking::Ranking;
use crate::report::words;
use crate::results::{By, word};
use crate::wording;

/// Retrainings that get a sentence of their own.
const SENTENCES: usize = 4;
/// Letters of a genotype that stands inside a sentence.
const GENOTYPE_MAX: usize = 120;

/// `Architecture search: q_learning in space chain`.
pub(super) fn title(study: &Study<'_>) -> String {
    let mut strategies: Vec<&str> = Vec::new();
    let mut spaces: Vec<&str> = Vec::new();
    for search in &study.findings.searches {
        let card = &search.card;
        for (words, entry) in [(&mut strategies, &card.strategy), (&mut spaces, &card.space)] {
            if !words.contains(&word(entry)) {
                words.push(word(entry));
            }
        }
    }
    if strategies.is_empty() {
        return "Retrained networks".to_owned();
    }
    format!("Architecture search: {} in space {}", strategies.join(", "), spaces.join(", "))
}

/// What the study comes to.
pub(super) fn sentences(study: &Study<'_>) -> Vec<Prose> {
    let retrained = &study.findings.finals;
    let is_one_of_many = retrained.len() > 1;
    let mut sentences: Vec<Prose> = retrained
        .iter()
        .filter(|finals| finals.summary.test_images > 0)
        .take(SENTENCES)
        .map(|finals| tested(finals, is_one_of_many))
        .collect();
    if retrained.len() > SENTENCES {
        let rest = wording::count(retrained.len() - SENTENCES, "further retraining");
        sentences.push(Prose::new(format!("{rest} are listed below.")));
    }
    if sentences.is_empty() {
        sentences.extend(study.rankings.first().and_then(searched));
    }
    if sentences.is_empty() {
        sentences.push(Prose::new("There is nothing to report yet: no trial gave a score."));
    }
    sentences
}

/// The sentence about a network that met the test set.
fn tested(is: &Finals, is_one_of_many: bool) -> Prose {
    let summary = &is.summary;
    let chosen = &summary.chosen;
    let images = wording::thousands(summary.test_images);
    let failure = is.chosen_model().and_then(|model| model.failure.as_deref());
    let begin = if is_one_of_many { format!("{}: the", is.label) } else { "The".to_owned() };
    let others = match summary.models.len() {
        0 | 1 => String::new(),
        n => format!(
            " The {n} retrained networks are all listed below; picking the best of them by its test accuracy would flatter it."
        ),
    };
    let prose = Prose::new(format!("{begin} chosen network"));
    let prose = if is_short(&chosen.genotype) {
        prose.plain(" ").code(&chosen.genotype)
    } else {
        prose.plain(", drawn below,")
    };
    if let Some(failure) = failure {
        return prose.plain(format!(" could not be trained: {failure}."));
    }
    prose.plain(" gets ").strong(words::percent(chosen.test_accuracy)).plain(format!(
        " of {images} test images right (95 % Wilson interval: {}). It was chosen by its search \
             {}, before the test set was read.{others}",
        words::interval(chosen.interval),
        finals::rank_word(summary.by)
    ))
}

/// Whether a sentence can hold it and still be read: chains mostly, pairs of cells never.
fn is_short(genotype: &str) -> bool {
    genotype.chars().count() <= GENOTYPE_MAX
}

/// The sentence about the best network when none met a test set.
fn searched(ranking: &Ranking) -> Option<Prose> {
    let best = ranking.networks.first()?;
    let networks = wording::count(ranking.networks.len(), "network");
    let score = words::score(best.score, ranking.meaning);
    let by = if ranking.by == By::Reward { " by reward" } else { "" };
    let prose = Prose::new(format!("The best of {networks}{by} is "));
    let prose = if is_short(&best.genotype) {
        prose.code(&best.genotype)
    } else {
        prose.plain("drawn below,")
    };
    Some(match ranking.meaning {
        Meaning::Mock => prose.plain(" with a made-up score of ").strong(score).plain("."),
        Meaning::Proxy | Meaning::Table => {
            let noun = format!(" with a {} of ", ranking.meaning.noun());
            prose.plain(noun).strong(score).plain("; nothing was trained for it.")
        }
        Meaning::Accuracy => prose.plain(" with a validation accuracy of ").strong(score).plain(
            ". The search aimed at this number, so it flatters the network: only a test set that the \
             search never saw can tell how good it is.",
        ),
    })
}

/// What no reader may miss about made-up numbers.
pub(super) fn warning(study: &Study<'_>) -> Option<Prose> {
    let searches = &study.findings.searches;
    let mocks = searches.iter().filter(|search| search.card.mock).count();
    if mocks == 0 {
        return None;
    }
    let which = if mocks == searches.len() { "All search scores" } else { "Some search scores" };
    let prose = Prose::default().strong(format!("{which} here are made up")).plain(
        " by the mock evaluator: no network was trained for them. They show how a strategy behaves and \
         say nothing about images.",
    );
    Some(if study.findings.finals.is_empty() {
        prose
    } else {
        prose.plain(" Test accuracies come from real training.")
    })
}

/// The few numbers that sum it up.
pub(super) fn key_figures(study: &Study<'_>) -> Vec<KeyFigure> {
    let mut figures = Vec::new();
    if let [finals] = study.findings.finals.as_slice() {
        figures.extend(test_figures(finals));
    }
    if let Some(ranking) = study.rankings.first()
        && let Some(best) = ranking.networks.first()
    {
        figures.push(KeyFigure {
            name: match ranking.by {
                By::Score => ranking.meaning.best(),
                By::Reward => "Score of the best by reward",
            },
            value: words::score(best.score, ranking.meaning),
            note: format!("mean of {}", wording::count(best.trials, "trial")),
        });
    }
    let trials: usize = study.findings.searches.iter().map(|search| search.trials.len()).sum();
    if trials > 0 {
        let failures: usize = study.rankings.iter().map(|ranking| ranking.failures).sum();
        let failed =
            if failures == 0 { "none failed".to_owned() } else { format!("{failures} failed") };
        figures.push(KeyFigure {
            name: "Trials",
            value: wording::thousands(trials as u64),
            note: failed,
        });
    }
    figures
}

fn test_figures(finals: &Finals) -> Vec<KeyFigure> {
    let summary = &finals.summary;
    let mut figures = Vec::new();
    let is_trained = finals.chosen_model().is_none_or(|model| model.failure.is_none());
    if summary.test_images > 0 && is_trained {
        figures.push(KeyFigure {
            name: "Test accuracy",
            value: words::percent(summary.chosen.test_accuracy),
            note: words::interval(summary.chosen.interval),
        });
    }
    if let Some(model) = finals.chosen_model() {
        figures.push(KeyFigure {
            name: "Parameters",
            value: words::large(model.parameters),
            note: format!("{} multiply-adds", words::large(model.multiply_adds)),
        });
    }
    figures
}
