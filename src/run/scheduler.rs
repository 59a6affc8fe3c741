//! The scheduler: which stage may go next, and what follows from how one ended.
//!
//! One thread decides; each job runs in a thread of its own and reports back. A stage waiting for another
//! run's claim holds neither a token nor a claim, so two runs cannot wait for each other. Knows nothing of
//! processes and files.

mod fetching;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use super::RunError;
use super::attempt;
use super::error::{JobError, with_causes};
use super::gpus::{self, Gpus};
use super::interrupt::Urgency;
use super::job::{self, Computed, Site, Task};
use super::journal::StageEnd;
use super::pools::{Pools, Tokens};
use super::publish;
use super::staging::{Bound, BoundInputs};
use super::states::{StageState, States};
use crate::artifact::StageId;
use crate::digest::Digest;
use crate::event::Event;
use crate::manifest::Fingerprint;
use crate::plan::{PlanError, Planner, Resolved, Selected, StageIndex, Study};
use crate::record::{OutputRecord, StageRecord};
use crate::remote::RemoteError;
use crate::stage::Launch;
use crate::store::{Claim, ClaimGuard, StoreError};

/// Between two tries at a claim that another run holds.
const POLL: Duration = Duration::from_millis(50);

/// How often one result may turn out damaged before the disk is to blame.
const DAMAGES_MAX: u32 = 3;

/// Turns stages into manifests as their inputs become known: the planner, or a test's stand-in.
pub trait Resolve {
    /// Resolves a stage whose feeds are all known.
    fn resolve(&mut self, stage: StageIndex) -> Result<Resolved, PlanError>;

    /// Tells the outputs of a stage.
    fn know(&mut self, stage: StageIndex, outputs: &BTreeMap<String, OutputRecord>);
}

impl Resolve for Planner<'_> {
    fn resolve(&mut self, stage: StageIndex) -> Result<Resolved, PlanError> {
        Planner::resolve(self, stage)
    }

    fn know(&mut self, stage: StageIndex, outputs: &BTreeMap<String, OutputRecord>) {
        Planner::know(self, stage, outputs);
    }
}

/// What decides the order of a run, and nothing about its results.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    /// Stages that may run.
    pub(super) selected: Selected,
    /// Jobs at once.
    pub(super) jobs: usize,
    /// Threads of each built-in stage; without, its share of the cores.
    pub(super) threads: Option<usize>,
    /// Names of the GPUs that there are.
    pub(super) gpus: Vec<String>,
    /// Go on with what does not depend on a failure.
    pub(super) keep_going: bool,
    /// Compute selected stages whose results are known, too.
    pub(super) force: bool,
    /// What other runs are told of us when they wait.
    pub(super) holder: String,
}

/// A recomputation that gave other bytes than an earlier record has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The stage.
    pub stage: StageId,
    /// The first output that differs.
    pub output: String,
}

/// What is known of a stage as the run goes on.
#[derive(Debug, Default)]
struct Facts {
    resolved: Option<Resolved>,
    record: Option<StageRecord>,
    reason: Option<String>,
    secs: f64,
    attempts: u32,
    /// How often its result turned out to be damaged.
    damages: u32,
    /// The known result is damaged: compute it again.
    must_redo: bool,
    /// The remote was asked for it.
    asked_remote: bool,
    /// What to do when it gets a place.
    work: Work,
    tokens: Tokens,
    gpus: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Work {
    #[default]
    Compute,
    /// The remote has the result.
    Fetch,
    /// The result is known, and only `out/` lacks it. What the stage ends as otherwise.
    PutBack,
}

/// Whose fault a run's failures are; a stage's own counts more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    #[default]
    Nobody,
    /// The store's or the remote's.
    Storage,
    Stage,
}

/// What a job's thread reports.
enum Report {
    Computed { stage: StageIndex, result: Result<Computed, JobError>, attempts: u32, secs: f64 },
    PutBack { stage: StageIndex, result: Result<(), StoreError>, secs: f64 },
    Fetched { stage: StageIndex, result: Result<Option<String>, RemoteError>, secs: f64 },
}

/// What a run came to, stage by stage.
#[derive(Debug)]
pub(super) struct Outcomes {
    /// Every stage that was wanted, in topological order.
    pub(super) stages: Vec<StageEnd>,
    /// Whether all selected stages ended well.
    pub(super) ok: bool,
    /// Whether the store or the remote failed, and no stage by itself.
    pub(super) storage_failed: bool,
    pub(super) findings: Vec<Finding>,
    /// Stages that ended well, with the seconds that computing them took.
    pub(super) well: Vec<(StageIndex, Fingerprint, f64)>,
    /// Folders below the project that hold selected results.
    pub(super) published: Vec<(PathBuf, Digest)>,
}

