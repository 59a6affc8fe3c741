//! The `table` evaluator: scores of a benchmark's file, looked up by canonical text.
//!
//! The file may have texts in any form that the space reads: they are made canonical when it is opened. What is
//! none of the space stays as it is, since a benchmark may have more than a study searches.
//!
//! Nothing is interpolated: an architecture that the table lacks is an error that names it, since a made-up
//! score would look like a measured one.

use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Parameters, Scorer};
use crate::dataset::{Dataset, Outside, ProjectFiles, csv};
use crate::search::{EvaluateError, Evaluation};
use crate::space::Space;
use crate::stage::{Arity, Component, Job, StageError};
use crate::wording;

/// Version of how tables are read.
const VERSION: u32 = 1;

/// Looks scores up in a CSV file whose first line names its columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableConfig {
    /// The file, relative to the project. Its content is part of the result's fingerprint.
    pub file: String,
    /// Column with the architectures' texts, in any form that the space reads.
    #[serde(default = "genotype")]
    pub key: String,
    /// Column with their scores.
    #[serde(default = "score")]
    pub score: String,
    /// Scores are multiplied by this: 0.01 for a column in percent.
    #[serde(default = "one")]
    #[schemars(range(min = 0.000_000_001, max = 1_000_000_000.0))]
    pub scale: f64,
    /// Further columns of numbers, kept with each trial as they are.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub measures: Vec<String>,
}

fn genotype() -> String {
    "genotype".to_owned()
}

fn score() -> String {
    "score".to_owned()
}

fn one() -> f64 {
    1.0
}

impl Parameters for TableConfig {
    fn components(&self) -> Vec<Component> {
        vec![Component { name: "evaluator.table", version: VERSION }]
    }

    fn files(&self) -> Vec<String> {
        vec![self.file.clone()]
    }

    fn data(&self) -> Arity {
        Arity::Optional
    }

    fn scorer<'a>(
        &'a self,
        job: &'a Job<'a>,
        _: Option<Dataset>,
        space: &dyn Space,
    ) -> Result<Scorer<'a>, StageError> {
        Ok(Scorer::Table(Table::read(self, job, space)?))
    }
}

/// A table in memory.
#[derive(Debug)]
pub struct Table {
    file: String,
    rows: HashMap<String, Row>,
}

#[derive(Debug)]
struct Row {
    line: usize,
    score: f64,
    measures: BTreeMap<String, f64>,
}

impl Table {
    /// Reads the table of a job, as it was planned, for networks of `space`.
    ///
    /// # Errors
    /// When the file has changed, a column is missing, a number is none or out of its range, or a text
    /// stands twice; the line is named.
    pub(super) fn read(
        config: &TableConfig,
        job: &Job<'_>,
        space: &dyn Space,
    ) -> Result<Self, StageError> {
        let paths = &job.file.paths;
        let outside = Outside { scratch: &paths.scratch, downloads: &paths.scratch, bucket: None };
        let files = ProjectFiles::new(&paths.project, &job.file.files, outside);
        let text = String::from_utf8(files.read(&config.file)?)
            .map_err(|_| StageError::Failed(format!("`{}` is not UTF-8 text", config.file)))?;
        Self::parse(config, &text, |key| canonical(key, space)).map_err(StageError::Failed)
    }

    fn parse(
        config: &TableConfig,
        text: &str,
        canonical: impl Fn(&str) -> String,
    ) -> Result<Self, String> {
        let file = &config.file;
        let records = csv::records(text)
            .map_err(|line| format!("`{file}` line {line}: a quote that does not end its field"))?;
        let (head, records) =
            records.split_first().ok_or_else(|| format!("`{file}` has no line with columns"))?;
        let column = |name: &str| {
            head.fields.iter().position(|field| field.trim() == name).ok_or_else(|| {
                let known: Vec<&str> = head.fields.iter().map(|field| field.trim()).collect();
                format!("`{file}` has no column `{name}`; it has `{}`", known.join("`, `"))
            })
        };
        let (key, score) = (column(&config.key)?, column(&config.score)?);
        let measures = config
            .measures
            .iter()
            .map(|name| Ok((name, column(name)?)))
            .collect::<Result<Vec<_>, String>>()?;
        let mut rows = HashMap::with_capacity(records.len());
        for record in records {
            let number = |place: usize| number(file, record, &head.fields[place], place);
            let scaled = number(score)? * config.scale;
            if !(0.0..=1.0).contains(&scaled) {
                return Err(format!(
                    "`{file}` line {}: the score {scaled} is not between 0 and 1: set `scale`",
                    record.line
                ));
            }
            let measures =
                measures.iter().map(|(name, place)| Ok(((*name).clone(), number(*place)?)));
            let measures = measures.collect::<Result<_, String>>()?;
            let text = canonical(record.fields.get(key).map_or("", |field| field.trim()));
            let row = Row { line: record.line, score: scaled, measures };
            if let Some(first) = rows.insert(text, row) {
                return Err(format!(
                    "`{file}` has one architecture in lines {} and {}",
                    first.line, record.line
                ));
            }
        }
        Ok(Self { file: file.clone(), rows })
    }

