//! States: where every stage of a run stands, written by one function.
//!
//! Counts, the ready queue and "may this start" follow from the transitions, so nobody can set two
//! things that disagree. Knows nothing of processes, pools or results.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::Ending;
use crate::plan::StageIndex;

/// Where a stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StageState {
    /// Something it needs has not ended.
    Waiting,
    /// Everything it needs ended well; its manifest can be made.
    Ready,
    /// It has to run, and waits for a place, for tokens or for another run.
    Queued,
    /// An attempt is under way.
    Running,
    /// Its result was known; nothing was done.
    Cached,
    /// An older result was put back.
    Restored,
    /// It ran, and its record is in the store.
    Done,
    /// It ran and failed, or could not be planned.
    Failed,
    /// Something it needs failed, or the run stopped before it.
    Skipped,
    /// The run was interrupted before or while it ran.
    Interrupted,
}

impl StageState {
    /// How it ended, when it has.
    #[must_use]
    pub fn ending(self) -> Option<Ending> {
        match self {
            Self::Waiting | Self::Ready | Self::Queued | Self::Running => None,
            Self::Cached => Some(Ending::Cached),
            Self::Restored => Some(Ending::Restored),
            Self::Done => Some(Ending::Done),
            Self::Failed => Some(Ending::Failed),
            Self::Skipped => Some(Ending::Skipped),
            Self::Interrupted => Some(Ending::Interrupted),
        }
    }

    /// Whether it has a result that others may read.
    #[must_use]
    pub fn is_well(self) -> bool {
        matches!(self, Self::Cached | Self::Restored | Self::Done)
    }
}

impl From<Ending> for StageState {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Done => Self::Done,
            Ending::Cached => Self::Cached,
            Ending::Restored => Self::Restored,
            Ending::Failed => Self::Failed,
            Ending::Skipped => Self::Skipped,
            Ending::Interrupted => Self::Interrupted,
        }
    }
}

/// The states of all stages of a run.
#[derive(Debug)]
pub struct States {
    now: Vec<StageState>,
    /// What each stage needs, without repetitions.
    needs: Vec<Vec<StageIndex>>,
    needed_by: Vec<Vec<StageIndex>>,
    /// How many of its needs have not ended well.
    unmet: Vec<usize>,
    counts: BTreeMap<StageState, usize>,
    ready: BTreeSet<StageIndex>,
    queued: BTreeSet<StageIndex>,
}

impl States {
    /// All stages waiting, those without needs ready.
    #[must_use]
    pub fn new(needs: Vec<BTreeSet<StageIndex>>) -> Self {
        let len = needs.len();
        let mut needed_by = vec![Vec::new(); len];
        for (stage, needs) in needs.iter().enumerate() {
            for need in needs {
                needed_by[need.0].push(StageIndex(stage));
            }
        }
        let unmet: Vec<usize> = needs.iter().map(BTreeSet::len).collect();
        let mut states = Self {
            now: vec![StageState::Waiting; len],
            needs: needs.into_iter().map(|needs| needs.into_iter().collect()).collect(),
            needed_by,
            unmet,
            counts: BTreeMap::from([(StageState::Waiting, len)]),
            ready: BTreeSet::new(),
            queued: BTreeSet::new(),
        };
        for stage in (0..len).map(StageIndex) {
            if states.unmet[stage.0] == 0 {
                states.set(stage, StageState::Ready);
            }
        }
        states
    }

    /// Moves `stage` to `state`: the only function that writes states.
    ///
    /// A stage that ends well makes those ready that waited for nothing else; one that loses its result
    /// makes its readers wait again. A stage sent to wait for nothing is ready at once.
    pub fn set(&mut self, stage: StageIndex, state: StageState) {
        let state = match state {
            StageState::Waiting if self.unmet[stage.0] == 0 => StageState::Ready,
            other => other,
        };
        let before = std::mem::replace(&mut self.now[stage.0], state);
        *self.counts.entry(before).or_default() -= 1;
        *self.counts.entry(state).or_default() += 1;
        self.ready.remove(&stage);
        self.queued.remove(&stage);
        match state {
            StageState::Ready => _ = self.ready.insert(stage),
            StageState::Queued => _ = self.queued.insert(stage),
            _ => {}
        }
        if before.is_well() != state.is_well() {
            self.tell_readers(stage, state.is_well());
        }
    }

