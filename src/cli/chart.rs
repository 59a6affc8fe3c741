//! Curves in text: dots of Braille, two columns and four rows a letter.

use std::fmt::Write as _;

/// Letters of a chart's width, without its scale.
const WIDTH: usize = 60;
/// Lines of a chart's height.
const HEIGHT: usize = 8;
/// The dots of a letter, by row and column.
const DOTS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// A curve over its numbers' positions, with its lowest and highest value. Nothing under two finite numbers.
pub(crate) fn chart(numbers: &[f64]) -> Option<String> {
    let finite: Vec<(usize, f64)> =
        numbers.iter().copied().enumerate().filter(|(_, number)| number.is_finite()).collect();
    let of = |fold: fn(f64, f64) -> f64, start| finite.iter().fold(start, |a, (_, b)| fold(a, *b));
    let (low, high) = (of(f64::min, f64::INFINITY), of(f64::max, f64::NEG_INFINITY));
    if finite.len() < 2 {
        return None;
    }
    let mut dots = vec![[0_u32; WIDTH]; HEIGHT];
    let mut before = None;
    for &(place, number) in &finite {
        let column = place * (2 * WIDTH - 1) / (numbers.len() - 1);
        let row = row_of(number, low, high);
        let from = before.map_or(row, |(_, row)| row);
        let begin = before.map_or(column, |(column, _)| column);
        for at in begin..=column {
            put(&mut dots, at, between(from, row, at - begin, column - begin));
        }
        before = Some((column, row));
    }
    Some(draw(&dots, low, high))
}

/// The row of dots, from the top, of a number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of few rows")]
fn row_of(number: f64, low: f64, high: f64) -> usize {
    let rows = 4 * HEIGHT - 1;
    let share = if high > low { (high - number) / (high - low) } else { 0.5 };
    #[expect(clippy::cast_precision_loss, reason = "few rows")]
    let row = (share * rows as f64).round() as usize;
    row.min(rows)
}

/// The row at step `at` of `steps` from one row to another.
fn between(from: usize, to: usize, at: usize, steps: usize) -> usize {
    if steps == 0 {
        return to;
    }
    (from * (steps - at) + to * at + steps / 2) / steps
}

fn put(dots: &mut [[u32; WIDTH]], column: usize, row: usize) {
    dots[row / 4][column / 2] |= DOTS[row % 4][column % 2];
}

fn draw(dots: &[[u32; WIDTH]], low: f64, high: f64) -> String {
    let mut text = String::new();
    for (line, letters) in dots.iter().enumerate() {
        let scale = match line {
            0 => format!("{high:.4}"),
            _ if line + 1 == dots.len() => format!("{low:.4}"),
            _ => String::new(),
        };
        let letter =
            |dots: &u32| char::from_u32(0x2800 + dots).expect("BUG: eight dots make a letter");
        let curve: String = letters.iter().map(letter).collect();
        _ = writeln!(text, "{scale:>10} {}", curve.trim_end_matches('\u{2800}'));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rising_line_goes_from_the_lower_left_to_the_upper_right() {
        let numbers: Vec<f64> = (0..240).map(f64::from).collect();
        let chart = chart(&numbers).unwrap();
        let lines: Vec<&str> = chart.lines().collect();
        assert_eq!(lines.len(), HEIGHT);
        assert!(lines[0].trim_start().starts_with("239.0000"), "{chart}");
        assert!(lines[7].trim_start().starts_with("0.0000 ⣠"), "{chart}");
        assert_eq!(lines[0].chars().count(), 11 + WIDTH, "{chart}");
        // Without gaps: every column of letters has a dot.
        for column in 0..WIDTH {
            let letters = lines.iter().filter_map(|line| line.chars().nth(11 + column));
            assert!(letters.into_iter().any(|letter| letter > '\u{2800}'), "{column}\n{chart}");
        }
    }

    #[test]
    fn few_numbers_are_joined_and_what_is_no_number_is_left_out() {
        assert_eq!(chart(&[]), None);
        assert_eq!(chart(&[1.0, f64::NAN]), None);
        assert!(chart(&[0.5, f64::NAN, 0.5]).unwrap().contains('⠉'), "a level line");
        assert!(chart(&[0.0, f64::INFINITY, 1.0]).is_some());
    }
}
