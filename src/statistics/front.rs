//! Several objectives at once: domination, fronts, crowding, hypervolume. All objectives are minimised;
//! who maximises hands in the negative.

use std::cmp::Ordering;

/// Whether `a` is nowhere worse than `b` and somewhere better.
#[must_use]
pub fn dominates(a: &[f64], b: &[f64]) -> bool {
    let nowhere_worse = a.iter().zip(b).all(|(a, b)| a <= b);
    nowhere_worse && a.iter().zip(b).any(|(a, b)| a < b)
}

/// Indices of the points in fronts, the non-dominated one first, each in the points' order (Deb et al.
/// 2002, section III.A). Equal points share a front. Quadratic in the number of points.
#[must_use]
pub fn fronts<P: AsRef<[f64]>>(points: &[P]) -> Vec<Vec<usize>> {
    let mut left: Vec<usize> = (0..points.len()).collect();
    let mut fronts = Vec::new();
    while !left.is_empty() {
        let is_beaten = |&i: &usize| {
            left.iter().any(|&other| dominates(points[other].as_ref(), points[i].as_ref()))
        };
        let (beaten, front): (Vec<usize>, Vec<usize>) = left.iter().copied().partition(is_beaten);
        fronts.push(front);
        left = beaten;
    }
    fronts
}

/// The non-dominated points alone, in the points' order: `O(n log n)` for two objectives and `O(n f)` with
/// `f` points on the front otherwise, which a search of many thousands of trials allows.
#[must_use]
pub fn pareto_front<P: AsRef<[f64]>>(points: &[P]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    // A point that dominates another stands before it in this order, so one look back is enough.
    order.sort_by(|&a, &b| lexicographic(points[a].as_ref(), points[b].as_ref()).then(a.cmp(&b)));
    let mut front: Vec<usize> = Vec::new();
    for i in order {
        let point = points[i].as_ref();
        if !front.iter().any(|&other| dominates(points[other].as_ref(), point)) {
            front.push(i);
        }
    }
    front.sort_unstable();
    front
}

/// Crowding distance of each point of one front (Deb et al. 2002, section III.B): infinite at the ends of
/// an objective, else the sum of the gaps between its neighbours, each over the objective's range.
#[must_use]
pub fn crowding<P: AsRef<[f64]>>(front: &[P]) -> Vec<f64> {
    let objectives = front.first().map_or(0, |point| point.as_ref().len());
    let mut distances = vec![0.0; front.len()];
    for objective in 0..objectives {
        let value = |i: usize| front[i].as_ref()[objective];
        let mut order: Vec<usize> = (0..front.len()).collect();
        order.sort_by(|&a, &b| value(a).total_cmp(&value(b)).then(a.cmp(&b)));
        let (first, last) = (order[0], order[order.len() - 1]);
        distances[first] = f64::INFINITY;
        distances[last] = f64::INFINITY;
        let range = value(last) - value(first);
        if range > 0.0 {
            for window in order.windows(3) {
                distances[window[1]] += (value(window[2]) - value(window[0])) / range;
            }
        }
    }
    distances
}

/// Volume that the points dominate within the box that ends at `reference`, exactly, for any number of
/// objectives: slices along the last one. Points beyond the reference count nothing.
#[must_use]
pub fn hypervolume<P: AsRef<[f64]>>(points: &[P], reference: &[f64]) -> f64 {
    let inside = |point: &&[f64]| point.iter().zip(reference).all(|(value, end)| value < end);
    let points: Vec<&[f64]> = points.iter().map(AsRef::as_ref).filter(inside).collect();
    slices(&points, reference)
}

fn slices(points: &[&[f64]], reference: &[f64]) -> f64 {
    let Some((&end, rest)) = reference.split_last() else { return 1.0 };
    let depth = rest.len();
    let mut order = points.to_vec();
    order.sort_by(|a, b| a[depth].total_cmp(&b[depth]));
    let mut volume = 0.0;
    for (i, point) in order.iter().enumerate() {
        let next = order.get(i + 1).map_or(end, |next| next[depth]);
        let height = next - point[depth];
        if height > 0.0 {
            // Up to the next point's height, the points so far dominate this much below.
            volume += height * slices(&order[..=i], rest);
        }
    }
    volume
}

fn lexicographic(a: &[f64], b: &[f64]) -> Ordering {
    let places = a.iter().zip(b).map(|(a, b)| a.total_cmp(b));
    places.fold(Ordering::Equal, Ordering::then)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cloud(count: usize, objectives: usize) -> Vec<Vec<f64>> {
        // A coarse grid, so that ties and equal points occur.
        let mut state = 4_u64;
        let mut twelfth = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            f64::from(u8::try_from((state >> 33) % 12).unwrap()) / 12.0
        };
        let mut point = || (0..objectives).map(|_| twelfth()).collect();
        (0..count).map(|_| point()).collect()
    }

    #[test]
    fn the_quick_front_is_the_first_of_all_fronts() {
        for objectives in 1..=3 {
            let points = cloud(200, objectives);
            assert_eq!(pareto_front(&points), fronts(&points)[0]);
        }
    }

    #[test]
    fn every_point_is_in_one_front_and_beaten_by_the_one_before() {
        let points = cloud(120, 3);
        let fronts = fronts(&points);
        assert_eq!(fronts.iter().map(Vec::len).sum::<usize>(), points.len());
        for pair in fronts.windows(2) {
            for &i in &pair[1] {
                assert!(pair[0].iter().any(|&other| dominates(&points[other], &points[i])));
            }
        }
    }

    #[test]
    fn the_hypervolume_equals_a_count_of_small_boxes() {
        // All points lie on a grid of twelfths: every box is dominated whole or not at all.
        let points = cloud(30, 3);
        let mut boxes = 0_u32;
        for place in 0..12_u32 * 12 * 12 {
            let corner = [place % 12, place / 12 % 12, place / 144].map(|x| f64::from(x) / 12.0);
            let below = |point: &Vec<f64>| {
                point.iter().zip(corner).all(|(value, corner)| *value <= corner + 1e-9)
            };
            boxes += u32::from(points.iter().any(below));
        }
        let volume = hypervolume(&points, &[1.0; 3]);
        assert!((volume - f64::from(boxes) / 1728.0).abs() < 1e-9, "{volume}");
    }

    #[test]
    fn what_lies_beyond_the_reference_counts_nothing() {
        assert!(hypervolume(&[[2.0, 0.0]], &[1.0, 1.0]).abs() < 1e-12);
        assert!(hypervolume::<[f64; 2]>(&[], &[1.0, 1.0]).abs() < 1e-12);
    }
}
