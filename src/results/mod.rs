//! Results on disk: the files inside `trials` and `models` artifacts, written and read in one place.
//!
//! Knows nothing of how they came about.

mod agreement;
mod card;
mod error;
mod models;
mod saved;
mod signature;
mod tensors;
mod top;
mod trials;

pub use agreement::{AGREEMENT_FILE, Agreement, Pair};
pub use card::{CARD_FILE, SEVERAL, TRIALS_FORMAT, TrialsCard, word, write_card};
pub use error::ResultsError;
pub use models::{
    Chosen, DRAWING_FILE, Epoch, HISTORY_FILE, MISTAKES_FILE, MODELS_FORMAT, Mistake, ModelSummary,
    ModelsSummary, NETWORK_FILE, SUMMARY_FILE, WEIGHTS_FILE, model_folder,
};
pub use saved::SavedModel;
pub use signature::{CONTRAST_BIAS, Fit, SIGNATURE_FILE, SIGNATURE_FORMAT, Scaling, Signature};
pub use tensors::{Values, Weights, replace_tensors, tensors_file, tensors_in};
pub use top::{By, Ranked, ranking, top};
pub use trials::{PolicyNote, TRIALS_FILE, Trial, Trials, by_network, finished, trials_in};
