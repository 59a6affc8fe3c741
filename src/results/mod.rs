//! Results on disk: the files inside `trials` and `models` artifacts, written and read in one place.
//!
//! Knows nothing of how they came about.

mod agreement;
mod card;
mod error;
mod models;
mod top;
mod trials;

pub use agreement::{AGREEMENT_FILE, Agreement, Pair};
pub use card::{CARD_FILE, SEVERAL, TRIALS_FORMAT, TrialsCard, write_card};
pub use error::ResultsError;
pub use models::{
    Chosen, DRAWING_FILE, Epoch, MODELS_FORMAT, ModelSummary, ModelsSummary, SUMMARY_FILE,
    model_folder,
};
pub use top::{By, Ranked, ranking, top};
pub use trials::{TRIALS_FILE, Trial, Trials, by_network, finished};
