//! The stage kind `search`: a strategy walks a space, an evaluator scores what it finds.

mod continuation;
mod forecast;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use continuation::Earlier;

use super::announce::Announcer;
use super::evaluators::{EvaluatorConfig, Scorer, Subject};
use super::rungs;
use super::task::{DATA, ImageConfig, Task, sentence};
use super::trial_log::{Resumed, TrialLog};
use super::{
    Arity, Component, Config, Continuation, Forecast, Job, Outcome, Output, Port, Ports, Stage,
    StageError, mistakes,
};
use crate::artifact::ArtifactType;
use crate::diagnostic::Diagnostic;
use crate::manifest::{Change, Manifest};
use crate::results::{self, TRIALS_FORMAT, Trial, TrialsCard, write_card};
use crate::search::{
    Bracket, EvaluateError, Evaluation, FidelityConfig, Knowledge, Proposal, Remarks, RewardConfig,
    Search, StrategyConfig,
};
use crate::space::{Space, SpaceConfig};
use crate::spec::Node;
use crate::statistics::{Bar, Medians};
use crate::train::Device;

/// Version of the kind: raised when the same search gives other files.
const VERSION: u32 = 4;

/// Name of the file about the controller.
const CONTROLLER_FILE: &str = "controller.json";
/// Name of the file with a policy's weights.
const WEIGHTS_FILE: &str = "controller.safetensors";

/// Name of the file that a search with a larger budget goes on from.
const STATE_FILE: &str = "state.json";

/// Draws from the final policy that are written down.
const SAMPLES: u64 = 20;

/// Searches a space for good architectures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchConfig {
    /// The architectures that may be found.
    pub space: SpaceConfig,
    /// What proposes them.
    pub strategy: StrategyConfig,
    /// What scores them.
    pub evaluator: EvaluatorConfig,
    /// When the search ends.
    pub budget: Budget,
    /// What the strategy learns from; by default the score.
    #[serde(default)]
    pub reward: RewardConfig,
    /// Another number is another repeat of the same search.
    #[serde(default)]
    pub seed: u64,
    /// Many networks for few epochs, the best of them for more; by default all get what the evaluator says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fidelity: Option<FidelityConfig>,
    /// Networks proposed before any of their scores is known; 1 learns from each before the next.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 10_000))]
    pub batch: usize,
    /// The images, where no dataset is bound to `data`.
    #[serde(default)]
    pub image: Option<ImageConfig>,
}

/// When a search ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Networks to evaluate; one that was proposed before costs nothing.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub trials: u64,
}

fn one() -> usize {
    1
}

/// What a controller's artifact says of the search.
#[derive(Debug, Serialize)]
struct ControllerCard<'a> {
    format: u32,
    strategy: &'a StrategyConfig,
    trials: u64,
    episodes: u64,
    repeats: u64,
    rejected: u64,
    exhausted: bool,
    /// The network that the final policy prefers, where the strategy has a policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    most_probable: Option<String>,
    /// Fresh draws from the final policy, seen before or not: what it has come to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    samples: Vec<String>,
}

impl Config for SearchConfig {
    const KIND: &'static str = "search";
    const SUMMARY: &'static str = "searches a space of architectures with a strategy";
    const EXAMPLE: &'static str = "\
search:
  use: search
  inputs: { data: leaves } # a dataset; not needed where `image` is set and the evaluator looks at none
  with:
    space: { kind: chain, filters: [16, 32, 64] }
    strategy: q_learning
    evaluator: { kind: train, epochs: 5 }
    budget: { trials: 100 }
# makes search.trials and search.controller
";

    fn check(&self, with: &Node) -> Vec<Diagnostic> {
        mistakes::of_space(&self.space, with, "space")
            .into_iter()
            .chain(mistakes::of_strategy(&self.strategy, with, "strategy"))
            .chain(mistakes::of_given(&self.strategy, &self.space, self.image, with))
            .chain(mistakes::of_evaluator(&self.evaluator, with, "evaluator"))
            .chain(self.of_fidelity(with))
            .collect()
    }
}

impl Stage for SearchConfig {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn config(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("configs are numbers and text")
    }

    fn ports(&self) -> Ports {
        // Without `image` only a dataset can say what networks read.
        let arity = if self.image.is_none() { Arity::One } else { self.evaluator.data() };
        let types = vec![ArtifactType::Dataset];
        Ports::Fixed(vec![Port { name: DATA.to_owned(), types, arity }])
    }

    fn outputs(&self) -> Vec<Output> {
        vec![
            Output { name: "trials".to_owned(), kind: ArtifactType::Trials },
            Output { name: "controller".to_owned(), kind: ArtifactType::Controller },
        ]
    }

