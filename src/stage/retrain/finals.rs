//! The finals: which networks are trained, and their training. Never sees a test image.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rayon::ThreadPool;

use super::{RetrainConfig, Validation};
use crate::dataset::Dataset;
use crate::event::{Emit, Event};
use crate::net::{Drawing, Network};
use crate::results::{By, Ranked, Signature, Trials, TrialsCard, top};
use crate::space::SpaceConfig;
use crate::stage::lanes::{lanes, side_by_side};
use crate::stage::{Job, StageError, memory, profile};
use crate::statistics::Bar;
use crate::train::{
    Assignment, Checkpoint, Examples, Fitted, Outcome, Standard, TrainError, Watch, engine_for,
    engine_in_lane, fit,
};

/// The networks to be trained, best first, and what they learn from.
pub(super) struct Finals {
    pub(super) networks: Vec<Final>,
    by: By,
    data: Dataset,
    standard: Standard,
}

/// One of them.
pub(super) struct Final {
    pub(super) ranked: Ranked,
    pub(super) network: Network,
    pub(super) drawing: Drawing,
}

/// All finals after their training, with the one that was chosen. Only this can sit an exam.
pub(super) struct Trained {
    pub(super) models: Vec<Model>,
    /// What they are ranked by.
    pub(super) by: By,
    /// Place of the first by rank that could be trained.
    pub(super) chosen: usize,
    pub(super) standard: Standard,
    pub(super) signature: Signature,
}

/// A final and its training.
pub(super) struct Model {
    pub(super) is: Final,
    pub(super) fitted: Fitted,
}

/// Ranks the genotypes of all trials and builds the best.
pub(super) fn choose(config: &RetrainConfig, job: &Job<'_>) -> Result<Finals, StageError> {
    let inputs = job.inputs("trials").iter().map(|input| Trials::read(&input.path));
    let searches = inputs
        .collect::<Result<Vec<Trials>, _>>()
        .map_err(|error| StageError::caused_by(&error))?;
    let folder = job.input("data").expect("BUG: the port `data` takes exactly one");
    let data = Dataset::open(folder).map_err(|error| StageError::caused_by(&error))?;
    let card = shared_card(&searches)?;
    // Another size of images is another network of the same text; other classes are another task.
    let (image, classes) = (data.card.image, data.card.classes.len());
    if card.classes != classes {
        return Err(StageError::Failed(format!(
            "the searches told {} classes apart and the dataset has {classes}: \
             bind the dataset that was searched on",
            card.classes
        )));
    }
    let space: SpaceConfig = serde_json::from_value(card.space.clone()).map_err(|error| {
        StageError::Failed(format!("the trials name a space that is not known here: {error}"))
    })?;
    let space = space.with(&config.space).and_then(|space| space.open(image, classes));
    let space = space.map_err(|error| StageError::caused_by(&error))?;
    let by = By::of(config.by, searches.iter().map(|search| &search.card))
        .map_err(|error| StageError::caused_by(&error))?;
    let trials: Vec<_> = searches.into_iter().map(|search| search.trials).collect();
    let networks = top(&trials, by, config.top)
        .into_iter()
        .map(|ranked| {
            let genotype =
                space.parse(&ranked.genotype).map_err(|error| StageError::caused_by(&error))?;
            Ok(Final {
                network: space.network(&genotype),
                drawing: space.drawing(&genotype),
                ranked,
            })
        })
        .collect::<Result<Vec<Final>, StageError>>()?;
    if networks.is_empty() {
        return Err(StageError::Failed("there is no trial to train a network of".to_owned()));
    }
    let standard = Standard::of(&data.card, config.recipe.preprocessing)
        .map_err(|error| StageError::caused_by(&error))?;
    Ok(Finals { networks, by, data, standard })
}

/// The card of all searches, which must agree on the space: a text means another network in another.
fn shared_card(searches: &[Trials]) -> Result<&TrialsCard, StageError> {
    let Some((first, others)) = searches.split_first() else {
        return Err(StageError::Failed("no trials are bound".to_owned()));
    };
    let is_other =
        |card: &TrialsCard| (&card.space, card.classes) != (&first.card.space, first.card.classes);
    if others.iter().any(|other| is_other(&other.card)) {
        return Err(StageError::Failed(
            "the trials come from different spaces, in which one text means different networks: \
             retrain them in stages of their own"
                .to_owned(),
        ));
    }
    Ok(&first.card)
}

