//! Splits: which images train, which validate, which test.
//!
//! An image's luck is a hash of its name and the seed, so it does not depend on the order or number of
//! the others. Quotas by class keep all parts stratified; groups of near-duplicates stay together. Knows
//! nothing of pictures.

use std::collections::{BTreeMap, BTreeSet};

use super::order::stratified;
use super::source::Item;
use super::{Amount, DatasetError, TestAmount};
use crate::seed::Seed;
use crate::wording;

/// Parts of a pool, as places in it; each in a stratified order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) training: Vec<usize>,
    pub(crate) validation: Vec<usize>,
    pub(crate) test: Vec<usize>,
}

/// How many images each part but training shall have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) validation: usize,
    /// Split off the pool; 0 when the source has a test part.
    pub(crate) test: usize,
}

impl Sizes {
    /// What the amounts mean for a pool of so many images without a test part of its own.
    pub(crate) fn of(pool: usize, validation: Amount, test: TestAmount) -> Self {
        let test = match test {
            TestAmount::Given => 0,
            TestAmount::Some(amount) => amount.of(pool),
        };
        Self { validation: validation.of(pool), test }
    }
}

/// Splits `pool` so that each class of `classes` is in each wanted part.
pub(crate) fn split(
    pool: &[Item],
    classes: &[String],
    sizes: Sizes,
    seed: &Seed,
) -> Result<Parts, DatasetError> {
    let drawn = lots(pool, seed);
    let mut test = Quota::of(pool, classes.len(), 0..sizes.test);
    let mut validation =
        Quota::of(pool, classes.len(), sizes.test..sizes.test.saturating_add(sizes.validation));
    let mut parts = Parts::default();
    for unit in units(pool, &drawn) {
        let part = if test.takes(pool, unit) {
            &mut parts.test
        } else if validation.takes(pool, unit) {
            &mut parts.validation
        } else {
            &mut parts.training
        };
        part.extend(unit);
    }
    check_part("training", &parts.training, pool, classes, true)?;
    check_part("validation", &parts.validation, pool, classes, true)?;
    check_part("test", &parts.test, pool, classes, sizes.test > 0)?;
    Ok(Parts {
        training: in_order(pool, &parts.training),
        validation: in_order(pool, &parts.validation),
        test: in_order(pool, &parts.test),
    })
}

/// The first `len` images of `items` in a stratified order that the seed draws.
pub(crate) fn subset(items: &[Item], len: usize, seed: &Seed) -> Vec<usize> {
    let mut order = in_order(items, &lots(items, seed));
    order.truncate(len);
    order
}

/// At most `limit` images of each class, drawn by the seed; groups come one after another.
pub(crate) fn limited(pool: Vec<Item>, limit: usize, seed: &Seed) -> Vec<Item> {
    let mut taken = BTreeMap::<u16, usize>::new();
    let mut kept: Vec<usize> = lots(&pool, seed)
        .into_iter()
        .filter(|&place| {
            let count = taken.entry(pool[place].label).or_default();
            *count += 1;
            *count <= limit
        })
        .collect();
    kept.sort_unstable();
    let mut kept = kept.into_iter().peekable();
    let keeps = |place: usize| kept.next_if_eq(&place).is_some();
    let flags: Vec<bool> = (0..pool.len()).map(keeps).collect();
    pool.into_iter().zip(flags).filter_map(|(item, kept)| kept.then_some(item)).collect()
}

/// Places of all items in the order of their lots: a hash of the seed and the group's name, or the
/// image's own when it stands alone. A group's images stand together, by name.
fn lots(items: &[Item], seed: &Seed) -> Vec<usize> {
    let mut drawn: Vec<_> = items
        .iter()
        .enumerate()
        .map(|(place, item)| {
            let lot = match &item.group {
                Some(group) => seed.child("group").child(group),
                None => seed.child("image").child(&item.name),
            };
            (lot.digest(), item.name.as_str(), place)
        })
        .collect();
    drawn.sort_unstable();
    drawn.into_iter().map(|(_, _, place)| place).collect()
}

/// Runs of `drawn` that must share a part.
fn units<'a>(pool: &[Item], drawn: &'a [usize]) -> impl Iterator<Item = &'a [usize]> {
    drawn.chunk_by(|&a, &b| pool[a].group.is_some() && pool[a].group == pool[b].group)
}

/// `places` in their order inside each class, classes taking turns.
fn in_order(items: &[Item], places: &[usize]) -> Vec<usize> {
    let labels: Vec<u16> = places.iter().map(|&place| items[place].label).collect();
    stratified(&labels).into_iter().map(|turn| places[turn]).collect()
}

