//! The stage kind `evaluate`: scores found genotypes again with another evaluator, and says how far the
//! two agree.
//!
//! Top genotypes alone say little of agreement, because their scores lie close together: take a random
//! sample of at least 20 for that.

use std::collections::BTreeMap;
use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::announce::Announcer;
use super::evaluators::{EvaluatorConfig, Scorer, Subject};
use super::forecast;
use super::mistakes::{of_changes, of_evaluator};
use super::search::{interrupted_or_broken, trial_of, write};
use super::task::{DATA, Task, sentence};
use super::trial_log::{Resumed, TrialLog};
use super::{
    Arity, Component, Config, Forecast, Job, Outcome, Output, Port, Ports, Range, Stage, StageError,
};
use crate::artifact::ArtifactType;
use crate::diagnostic::Diagnostic;
use crate::manifest::Manifest;
use crate::results::{
    self, AGREEMENT_FILE, Agreement, By, Ranked, SEVERAL, TRIALS_FORMAT, Trial, Trials, TrialsCard,
    write_card,
};
use crate::search::{Remarks, RewardConfig};
use crate::seed::Seed;
use crate::space::{self, Genotype, Space, SpaceChanges, SpaceConfig};
use crate::spec::Node;
use crate::statistics;
use crate::train::Device;

/// Version of the kind: raised when the same inputs give other files.
const VERSION: u32 = 2;

/// Name of the port.
const TRIALS: &str = "trials";

/// Scores genotypes of earlier searches again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluateConfig {
    /// What scores them now.
    pub evaluator: EvaluatorConfig,
    /// Values put over those of the space that was searched, `{ cells: 6, filters: 32 }`: the found cells
    /// in a larger network.
    #[serde(default, skip_serializing_if = "SpaceChanges::is_empty")]
    pub space: SpaceChanges,
    /// Only the best, by `by`.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub top: Option<usize>,
    /// What the best are best by: the mean `score`, or the mean `reward`, which has the search's penalty
    /// for size in it. Missing: `reward` where the search's reward has a `cost`, else `score`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// Only a random sample of this size.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub sample: Option<usize>,
    /// Times that each genotype is scored, each with a seed of its own; a ranking takes the mean. To rescore the
    /// best 30 with `{ top: 30, seeds: 3 }` before the finals makes them owe less to luck.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[schemars(range(min = 1, max = 100))]
    pub seeds: u64,
    /// Another number is another repeat: other trial seeds, another sample.
    #[serde(default)]
    pub seed: u64,
}

fn one() -> u64 {
    1
}

// Left out of manifests: results from before the parameter was there stay known.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_one(seeds: &u64) -> bool {
    *seeds == 1
}

impl Config for EvaluateConfig {
    const KIND: &'static str = "evaluate";
    const SUMMARY: &'static str = "scores found architectures again with another evaluator";
    const EXAMPLE: &'static str = "\
score:
  use: evaluate
  inputs: { trials: search, data: leaves } # one or more trials; a dataset where the evaluator looks at images
  with:
    top: 30
    evaluator: { kind: train, epochs: 20 }
# makes score.trials
";

    fn check(&self, with: &Node) -> Vec<Diagnostic> {
        let mut mistakes = of_changes(with, "space");
        mistakes.extend(of_evaluator(&self.evaluator, with, "evaluator"));
        let (Some(_), Some(_), Some(sample)) = (self.top, self.sample, with.get("sample")) else {
            return mistakes;
        };
        let message = "`top` and `sample` cannot both choose";
        let diagnostic = Diagnostic::error("evaluate::choice", message)
            .help("keep one; two stages give both, and each its own agreement");
        mistakes.push(sample.blame(diagnostic, "`top` is set, too"));
        mistakes
    }
}

impl Stage for EvaluateConfig {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn config(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("configs are numbers and text")
    }

    fn ports(&self) -> Ports {
        let port =
            |name: &str, kind, arity| Port { name: name.to_owned(), types: vec![kind], arity };
        Ports::Fixed(vec![
            port(TRIALS, ArtifactType::Trials, Arity::Many),
            port(DATA, ArtifactType::Dataset, self.evaluator.data()),
        ])
    }