    fn tell_readers(&mut self, stage: StageIndex, is_well: bool) {
        for reader in self.needed_by[stage.0].clone() {
            if is_well {
                self.unmet[reader.0] -= 1;
            } else {
                self.unmet[reader.0] += 1;
            }
            let state = self.now[reader.0];
            let moves =
                if is_well { state == StageState::Waiting } else { self.is_pending(reader) };
            if moves {
                self.set(reader, StageState::Waiting);
            }
        }
    }

    fn is_pending(&self, stage: StageIndex) -> bool {
        matches!(self.get(stage), StageState::Ready | StageState::Queued)
    }

    /// Where `stage` stands.
    #[must_use]
    pub fn get(&self, stage: StageIndex) -> StageState {
        self.now[stage.0]
    }

    /// How many stages stand at `state`.
    #[must_use]
    pub fn count(&self, state: StageState) -> usize {
        self.counts.get(&state).copied().unwrap_or_default()
    }

    /// The next stage whose manifest can be made, in topological order.
    #[must_use]
    pub fn next_ready(&self) -> Option<StageIndex> {
        self.ready.first().copied()
    }

    /// The first stage from `from` on that waits for a place, in topological order.
    #[must_use]
    pub fn next_queued(&self, from: StageIndex) -> Option<StageIndex> {
        self.queued.range(from..).next().copied()
    }

    /// Whether every stage has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.now.iter().all(|state| state.ending().is_some())
    }

    /// What `stage` needs.
    #[must_use]
    pub fn needs(&self, stage: StageIndex) -> &[StageIndex] {
        &self.needs[stage.0]
    }

    /// Every stage below `stage` that has not started.
    #[must_use]
    pub fn below(&self, stage: StageIndex) -> BTreeSet<StageIndex> {
        let mut below = BTreeSet::new();
        let mut open = vec![stage];
        while let Some(next) = open.pop() {
            for &reader in &self.needed_by[next.0] {
                if self.get(reader) == StageState::Waiting && below.insert(reader) {
                    open.push(reader);
                }
            }
        }
        below
    }

    /// Every stage that has not started.
    #[must_use]
    pub fn not_started(&self) -> Vec<StageIndex> {
        let not_started = |stage: &StageIndex| {
            matches!(self.get(*stage), StageState::Waiting | StageState::Ready | StageState::Queued)
        };
        (0..self.now.len()).map(StageIndex).filter(not_started).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: StageIndex = StageIndex(0);
    const B: StageIndex = StageIndex(1);
    const C: StageIndex = StageIndex(2);

    /// `a -> b -> c`, and `a -> c`.
    fn chain() -> States {
        States::new(vec![BTreeSet::new(), BTreeSet::from([A]), BTreeSet::from([A, B])])
    }

    fn all(states: &States) -> [StageState; 3] {
        [A, B, C].map(|stage| states.get(stage))
    }

    #[test]
    fn a_stage_is_ready_when_its_last_need_ends_well() {
        let mut states = chain();
        assert_eq!(all(&states), [StageState::Ready, StageState::Waiting, StageState::Waiting]);
        states.set(A, StageState::Done);
        assert_eq!(all(&states), [StageState::Done, StageState::Ready, StageState::Waiting]);
        states.set(B, StageState::Cached);
        assert_eq!(states.next_ready(), Some(C));
    }

    #[test]
    fn a_lost_result_makes_its_readers_wait_again() {
        let mut states = chain();
        states.set(A, StageState::Cached);
        states.set(B, StageState::Running);
        states.set(A, StageState::Queued);
        states.set(B, StageState::Waiting);
        assert_eq!(all(&states), [StageState::Queued, StageState::Waiting, StageState::Waiting]);
        states.set(A, StageState::Done);
        assert_eq!(all(&states), [StageState::Done, StageState::Ready, StageState::Waiting]);
    }

    #[test]
    fn a_queued_reader_of_a_lost_result_leaves_the_queue() {
        let mut states = chain();
        states.set(A, StageState::Cached);
        states.set(B, StageState::Queued);
        states.set(A, StageState::Queued);
        assert_eq!(states.next_queued(A), Some(A));
        assert_eq!(states.next_queued(B), None);
        assert_eq!(states.get(B), StageState::Waiting);
    }

    #[test]
    fn everything_below_a_failure_is_found() {
        let mut states = chain();
        states.set(A, StageState::Failed);
        assert_eq!(states.below(A), BTreeSet::from([B, C]));
        assert_eq!(states.count(StageState::Waiting), 2);
        assert!(!states.is_over());
    }
}
