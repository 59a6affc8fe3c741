//! Shapes of charts as SVG paths. The page's script reads their points back.

use std::fmt::Write as _;

use super::svg::number;

/// Lines of no length with round ends: the shortest way to write many dots.
pub(super) fn dots(places: &[(f64, f64)]) -> String {
    places.iter().fold(String::new(), |mut path, &(x, y)| {
        write!(path, "M{} {}h0", number(x), number(y)).expect("writing to a string");
        path
    })
}

pub(super) fn crosses(places: &[(f64, f64)]) -> String {
    places.iter().fold(String::new(), |mut path, &(x, y)| {
        let (left, up, down) = (number(x - 3.0), number(y - 3.0), number(y + 3.0));
        write!(path, "M{left} {up}l6 6M{left} {down}l6 -6").expect("writing to a string");
        path
    })
}

pub(super) fn polyline(places: &[(f64, f64)]) -> String {
    places.iter().enumerate().fold(String::new(), |mut path, (i, &(x, y))| {
        let verb = if i == 0 { 'M' } else { 'L' };
        write!(path, "{verb}{} {}", number(x), number(y)).expect("writing to a string");
        path
    })
}

pub(super) fn steps(places: &[(f64, f64)], end: f64) -> String {
    let mut path = String::new();
    for (i, &(x, y)) in places.iter().enumerate() {
        if i == 0 {
            write!(path, "M{} {}", number(x), number(y)).expect("writing to a string");
        } else {
            write!(path, "H{}V{}", number(x), number(y)).expect("writing to a string");
        }
    }
    write!(path, "H{}", number(end)).expect("writing to a string");
    path
}

/// Rectangles from the axis at `bottom` up to each place, between its two sides.
pub(super) fn columns(
    places: &[(f64, f64)],
    sides: impl Iterator<Item = (f64, f64)>,
    bottom: f64,
) -> String {
    places.iter().zip(sides).fold(String::new(), |mut path, (&(_, y), (left, right))| {
        let [left, right, y, bottom] = [left, right, y, bottom].map(number);
        write!(path, "M{left} {y}H{right}V{bottom}H{left}Z").expect("writing to a string");
        path
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_stays_level_until_the_next_point() {
        assert_eq!(steps(&[(0.0, 10.0), (5.0, 4.0)], 9.0), "M0 10H5V4H9");
    }

    #[test]
    fn a_column_stands_on_the_axis() {
        let path = columns(&[(5.0, 4.0)], [(3.0, 7.0)].into_iter(), 20.0);
        assert_eq!(path, "M3 4H7V20H3Z");
    }
}
