//! Given networks: those that somebody names, in their order. Nothing is searched.
//!
//! For what is known already: a published network beside those that were found, one network under several
//! recipes, a list from a colleague.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::strategy::Parameters;
use super::{Controller, Finished, Progress, Remarks, SearchError};
use crate::seed::{Seed, Stream};
use crate::space::{Genotype, Space};

/// Version of the strategy: raised when the same list gives other trials.
const VERSION: u32 = 1;

/// Networks by their texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GivenConfig {
    /// Canonical texts, or names that the space knows (`NASNet-A`), in the order in which they are evaluated. A
    /// budget of more trials than there are networks ends with the last of them.
    #[schemars(length(min = 1, max = 10_000))]
    pub networks: Vec<String>,
}

/// Names the networks of a list.
#[derive(Debug)]
pub(super) struct Given {
    genotypes: Vec<Genotype>,
    /// How many were named.
    named: usize,
}

impl Given {
    /// Reads the list.
    ///
    /// # Errors
    /// A network that is not of this space, or beyond its limits: left out in silence it would be missed in a
    /// comparison. Any list in a space that grows, whose first networks may not be as deep as those of the list.
    pub(super) fn new(config: &GivenConfig, space: &dyn Space) -> Result<Self, SearchError> {
        let genotypes = config.networks.iter().map(|text| read(text, space));
        Ok(Self { genotypes: genotypes.collect::<Result<_, _>>()?, named: 0 })
    }
}

impl Parameters for GivenConfig {
    fn component(&self) -> (&'static str, u32) {
        ("strategy.given", VERSION)
    }

    fn controller(
        &self,
        space: &dyn Space,
        _: u64,
        _: Seed,
    ) -> Result<Box<dyn Controller>, SearchError> {
        Ok(Box::new(Given::new(self, space)?))
    }
}

impl GivenConfig {
    /// What is wrong with the networks in `space`, each with its place in the list.
    #[must_use]
    pub fn mistakes(&self, space: &dyn Space) -> Vec<(usize, SearchError)> {
        let read = |(place, text): (usize, &String)| Some((place, read(text, space).err()?));
        self.networks.iter().enumerate().filter_map(read).collect()
    }
}

/// The network that `text` names, when `space` has it and allows it.
fn read(text: &str, space: &dyn Space) -> Result<Genotype, SearchError> {
    if space.grown(0).is_some() {
        return Err(SearchError::GivenGrows);
    }
    let not = |reason| SearchError::NotGiven { text: text.to_owned(), reason };
    let genotype = space.parse(text).map_err(|error| not(error.to_string()))?;
    let features = space.features(&genotype);
    if space.limits().allow(&features) {
        return Ok(genotype);
    }
    Err(not(format!(
        "{} parameters and {} multiply-adds are more than the space allows: raise its `_max` parameters",
        features.parameters, features.multiply_adds
    )))
}

impl Controller for Given {
    /// Behind the end of the list its last network comes again and again, until the search is exhausted.
    fn propose(
        &mut self,
        _: &dyn Space,
        _: Progress,
        _: &mut Stream,
        genotype: &mut Genotype,
    ) -> Remarks {
        let last = self.genotypes.len() - 1;
        genotype.clone_from(&self.genotypes[self.named.min(last)]);
        self.named += 1;
        Remarks::default()
    }

    fn observe(&mut self, _: &dyn Space, _: Finished<'_>, _: &mut Stream) {}

    fn save(&self) -> serde_json::Value {
        self.named.into()
    }

    fn restore(
        &mut self,
        _: &dyn Space,
        _: &[(Genotype, f64)],
        saved: &serde_json::Value,
    ) -> Result<(), SearchError> {
        self.named =
            usize::deserialize(saved).map_err(|error| SearchError::Unfit(error.to_string()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Search;
    use super::*;
    use crate::net::Shape;
    use crate::seed::Seed;
    use crate::space::SpaceConfig;

    fn space(text: &str) -> Box<dyn Space> {
        let config: SpaceConfig = serde_json::from_str(text).unwrap();
        config.open(Shape { channels: 3, height: 16, width: 16 }, 10).unwrap()
    }

    fn given(space: &dyn Space, networks: &[&str]) -> Result<Given, SearchError> {
        let networks = networks.iter().map(ToString::to_string).collect();
        Given::new(&GivenConfig { networks }, space)
    }

    fn open<'s>(space: &'s dyn Space, networks: &[&str]) -> Search<'s> {
        Search::new(space, Box::new(given(space, networks).unwrap()), Seed::root(1))
    }

    const CHAINS: &str = r#"{"chain": {}}"#;

    #[test]
    fn networks_come_in_their_order_and_each_once() {
        let space = space(CHAINS);
        let texts = ["[C(64,3,1), SM(10)]", "[SM(10)]", "[C(64,3,1),SM(10)]", "[GAP(10), SM(10)]"];
        let mut search = open(&*space, &texts);
        let found: Vec<String> =
            search.propose(9).iter().map(|proposal| space.text(&proposal.genotype)).collect();
        assert_eq!(found, [texts[0], texts[1], texts[3]]);
        assert!(search.is_exhausted());
    }

    /// Its explicit `concat` makes it more than a walk.
    #[test]
    fn the_published_cells_survive_a_stop() {
        let space = space(r#"{"nasnet": {"cells": 1, "filters": 4}}"#);
        let other = "normal: 0:id 1:id add | 0:id 1:id add | 0:id 1:id add | 0:id 1:id add | 0:id 1:id add; \
                     reduction: 0:id 1:id add | 0:id 1:id add | 0:id 1:id add | 0:id 1:id add | 0:id 1:id add";
        let networks = ["nasnet-a", other];
        let mut search = open(&*space, &networks);
        assert!(space.text(&search.propose(1)[0].genotype).contains("concat 1,2,3,4,5,6"));
        search.observe(&[0.5]);
        let mut resumed = open(&*space, &networks);
        resumed.restore(search.save()).unwrap();
        assert_eq!(space.text(&resumed.propose(1)[0].genotype), other);
    }

    #[test]
    fn a_network_that_cannot_be_is_an_error() {
        let tight = space(r#"{"chain": {"parameters_max": 100}}"#);
        for (space, text, reason) in [
            (&space(CHAINS), "[C(64,3,1)]", "[C(64,3,1)]"),
            (&space(CHAINS), "NASNet-A", "NASNet-A"),
            (&tight, "[SM(10)]", "`parameters_max`"),
        ] {
            let error = given(&**space, &[text]).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
            assert!(error.contains(reason) || error.contains("_max"), "{error}");
        }
    }
}
