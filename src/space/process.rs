//! The decision process of a space: states, legal actions and next states as dense tables.
//!
//! A walk from the start to a state without actions is an episode; the slots it took are the genotype.
//! All planned spaces fit: what a later decision must remember (side, depth, how many inputs there
//! are) is in the state, the rest is in the path. States are interned once, so that a step of a walk is
//! two loads: no text, no hashing. The tables know tokens and rows, not what they mean.

use std::collections::HashMap;
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use super::SpaceError;
use crate::seed::Stream;

/// Most transitions of a process: 16 MiB of table.
const ACTIONS_MAX: usize = 2_000_000;

/// A state of the process, by its place in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateId(u32);

/// What a tabular strategy sees of a state. States that look the same share a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(u32);

impl RowId {
    /// The row's number, from 0 without gaps.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

/// What an action means, whatever the state: an index into the space's vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u16);

/// A legal action of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// What it means.
    pub token: Token,
    /// Where it leads.
    pub next: StateId,
}

/// The discrete description of an architecture: the slot of the action taken at each state on the way.
///
/// A space may keep slots behind those of the walk for what its process never decides and people may
/// write by hand (a cell's explicit `concat`): they are legal to parse, print and build, a walk ends
/// before them, and no draw or edit makes them.
///
/// Only good for the process that made it; the canonical text is what leaves the program.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Genotype(pub Vec<u16>);

/// States, legal actions and next states of a space.
#[derive(Debug, Clone)]
pub struct Process {
    /// First action of each state, and one past the last.
    first: Vec<u32>,
    actions: Vec<Action>,
    rows: Vec<RowId>,
    /// First value of each row in a table over (row, slot), and one past the last.
    row_first: Vec<u32>,
    row_names: Vec<String>,
    /// First of a row's actions: those of the first of its states, which all have the same.
    row_action: Vec<u32>,
    vocabulary: Vec<String>,
    /// The earlier step that each state's decision is about.
    anchors: Vec<Option<u32>>,
    /// Genotypes from each state on, saturating at the largest number.
    counts: Vec<u128>,
}

/// What a space tells of its states while the process is built.
pub trait Rules {
    /// A state of the walk.
    type State: Clone + Eq + Hash;
    /// What a tabular strategy sees of it.
    type Seen: Eq + Hash;

    /// Where every walk starts.
    fn start(&self) -> Self::State;

    /// Tokens and next states of all legal actions; none at the end of a walk. States that are seen as
    /// one must return the same tokens in the same order, and no walk may return to a state.
    fn actions(&self, state: &Self::State) -> Vec<(Token, Self::State)>;

    /// What a tabular strategy sees of a state.
    fn seen(&self, state: &Self::State) -> Self::Seen;

    /// A name for what is seen, for tables that people read.
    fn name(&self, state: &Self::State) -> String;

    /// A name for each token, for tables that people read.
    fn vocabulary(&self) -> Vec<String>;

    /// The earlier step of the walk, from 0, that the decision is about: whether to connect with what
    /// was made there. Controllers with attention compare the two steps (Zoph & Le 2017, sec. 3.3);
    /// for all others it is a decision like any.
    fn anchor(&self, state: &Self::State) -> Option<usize> {
        let _ = state;
        None
    }
}

impl Process {
    /// Visits every state that can be reached.
    ///
    /// # Errors
    /// When there are too many.
    pub fn build<R: Rules>(rules: &R) -> Result<Self, SpaceError> {
        let mut process = Self {
            first: vec![0],
            actions: Vec::new(),
            rows: Vec::new(),
            row_first: vec![0],
            row_names: Vec::new(),
            row_action: Vec::new(),
            vocabulary: rules.vocabulary(),
            anchors: Vec::new(),
            counts: Vec::new(),
        };
        let mut ids: HashMap<R::State, StateId> = HashMap::from([(rules.start(), StateId(0))]);
        let mut seen: HashMap<R::Seen, RowId> = HashMap::new();
        let mut states = vec![rules.start()];
        let mut next = 0;
        while next < states.len() {
            let state = states[next].clone();
            for (token, target) in rules.actions(&state) {
                let fresh = StateId(narrow(states.len()));
                let id = *ids.entry(target).or_insert_with_key(|target| {
                    states.push(target.clone());
                    fresh
                });
                process.actions.push(Action { token, next: id });
            }
            if process.actions.len() > ACTIONS_MAX {
                return Err(SpaceError::TooLarge { max: ACTIONS_MAX });
            }
            process.first.push(narrow(process.actions.len()));
            process.add_row(rules, &state, StateId(narrow(next)), &mut seen);
            process.anchors.push(rules.anchor(&state).map(narrow));
            next += 1;
        }
        process.counts = process.count_all();
        Ok(process)
    }

