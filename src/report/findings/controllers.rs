//! `controller` artifacts: the table of Q-learning, where there is one.

use super::{Artifact, Controller, QValue, Source, label, word};
use crate::dataset::csv;
use crate::report::ReportError;

/// Facts about the controller, as JSON.
const CARD_FILE: &str = "controller.json";
/// The table of Q-learning.
const TABLE_FILE: &str = "q_table.csv";

/// Reads the artifact of `source`.
pub(super) fn read(source: &Source) -> Result<Controller, ReportError> {
    let artifact = Artifact::new(source, "controllers");
    let card: serde_json::Value = artifact.json(CARD_FILE)?;
    let values = if artifact.has(TABLE_FILE) { values(&artifact)? } else { Vec::new() };
    let label = label(source, || word(&card["strategy"]).to_owned());
    Ok(Controller { label, values })
}

fn values(artifact: &Artifact<'_>) -> Result<Vec<QValue>, ReportError> {
    let malformed = |line: usize, reason: &str| {
        artifact.malformed(TABLE_FILE, format!("line {line}: {reason}"))
    };
    let text = artifact.text(TABLE_FILE)?;
    let records = csv::records(&text).map_err(|line| malformed(line, "a quote is out of place"))?;
    let row = |record: &csv::Record| {
        let [state, action, value, visits] = record.fields.as_slice() else {
            return Err(malformed(record.line, "is not state, action, value and visits"));
        };
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        let numbers = number(value).zip(number(visits));
        let (value, visits) =
            numbers.ok_or_else(|| malformed(record.line, "value and visits are no numbers"))?;
        Ok(QValue { state: state.clone(), action: action.clone(), value, visits })
    };
    records.iter().skip(1).map(row).collect()
}
