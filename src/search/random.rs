//! Random search: the baseline that every strategy has to beat.
//!
//! Two laws, because they differ: a walk with uniform decisions favours short networks, a uniform draw
//! over networks favours long ones, of which there are more.

use super::strategy::Parameters;
use super::{Controller, Finished, Progress, Remarks, SearchError};
use crate::seed::{Seed, Stream};
use crate::space::{Genotype, Space};

/// Version of both laws: raised when the same seed gives other networks.
const VERSION: u32 = 1;

/// What is drawn uniformly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Law {
    /// Every decision: how Q-learning explores at epsilon 1.
    Decisions,
    /// The network, among all that there are.
    Networks,
}

impl Parameters for Law {
    fn component(&self) -> (&'static str, u32) {
        let name = match self {
            Self::Decisions => "strategy.random",
            Self::Networks => "strategy.random_uniform",
        };
        (name, VERSION)
    }

    fn controller(
        &self,
        space: &dyn Space,
        _: u64,
        _: Seed,
    ) -> Result<Box<dyn Controller>, SearchError> {
        Ok(Box::new(Random::new(*self, space)?))
    }
}

/// Draws networks and learns nothing.
#[derive(Debug, Clone, Copy)]
pub struct Random {
    law: Law,
}

impl Random {
    /// A controller that draws by `law`.
    ///
    /// # Errors
    /// When networks are to be drawn and there are too many to count.
    pub fn new(law: Law, space: &dyn Space) -> Result<Self, SearchError> {
        match law {
            Law::Networks if space.process().count().is_none() => Err(SearchError::Uncountable),
            _ => Ok(Self { law }),
        }
    }

    fn draw(self, space: &dyn Space, stream: &mut Stream, genotype: &mut Genotype) {
        match self.law {
            Law::Decisions => space.process().draw(stream, genotype),
            Law::Networks => space.process().draw_uniform(stream, genotype),
        }
    }
}

impl Controller for Random {
    fn propose(
        &mut self,
        space: &dyn Space,
        _: Progress,
        stream: &mut Stream,
        genotype: &mut Genotype,
    ) -> Remarks {
        self.draw(space, stream, genotype);
        Remarks::default()
    }

    fn observe(&mut self, _: &dyn Space, _: Finished<'_>, _: &mut Stream) {}

    /// The law itself: it never changes.
    fn sample(&mut self, space: &dyn Space, stream: &mut Stream) -> Option<Genotype> {
        let mut genotype = Genotype::default();
        self.draw(space, stream, &mut genotype);
        Some(genotype)
    }

    fn save(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    fn restore(
        &mut self,
        _: &dyn Space,
        _: &[(Genotype, f64)],
        _: &serde_json::Value,
    ) -> Result<(), SearchError> {
        Ok(())
    }
}
