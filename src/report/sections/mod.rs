//! The sections of a report, a file each: findings in, prose, tables and figures out.

mod actions;
mod agreement;
mod architecture;
mod checklist;
mod comparison;
mod confusion;
mod cost;
mod data;
mod finals;
mod front;
mod headline;
mod learning;
mod provenance;
mod ranking;
mod search;
mod spaces;
mod training;
mod values;

pub(super) use search::{figure, mark};

use super::document::{Block, Document, Prose, Section};
use super::findings::Findings;
use super::ranking::{Ranking, rankings};
use super::words;

/// Letters of a title.
const TITLE_MAX: usize = 200;
/// Letters of a question.
const QUESTION_MAX: usize = 600;

/// What a pipeline may set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The page's title; made from the findings when missing.
    pub title: Option<String>,
    /// What the study asks, in a sentence.
    pub question: Option<String>,
    /// Rows of the table of networks.
    pub top: usize,
}

/// What every section is made from.
struct Study<'a> {
    findings: &'a Findings,
    rankings: Vec<Ranking>,
    options: &'a Options,
}

/// Composes the report; a section that would say nothing is left out.
pub(super) fn compose(findings: &Findings, options: &Options) -> Document {
    let study = Study { findings, rankings: rankings(findings), options };
    let sections = [
        ("architecture", "Best architecture", architecture::blocks(&study)),
        ("search", "Search", search::blocks(&study)),
        ("networks", "Best networks", ranking::blocks(&study)),
        ("front", "Score and cost", front::blocks(&study)),
        ("agreement", "Agreement of evaluators", agreement::blocks(&study)),
        ("finals", "Retrained networks", finals::blocks(&study)),
        ("cost", "Cost", cost::blocks(&study)),
        ("data", "Data", data::blocks(&study)),
        ("provenance", "Provenance", provenance::blocks(&study)),
        ("checklist", "Reporting checklist", checklist::blocks(&study)),
    ];
    Document {
        title: words::cut(
            options.title.clone().unwrap_or_else(|| headline::title(&study)),
            TITLE_MAX,
        ),
        question: options
            .question
            .as_deref()
            .map(|question| Prose::new(words::cut(question, QUESTION_MAX))),
        headline: headline::sentences(&study),
        warning: headline::warning(&study),
        key_figures: headline::key_figures(&study),
        sections: sections
            .into_iter()
            .filter(|(_, _, blocks)| !blocks.is_empty())
            .map(|(id, title, blocks)| Section { id, title, blocks })
            .collect(),
    }
}

/// `curve`, `curve-2`: the name of the `index`-th (from 0) of several figures of a kind.
fn figure_name(stem: &str, index: usize) -> String {
    if index == 0 { stem.to_owned() } else { format!("{stem}-{}", index + 1) }
}

/// Puts `blocks` under a heading when there are several groups like it.
fn headed(heading: &str, is_one_of_many: bool, blocks: Vec<Block>) -> Vec<Block> {
    let heading = is_one_of_many.then(|| Block::Heading(heading.to_owned()));
    heading.into_iter().chain(blocks).collect()
}