/// Runs `study` to its end.
pub(super) fn run(
    study: &Study,
    resolve: &mut dyn Resolve,
    policy: &Policy,
    pools: Pools,
    site: &Site<'_>,
) -> Result<Outcomes, RunError> {
    let (sender, receiver) = channel();
    let mut scheduler = Scheduler::new(study, resolve, policy, pools, site, sender);
    scheduler.check_requests()?;
    thread::scope(|scope| scheduler.drive(scope, &receiver));
    Ok(scheduler.outcomes())
}

struct Scheduler<'r, 's> {
    study: &'r Study,
    resolve: &'s mut dyn Resolve,
    policy: &'r Policy,
    pools: Pools,
    gpus: Gpus,
    site: &'r Site<'r>,
    sender: Sender<Report>,
    states: States,
    facts: Vec<Facts>,
    /// Selected, or read by a selected stage.
    wanted: Vec<bool>,
    running: usize,
    /// A stage ended, or has something else to do, since the last look at what may start.
    has_news: bool,
    /// Stages whose claim another run has, and when to try again.
    held: BTreeMap<StageIndex, Instant>,
    /// Orphans of killed runs are looked for once, before the first stage is computed.
    has_swept: bool,
    failed: Option<StageId>,
    /// Whose fault it is that something failed.
    fault: Fault,
    findings: Vec<Finding>,
}

impl<'r, 's> Scheduler<'r, 's> {
    fn new(
        study: &'r Study,
        resolve: &'s mut dyn Resolve,
        policy: &'r Policy,
        pools: Pools,
        site: &'r Site<'r>,
        sender: Sender<Report>,
    ) -> Self {
        let needs = study.stages.iter().map(|stage| stage.before.iter().copied().collect());
        Self {
            study,
            resolve,
            policy,
            pools,
            gpus: Gpus::new(&policy.gpus),
            site,
            sender,
            states: States::new(needs.collect()),
            facts: study.stages.iter().map(|_| Facts::default()).collect(),
            wanted: wanted(study, &policy.selected),
            running: 0,
            has_news: false,
            held: BTreeMap::new(),
            has_swept: false,
            failed: None,
            fault: Fault::default(),
            findings: Vec::new(),
        }
    }

    fn check_requests(&self) -> Result<(), RunError> {
        for (index, stage) in self.study.iter().filter(|(i, _)| self.policy.selected.contains(*i)) {
            if let Some(shortage) = self.pools.shortage(&self.least_tokens(index)) {
                return Err(RunError::Shortage {
                    stage: stage.id.to_string(),
                    pool: shortage.pool,
                    asked: shortage.asked,
                    capacity: shortage.capacity,
                });
            }
        }
        Ok(())
    }