    fn components(&self) -> Vec<Component> {
        let component = |(name, version)| Component { name, version };
        let mut components = vec![Component { name: "search", version: VERSION }];
        components.push(component(self.space.component()));
        components.push(component(self.strategy.component()));
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

    fn continuation(&self, changes: &[Change]) -> Continuation {
        continuation::after(self, changes)
    }

    fn forecast(&self, job: &Job<'_>) -> Result<Option<Forecast>, StageError> {
        self.foresee(job).map(Some)
    }

    fn run(&self, job: &Job<'_>) -> Result<Outcome, StageError> {
        let task = Task::of(job, self.image)?;
        let failed = |error: &dyn std::error::Error| StageError::Failed(sentence(error));
        let space = self.space.open(task.image, task.classes).map_err(|e| failed(&e))?;
        let search = self.search(&*space, job)?;
        let scorer = self.evaluator.open(job, task.data, &*space)?;
        let (log, resumed) = TrialLog::open(job)?;
        let mut course = Course {
            config: self,
            job,
            search,
            scorer,
            log,
            announcer: Announcer::new(job, self.budget.trials),
            medians: Medians::default(),
        };
        match resumed {
            Some(resumed) => course.resume(resumed)?,
            None => course.go_on()?,
        }
        course.run()?;
        course.finish()
    }
}

/// A search that runs.
struct Course<'a> {
    config: &'a SearchConfig,
    job: &'a Job<'a>,
    search: Search<'a>,
    scorer: Scorer<'a>,
    log: TrialLog,
    announcer: Announcer<'a>,
    /// Of the networks that were trained to their end, where a bar is made of them.
    medians: Medians,
}