/// How many images of each class a part still wants.
struct Quota(Vec<usize>);

impl Quota {
    /// The classes of the seats in `range` of the pool's stratified order: parts that divide the order
    /// among them divide every class among them, in proportion.
    fn of(pool: &[Item], classes: usize, range: std::ops::Range<usize>) -> Self {
        let labels: Vec<u16> = pool.iter().map(|item| item.label).collect();
        let mut wanted = vec![0; classes];
        for turn in stratified(&labels).into_iter().skip(range.start).take(range.len()) {
            wanted[usize::from(labels[turn])] += 1;
        }
        Self(wanted)
    }

    /// Takes `unit` when at least half of it is still wanted in each of its classes: single images fill
    /// a quota exactly, and groups come as near to it as their sizes allow.
    fn takes(&mut self, pool: &[Item], unit: &[usize]) -> bool {
        let mut sizes = BTreeMap::<u16, usize>::new();
        for &place in unit {
            *sizes.entry(pool[place].label).or_default() += 1;
        }
        let wanted = &mut self.0;
        let fits = sizes.iter().all(|(&label, &size)| 2 * wanted[usize::from(label)] >= size);
        if fits {
            for (label, size) in sizes {
                let wanted = &mut wanted[usize::from(label)];
                *wanted = wanted.saturating_sub(size);
            }
        }
        fits
    }
}

/// Refuses a part without an image of some class.
pub(crate) fn check_part(
    part: &'static str,
    places: &[usize],
    pool: &[Item],
    classes: &[String],
    is_wanted: bool,
) -> Result<(), DatasetError> {
    let mut counts = vec![0; classes.len()];
    for &place in places {
        counts[usize::from(pool[place].label)] += 1;
    }
    match counts.iter().position(|&count| count == 0) {
        Some(label) if is_wanted => Err(too_small(pool, classes, label, part)),
        _ => Ok(()),
    }
}