    fn outputs(&self) -> Vec<Output> {
        vec![Output { name: TRIALS.to_owned(), kind: ArtifactType::Trials }]
    }

    fn components(&self) -> Vec<Component> {
        let mut components = vec![Component { name: "evaluate", version: VERSION }];
        let spaces = space::COMPONENTS.iter().map(|&(name, version)| Component { name, version });
        components.extend(spaces);
        components.extend(self.evaluator.components());
        components
    }

    fn parameters(&self, manifest: &mut Manifest) {
        manifest.section("with", self);
    }

    fn seed(&self) -> Option<u64> {
        Some(self.seed)
    }

    fn numerics(&self) -> Option<&'static str> {
        self.evaluator.numerics()
    }

    fn device(&self) -> Device {
        self.evaluator.device()
    }

    fn files(&self) -> Vec<String> {
        self.evaluator.files()
    }

    /// The mock scores in place of the evaluator, for the stages after it.
    fn forecast(&self, job: &Job<'_>) -> Result<Option<Forecast>, StageError> {
        let rehearsal = Self { evaluator: EvaluatorConfig::rehearsal(), ..self.clone() };
        let began = Instant::now();
        rehearsal.run(job)?;
        let rehearsed = began.elapsed().as_secs_f64();
        let task = Task::of_data(job)?;
        let space = Found::read(job, &self.space)?.open(task.as_ref())?;
        let data = task.and_then(|task| task.data);
        let trials = forecast::read(job)?;
        let costs = forecast::costs(&self.evaluator, job, &*space, data, &trials)?;
        let networks = trials.len() as u64;
        let epochs = Range::of(self.evaluator.epochs() * networks);
        let parameter = if self.top.is_some() { "top" } else { "sample" };
        let work = forecast::Work { networks, parameter, epochs };
        Ok(Some(work.forecast(rehearsed, costs.as_ref(), &trials)))
    }

    fn run(&self, job: &Job<'_>) -> Result<Outcome, StageError> {
        let found = Found::read(job, &self.space)?;
        let task = Task::of_data(job)?;
        let space = found.open(task.as_ref())?;
        let chosen = self.choose(job, &found)?;
        let data = task.and_then(|task| task.data);
        let scorer = self.evaluator.open(job, data, &*space)?;
        let (log, resumed) = TrialLog::open(job)?;
        let announcer = Announcer::new(job, chosen.len() as u64 * self.seeds);
        let mut rescoring = Rescoring {
            config: self,
            job,
            space: &*space,
            reward: &found.reward,
            chosen,
            scorer,
            log,
            announcer,
            now: Vec::new(),
        };
        rescoring.run(resumed)?;
        rescoring.finish(&found)
    }
}

impl EvaluateConfig {
    /// The genotypes to score, best first.
    fn choose(&self, job: &Job<'_>, found: &Found) -> Result<Vec<Ranked>, StageError> {
        let by = By::of(self.by, &found.cards).map_err(|error| StageError::caused_by(&error))?;
        let mut ranked = results::ranking(&found.searches, by);
        if let Some(top) = self.top {
            ranked.truncate(top);
        }
        if let Some(sample) = self.sample {
            let mut places: Vec<usize> = (0..ranked.len()).collect();
            job.stage_seed(self.seed).stream("sample", 0).shuffle(&mut places);
            places.truncate(sample);
            places.sort_unstable();
            ranked = places.into_iter().map(|place| ranked[place].clone()).collect();
        }
        Ok(ranked)
    }

    /// Its own words on what is scored, for the card.
    fn choice(&self) -> serde_json::Value {
        let Self { top, sample, by, seeds, .. } = self;
        serde_json::json!({ "top": top, "sample": sample, "by": by, "seeds": seeds })
    }
}