impl Course<'_> {
    /// Goes on where an earlier attempt saved: its lines have the networks, so that a checkpoint need not.
    fn resume(&mut self, resumed: Resumed<Knowledge>) -> Result<(), StageError> {
        let networks = continuation::networks(&resumed.trials, self.search.space());
        let networks = networks.map_err(StageError::Failed)?;
        let restored = self.search.restore(resumed.state.with(networks));
        restored.map_err(|error| StageError::Failed(sentence(&error)))?;
        self.count(&resumed.trials);
        if self.search.trials() == self.announcer.trials() {
            Ok(())
        } else {
            Err(StageError::Failed("the checkpoint has other trials than its search".to_owned()))
        }
    }

    /// Goes on where an earlier result with a smaller budget ended, when the job has one. One that cannot be
    /// read is worth a warning: beginning anew gives the same result.
    fn go_on(&mut self) -> Result<(), StageError> {
        let Some(folder) = &self.job.file.paths.earlier else { return Ok(()) };
        let restored = Earlier::read(folder, self.search.space()).and_then(|earlier| {
            let restored = self.search.restore(earlier.saved);
            restored.map_err(|error| sentence(&error)).map(|()| (earlier.lines, earlier.trials))
        });
        match restored {
            Ok((lines, trials)) => {
                self.log.begin_with(&lines)?;
                self.count(&trials);
            }
            Err(reason) => {
                let text = format!("the earlier search cannot be used, starting over: {reason}");
                self.announcer.warn(text);
                self.search = self.config.search(self.search.space(), self.job)?;
            }
        }
        Ok(())
    }

    /// Searches until the budget is spent or nothing new is found.
    fn run(&mut self) -> Result<(), StageError> {
        while self.search.trials() < self.config.budget.trials && !self.search.is_exhausted() {
            if self.job.stop.is_requested() {
                self.log.save(&self.search.knowledge())?;
                return Err(StageError::Interrupted);
            }
            if self.log.is_due() {
                self.log.save(&self.search.knowledge())?;
            }
            self.batch()?;
        }
        Ok(())
    }

    /// Proposes, scores, learns, writes down.
    fn batch(&mut self) -> Result<(), StageError> {
        let first = self.search.trials();
        let left = self.config.budget.trials - first;
        let bracket =
            self.config.fidelity.and_then(|fidelity| rungs::bracket_after(&fidelity, first, left));
        let size = match &bracket {
            Some(bracket) => usize::try_from(bracket[0].networks).unwrap_or(usize::MAX),
            None => self.config.batch.min(usize::try_from(left).unwrap_or(usize::MAX)),
        };
        let proposals = self.search.propose(size);
        let bar = self.bar();
        let space = self.search.space();
        let subjects: Vec<Subject> = (first..)
            .zip(&proposals)
            .map(|(trial, proposal)| Subject {
                bar: bar.clone(),
                ..self.subject(trial, proposal, space)
            })
            .collect();
        let evaluations = self.score(space, &subjects, bracket.as_ref())?;
        let judged = evaluations.iter().zip(&proposals);
        let reward = |evaluation: &Evaluation, proposal: &Proposal| {
            self.config.reward.of(evaluation, &proposal.features, space.classes())
        };
        let rewards: Vec<f64> =
            judged.map(|(all, proposal)| reward(rungs::last(all), proposal)).collect();
        self.search.observe(&rewards);
        for all in &evaluations {
            let Evaluation { failure, curve, .. } = rungs::last(all);
            self.take_in(failure.as_ref(), curve, &bar);
        }
        for ((subject, proposal), all) in subjects.iter().zip(&proposals).zip(evaluations) {
            let count = all.len();
            for (rung, evaluation) in all.into_iter().enumerate() {
                let reward = reward(&evaluation, proposal);
                let rung = bracket.is_some().then_some(rung as u64);
                let trial = trial_of(subject, proposal.remarks, evaluation);
                let trial = Trial { reward, rung, ..trial };
                self.log.append(&trial)?;
                if rung.is_none_or(|rung| rung + 1 == count as u64) {
                    self.announcer.trial(&trial);
                }
            }
        }
        Ok(())
    }

    /// Evaluations of each network: one, or one for each rung that it reached.
    fn score(
        &mut self,
        space: &dyn Space,
        subjects: &[Subject],
        bracket: Option<&Bracket>,
    ) -> Result<Vec<Vec<Evaluation>>, StageError> {
        let Some(bracket) = bracket else {
            let all = self.scorer.score(space, subjects).map_err(interrupted_or_broken)?;
            return Ok(all.into_iter().map(|evaluation| vec![evaluation]).collect());
        };
        rungs::climb(bracket, subjects.len(), |networks, epochs| {
            let of = |&i: &usize| Subject { epochs: Some(epochs), ..subjects[i].clone() };
            let rung: Vec<Subject> = networks.iter().map(of).collect();
            self.scorer.score(space, &rung).map_err(interrupted_or_broken)
        })
    }

    fn subject(&self, trial: u64, proposal: &Proposal, space: &dyn Space) -> Subject {
        let text = space.text(&proposal.genotype);
        Subject {
            trial,
            genotype: proposal.genotype.clone(),
            features: proposal.features,
            seed: self.job.trial_seed(self.config.seed, &text),
            text,
            epochs: None,
            bar: Bar::default(),
        }
    }

    /// What the next networks must reach to be trained to their end.
    fn bar(&self) -> Bar {
        self.config.fidelity.map_or_else(Bar::default, |fidelity| fidelity.bar(&self.medians))
    }

    /// Lets a network judge later ones, unless it failed or was stopped by the `bar` that it was under.
    fn take_in(&mut self, failure: Option<&String>, curve: &[f64], bar: &Bar) {
        if failure.is_none() && bar.is_there() && !bar.stopped(curve) {
            self.medians.add(curve);
        }
    }

    /// Takes over the networks of an earlier attempt or result, batch by batch as they were judged.
    fn count(&mut self, trials: &[Trial]) {
        let finished: Vec<&Trial> = results::finished(trials).collect();
        for batch in finished.chunks(self.config.batch) {
            let bar = self.bar();
            for trial in batch {
                self.announcer.count(trial);
                self.take_in(trial.failure.as_ref(), &trial.curve, &bar);
            }
        }
    }

    /// Writes the artifacts.
    fn finish(self) -> Result<Outcome, StageError> {
        let Self { config, job, mut search, log, announcer, .. } = self;
        announcer.progress();
        if search.trials() == 0 {
            let message = "no network of the space is within its limits: raise `parameters_max`, \
                           `multiply_adds_max` or `memory_max`";
            return Err(StageError::Failed(message.to_owned()));
        }
        if search.trials() < config.budget.trials {
            let (found, wanted) = (search.trials(), config.budget.trials);
            announcer
                .warn(format!("the search found {found} of {wanted} networks and no new ones"));
        }
        let folder = job.output("trials");
        write_card(&folder, &config.card(search.space()))
            .map_err(|error| StageError::Failed(sentence(&error)))?;
        log.finish(&folder)?;
        write_controller(&job.output("controller"), config, &mut search)?;
        Ok(outcome(&announcer, &search))
    }
}

impl SearchConfig {
    /// A search that has proposed nothing.
    fn search<'s>(&self, space: &'s dyn Space, job: &Job<'_>) -> Result<Search<'s>, StageError> {
        let seed = job.stage_seed(self.seed);
        let controller = self.strategy.open(space, self.budget.trials, seed);
        let controller = controller.map_err(|error| StageError::Failed(sentence(&error)))?;
        Ok(Search::new(space, controller, seed))
    }

