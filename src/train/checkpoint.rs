//! Checkpoints: a training's whole state in one safetensors file, replaced atomically.
//!
//! A file that is missing, torn or of another training is no checkpoint: the training starts over.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::TrainError;
use super::engine::{State, Values};
use crate::digest::Digest;
use crate::results::{Epoch, replace_tensors, tensors_file, tensors_in};

/// Key of the metadata entry.
const PROGRESS: &str = "progress";

/// Where a training keeps its checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    path: PathBuf,
}

/// How far a training is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Which training this is: network, recipe, length, seed, engine.
    pub(super) identity: Digest,
    /// Digest of the tensors.
    pub(super) content: Option<Digest>,
    /// Steps done.
    pub(super) step: u64,
    /// Sums over the steps of the epoch that is under way.
    pub(super) loss_sum: f64,
    pub(super) correct: usize,
    /// Epochs done.
    pub(super) history: Vec<Epoch>,
}

/// A training as a checkpoint has it.
#[derive(Debug, PartialEq)]
pub(super) struct Saved {
    pub(super) progress: Progress,
    pub(super) state: State,
    /// Weights after the best epoch, where they are kept.
    pub(super) best: Option<BTreeMap<String, Values>>,
}

impl Progress {
    /// Of a training that has not begun.
    pub(super) fn begin(identity: Digest) -> Self {
        Self { identity, content: None, step: 0, loss_sum: 0.0, correct: 0, history: Vec::new() }
    }
}

impl Checkpoint {
    /// A checkpoint in the file `path`, whose folder exists.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Replaces the file.
    pub(super) fn write(
        &self,
        progress: &Progress,
        state: &State,
        best: Option<&BTreeMap<String, Values>>,
    ) -> Result<(), TrainError> {
        let failed = |source| TrainError::Checkpoint { path: self.path.clone(), source };
        let mut tensors: BTreeMap<String, &Values> = prefixed("weights", &state.weights).collect();
        tensors.extend(prefixed("training", &state.training));
        tensors.extend(best.into_iter().flat_map(|best| prefixed("best", best)));
        let progress = Progress { content: Some(content(&tensors)), ..progress.clone() };
        let text = serde_json::to_string(&progress).map_err(|e| failed(e.into()))?;
        replace_tensors(&self.path, &tensors, (PROGRESS, text)).map_err(failed)
    }

    /// The state of the training `identity`, when the file has it whole.
    pub(super) fn read(&self, identity: &Digest) -> Option<Saved> {
        let bytes = std::fs::read(&self.path).ok()?;
        let (_, header) = SafeTensors::read_metadata(&bytes).ok()?;
        let text = header.metadata().as_ref()?.get(PROGRESS)?;
        let progress: Progress = serde_json::from_str(text).ok()?;
        let tensors = tensors_in(&bytes)?;
        let whole = progress.content == Some(content(&tensors.iter().map(by_reference).collect()));
        if progress.identity != *identity || !whole {
            return None;
        }
        let (mut state, mut best) = (State::default(), BTreeMap::new());
        for (name, values) in tensors {
            let (kind, name) = name.split_once('/')?;
            let map = match kind {
                "weights" => &mut state.weights,
                "training" => &mut state.training,
                "best" => &mut best,
                _ => return None,
            };
            map.insert(name.to_owned(), values);
        }
        let best = Some(best).filter(|best| !best.is_empty());
        Some(Saved { progress, state, best })
    }

    /// Removes the file, when there is one.
    pub fn clear(&self) {
        // A file that stays is refused by its identity or continued to the same end.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl State {
    /// What evaluation needs, without the optimizer's averages and the auxiliary head, as a safetensors
    /// file.
    ///
    /// # Errors
    /// When serialization fails, which only an impossible shape brings about.
    pub fn weights_file(&self) -> io::Result<Vec<u8>> {
        tensors_file(&self.weights.iter().map(by_reference).collect())
    }
}

fn by_reference<'a>((name, values): (&String, &'a Values)) -> (String, &'a Values) {
    (name.clone(), values)
}

fn prefixed<'a>(
    kind: &'static str,
    tensors: &'a BTreeMap<String, Values>,
) -> impl Iterator<Item = (String, &'a Values)> {
    tensors.iter().map(move |(name, values)| (format!("{kind}/{name}"), values))
}

/// Digest of names, shapes and numbers.
fn content(tensors: &BTreeMap<String, &Values>) -> Digest {
    let mut hasher = crate::digest::Hasher::new();
    for (name, values) in tensors {
        hasher.update(format!("{name} {:?}\n", values.shape).as_bytes());
        hasher.update(&values.bytes());
    }
    hasher.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let values = Values { shape: vec![2, 1], values: vec![0.1, f32::MIN_POSITIVE] };
        State {
            weights: BTreeMap::from([("conv0.weight".to_owned(), values.clone())]),
            training: BTreeMap::from([("first.conv0.weight".to_owned(), values)]),
        }
    }

    fn progress(identity: Digest) -> Progress {
        let epoch = Epoch { epoch: 1, loss: 0.1 + 0.2, accuracy: 0.3, validation: None, lr: 1e-3 };
        Progress {
            identity,
            content: None,
            step: 7,
            loss_sum: 1.0 / 3.0,
            correct: 5,
            history: vec![epoch],
        }
    }

    #[test]
    fn what_was_written_is_read_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = Checkpoint::at(folder.path().join("child"));
        let identity = Digest::of(b"this training");
        for best in [None, Some(state().weights)] {
            checkpoint.write(&progress(identity), &state(), best.as_ref()).unwrap();
            let found = checkpoint.read(&identity).unwrap();
            let Progress { step, loss_sum, history, .. } = found.progress;
            assert_eq!((step, loss_sum.to_bits()), (7, (1.0_f64 / 3.0).to_bits()));
            assert_eq!((history, found.state), (progress(identity).history, state()));
            assert_eq!(found.best, best);
        }
    }

    #[test]
    fn another_training_and_any_damage_are_no_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("child");
        let checkpoint = Checkpoint::at(path.clone());
        let identity = Digest::of(b"this training");
        assert!(checkpoint.read(&identity).is_none());
        checkpoint.write(&progress(identity), &state(), None).unwrap();
        assert!(checkpoint.read(&Digest::of(b"another")).is_none());
        let whole = std::fs::read(&path).unwrap();
        for cut in [0, 7, 20, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert!(checkpoint.read(&identity).is_none(), "cut at {cut}");
        }
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        std::fs::write(&path, &flipped).unwrap();
        assert!(checkpoint.read(&identity).is_none());
    }

    #[test]
    fn a_folder_that_is_gone_is_a_named_error() {
        let checkpoint = Checkpoint::at(PathBuf::from("/nonexistent-folder/child"));
        let error = checkpoint.write(&progress(Digest::of(b"")), &state(), None).unwrap_err();
        assert!(error.to_string().contains("/nonexistent-folder/child"), "{error}");
    }
}
