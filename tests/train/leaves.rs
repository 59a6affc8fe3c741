//! A small share of the generated leaves.

use std::collections::BTreeMap;
use std::path::Path;

use phytotron::dataset::source::{Leaves, Source};
use phytotron::dataset::{Amount, Dataset, Fit, Outside, ProjectFiles, Recipe, TestAmount};
use phytotron::seed::Seed;

/// So many leaves of ten species, 15 in a hundred of them for validation.
pub(crate) fn dataset(images: usize, size: usize) -> Dataset {
    let source = Source::Leaves(Leaves { images, size, ..Leaves::default() });
    let recipe = Recipe {
        source: &source,
        validation: Amount::Share(0.15),
        test: TestAmount::Some(Amount::Count(10)),
        resize: None,
        fit: Fit::default(),
        grayscale: false,
        limit: None,
    };
    let files = BTreeMap::new();
    let here = Path::new(".");
    let outside = Outside { scratch: here, downloads: here, bucket: None };
    let files = ProjectFiles::new(here, &files, outside);
    recipe.make(files, &Seed::root(7), &|_, _| true).unwrap().dataset
}