    /// Mistakes in `fidelity`.
    fn of_fidelity(&self, with: &Node) -> Vec<Diagnostic> {
        let Some(fidelity) = &self.fidelity else { return Vec::new() };
        let mistake = |(key, message): (&str, String)| {
            let diagnostic = Diagnostic::error("search::fidelity", message);
            mistakes::place(with, &["fidelity", key]).blame(diagnostic, "")
        };
        let mut found: Vec<Diagnostic> = fidelity.check().into_iter().map(mistake).collect();
        if !self.evaluator.has_epochs() {
            let message = "`fidelity` needs an evaluator that knows epochs";
            let diagnostic = Diagnostic::error("search::fidelity", message)
                .help("`mock` and `train` do; a table or a proxy costs the same for all");
            found.push(mistakes::place(with, &["fidelity"]).blame(diagnostic, ""));
        }
        found
    }

    fn card(&self, space: &dyn Space) -> TrialsCard {
        let value =
            |value: Result<serde_json::Value, _>| value.expect("configs are numbers and text");
        TrialsCard {
            format: TRIALS_FORMAT,
            space: value(serde_json::to_value(&self.space)),
            strategy: value(serde_json::to_value(&self.strategy)),
            evaluator: value(serde_json::to_value(&self.evaluator)),
            reward: value(serde_json::to_value(&self.reward)),
            fidelity: value(serde_json::to_value(self.fidelity)),
            batch: Some(self.batch as u64),
            budget: value(serde_json::to_value(&self.budget)),
            seed: Some(self.seed),
            choice: serde_json::Value::Null,
            image: space.image(),
            classes: space.classes(),
            mock: self.evaluator.is_mock(),
        }
    }
}

/// Writes what the controller has learned.
fn write_controller(
    folder: &Path,
    config: &SearchConfig,
    search: &mut Search<'_>,
) -> Result<(), StageError> {
    let counts = search.counts();
    let space = search.space();
    let samples = search.samples(SAMPLES);
    let card = ControllerCard {
        format: 1,
        strategy: &config.strategy,
        trials: search.trials(),
        episodes: counts.episodes,
        repeats: counts.repeats,
        rejected: counts.rejected,
        exhausted: search.is_exhausted(),
        most_probable: search.most_probable().map(|genotype| space.text(&genotype)),
        samples: samples.iter().map(|genotype| space.text(genotype)).collect(),
    };
    let mut text = serde_json::to_string_pretty(&card).expect("counts and configs serialize");
    text.push('\n');
    write(&folder.join(CONTROLLER_FILE), &text)?;
    let state = serde_json::to_vec(&search.knowledge()).expect("states are numbers and text");
    write(&folder.join(STATE_FILE), state)?;
    if let Some(table) = search.controller().table(search.seen()) {
        write(&folder.join(table.name), &table.text)?;
    }
    match search.controller().weights(space) {
        Some(weights) => write(&folder.join(WEIGHTS_FILE), weights),
        None => Ok(()),
    }
}

/// Headline numbers: those of the trials, and what was drawn beside them.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn outcome(announcer: &Announcer<'_>, search: &Search<'_>) -> Outcome {
    let mut metrics: BTreeMap<String, f64> = announcer.metrics().into_iter().collect();
    metrics.insert("rejected".to_owned(), search.counts().rejected as f64);
    metrics.insert("repeats".to_owned(), search.counts().repeats as f64);
    Outcome { metrics }
}

/// A trial as it is written down, where the reward is the score.
pub(super) fn trial_of(subject: &Subject, remarks: Remarks, evaluation: Evaluation) -> Trial {
    Trial {
        trial: subject.trial,
        genotype: subject.text.clone(),
        score: evaluation.score,
        failure: evaluation.failure,
        reward: evaluation.score,
        parameters: subject.features.parameters,
        multiply_adds: subject.features.multiply_adds,
        epochs: evaluation.epochs,
        steps: evaluation.steps,
        epsilon: remarks.epsilon,
        policy: remarks.policy,
        curve: evaluation.curve,
        rung: None,
        measures: evaluation.measures,
    }
}

/// The stage's word for why no evaluation came back.
pub(super) fn interrupted_or_broken(error: EvaluateError) -> StageError {
    match error {
        EvaluateError::Interrupted => StageError::Interrupted,
        EvaluateError::Broken(reason) => StageError::Failed(reason),
    }
}

/// Writes a file.
pub(super) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), StageError> {
    fs::write(path, content).map_err(|source| StageError::Io {
        action: "cannot write",
        path: path.to_owned(),
        source,
    })
}