    /// The score of an architecture.
    ///
    /// # Errors
    /// When the table does not have it.
    pub(super) fn evaluate(&self, text: &str) -> Result<Evaluation, EvaluateError> {
        let row = self.rows.get(text).ok_or_else(|| {
            let rows = wording::count(self.rows.len(), "architecture");
            EvaluateError::Broken(format!("`{}` has {rows}, but not `{text}`", self.file))
        })?;
        let (score, measures) = (row.score, row.measures.clone());
        Ok(Evaluation { score, measures, ..Evaluation::default() })
    }
}

/// The text that `space` writes for the network that `key` names.
fn canonical(key: &str, space: &dyn Space) -> String {
    space.parse(key).map_or_else(|_| key.to_owned(), |genotype| space.text(&genotype))
}

/// A record's number in a column.
fn number(file: &str, record: &csv::Record, column: &str, place: usize) -> Result<f64, String> {
    let text = record.fields.get(place).map_or("", |field| field.trim());
    text.parse::<f64>().ok().filter(|number| number.is_finite()).ok_or_else(|| {
        format!("`{file}` line {}: `{}` is `{text}`, not a number", record.line, column.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Shape;
    use crate::space::SpaceConfig;

    fn config() -> TableConfig {
        TableConfig {
            file: "bench.csv".to_owned(),
            key: "cell".to_owned(),
            score: "accuracy".to_owned(),
            scale: 0.01,
            measures: vec!["seconds".to_owned()],
        }
    }

    const TEXT: &str =
        "seconds, accuracy ,cell\n1.5,94.0664,\"[C(64,3,1), SM(10)]\"\n2,10.0,[SM(10)]\n";

    #[test]
    fn columns_are_found_by_name_and_scores_scaled() {
        let table = Table::parse(&config(), TEXT, str::to_owned).unwrap();
        let found = table.evaluate("[C(64,3,1), SM(10)]").unwrap();
        assert!((found.score - 0.940_664).abs() < 1e-12);
        assert_eq!(found.measures, BTreeMap::from([("seconds".to_owned(), 1.5)]));
    }

    #[test]
    fn keys_are_the_networks_that_the_space_reads_in_them() {
        let space: SpaceConfig = serde_json::from_str(r#"{"chain": {}}"#).unwrap();
        let image = Shape { channels: 3, height: 32, width: 32 };
        let space = space.open(image, 10).unwrap();
        let table = |text: &str| Table::parse(&config(), text, |key| canonical(key, &*space));
        let text =
            "accuracy,seconds,cell\n50,1,\"[C(64,3,1),P(2,2),SM(10)]\"\n60,1,of another space\n";
        let found = table(text).unwrap().evaluate("[C(64,3,1), P(2,2), SM(10)]").unwrap();
        assert!((found.score - 0.5).abs() < 1e-12);
        let twice = format!("{text}70,1,\"[C(64,3,1), P(2,2), SM(10)]\"\n");
        assert!(table(&twice).unwrap_err().contains("one architecture in lines 2 and 4"));
    }

    #[test]
    fn an_architecture_that_is_missing_is_named() {
        let table = Table::parse(&config(), TEXT, str::to_owned).unwrap();
        let error = table.evaluate("[GAP(10), SM(10)]").unwrap_err().to_string();
        assert_eq!(error, "`bench.csv` has 2 architectures, but not `[GAP(10), SM(10)]`");
    }

    #[test]
    fn mistakes_in_a_table_are_named_with_their_line() {
        let mistake = |text: &str| Table::parse(&config(), text, str::to_owned).unwrap_err();
        for (text, words) in [
            ("", "no line with columns"),
            ("cell,score\n", "no column `accuracy`; it has `cell`, `score`"),
            ("cell,accuracy,seconds\na,many,1\n", "line 2: `accuracy` is `many`, not a number"),
            ("cell,accuracy,seconds\na,50\n", "line 2: `seconds` is ``, not a number"),
            ("cell,accuracy,seconds\na,NaN,1\n", "`accuracy` is `NaN`"),
            ("cell,accuracy,seconds\na,101,1\n", "score 1.01 is not between 0 and 1: set `scale`"),
            ("cell,accuracy,seconds\na,1,1\n\na,1,1\n", "one architecture in lines 2 and 4"),
            ("cell,accuracy,seconds\n\"a,1,1\n", "line 2: a quote"),
        ] {
            let found = mistake(text);
            assert!(found.contains(words), "{found}");
        }
    }
}