/// The trials on the job's port; all are of one space and one task.
struct Found {
    /// One for each search.
    cards: Vec<TrialsCard>,
    /// What they say of all trials.
    card: TrialsCard,
    space: SpaceConfig,
    /// The reward of all searches; the score itself where they differ.
    reward: RewardConfig,
    searches: Vec<Vec<Trial>>,
}

impl Found {
    fn read(job: &Job<'_>, changes: &SpaceChanges) -> Result<Self, StageError> {
        let failed = |text: String| StageError::Failed(text);
        let read = job.inputs(TRIALS).iter().map(|input| Trials::read(&input.path));
        let mut all: Vec<Trials> =
            read.collect::<Result<_, _>>().map_err(|error| failed(sentence(&error)))?;
        // The first card speaks for all, so none may say otherwise.
        let differs = |trials: &Trials| {
            (&trials.card.space, trials.card.classes) != (&all[0].card.space, all[0].card.classes)
        };
        if all.is_empty() {
            return Err(failed("there are no trials on `trials`".to_owned()));
        }
        if let Some(other) = all.iter().position(differs) {
            let (first, other) = (&job.inputs(TRIALS)[0].stage, &job.inputs(TRIALS)[other].stage);
            return Err(failed(format!(
                "`{first}` and `{other}` searched different spaces: evaluate them in two stages"
            )));
        }
        let cards: Vec<TrialsCard> = all.iter().map(|trials| trials.card.clone()).collect();
        let mut card = shared(&cards);
        let space = SpaceConfig::deserialize(&card.space).map_err(|error| {
            failed(format!("the trials are of a space that this version cannot read: {error}"))
        })?;
        let space = space.with(changes).map_err(|error| failed(sentence(&error)))?;
        if !changes.is_empty() {
            card.space = serde_json::to_value(&space).expect("configs are numbers and text");
        }
        let reward = match &card.reward {
            serde_json::Value::Null => RewardConfig::default(),
            reward => RewardConfig::deserialize(reward).map_err(|error| {
                failed(format!("the trials have a reward that this version cannot read: {error}"))
            })?,
        };
        Ok(Self {
            cards,
            card,
            space,
            reward,
            searches: all.iter_mut().map(|t| std::mem::take(&mut t.trials)).collect(),
        })
    }

    /// The space for the images that networks are to read now: those of the dataset, else those of the
    /// searches.
    fn open(&self, task: Option<&Task>) -> Result<Box<dyn Space>, StageError> {
        let (image, classes) = match task {
            Some(task) => (task.image, task.classes),
            None => (self.card.image, self.card.classes),
        };
        if classes != self.card.classes {
            return Err(StageError::Failed(format!(
                "the searches told {} classes apart and the dataset has {classes}",
                self.card.classes
            )));
        }
        self.space.open(image, classes).map_err(|error| StageError::Failed(sentence(&error)))
    }
}

/// What the cards of several searches say together; where they differ in it, nothing is said.
fn shared(cards: &[TrialsCard]) -> TrialsCard {
    let differ = |part: fn(&TrialsCard) -> &serde_json::Value| {
        cards.windows(2).any(|pair| part(&pair[0]) != part(&pair[1]))
    };
    let mut card = TrialsCard {
        fidelity: serde_json::Value::Null,
        batch: None,
        budget: serde_json::Value::Null,
        ..cards[0].clone()
    };
    if differ(|card| &card.strategy) {
        card.strategy = SEVERAL.into();
    }
    if differ(|card| &card.reward) {
        card.reward = serde_json::Value::Null;
    }
    card
}

/// Genotypes that are scored again.
struct Rescoring<'a> {
    config: &'a EvaluateConfig,
    job: &'a Job<'a>,
    space: &'a dyn Space,
    reward: &'a RewardConfig,
    chosen: Vec<Ranked>,
    scorer: Scorer<'a>,
    log: TrialLog,
    announcer: Announcer<'a>,
    /// Scores so far: all of a genotype's one after another, in the order of `chosen`.
    now: Vec<f64>,
}