    /// Finds the row of a state whose actions are known, or makes it.
    fn add_row<R: Rules>(
        &mut self,
        rules: &R,
        state: &R::State,
        id: StateId,
        seen: &mut HashMap<R::Seen, RowId>,
    ) {
        let fresh = RowId(narrow(self.row_names.len()));
        let row = *seen.entry(rules.seen(state)).or_insert(fresh);
        self.rows.push(row);
        if row == fresh {
            self.row_names.push(rules.name(state));
            self.row_action.push(self.first[id.0 as usize]);
            let end = self.row_first[row.0 as usize] + narrow(self.actions(id).len());
            self.row_first.push(end);
        }
        let (own, known) = (self.actions(id), self.row_actions(row));
        assert!(
            known.iter().map(|action| action.token).eq(own.iter().map(|action| action.token)),
            "BUG: states seen as `{}` have different actions",
            self.row_names[row.0 as usize]
        );
    }

    /// The process whose walks end after `steps` decisions. Rows, and the tables over them, stay those of
    /// the whole: what was learned in the one is good in the other, and so are the slots of a walk.
    ///
    /// Only where all walks are in one state after that many decisions.
    pub(super) fn cut(&self, steps: usize) -> Self {
        let end = (0..steps).fold(self.start(), |state, _| self.actions(state)[0].next);
        let states = end.0 as usize + 1;
        let mut cut = self.clone();
        // States are numbered as they are met, so those behind the end are the last.
        cut.first.truncate(states);
        cut.first.push(self.first[states - 1]);
        cut.rows.truncate(states);
        cut.anchors.truncate(states);
        let left = &cut.actions[..cut.first[states] as usize];
        assert!(left.iter().all(|action| action.next <= end), "BUG: a walk passes by its end");
        cut.counts = cut.count_all();
        cut
    }

    /// Genotypes from each state on: the sum over its actions, 1 where a walk ends.
    fn count_all(&self) -> Vec<u128> {
        let mut counts = vec![0_u128; self.rows.len()];
        for state in self.in_order().into_iter().rev() {
            let actions = self.actions(state);
            let onward = actions.iter().map(|action| counts[action.next.0 as usize]);
            let sum = onward.fold(0_u128, u128::saturating_add);
            counts[state.0 as usize] = if actions.is_empty() { 1 } else { sum };
        }
        counts
    }

    /// All states, each before those it leads to (Kahn).
    fn in_order(&self) -> Vec<StateId> {
        let mut entries = vec![0_u32; self.rows.len()];
        for action in &self.actions[..self.first[self.rows.len()] as usize] {
            entries[action.next.0 as usize] += 1;
        }
        let mut order = vec![self.start()];
        let mut done = 0;
        while let Some(&state) = order.get(done) {
            for action in self.actions(state) {
                let left = &mut entries[action.next.0 as usize];
                *left -= 1;
                if *left == 0 {
                    order.push(action.next);
                }
            }
            done += 1;
        }
        assert_eq!(order.len(), self.rows.len(), "BUG: a walk returns to a state");
        order
    }

    /// Where every walk starts.
    #[must_use]
    pub fn start(&self) -> StateId {
        StateId(0)
    }

    /// The legal actions of a state by slot; none at the end of a walk.
    #[must_use]
    pub fn actions(&self, state: StateId) -> &[Action] {
        let state = state.0 as usize;
        &self.actions[self.first[state] as usize..self.first[state + 1] as usize]
    }

    /// The earlier step of the walk, from 0, that a state's decision is about; see [`Rules::anchor`].
    #[must_use]
    pub fn anchor(&self, state: StateId) -> Option<usize> {
        self.anchors[state.0 as usize].map(|step| step as usize)
    }

    /// What a tabular strategy sees of a state.
    #[must_use]
    pub fn row(&self, state: StateId) -> RowId {
        self.rows[state.0 as usize]
    }

    /// Place of a row's values in a table over (row, slot).
    #[must_use]
    pub fn values(&self, row: RowId) -> std::ops::Range<usize> {
        let row = row.0 as usize;
        self.row_first[row] as usize..self.row_first[row + 1] as usize
    }

    /// Rows in all, those of final states included.
    #[must_use]
    pub fn rows(&self) -> impl ExactSizeIterator<Item = RowId> {
        (0..narrow(self.row_names.len())).map(RowId)
    }

