//! Layout: places for boxes and arrows in columns, after Sugiyama, Tagawa and Toda 1981.
//!
//! Columns by longest way, dummies where an arrow passes a column, order by barycenters, heights by
//! least squares under the order. Knows nothing of stages.

/// Sweeps over all columns; more change little.
const SWEEPS: usize = 8;
/// Height of the lane that a passing arrow takes.
const LANE: f64 = 14.0;

/// Sizes and distances that the places keep, in pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spacing {
    /// Height of every box.
    pub(super) height: f64,
    /// Between boxes of one column.
    pub(super) row_gap: f64,
    /// Between columns.
    pub(super) column_gap: f64,
}

/// Where everything lies.
#[derive(Debug)]
pub(super) struct Layout {
    /// Left edge and vertical middle of each box.
    pub(super) boxes: Vec<(f64, f64)>,
    /// Points of each edge in its own direction, both ends included.
    pub(super) paths: Vec<Vec<(f64, f64)>>,
    /// Width and height of the whole.
    pub(super) size: (f64, f64),
}

/// A box or a dummy in a column.
#[derive(Debug)]
struct Item {
    column: usize,
    /// 0 for a dummy.
    width: f64,
    height: f64,
    left: Vec<usize>,
    right: Vec<usize>,
    y: f64,
}

/// Lays out boxes of these widths. `columns` gives each box its column, `edges` run between boxes.
pub(super) fn lay_out(
    widths: &[f64],
    columns: &[usize],
    edges: &[(usize, usize)],
    spacing: Spacing,
) -> Layout {
    let mut items: Vec<Item> = widths
        .iter()
        .zip(columns)
        .map(|(&width, &column)| Item::new(column, width, spacing.height))
        .collect();
    let chains: Vec<Vec<usize>> = edges.iter().map(|&edge| chain(&mut items, edge)).collect();
    let count = items.iter().map(|item| item.column + 1).max().unwrap_or_default();
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (place, item) in items.iter().enumerate() {
        rows[item.column].push(place);
    }
    for sweep in 0..SWEEPS {
        order(&mut rows, &items, sweep % 2 == 0);
    }
    for row in &rows {
        stack(&mut items, row, spacing.row_gap);
    }
    for sweep in 0..SWEEPS {
        align(&rows, &mut items, sweep % 2 == 0, spacing.row_gap);
    }
    measure(&rows, &mut items, &chains, widths.len(), spacing)
}

impl Item {
    fn new(column: usize, width: f64, height: f64) -> Self {
        Self { column, width, height, left: Vec::new(), right: Vec::new(), y: 0.0 }
    }
}

/// The items that an edge passes, from its beginning to its end.
fn chain(items: &mut Vec<Item>, (from, to): (usize, usize)) -> Vec<usize> {
    let (first, last) =
        if items[from].column <= items[to].column { (from, to) } else { (to, from) };
    let mut chain = vec![first];
    for column in items[first].column + 1..items[last].column {
        items.push(Item::new(column, 0.0, LANE));
        chain.push(items.len() - 1);
    }
    chain.push(last);
    for pair in chain.windows(2) {
        items[pair[0]].right.push(pair[1]);
        items[pair[1]].left.push(pair[0]);
    }
    if first != from {
        chain.reverse();
    }
    chain
}

/// Puts the items of each column in the order of their neighbours' mean places.
fn order(rows: &mut [Vec<usize>], items: &[Item], to_right: bool) {
    let mut place = vec![0.0; items.len()];
    let count = rows.len();
    for row in rows.iter() {
        number(row, &mut place);
    }
    for step in 0..count {
        let column = if to_right { step } else { count - 1 - step };
        let key = |item: usize| {
            let neighbours = if to_right { &items[item].left } else { &items[item].right };
            mean(neighbours.iter().map(|&other| place[other])).unwrap_or(place[item])
        };
        let mut keyed: Vec<(f64, usize)> =
            rows[column].iter().map(|&item| (key(item), item)).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        rows[column] = keyed.into_iter().map(|(_, item)| item).collect();
        number(&rows[column], &mut place);
    }
}

