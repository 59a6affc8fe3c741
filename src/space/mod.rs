//! Search spaces: the sets of architectures that a study may visit, as decision processes.
//!
//! A space is a [`Process`] (states, legal actions, next states) whose complete paths are genotypes,
//! and the few things that need to know what an action means: text, network and features. Strategies
//! see the process only. Knows nothing of strategies, scores or training.

pub mod chain;
mod config;
mod edit;
mod error;
mod features;
mod layers;
pub mod layerwise;
pub mod nasbench201;
pub mod nasnet;
mod process;

pub use config::{COMPONENTS, ConfigMistake, Parameters, SpaceChanges, SpaceConfig};
pub use error::{ParseError, SpaceError};
pub use features::{Features, Limits};
pub use process::{Action, Genotype, Process, RowId, Rules, StateId, Token};

use std::fmt;

use crate::net::{Drawing, Network, Shape};
use crate::seed::Stream;

/// Largest side of an image; counts of multiply-adds stay far from the end of 64 bits.
const SIDE_MAX: usize = 4096;

/// Whether there is something to see, of at least `least` pixels a side, and to tell apart.
fn check_task(image: Shape, classes: usize, least: usize) -> Result<(), SpaceError> {
    let sides = [image.height, image.width];
    let fits = sides.iter().all(|side| (least..=SIDE_MAX).contains(side));
    if !fits || image.is_empty() || classes < 2 {
        return Err(SpaceError::NoTask { min: least, max: SIDE_MAX });
    }
    Ok(())
}

/// A search space, opened for images of one shape and a number of classes.
pub trait Space: fmt::Debug + Send + Sync {
    /// The decisions.
    fn process(&self) -> &Process;

    /// Shape of the images that its networks read.
    fn image(&self) -> Shape;

    /// Number of classes that its networks tell apart.
    fn classes(&self) -> usize;

    /// Appends the genotype's canonical text; equal texts are equal networks.
    fn write_text(&self, genotype: &Genotype, text: &mut String);

    /// Reads a genotype; spaces do not matter.
    ///
    /// # Errors
    /// When the text is no genotype, or one that is not legal here; the error names the column.
    fn parse(&self, text: &str) -> Result<Genotype, ParseError>;

    /// The child network.
    fn network(&self, genotype: &Genotype) -> Network;

    /// Size and shape of the child network, without building it: equal to what the network counts.
    fn features(&self, genotype: &Genotype) -> Features;

    /// All legal genotypes one edit away: distinct, in a fixed order, never `genotype` itself. Each is a
    /// walk of the process.
    fn neighbours(&self, genotype: &Genotype) -> Vec<Genotype>;

    /// One random legal edit, a walk of the process other than `genotype`; nothing when 100 tries found
    /// none. Costs no more than a few walks: neighbours are not listed for it.
    fn mutate(&self, genotype: &Genotype, stream: &mut Stream) -> Option<Genotype>;

    /// The space as the network with number `network` of a search, from 0, is drawn from it, where that is
    /// not the whole: one that grows is shallower at first. Its genotypes are beginnings of walks of
    /// this space and name the same networks here; rows and tokens are the same. It takes shallower
    /// genotypes than its own for edits, and what it makes of them may be as shallow.
    fn grown(&self, network: u64) -> Option<&dyn Space> {
        let _ = network;
        None
    }

    /// Whether the genotype is a network of this space, or of one that it grew from.
    fn has(&self, genotype: &Genotype) -> bool {
        self.process().is_complete(genotype)
    }

    /// Diagrams that show the architecture better than its layers do; none by default.
    fn drawing(&self, genotype: &Genotype) -> Drawing {
        let _ = genotype;
        Drawing::default()
    }

    /// What keeps a genotype from being tried at all.
    fn limits(&self) -> Limits;

    /// The genotype's canonical text.
    fn text(&self, genotype: &Genotype) -> String {
        let mut text = String::new();
        self.write_text(genotype, &mut text);
        text
    }
}