impl Rescoring<'_> {
    /// Scores all, those of an earlier attempt left out: as many at a time as there are threads, which an evaluator that
    /// trains keeps busy better so.
    fn run(&mut self, resumed: Option<Resumed<()>>) -> Result<(), StageError> {
        for trial in resumed.into_iter().flat_map(|resumed| resumed.trials) {
            self.announcer.count(&trial);
            self.now.push(trial.score);
        }
        while self.now.len() < self.chosen.len() * self.repeats() {
            if self.job.stop.is_requested() {
                self.log.save(&())?;
                return Err(StageError::Interrupted);
            }
            if self.log.is_due() {
                self.log.save(&())?;
            }
            let end = self.now.len() + self.job.file.threads.max(1);
            self.score_up_to(end.min(self.chosen.len() * self.repeats()))?;
        }
        Ok(())
    }

    /// Trials of each genotype.
    fn repeats(&self) -> usize {
        usize::try_from(self.config.seeds).expect("a schema bounds the number of seeds")
    }

    /// What the trial `number` scores.
    fn subject(&self, number: usize) -> Result<Subject, StageError> {
        let (place, repeat) = (number / self.repeats(), number % self.repeats());
        let text = self.chosen[place].genotype.clone();
        let genotype: Genotype = self.space.parse(&text).map_err(|error| {
            let message = format!("`{text}` is not legal for the images of the dataset: {error}");
            StageError::Failed(message)
        })?;
        let seed = self.seed(&text, repeat);
        Ok(Subject::new(self.space, number as u64, genotype, text, seed))
    }

    fn score_up_to(&mut self, end: usize) -> Result<(), StageError> {
        let batch = (self.now.len()..end).map(|number| self.subject(number));
        let batch = batch.collect::<Result<Vec<Subject>, StageError>>()?;
        let evaluations = self.scorer.score(self.space, &batch).map_err(interrupted_or_broken)?;
        for (subject, evaluation) in batch.into_iter().zip(evaluations) {
            let classes = self.space.classes();
            let reward = self.reward.of(&evaluation, &subject.features, classes);
            let trial = Trial { reward, ..trial_of(&subject, Remarks::default(), evaluation) };
            self.log.append(&trial)?;
            self.announcer.trial(&trial);
            self.now.push(trial.score);
        }
        Ok(())
    }

    /// The first repeat shares its seed, and so its training, with a search of the same `seed`.
    fn seed(&self, text: &str, repeat: usize) -> Seed {
        let first = self.job.trial_seed(self.config.seed, text);
        if repeat == 0 { first } else { first.nth(repeat as u64) }
    }

    /// Mean score of each genotype.
    fn means(&self) -> Vec<f64> {
        self.now.chunks(self.repeats()).filter_map(statistics::mean).collect()
    }

    /// Writes the artifact.
    fn finish(self, found: &Found) -> Result<Outcome, StageError> {
        self.announcer.progress();
        let value = |config| serde_json::to_value(config).expect("configs are numbers and text");
        let card = TrialsCard {
            format: TRIALS_FORMAT,
            evaluator: value(&self.config.evaluator),
            seed: Some(self.config.seed),
            choice: self.config.choice(),
            image: self.space.image(),
            mock: self.config.evaluator.is_mock(),
            ..found.card.clone()
        };
        let folder = self.job.output(TRIALS);
        write_card(&folder, &card).map_err(|error| StageError::Failed(sentence(&error)))?;
        let agreement = Agreement::of(&self.chosen, &self.means());
        self.log.finish(&folder)?;
        let mut text = serde_json::to_string_pretty(&agreement).expect("numbers and text");
        text.push('\n');
        write(&folder.join(AGREEMENT_FILE), &text)?;
        let mut metrics: BTreeMap<String, f64> = self.announcer.metrics().into_iter().collect();
        metrics.extend(agreement.spearman.map(|rho| ("spearman".to_owned(), rho)));
        metrics.extend(agreement.kendall_tau_b.map(|tau| ("kendall_tau_b".to_owned(), tau)));
        Ok(Outcome { metrics })
    }
}