    fn drive<'scope>(&mut self, scope: &'scope Scope<'scope, 'r>, reports: &Receiver<Report>)
    where
        'r: 'scope,
    {
        loop {
            self.plan_ready();
            self.start_queued(scope);
            let is_stopping = self.is_stopping();
            if !is_stopping && std::mem::take(&mut self.has_news) {
                continue;
            }
            if self.running == 0 && (is_stopping || self.states.count(StageState::Queued) == 0) {
                break;
            }
            let report = if !is_stopping && !self.held.is_empty() {
                reports.recv_timeout(POLL).ok()
            } else {
                reports.recv().ok()
            };
            if let Some(report) = report {
                self.take(report);
            }
        }
        self.end_rest();
    }

    /// Whether nothing new starts any more.
    fn is_stopping(&self) -> bool {
        (self.failed.is_some() && !self.policy.keep_going) || self.is_interrupted()
    }

    fn is_interrupted(&self) -> bool {
        self.site.interrupt.urgency() != Urgency::None
    }

    // ---- planning ----

    fn plan_ready(&mut self) {
        while let Some(stage) = self.states.next_ready() {
            if !self.wanted[stage.0] {
                self.end(stage, StageState::Skipped, None);
            } else if self.is_stopping() {
                return;
            } else {
                self.plan(stage);
            }
        }
    }

    fn plan(&mut self, stage: StageIndex) {
        match self.resolve.resolve(stage) {
            Ok(resolved) => self.decide(stage, resolved),
            Err(error @ (PlanError::Store(_) | PlanError::Remote(_))) => {
                self.fail_for_storage(stage, &error);
            }
            Err(error) => self.fail(stage, with_causes(&error)),
        }
    }

    fn decide(&mut self, stage: StageIndex, mut resolved: Resolved) {
        let may_run = self.policy.selected.contains(stage);
        let again = self.facts[stage.0].must_redo || (self.policy.force && may_run);
        let record = resolved.record.take().filter(|_| !again);
        let (was_last, is_here) = (resolved.was_last, resolved.elsewhere.is_none());
        self.facts[stage.0].resolved = Some(resolved);
        match record {
            Some(record) if !is_here => self.queue_fetching(stage, record),
            Some(record) => self.know(stage, record, was_last),
            None if may_run => {
                self.facts[stage.0].work = Work::Compute;
                self.states.set(stage, StageState::Queued);
            }
            None => {
                let reason = "it has no result, and is not selected".to_owned();
                self.end(stage, StageState::Skipped, Some(reason));
                self.skip_below(stage, "has no result, and is not selected");
            }
        }
    }

    /// Its result is in the store; `out/` may still lack it.
    fn know(&mut self, stage: StageIndex, record: StageRecord, was_last: bool) {
        self.site.pins.add(record.fingerprint);
        self.has_news = true;
        self.resolve.know(stage, &record.outputs);
        let lacks =
            self.is_published(stage) && !publish::is_current(self.study, stage, &record, self.site);
        let facts = &mut self.facts[stage.0];
        facts.record = Some(record);
        facts.must_redo = false;
        if lacks {
            facts.work = Work::PutBack;
            self.states.set(stage, StageState::Queued);
        } else {
            let state = if was_last { StageState::Cached } else { StageState::Restored };
            self.end(stage, state, None);
        }
    }

    fn is_published(&self, stage: StageIndex) -> bool {
        self.policy.selected.contains(stage) && self.study.is_published(stage)
    }

    // ---- starting ----

    fn start_queued<'scope>(&mut self, scope: &'scope Scope<'scope, 'r>)
    where
        'r: 'scope,
    {
        let mut from = StageIndex(0);
        while let Some(stage) = self.states.next_queued(from) {
            from = StageIndex(stage.0 + 1);
            if self.running >= self.policy.jobs || self.is_stopping() {
                return;
            }
            match self.facts[stage.0].work {
                Work::PutBack => self.start_putting_back(stage, scope),
                Work::Fetch => self.start_fetching(stage, scope),
                Work::Compute => self.try_to_compute(stage, scope),
            }
        }
    }

    fn try_to_compute<'scope>(&mut self, stage: StageIndex, scope: &'scope Scope<'scope, 'r>)
    where
        'r: 'scope,
    {
        if self.held.get(&stage).is_some_and(|until| *until > Instant::now()) {
            return;
        }
        if !self.has_swept {
            self.has_swept = true;
            attempt::sweep(self.site.store);
        }
        let tokens = self.fair_tokens(stage);
        if !self.pools.take(&tokens) {
            return;
        }
        match self.claim(stage) {
            Ok(Some(guard)) => self.start_computing(stage, tokens, guard, scope),
            Ok(None) => self.pools.give_back(&tokens),
            Err(error) => {
                self.pools.give_back(&tokens);
                self.fail_for_storage(stage, &error);
            }
        }
    }

    /// The claim, unless somebody else has it or has already done the work.
    fn claim(&mut self, stage: StageIndex) -> Result<Option<ClaimGuard>, StoreError> {
        let resolved = self.facts[stage.0].resolved.as_ref();
        let fingerprint = resolved.expect("BUG: a queued stage is resolved").fingerprint;
        match self.site.store.claim(&fingerprint, &self.policy.holder)? {
            Claim::Held(holder) => {
                if self.held.insert(stage, Instant::now() + POLL).is_none() {
                    let stage = self.study.get(stage).id.clone();
                    self.site.events.emit(Event::StageWaits { stage, holder });
                }
                Ok(None)
            }
            Claim::Granted(guard) => {
                self.held.remove(&stage);
                match self.done_meanwhile(stage)? {
                    Some(record) => {
                        drop(guard);
                        self.know(stage, record, false);
                        Ok(None)
                    }
                    None => Ok(Some(guard)),
                }
            }
        }
    }

    /// A record that another run has written since this stage was planned.
    fn done_meanwhile(&self, stage: StageIndex) -> Result<Option<StageRecord>, StoreError> {
        let facts = &self.facts[stage.0];
        let resolved = facts.resolved.as_ref().expect("BUG: a claimed stage is resolved");
        if self.policy.force && !facts.must_redo {
            return Ok(None);
        }
        let Some(record) = self.site.store.record(&resolved.fingerprint)? else { return Ok(None) };
        if facts.must_redo {
            for output in record.outputs.values() {
                if !self.site.store.is_present(&output.tree)? {
                    return Ok(None);
                }
            }
        }
        Ok(Some(record))
    }

    fn start_computing<'scope>(
        &mut self,
        stage: StageIndex,
        tokens: Tokens,
        guard: ClaimGuard,
        scope: &'scope Scope<'scope, 'r>,
    ) where
        'r: 'scope,
    {
        let gpus = self.gpus.take(tokens.get(gpus::POOL).copied().unwrap_or(0));
        let task = self.task(stage, &tokens, &gpus);
        self.site.pins.begin(self.site.store);
        self.facts[stage.0].tokens = tokens;
        self.facts[stage.0].gpus = gpus;
        self.running += 1;
        self.states.set(stage, StageState::Running);
        let publishes = self.is_published(stage);
        let (study, site, sender) = (self.study, self.site, self.sender.clone());
        scope.spawn(move || {
            let started = Instant::now();
            let (mut result, attempts) = job::run(&task, site);
            drop(guard);
            if let (Ok(computed), true) = (&result, publishes)
                && let Err(error) = publish::publish(study, stage, &computed.record, site)
            {
                result = Err(JobError::Store(error));
            }
            if let (Ok(computed), Some(sharing)) = (&result, site.sharing) {
                sharing.send(computed.record.fingerprint, site.events);
            }
            let secs = started.elapsed().as_secs_f64();
            // The receiver lives as long as the scope.
            _ = sender.send(Report::Computed { stage, result, attempts, secs });
        });
    }

    fn task(&self, stage: StageIndex, tokens: &Tokens, gpus: &[String]) -> Task<'r> {
        let facts = &self.facts[stage.0];
        let resolved = facts.resolved.clone().expect("BUG: a starting stage is resolved");
        let share = tokens.get("cpu").and_then(|&cores| usize::try_from(cores).ok());
        Task {
            stage: self.study.get(stage),
            resolved,
            inputs: self.bound_inputs(stage),
            threads: self.policy.threads.or(share).unwrap_or(1).max(1),
            gpus: gpus.to_vec(),
            afresh: self.policy.force && !facts.must_redo,
            replace: self.policy.force || facts.must_redo,
        }
    }

    fn bound_inputs(&self, stage: StageIndex) -> BoundInputs {
        let mut bound = BoundInputs::new();
        for (port, feeds) in &self.study.get(stage).inputs {
            let artifacts = feeds.iter().map(|feed| {
                let record = self.facts[feed.stage.0].record.as_ref();
                let record = record.expect("BUG: what feeds a starting stage is known");
                let output = &record.outputs[&feed.output];
                Bound {
                    stage: self.study.get(feed.stage).id.clone(),
                    coordinates: feed.coordinates.clone(),
                    kind: output.kind,
                    tree: output.tree,
                }
            });
            bound.insert(port.clone(), artifacts.collect());
        }
        bound
    }

    fn start_putting_back<'scope>(&mut self, stage: StageIndex, scope: &'scope Scope<'scope, 'r>)
    where
        'r: 'scope,
    {
        let record = self.facts[stage.0].record.clone().expect("BUG: what is put back is known");
        self.running += 1;
        self.states.set(stage, StageState::Running);
        let (study, site, sender) = (self.study, self.site, self.sender.clone());
        scope.spawn(move || {
            let started = Instant::now();
            let result = publish::publish(study, stage, &record, site);
            let secs = started.elapsed().as_secs_f64();
            _ = sender.send(Report::PutBack { stage, result, secs });
        });
    }

    /// What a stage takes at least.
    fn least_tokens(&self, stage: StageIndex) -> Tokens {
        let mut tokens = self.study.get(stage).settings.resources.clone();
        tokens.entry("cpu".to_owned()).or_insert(1);
        tokens
    }

    /// What a stage takes when it starts now.
    ///
    /// A built-in stage that asks for no number of cores gets its share of the free ones: all of them when
    /// it is alone, one when many wait. Threads never change a result.
    fn fair_tokens(&self, stage: StageIndex) -> Tokens {
        let mut tokens = self.least_tokens(stage);
        let asks = self.study.get(stage).settings.resources.contains_key("cpu");
        if !asks
            && self.policy.threads.is_none()
            && self.study.get(stage).stage.launch() == Launch::Worker
        {
            let waiting = self.states.count(StageState::Queued).max(1);
            let places = (self.policy.jobs - self.running).min(waiting).max(1) as u64;
            tokens.insert("cpu".to_owned(), (self.pools.free("cpu") / places).max(1));
        }
        tokens
    }

    // ---- what follows ----

    fn take(&mut self, report: Report) {
        self.running -= 1;
        match report {
            Report::Computed { stage, result, attempts, secs } => {
                let facts = &mut self.facts[stage.0];
                facts.attempts += attempts;
                facts.secs += secs;
                let tokens = std::mem::take(&mut facts.tokens);
                let gpus = std::mem::take(&mut facts.gpus);
                self.pools.give_back(&tokens);
                self.gpus.give_back(&gpus);
                match result {
                    Ok(computed) => self.computed(stage, computed),
                    Err(error) => self.not_computed(stage, error),
                }
            }
            Report::Fetched { stage, result, secs } => self.fetched(stage, result, secs),
            Report::PutBack { stage, result, secs } => {
                self.facts[stage.0].secs += secs;
                match result {
                    Ok(()) => self.end(stage, StageState::Restored, None),
                    Err(error @ StoreError::Damaged { .. }) => self.redo(stage, &error),
                    Err(error) => self.fail_for_storage(stage, &error),
                }
            }
        }
    }

    fn computed(&mut self, stage: StageIndex, computed: Computed) {
        if let Some(output) = computed.differs {
            let id = self.study.get(stage).id.clone();
            let text = format!(
                "is not deterministic: running it again gave another `{output}` for the same fingerprint"
            );
            self.site.events.emit(Event::Warning { stage: Some(id.clone()), text });
            self.findings.push(Finding { stage: id, output });
        }
        self.site.pins.add(computed.record.fingerprint);
        self.resolve.know(stage, &computed.record.outputs);
        let facts = &mut self.facts[stage.0];
        facts.record = Some(computed.record);
        facts.must_redo = false;
        self.end(stage, StageState::Done, None);
    }

    fn not_computed(&mut self, stage: StageIndex, error: JobError) {
        match error {
            JobError::Interrupted => self.end(stage, StageState::Interrupted, None),
            JobError::DamagedInput { input: (port, place), source } => {
                let inputs = &self.study.get(stage).inputs;
                let feeds = inputs.iter().find(|(name, _)| *name == port).map(|(_, feeds)| feeds);
                let producer = feeds.expect("BUG: a staged port is fed")[place].stage;
                self.states.set(stage, StageState::Waiting);
                if self.states.get(producer).is_well() {
                    self.redo(producer, &source);
                }
            }
            JobError::Store(error) => self.fail_for_storage(stage, &error),
            other => self.fail(stage, other.text()),
        }
    }

    /// Computes a stage again whose known result turned out to be damaged.
    fn redo(&mut self, stage: StageIndex, damage: &dyn Display) {
        if self.asks_remote_instead(stage, damage) {
            return;
        }
        let facts = &mut self.facts[stage.0];
        facts.damages += 1;
        let damages = facts.damages;
        let settings = &self.study.get(stage).settings;
        let hindrance = if damages >= DAMAGES_MAX {
            Some("it was computed again before: is the disk failing?")
        } else if settings.frozen {
            Some("it is frozen and cannot be computed again")
        } else if !self.policy.selected.contains(stage) {
            Some("it is not selected and cannot be computed again")
        } else {
            None
        };
        if let Some(hindrance) = hindrance {
            return self.fail(stage, format!("{damage}; {hindrance}"));
        }
        self.site.events.emit(Event::Warning {
            stage: Some(self.study.get(stage).id.clone()),
            text: format!("{damage}; computing it again"),
        });
        self.facts[stage.0].must_redo = true;
        self.states.set(stage, StageState::Waiting);
    }

    /// The stage failed by itself.
    fn fail(&mut self, stage: StageIndex, reason: String) {
        self.fault = Fault::Stage;
        self.give_up(stage, reason);
    }

    /// The store or the remote failed, and the stage may be as good as ever.
    fn fail_for_storage(&mut self, stage: StageIndex, error: &dyn Error) {
        self.fault = self.fault.max(Fault::Storage);
        self.give_up(stage, with_causes(error));
    }

    fn give_up(&mut self, stage: StageIndex, reason: String) {
        self.failed.get_or_insert_with(|| self.study.get(stage).id.clone());
        self.end(stage, StageState::Failed, Some(reason));
        self.skip_below(stage, "failed");
    }

    fn skip_below(&mut self, stage: StageIndex, what: &str) {
        let reason = format!("`{}` {what}", self.study.get(stage).id);
        for below in self.states.below(stage) {
            self.end(below, StageState::Skipped, Some(reason.clone()));
        }
    }

    /// Ends a stage and says so.
    fn end(&mut self, stage: StageIndex, state: StageState, reason: Option<String>) {
        self.has_news = true;
        self.states.set(stage, state);
        let facts = &mut self.facts[stage.0];
        facts.reason.clone_from(&reason);
        let secs = facts.secs;
        if let (Some(ending), true) = (state.ending(), self.wanted[stage.0]) {
            let stage = self.study.get(stage).id.clone();
            self.site.events.emit(Event::StageEnded { stage, ending, secs, reason });
        }
    }

    /// Ends what never started.
    fn end_rest(&mut self) {
        let interrupted = self.is_interrupted();
        let reason = self
            .failed
            .as_ref()
            .map(|failed| format!("not started after `{failed}` failed; `--keep-going` goes on"));
        for stage in self.states.not_started() {
            match &reason {
                _ if interrupted => self.end(stage, StageState::Interrupted, None),
                Some(reason) => self.end(stage, StageState::Skipped, Some(reason.clone())),
                None if !self.wanted[stage.0] => self.end(stage, StageState::Skipped, None),
                None => panic!("BUG: `{}` could have run", self.study.get(stage).id),
            }
        }
    }

    fn outcomes(self) -> Outcomes {
        let all = || (0..self.facts.len()).map(StageIndex);
        let is_selected = |stage: &StageIndex| self.policy.selected.contains(*stage);
        let is_wanted = |stage: &StageIndex| self.wanted[stage.0];
        let record = |stage: StageIndex| {
            let record = self.facts[stage.0].record.as_ref();
            record.filter(|_| self.states.get(stage).is_well()).map(|record| (stage, record))
        };
        let published = |(stage, record): (StageIndex, &StageRecord)| {
            let places =
                self.is_published(stage).then(|| publish::places(self.study, stage, record));
            places.into_iter().flatten().collect::<Vec<_>>()
        };
        Outcomes {
            ok: all().filter(is_selected).all(|stage| self.states.get(stage).is_well()),
            stages: all().filter(is_wanted).map(|stage| self.stage_end(stage)).collect(),
            well: all()
                .filter_map(record)
                .map(|(stage, record)| (stage, record.fingerprint, record.cost.wall_secs))
                .collect(),
            published: all().filter_map(record).flat_map(published).collect(),
            storage_failed: self.fault == Fault::Storage,
            findings: self.findings,
        }
    }

    fn stage_end(&self, stage: StageIndex) -> StageEnd {
        let facts = &self.facts[stage.0];
        let state = self.states.get(stage);
        let record = facts.record.as_ref().filter(|_| state.is_well());
        StageEnd {
            stage: self.study.get(stage).id.clone(),
            ending: state.ending().expect("BUG: a run ends when all its stages have"),
            reason: facts.reason.clone(),
            fingerprint: facts.resolved.as_ref().map(|resolved| resolved.fingerprint),
            outputs: record.map_or_else(BTreeMap::new, |record| {
                let trees = record.outputs.iter();
                trees.map(|(name, output)| (name.clone(), output.tree)).collect()
            }),
            metrics: record.map_or_else(BTreeMap::new, |record| record.metrics.clone()),
            cost: record.map(|record| record.cost),
            attempts: facts.attempts,
        }
    }
}

/// The selected stages and everything they read, directly or not.
fn wanted(study: &Study, selected: &Selected) -> Vec<bool> {
    let mut wanted = vec![false; study.stages.len()];
    // Backwards through the topological order: readers come before what they read.
    for index in (0..study.stages.len()).rev().map(StageIndex) {
        if selected.contains(index) {
            wanted[index.0] = true;
        }
        if wanted[index.0] {
            let before: BTreeSet<StageIndex> = study.get(index).before.iter().copied().collect();
            for need in before {
                wanted[need.0] = true;
            }
        }
    }
    wanted
}
