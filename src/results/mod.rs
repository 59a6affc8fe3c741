//! Results on disk: the files inside `trials` and `models` artifacts, written and read in one place.
//!
//! Knows nothing of how they came about.

mod models;
mod trials;

pub use models::{Chosen, Epoch, ModelSummary, ModelsSummary, SUMMARY_FILE, model_folder};
pub use trials::{CARD_FILE, TRIALS_FILE, Trial, TrialsCard};