    /// Length of a table over (row, slot): the state-action pairs.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.row_first[self.row_names.len()] as usize
    }

    /// Name of a row, for people.
    #[must_use]
    pub fn row_name(&self, row: RowId) -> &str {
        &self.row_names[row.0 as usize]
    }

    /// The legal actions of all states that share a row.
    #[must_use]
    pub fn row_actions(&self, row: RowId) -> &[Action] {
        let first = self.row_action[row.0 as usize] as usize;
        &self.actions[first..first + self.values(row).len()]
    }

    /// Name of a token, for people.
    #[must_use]
    pub fn token_name(&self, token: Token) -> &str {
        &self.vocabulary[token.0 as usize]
    }

    /// Number of tokens.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.vocabulary.len()
    }

    /// Number of genotypes, or nothing when it does not fit 128 bits.
    #[must_use]
    pub fn count(&self) -> Option<u128> {
        Some(self.counts[0]).filter(|&count| count < u128::MAX)
    }

    /// The states of a walk and the slots taken there, the final state and slots behind it left out.
    ///
    /// # Panics
    /// When the genotype is of another process.
    pub fn walk<'a>(
        &'a self,
        genotype: &'a Genotype,
    ) -> impl Iterator<Item = (StateId, u16, Action)> + 'a {
        let mut state = self.start();
        genotype.0.iter().map_while(move |&slot| {
            let here = state;
            let actions = self.actions(here);
            if actions.is_empty() {
                return None;
            }
            let action = actions[usize::from(slot)];
            state = action.next;
            Some((here, slot, action))
        })
    }

    /// Whether the genotype is a walk of this process from the start to an end.
    #[must_use]
    pub fn is_complete(&self, genotype: &Genotype) -> bool {
        let mut state = self.start();
        for &slot in &genotype.0 {
            match self.actions(state).get(usize::from(slot)) {
                Some(action) => state = action.next,
                None => return false,
            }
        }
        self.actions(state).is_empty()
    }

    /// The genotype as tokens: its encoding for controllers that read sequences.
    pub fn encoding<'a>(&'a self, genotype: &'a Genotype) -> impl Iterator<Item = Token> + 'a {
        self.walk(genotype).map(|(_, _, action)| action.token)
    }

    /// Takes `choose`'s slot at every state until the walk ends; the genotype's memory is used again.
    pub fn episode(&self, genotype: &mut Genotype, mut choose: impl FnMut(StateId) -> usize) {
        genotype.0.clear();
        let mut state = self.start();
        while !self.actions(state).is_empty() {
            let slot = choose(state);
            genotype.0.push(u16::try_from(slot).expect("a token for each slot fits 16 bits"));
            state = self.actions(state)[slot].next;
        }
    }

    /// Goes on with a walk that has not ended, by a uniform choice at every state left.
    ///
    /// # Panics
    /// When the genotype is of another process.
    pub fn go_on(&self, genotype: &mut Genotype, stream: &mut Stream) {
        let last = self.walk(genotype).last();
        let mut state = last.map_or(self.start(), |(_, _, action)| action.next);
        while !self.actions(state).is_empty() {
            let slot = stream.index(self.actions(state).len());
            genotype.0.push(u16::try_from(slot).expect("a token for each slot fits 16 bits"));
            state = self.actions(state)[slot].next;
        }
    }

    /// Draws a genotype by a uniform choice at every state.
    pub fn draw(&self, stream: &mut Stream, genotype: &mut Genotype) {
        self.episode(genotype, |state| stream.index(self.actions(state).len()));
    }

    /// The `index`-th genotype in the order of their slots.
    ///
    /// # Panics
    /// When there are not that many, or more than 128 bits count.
    pub fn nth(&self, index: u128, genotype: &mut Genotype) {
        let count = self.count().expect("BUG: a space that cannot be counted was indexed");
        assert!(index < count, "BUG: genotype {index} of {count}");
        let mut left = index;
        self.episode(genotype, |state| {
            let sizes = self.actions(state).iter().map(|a| self.counts[a.next.0 as usize]);
            for (slot, size) in sizes.enumerate() {
                if left < size {
                    return slot;
                }
                left -= size;
            }
            unreachable!("BUG: the counts of a state's actions add up to its own")
        });
    }

    /// Draws a genotype uniformly among all of them.
    ///
    /// # Panics
    /// When more than 128 bits count them.
    pub fn draw_uniform(&self, stream: &mut Stream, genotype: &mut Genotype) {
        let count = self.count().expect("BUG: a space that cannot be counted was drawn from");
        self.nth(below(stream, count), genotype);
    }
}

/// Uniform in `0..bound`, by rejection among the numbers with as many bits.
fn below(stream: &mut Stream, bound: u128) -> u128 {
    let mask = u128::MAX >> (bound - 1).leading_zeros().min(127);
    loop {
        let bits = u128::from(stream.bits()) << 64 | u128::from(stream.bits());
        if bits & mask < bound {
            return bits & mask;
        }
    }
}