fn too_small(pool: &[Item], classes: &[String], label: usize, part: &'static str) -> DatasetError {
    let of_class = || pool.iter().filter(|item| usize::from(item.label) == label);
    let groups: BTreeSet<&String> = of_class().filter_map(|item| item.group.as_ref()).collect();
    let mut held = wording::count(of_class().count(), "image");
    if !groups.is_empty() {
        held = format!("{held} in {}", wording::count(groups.len(), "group"));
    }
    DatasetError::TooSmall { class: classes[label].clone(), part, held }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pool(sizes: &[usize], group_size: usize) -> Vec<Item> {
        let mut items = Vec::new();
        for (label, &size) in (0..).zip(sizes) {
            items.extend((0..size).map(|index| Item {
                name: format!("{label}/{index}"),
                label,
                group: (group_size > 1).then(|| format!("{label}/{}", index / group_size)),
                place: index,
            }));
        }
        items
    }

    fn names(classes: usize) -> Vec<String> {
        (0..classes).map(|class| class.to_string()).collect()
    }

    fn count(pool: &[Item], places: &[usize], label: u16) -> usize {
        places.iter().filter(|&&place| pool[place].label == label).count()
    }

    #[test]
    fn leaves_split_as_the_study_says() {
        let pool = pool(&[400; 10], 1);
        let sizes = Sizes::of(4000, Amount::Share(0.15), TestAmount::Given);
        let parts = split(&pool, &names(10), sizes, &Seed::root(7)).unwrap();
        for label in 0..10 {
            assert_eq!(count(&pool, &parts.training, label), 340);
            assert_eq!(count(&pool, &parts.validation, label), 60);
            assert_eq!(count(&pool, &parts.training[..680], label), 68);
        }
    }

    #[test]
    fn a_folder_is_divided_70_15_15() {
        let pool = pool(&[200, 100], 1);
        let sizes = Sizes::of(300, Amount::Share(0.15), TestAmount::Some(Amount::Share(0.15)));
        let parts = split(&pool, &names(2), sizes, &Seed::root(1)).unwrap();
        let counts = |places: &[usize]| [0, 1].map(|label| count(&pool, places, label));
        assert_eq!(counts(&parts.training), [140, 70]);
        assert_eq!(counts(&parts.validation), [30, 15]);
        assert_eq!(counts(&parts.test), [30, 15]);
    }

    #[test]
    fn a_new_image_moves_hardly_any_other() {
        let sizes = Sizes { validation: 30, test: 30 };
        let part_of = |pool: &[Item]| -> BTreeMap<String, u8> {
            let parts = split(pool, &names(2), sizes, &Seed::root(3)).unwrap();
            let tagged = [(0, parts.training), (1, parts.validation), (2, parts.test)];
            let places = tagged
                .into_iter()
                .flat_map(|(tag, places)| places.into_iter().map(move |place| (place, tag)));
            places.map(|(place, tag)| (pool[place].name.clone(), tag)).collect()
        };
        let (before, after) = (part_of(&pool(&[100, 100], 1)), part_of(&pool(&[101, 100], 1)));
        let moved = before.iter().filter(|(name, tag)| after[*name] != **tag).count();
        assert!(moved <= 4, "{moved} images moved");
    }

    #[test]
    fn a_class_too_small_for_a_part_is_named() {
        let pool = pool(&[100, 3], 1);
        let sizes = Sizes { validation: 15, test: 15 };
        let error = split(&pool, &names(2), sizes, &Seed::root(0)).unwrap_err();
        assert!(
            matches!(&error, DatasetError::TooSmall { class, held, .. } if class == "1" && held == "3 images"),
            "{error}"
        );
    }

    #[test]
    fn limits_keep_whole_groups_first() {
        let pool = limited(pool(&[40, 9], 4), 8, &Seed::root(5));
        let groups: BTreeSet<_> =
            pool.iter().filter(|item| item.label == 0).map(|item| item.group.clone()).collect();
        assert_eq!((pool.len(), groups.len()), (16, 2));
    }

    proptest! {
        #[test]
        fn parts_are_disjoint_complete_and_stratified(
            sizes in prop::collection::vec(20_usize..80, 2..6),
            validation in 0.1_f64..0.3,
            test in 0.1_f64..0.3,
            seed in 0_u64..1000,
        ) {
            let pool = pool(&sizes, 1);
            let wanted = Sizes::of(
                pool.len(),
                Amount::Share(validation),
                TestAmount::Some(Amount::Share(test)),
            );
            let parts = split(&pool, &names(sizes.len()), wanted, &Seed::root(seed)).unwrap();
            let all: BTreeSet<usize> =
                [&parts.training, &parts.validation, &parts.test].into_iter().flatten().copied().collect();
            prop_assert_eq!(all.len(), pool.len());
            prop_assert_eq!(parts.validation.len(), wanted.validation);
            prop_assert_eq!(parts.test.len(), wanted.test);
            for (label, &size) in (0..).zip(&sizes) {
                // Two roundings to whole images at each end.
                let exact = wanted.validation * size / pool.len();
                prop_assert!(count(&pool, &parts.validation, label).abs_diff(exact) <= 3);
            }
        }

        #[test]
        fn groups_stay_together(
            sizes in prop::collection::vec(60_usize..90, 2..4),
            group_size in 2_usize..6,
            seed in 0_u64..1000,
        ) {
            let pool = pool(&sizes, group_size);
            let wanted = Sizes::of(
                pool.len(),
                Amount::Share(0.2),
                TestAmount::Some(Amount::Share(0.2)),
            );
            let parts = split(&pool, &names(sizes.len()), wanted, &Seed::root(seed)).unwrap();
            let groups = |places: &[usize]| -> BTreeSet<_> {
                places.iter().map(|&place| pool[place].group.clone()).collect()
            };
            let [training, validation, test] =
                [&parts.training, &parts.validation, &parts.test].map(|part| groups(part));
            prop_assert!(training.is_disjoint(&validation));
            prop_assert!(training.is_disjoint(&test) && validation.is_disjoint(&test));
            let slack = group_size * sizes.len();
            prop_assert!(parts.validation.len().abs_diff(wanted.validation) <= slack);
        }

        #[test]
        fn order_of_the_pool_is_no_matter(seed in 0_u64..1000) {
            let pool = pool(&[30, 20, 25], 1);
            let mut shuffled = pool.clone();
            Seed::root(seed).stream("shuffle", 0).shuffle(&mut shuffled);
            let sizes = Sizes { validation: 10, test: 10 };
            let named = |pool: &[Item]| {
                let parts = split(pool, &names(3), sizes, &Seed::root(9)).unwrap();
                [parts.training, parts.validation, parts.test].map(|places| {
                    places.into_iter().map(|place| pool[place].name.clone()).collect::<Vec<_>>()
                })
            };
            prop_assert_eq!(named(&pool), named(&shuffled));
        }
    }
}