/// Numbers the items of a column from 0 to 1, so that columns of other lengths compare.
#[expect(clippy::cast_precision_loss, reason = "a drawing with 2^53 boxes is not drawn")]
fn number(row: &[usize], place: &mut [f64]) {
    for (i, &item) in row.iter().enumerate() {
        place[item] = (i as f64 + 0.5) / row.len() as f64;
    }
}

/// Stacks a column around the middle line.
fn stack(items: &mut [Item], row: &[usize], gap: f64) {
    let total: f64 = row.iter().map(|&item| items[item].height + gap).sum();
    let mut y = -total / 2.0;
    for &item in row {
        let height = items[item].height + gap;
        items[item].y = y + height / 2.0;
        y += height;
    }
}

/// Moves every item towards its neighbours on one side, as near as the order allows.
fn align(rows: &[Vec<usize>], items: &mut [Item], to_right: bool, gap: f64) {
    for step in 0..rows.len() {
        let row = &rows[if to_right { step } else { rows.len() - 1 - step }];
        let wanted: Vec<f64> = row
            .iter()
            .map(|&item| {
                let neighbours = if to_right { &items[item].left } else { &items[item].right };
                mean(neighbours.iter().map(|&other| items[other].y)).unwrap_or(items[item].y)
            })
            .collect();
        let heights: Vec<f64> = row.iter().map(|&item| items[item].height).collect();
        for (&item, y) in row.iter().zip(separate(&wanted, &heights, gap)) {
            items[item].y = y;
        }
    }
}

/// The places nearest to `wanted` (least squares) that keep order and distance: subtracting the
/// distances leaves an isotonic regression, which pooling adjacent violators solves exactly.
fn separate(wanted: &[f64], heights: &[f64], gap: f64) -> Vec<f64> {
    let mut offsets = Vec::with_capacity(wanted.len());
    let mut offset = 0.0;
    for (i, height) in heights.iter().enumerate() {
        if i > 0 {
            offset += f64::midpoint(heights[i - 1], *height) + gap;
        }
        offsets.push(offset);
    }
    let mut pools: Vec<Pool> = Vec::new();
    for (wanted, offset) in wanted.iter().zip(&offsets) {
        pools.push(Pool { sum: wanted - offset, weight: 1.0, len: 1 });
        while let [.., before, last] = pools.as_slice()
            && before.mean() > last.mean()
        {
            let merged = Pool {
                sum: before.sum + last.sum,
                weight: before.weight + last.weight,
                len: before.len + last.len,
            };
            pools.truncate(pools.len() - 2);
            pools.push(merged);
        }
    }
    let means = pools.iter().flat_map(|pool| std::iter::repeat_n(pool.mean(), pool.len));
    means.zip(&offsets).map(|(mean, offset)| mean + offset).collect()
}

/// Neighbours that share one place.
struct Pool {
    sum: f64,
    weight: f64,
    len: usize,
}

impl Pool {
    fn mean(&self) -> f64 {
        self.sum / self.weight
    }
}

