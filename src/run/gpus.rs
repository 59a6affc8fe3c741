//! Which GPUs a stage may use: those that are least used, one for each token of the pool `gpu`.
//!
//! Without tokens a stage sees what the run sees. Knows names only; that a result does not depend on which GPU it came
//! from is the engines' matter, and that of the records' repeatability.

use std::collections::BTreeSet;
use std::fs;

/// The pool whose tokens are GPUs.
pub(super) const POOL: &str = "gpu";

/// The variable by which CUDA is told which GPUs there are.
pub(super) const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";

/// Where the driver lists its GPUs.
const DRIVER: &str = "/proc/driver/nvidia/gpus";

/// Names of the GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` says; without it all that the driver lists.
#[must_use]
pub fn gpus() -> Vec<String> {
    if let Ok(visible) = std::env::var(VISIBLE) {
        return named(&visible);
    }
    let listed = fs::read_dir(DRIVER).map_or(0, Iterator::count);
    (0..listed).map(|number| number.to_string()).collect()
}

/// The names in a list, up to one that CUDA would not take: what follows it is invisible, too.
fn named(visible: &str) -> Vec<String> {
    let names = visible.split(',').map(str::trim);
    names.take_while(|name| !name.is_empty() && !name.starts_with('-')).map(str::to_owned).collect()
}

/// The GPUs of a run.
#[derive(Debug, Default)]
pub(super) struct Gpus {
    /// Name, and how many stages use it.
    list: Vec<(String, usize)>,
}

impl Gpus {
    pub(super) fn new(names: &[String]) -> Self {
        Self { list: names.iter().map(|name| (name.clone(), 0)).collect() }
    }

    /// The `count` least used; all, where there are no more.
    pub(super) fn take(&mut self, count: u64) -> Vec<String> {
        let mut order: Vec<usize> = (0..self.list.len()).collect();
        // Stable: the first of equals.
        order.sort_by_key(|&place| self.list[place].1);
        order.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        let taken: BTreeSet<usize> = order.into_iter().collect();
        let take = |place: usize| {
            self.list[place].1 += 1;
            self.list[place].0.clone()
        };
        taken.into_iter().map(take).collect()
    }

    /// Gives back what [`Gpus::take`] gave.
    pub(super) fn give_back(&mut self, names: &[String]) {
        for name in names {
            let used = self.list.iter_mut().find(|(known, _)| known == name);
            let (_, uses) = used.expect("BUG: a GPU comes back that was never there");
            *uses =
                uses.checked_sub(1).expect("BUG: a GPU comes back more often than it was taken");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn stages_get_gpus_of_their_own_as_long_as_there_are_enough() {
        let mut gpus = Gpus::new(&names(&["a", "b", "c"]));
        let first = gpus.take(1);
        assert_eq!((first.clone(), gpus.take(2)), (names(&["a"]), names(&["b", "c"])));
        gpus.give_back(&first);
        assert_eq!(gpus.take(1), names(&["a"]));
        // More tokens than GPUs are a wish to share.
        assert_eq!(gpus.take(9), names(&["a", "b", "c"]));
        gpus.give_back(&names(&["a", "b", "c", "b"]));
        assert_eq!(gpus.take(1), names(&["b"]));
        assert!(Gpus::default().take(2).is_empty());
    }

    #[test]
    fn a_list_ends_where_cuda_stops_reading_it() {
        assert_eq!(named("2, 0,GPU-8c1"), names(&["2", "0", "GPU-8c1"]));
        assert_eq!(named("1,-1,2"), names(&["1"]));
        assert!(named("").is_empty());
    }
}
