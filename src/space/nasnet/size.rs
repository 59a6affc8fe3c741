//! The name of a network's size in the paper: `6 @ 768` repeats each cell 6 times and ends with 768
//! channels (Zoph et al. 2018, sec. 4.1).

use std::fmt;
use std::str::FromStr;

/// Channels at the end of a network per filter of its first cell: six states are concatenated, and two
/// reductions double the filters.
const ENDS_PER_FILTER: usize = 24;

/// Cells and filters, written `N @ P`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Normal cells in each of the three stacks: N.
    pub cells: usize,
    /// Filters of the first cell: P / 24.
    pub filters: usize,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.trim().parse::<usize>().ok().filter(|number| *number > 0);
        let parts = text.split_once('@');
        let parts = parts.and_then(|(cells, end)| Some((number(cells)?, number(end)?)));
        let Some((cells, end)) = parts else {
            return Err(format!("`{text}` is no size: write cells and last channels, `6 @ 768`"));
        };
        if end % ENDS_PER_FILTER != 0 {
            let below = end / ENDS_PER_FILTER * ENDS_PER_FILTER;
            let near = if below == 0 { ENDS_PER_FILTER } else { below };
            return Err(format!(
                "{end} channels are no multiple of {ENDS_PER_FILTER}: the nearest are {near} and {}",
                near + ENDS_PER_FILTER
            ));
        }
        Ok(Self { cells, filters: end / ENDS_PER_FILTER })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} @ {}", self.cells, self.filters * ENDS_PER_FILTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_and_written() {
        let size: Size = "6@ 768".parse().unwrap();
        assert_eq!(size, Size { cells: 6, filters: 32 });
        assert_eq!(size.to_string(), "6 @ 768");
    }

    #[test]
    fn a_mistake_says_what_would_be_right() {
        let error = |text: &str| text.parse::<Size>().unwrap_err();
        assert_eq!(
            error("5 @ 1538"),
            "1538 channels are no multiple of 24: the nearest are 1536 and 1560"
        );
        assert_eq!(error("6"), "`6` is no size: write cells and last channels, `6 @ 768`");
        assert_eq!(
            error("0 @ 768"),
            "`0 @ 768` is no size: write cells and last channels, `6 @ 768`"
        );
    }
}
