//! Results on disk: the files inside `trials` and `models` artifacts, written and read in one place.
//!
//! Knows nothing of how they came about.

mod agreement;
mod error;
mod models;
mod top;
mod trials;

pub use agreement::{AGREEMENT_FILE, Agreement, Pair};
pub use error::ResultsError;
pub use models::{
    Chosen, DRAWING_FILE, Epoch, MODELS_FORMAT, ModelSummary, ModelsSummary, SUMMARY_FILE,
    model_folder,
};
pub use top::{Ranked, ranking, top};
pub use trials::{
    CARD_FILE, TRIALS_FILE, TRIALS_FORMAT, Trial, Trials, TrialsCard, finished, write_card,
};
