//! The stratified order: of every prefix, each class has its fair share.
//!
//! Knows labels only; who stands where inside a class is the caller's choice.

use std::collections::BTreeMap;

/// Positions of `labels` in an order of which every prefix holds the classes in proportion.
///
/// Inside a class the given order is kept, so a stratified order is returned as it is. The k-th of n
/// images of a class stands at `(k - 1/2) / n` (Sainte-Laguë's rule of giving seats), compared exactly
/// in whole numbers; classes that tie follow their numbers.
#[must_use]
pub(crate) fn stratified(labels: &[u16]) -> Vec<usize> {
    let mut sizes = BTreeMap::<u16, u128>::new();
    for &label in labels {
        *sizes.entry(label).or_default() += 1;
    }
    let mut seen = BTreeMap::<u16, u128>::new();
    let mut places: Vec<Place> = labels
        .iter()
        .enumerate()
        .map(|(index, &label)| {
            let rank = seen.entry(label).or_default();
            *rank += 1;
            Place { twice_rank: 2 * *rank - 1, size: sizes[&label], label, index }
        })
        .collect();
    places.sort_by(|a, b| {
        let (left, right) = (a.twice_rank * b.size, b.twice_rank * a.size);
        left.cmp(&right).then(a.label.cmp(&b.label))
    });
    places.into_iter().map(|place| place.index).collect()
}

struct Place {
    twice_rank: u128,
    size: u128,
    label: u16,
    index: usize,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn permuted(labels: &[u16], order: &[usize]) -> Vec<u16> {
        order.iter().map(|&index| labels[index]).collect()
    }

    #[test]
    fn classes_take_turns() {
        let order = stratified(&[0, 0, 0, 0, 1, 1]);
        assert_eq!(order, [0, 4, 1, 2, 5, 3]);
    }

    proptest! {
        #[test]
        fn every_prefix_is_proportional(labels in prop::collection::vec(0_u16..4, 1..200)) {
            let ordered = permuted(&labels, &stratified(&labels));
            let n = labels.len();
            for class in 0..4 {
                let count = |part: &[u16]| part.iter().filter(|&&label| label == class).count();
                let size = count(&labels);
                for cut in 1..=n {
                    // Within one image, and the class's share of what four classes round together.
                    let (is, should_be) = (count(&ordered[..cut]) * n, size * cut);
                    prop_assert!(is.abs_diff(should_be) <= n + 2 * size);
                }
            }
        }

        #[test]
        fn a_stratified_order_stays(labels in prop::collection::vec(0_u16..5, 0..200)) {
            let ordered = permuted(&labels, &stratified(&labels));
            let again = stratified(&ordered);
            prop_assert_eq!(again, (0..labels.len()).collect::<Vec<_>>());
        }
    }
}