impl Finals {
    /// Trains as many side by side as there are GPUs, or threads and memory for, each from its checkpoint when there is one.
    pub(super) fn train(
        self,
        config: &RetrainConfig,
        job: &Job<'_>,
        threads: &ThreadPool,
    ) -> Result<Trained, StageError> {
        let total = config.epochs * self.networks.len() as u64;
        let progress = EpochCounter { job, done: Mutex::default(), total };
        let available = memory::available();
        let need = |is| self.assignment(is, config, job).memory();
        let needs: Vec<Option<u64>> = self.networks.iter().map(need).collect();
        let lanes = lanes(threads, &needs, available, config.device.gpus());
        let ranked: Vec<(usize, &Final)> = (1..).zip(&self.networks).collect();
        let fit = |lane, (rank, is): &(usize, &Final)| {
            let engine = engine_in_lane(config.device, lane);
            let assignment = Assignment { engine, ..self.assignment(is, config, job) };
            fit_final(&assignment, *rank, &progress, available)
        };
        let fits = side_by_side(threads, lanes, &ranked, fit)
            .into_iter()
            .collect::<Result<Vec<Fitted>, _>>()
            .map_err(|error| match error {
                TrainError::Interrupted => StageError::Interrupted,
                other => StageError::caused_by(&other),
            })?;
        let models: Vec<Model> =
            self.networks.into_iter().zip(fits).map(|(is, fitted)| Model { is, fitted }).collect();
        let chosen = models.iter().position(Model::is_trained).ok_or_else(|| {
            let reason = models[0].fitted.outcome;
            StageError::Failed(format!("no network could be trained; the best by search {reason}"))
        })?;
        let signature = self.standard.signature(&self.data.card);
        Ok(Trained { by: self.by, models, chosen, standard: self.standard, signature })
    }

    /// What a final is trained on, and how.
    pub(super) fn assignment<'b>(
        &'b self,
        is: &'b Final,
        config: &'b RetrainConfig,
        job: &Job<'_>,
    ) -> Assignment<'b> {
        let training = Examples::all(&self.data.training);
        Assignment {
            engine: engine_for(config.device),
            network: &is.network,
            recipe: &config.recipe,
            standard: &self.standard,
            training: match config.validation {
                Validation::Train => training.and(&self.data.validation),
                Validation::Watch => training,
            },
            validation: match config.validation {
                Validation::Train => None,
                Validation::Watch => Some(Examples::all(&self.data.validation)),
            },
            epochs: config.epochs,
            lr_factor: 1.0,
            gate: None,
            bar: Bar::default(),
            seed: job.stage_seed(config.seed).child("training").child(&is.ranked.genotype),
        }
    }
}

/// Trains the final with the rank `rank`.
fn fit_final(
    assignment: &Assignment<'_>,
    rank: usize,
    progress: &EpochCounter<'_>,
    available: Option<u64>,
) -> Result<Fitted, TrainError> {
    let job = progress.job;
    let file = format!("model-{rank:02}.safetensors");
    let watch = Watch {
        events: progress,
        stage: &job.file.stage,
        child: &format!("network {rank}"),
        stop: &|| job.stop.is_requested(),
        // Kept until the stage is done: a finished training is read back from it after a kill.
        checkpoint: Some(Checkpoint::at(job.file.paths.checkpoint.join(file))),
        memory: available,
        profile: job.file.paths.profile.is_some(),
    };
    let fitted = fit(assignment, &watch)?;
    profile::write(job, watch.child, &fitted.profile);
    // Also those that patience or an earlier attempt has saved.
    progress.epochs_done(watch.child, assignment.epochs);
    Ok(fitted)
}

impl Model {
    /// Whether its training came to its end.
    pub(super) fn is_trained(&self) -> bool {
        self.fitted.outcome == Outcome::Finished
    }
}

/// Passes events on and says after each epoch how far the stage is.
struct EpochCounter<'a> {
    job: &'a Job<'a>,
    /// Epochs that have ended, by child.
    done: Mutex<BTreeMap<String, u64>>,
    total: u64,
}

impl EpochCounter<'_> {
    /// Takes in how far a child is; returns how far all are together.
    fn epochs_done(&self, child: &str, epochs: u64) -> u64 {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.insert(child.to_owned(), epochs);
        done.values().sum()
    }
}

impl Emit for EpochCounter<'_> {
    fn emit(&self, event: Event) {
        let ended = match &event {
            Event::EpochEnded { child, epoch, .. } => Some((child.clone(), *epoch)),
            _ => None,
        };
        self.job.events.emit(event);
        if let Some((note, epoch)) = ended {
            self.job.events.emit(Event::Progress {
                stage: self.job.file.stage.clone(),
                unit: "epoch".to_owned(),
                done: self.epochs_done(&note, epoch),
                total: self.total,
                note,
            });
        }
    }
}
