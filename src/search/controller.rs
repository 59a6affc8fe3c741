//! The interface of a strategy.

use std::fmt;

use super::SearchError;
use crate::seed::Stream;
use crate::space::{Genotype, Space};

/// A network that was evaluated.
#[derive(Debug, Clone, Copy)]
pub struct Finished<'a> {
    /// Which of the search's networks it is, from 0 in the order of their first proposal. A repeated
    /// network has the number it had before.
    pub network: usize,
    /// The walk.
    pub genotype: &'a Genotype,
    /// Its score, or chance when it failed; finite.
    pub reward: f64,
}

/// What a controller has learned, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// File name.
    pub name: &'static str,
    /// Content.
    pub text: String,
}

/// Proposes genotypes and learns from their rewards.
pub trait Controller: fmt::Debug {
    /// Walks one episode into `genotype`; the search has proposed `unique` networks before.
    ///
    /// Returns the exploration rate it walked with, when it has one.
    fn propose(
        &mut self,
        space: &dyn Space,
        unique: u64,
        stream: &mut Stream,
        genotype: &mut Genotype,
    ) -> Option<f64>;

    /// Learns from a network; a repeated one is presented again with the reward it had.
    fn observe(&mut self, space: &dyn Space, finished: Finished<'_>, stream: &mut Stream);

    /// What was learned, beyond what [`Controller::restore`] is told of the networks.
    fn save(&self) -> serde_json::Value;

    /// Goes back to what [`Controller::save`] returned; `networks` are all that were evaluated by then,
    /// by number.
    ///
    /// # Errors
    /// When it does not fit.
    fn restore(
        &mut self,
        space: &dyn Space,
        networks: &[(Genotype, f64)],
        saved: &serde_json::Value,
    ) -> Result<(), SearchError>;

    /// What was learned as a table that people read, when there is one.
    fn table(&self, space: &dyn Space) -> Option<Table> {
        let _ = space;
        None
    }
}