/// Gives columns their x and everything coordinates from the upper left corner.
fn measure(
    rows: &[Vec<usize>],
    items: &mut [Item],
    chains: &[Vec<usize>],
    boxes: usize,
    spacing: Spacing,
) -> Layout {
    let top = items.iter().map(|item| item.y - item.height / 2.0).fold(f64::INFINITY, f64::min);
    let bottom = items.iter().map(|item| item.y + item.height / 2.0).fold(0.0, f64::max);
    let mut x = 0.0;
    let mut lefts = Vec::with_capacity(rows.len());
    for row in rows {
        lefts.push(x);
        x += row.iter().map(|&item| items[item].width).fold(0.0, f64::max) + spacing.column_gap;
    }
    let top = if top.is_finite() { top } else { 0.0 };
    for item in items.iter_mut() {
        item.y -= top;
    }
    let column_width = |column: usize| {
        let next = lefts.get(column + 1).copied().unwrap_or(x);
        next - spacing.column_gap - lefts[column]
    };
    let path = |chain: &Vec<usize>| {
        let last = chain.len() - 1;
        let to_right = items[chain[0]].column <= items[chain[last]].column;
        let mut points = Vec::new();
        for (i, &item) in chain.iter().enumerate() {
            let item = &items[item];
            let (left, right) =
                (lefts[item.column], lefts[item.column] + column_width(item.column));
            // An arrow leaves a box at its side; it crosses a column of others in its lane.
            let leaves = if item.width > 0.0 { lefts[item.column] + item.width } else { right };
            match (i, to_right) {
                (0, true) => points.push((leaves, item.y)),
                (0, false) => points.push((left, item.y)),
                (i, true) if i == last => points.push((left, item.y)),
                (i, false) if i == last => points.push((leaves, item.y)),
                (_, true) => points.extend([(left, item.y), (right, item.y)]),
                (_, false) => points.extend([(right, item.y), (left, item.y)]),
            }
        }
        points
    };
    Layout {
        boxes: items[..boxes].iter().map(|item| (lefts[item.column], item.y)).collect(),
        paths: chains.iter().map(path).collect(),
        size: ((x - spacing.column_gap).max(0.0), bottom - top),
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPACING: Spacing = Spacing { height: 40.0, row_gap: 20.0, column_gap: 60.0 };

    #[test]
    fn what_has_room_stays_where_it_wants_to_be() {
        assert_eq!(separate(&[0.0, 100.0], &[40.0, 40.0], 20.0), [0.0, 100.0]);
    }

    #[test]
    fn what_wants_one_place_shares_it_evenly() {
        assert_eq!(separate(&[0.0, 0.0, 0.0], &[40.0; 3], 20.0), [-60.0, 0.0, 60.0]);
    }

    #[test]
    fn a_chain_lies_on_one_line() {
        let layout = lay_out(&[50.0; 3], &[0, 1, 2], &[(0, 1), (1, 2)], SPACING);
        assert_eq!(layout.boxes, [(0.0, 20.0), (110.0, 20.0), (220.0, 20.0)]);
        assert_eq!(layout.paths[0], [(50.0, 20.0), (110.0, 20.0)]);
        assert_eq!(layout.size, (270.0, 40.0));
    }

    #[test]
    fn crossing_edges_are_untangled() {
        let layout = lay_out(&[50.0; 4], &[0, 0, 1, 1], &[(0, 3), (1, 2)], SPACING);
        assert!(layout.boxes[0].1 < layout.boxes[1].1 || layout.boxes[2].1 > layout.boxes[3].1);
        let above = |a: usize, b: usize| layout.boxes[a].1 < layout.boxes[b].1;
        assert_eq!(above(0, 1), above(3, 2));
    }

    proptest! {
        #[test]
        fn boxes_never_overlap(
            columns in prop::collection::vec(0_usize..4, 1..20),
            pairs in prop::collection::vec((0_usize..20, 0_usize..20), 0..40),
        ) {
            let n = columns.len();
            let edges: Vec<(usize, usize)> = pairs
                .into_iter()
                .map(|(a, b)| (a % n, b % n))
                .filter(|&(a, b)| columns[a] != columns[b])
                .collect();
            let layout = lay_out(&vec![50.0; n], &columns, &edges, SPACING);
            for a in 0..n {
                prop_assert!(layout.boxes[a].1 >= 19.9 && layout.boxes[a].1 <= layout.size.1 - 19.9);
                for b in 0..a {
                    let apart = (layout.boxes[a].1 - layout.boxes[b].1).abs();
                    prop_assert!(columns[a] != columns[b] || apart >= 59.9, "{apart}");
                }
            }
        }
    }
}