/// A place in a table whose length [`ACTIONS_MAX`] bounds.
fn narrow(place: usize) -> u32 {
    u32::try_from(place).expect("tables are bounded when they are built")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    /// Writes a number below 10^length digit by digit; a 9 ends it.
    struct Digits {
        length: usize,
    }

    impl Rules for Digits {
        type State = Option<usize>;
        type Seen = Option<usize>;

        fn start(&self) -> Self::State {
            Some(0)
        }

        fn actions(&self, state: &Self::State) -> Vec<(Token, Self::State)> {
            let Some(place) = *state else { return Vec::new() };
            let next = |digit| (digit < 9 && place + 1 < self.length).then_some(place + 1);
            (0..10).map(|digit| (Token(digit), next(digit))).collect()
        }

        fn seen(&self, state: &Self::State) -> Self::Seen {
            *state
        }

        fn name(&self, state: &Self::State) -> String {
            format!("{state:?}")
        }

        fn vocabulary(&self) -> Vec<String> {
            (0..10).map(|digit| digit.to_string()).collect()
        }
    }

    /// `length` decisions; the one with number n has n + 1 choices.
    struct Steps {
        length: usize,
    }

    impl Rules for Steps {
        type State = usize;
        type Seen = usize;

        fn start(&self) -> usize {
            0
        }

        fn actions(&self, place: &usize) -> Vec<(Token, usize)> {
            let choices = if *place < self.length { *place + 1 } else { 0 };
            (0..choices).map(|choice| (Token(u16::try_from(choice).unwrap()), place + 1)).collect()
        }

        fn seen(&self, place: &usize) -> usize {
            *place
        }

        fn name(&self, place: &usize) -> String {
            place.to_string()
        }

        fn vocabulary(&self) -> Vec<String> {
            (0..self.length).map(|choice| choice.to_string()).collect()
        }
    }

    #[test]
    fn every_index_is_another_genotype_in_order() {
        let process = Process::build(&Digits { length: 3 }).unwrap();
        assert_eq!(process.count(), Some(1 + 9 * (1 + 9 * 10)));
        let all: Vec<Genotype> = (0..process.count().unwrap())
            .map(|index| {
                let mut genotype = Genotype::default();
                process.nth(index, &mut genotype);
                genotype
            })
            .collect();
        assert!(all.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_uniform_draw_gives_long_genotypes_their_share() {
        let process = Process::build(&Digits { length: 2 }).unwrap();
        let (mut stream, mut genotype) = (Seed::root(3).stream("draw", 0), Genotype::default());
        let mut short = 0;
        for _ in 0..9100 {
            process.draw_uniform(&mut stream, &mut genotype);
            short += u32::from(genotype.0.len() == 1);
        }
        // One of 91 is short: 100 expected, standard deviation 10. A walk would give 910.
        assert!((50..150).contains(&short), "{short}");
    }

    #[test]
    fn a_cut_process_has_the_walks_that_end_there_and_the_tables_of_the_whole() {
        let whole = Process::build(&Steps { length: 5 }).unwrap();
        for steps in 0..=5 {
            let (cut, alone) =
                (whole.cut(steps), Process::build(&Steps { length: steps }).unwrap());
            assert_eq!(cut.count(), alone.count());
            assert_eq!((cut.pairs(), cut.rows().len()), (whole.pairs(), whole.rows().len()));
            let mut genotype = Genotype::default();
            for index in 0..cut.count().unwrap() {
                cut.nth(index, &mut genotype);
                assert!(cut.is_complete(&genotype) && alone.is_complete(&genotype));
                assert!(cut.walk(&genotype).eq(whole.walk(&genotype)));
            }
            for row in whole.rows() {
                assert_eq!(cut.row_actions(row), whole.row_actions(row));
            }
        }
    }

    #[test]
    fn a_walk_that_goes_on_keeps_its_beginning_and_ends_at_an_end() {
        let process = Process::build(&Digits { length: 6 }).unwrap();
        let mut stream = Seed::root(2).stream("draw", 0);
        for _ in 0..100 {
            let mut genotype = Genotype(vec![1, 2]);
            process.go_on(&mut genotype, &mut stream);
            assert!(process.is_complete(&genotype) && genotype.0.starts_with(&[1, 2]));
            let whole = genotype.clone();
            process.go_on(&mut genotype, &mut stream);
            assert_eq!(genotype, whole);
        }
    }

    #[test]
    fn more_than_128_bits_are_not_counted() {
        assert!(Process::build(&Digits { length: 38 }).unwrap().count().is_some());
        assert_eq!(Process::build(&Digits { length: 45 }).unwrap().count(), None);
    }

    #[test]
    fn big_draws_stay_below_their_bound() {
        let mut stream = Seed::root(1).stream("draw", 0);
        for bound in [1, 2, 3, 1 << 64, (1 << 64) + 1, u128::MAX] {
            assert!((0..100).all(|_| below(&mut stream, bound) < bound));
        }
    }
}
