//! The interface of a strategy.

use std::fmt;

use super::SearchError;
use crate::results::PolicyNote;
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
    /// What the search makes of its score; finite.
    pub reward: f64,
    /// Draws of networks that were proposed before this one's reward was presented and whose own was not yet.
    pub pending: usize,
}

/// How far a search is when a network is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Different networks proposed so far.
    pub proposed: u64,
    /// Those of them whose reward is not known yet.
    pub pending: usize,
}

/// How a walk came about, for people: nothing is learned from it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Remarks {
    /// Exploration rate that it was walked with, when there is one.
    pub epsilon: Option<f64>,
    /// What the policy that drew it thought of it, when there is one.
    pub policy: Option<PolicyNote>,
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
    /// Walks one episode into `genotype`. Where the space has grown since, it may be an edit of a shallower
    /// network, which is only the beginning of a walk: the search goes on with it.
    fn propose(
        &mut self,
        space: &dyn Space,
        progress: Progress,
        stream: &mut Stream,
        genotype: &mut Genotype,
    ) -> Remarks;

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

    /// The network that the policy prefers by now, when the strategy has a policy.
    fn most_probable(&self, space: &dyn Space) -> Option<Genotype> {
        let _ = space;
        None
    }

    /// A fresh draw from the policy as it is by now, when the strategy has one. Nothing is learned from it.
    fn sample(&mut self, space: &dyn Space, stream: &mut Stream) -> Option<Genotype> {
        let _ = (space, stream);
        None
    }

    /// The policy's weights in the safetensors format, when it has any.
    fn weights(&self, space: &dyn Space) -> Option<Vec<u8>> {
        let _ = space;
        None
    }

    /// What was learned as a table that people read, when there is one.
    fn table(&self, space: &dyn Space) -> Option<Table> {
        let _ = space;
        None
    }
}
