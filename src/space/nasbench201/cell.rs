//! The cell: four nodes, an operation on each of the six edges between them, and the benchmark's text.

use crate::space::ParseError;

/// Nodes of a cell; node 0 is its input, node 3 its output.
pub(super) const NODES: usize = 4;

/// The edges by source and target, in the order of the text.
pub(super) const EDGES: [(usize, usize); 6] = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)];

/// What an edge does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EdgeOp {
    /// Nothing passes.
    None,
    /// Everything passes.
    Skip,
    /// Rectifier, 1x1 convolution, normalisation.
    Conv1x1,
    /// Rectifier, 3x3 convolution, normalisation.
    Conv3x3,
    /// 3x3 average pooling.
    AvgPool3x3,
}

/// A cell: what each edge does, in the order of the text: 0-1, 0-2, 1-2, 0-3, 1-3, 2-3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cell(pub [EdgeOp; 6]);

impl EdgeOp {
    /// All of them, in the benchmark's order.
    pub const ALL: [Self; 5] =
        [Self::None, Self::Skip, Self::Conv1x1, Self::Conv3x3, Self::AvgPool3x3];

    /// Its name in the benchmark.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Skip => "skip_connect",
            Self::Conv1x1 => "nor_conv_1x1",
            Self::Conv3x3 => "nor_conv_3x3",
            Self::AvgPool3x3 => "avg_pool_3x3",
        }
    }
}

impl Cell {
    /// The edges on a way from the input to the output: source, target and operation. All others, which
    /// read nothing or are read by nobody, are no part of the network.
    pub fn live(self) -> impl Iterator<Item = (usize, usize, EdgeOp)> {
        let passes = move |(_, op): &((usize, usize), EdgeOp)| *op != EdgeOp::None;
        let edges = move || EDGES.into_iter().zip(self.0).filter(passes);
        // Sources and targets rise along the text, so one pass each way finds what is reached.
        let from = edges().fold(1_u8, |from, ((i, j), _)| from | (from >> i & 1) << j);
        let mut to = 1_u8 << (NODES - 1);
        for (i, j) in edges().map(|(edge, _)| edge).collect::<Vec<_>>().into_iter().rev() {
            to |= (to >> j & 1) << i;
        }
        edges()
            .filter(move |((i, j), _)| from >> i & to >> j & 1 == 1)
            .map(|((i, j), op)| (i, j, op))
    }

    /// Whether anything leads from the input to the output.
    #[must_use]
    pub fn is_connected(self) -> bool {
        self.live().next().is_some()
    }

    /// Whether a path of skips leads from the input to the output.
    #[must_use]
    pub fn has_identity_path(self) -> bool {
        let skips = EDGES.into_iter().zip(self.0).filter(|(_, op)| *op == EdgeOp::Skip);
        let reached = skips.fold(1_u8, |from, ((i, j), _)| from | (from >> i & 1) << j);
        reached >> (NODES - 1) & 1 == 1
    }

    /// Poolings among the six operations.
    #[must_use]
    pub fn poolings(self) -> usize {
        self.0.iter().filter(|op| **op == EdgeOp::AvgPool3x3).count()
    }

    /// Appends the benchmark's text: `|nor_conv_3x3~0|+|none~0|skip_connect~1|+|…|`.
    pub fn write(self, text: &mut String) {
        for ((i, j), op) in EDGES.into_iter().zip(self.0) {
            let begins = i == 0;
            text.push_str(if begins && j > 1 {
                "+|"
            } else if begins {
                "|"
            } else {
                ""
            });
            text.push_str(op.name());
            text.push('~');
            text.push(char::from(b"012"[i]));
            text.push('|');
        }
    }

    /// Reads the benchmark's text; white space does not matter.
    ///
    /// # Errors
    /// The first thing that is wrong, with its column.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let letters: Vec<(usize, char)> =
            (1..).zip(text.chars()).filter(|(_, letter)| !letter.is_whitespace()).collect();
        let mut at = 0;
        let column = |at: usize| letters.get(at).map_or(text.chars().count() + 1, |(c, _)| *c);
        let wrong = |at: usize, reason: String| ParseError { column: column(at), reason };
        let expect = |at: &mut usize, word: &str| {
            let found = letters[*at..].iter().map(|(_, letter)| *letter);
            if found.take(word.len()).eq(word.chars()) {
                *at += word.len();
                Ok(())
            } else {
                Err(wrong(*at, format!("expected `{word}`")))
            }
        };
        let mut ops = [EdgeOp::None; 6];
        for ((i, j), op) in EDGES.into_iter().zip(&mut ops) {
            if i == 0 {
                expect(&mut at, if j == 1 { "|" } else { "+|" })?;
            }
            let named = EdgeOp::ALL.into_iter().find(|op| expect(&mut at, op.name()).is_ok());
            *op = named.ok_or_else(|| {
                let names = EdgeOp::ALL.map(EdgeOp::name).join(", ");
                wrong(at, format!("expected an operation: {names}"))
            })?;
            expect(&mut at, &format!("~{i}|"))?;
        }
        if at < letters.len() {
            return Err(wrong(at, "nothing may follow the last edge".to_owned()));
        }
        Ok(Self(ops))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|";

    #[test]
    fn printing_what_was_parsed_is_the_identity() {
        let mut text = String::new();
        Cell::parse(TEXT).unwrap().write(&mut text);
        assert_eq!(text, TEXT);
        let spaced = TEXT.replace('|', " | ").replace('~', " ~ ");
        assert_eq!(Cell::parse(&spaced), Cell::parse(TEXT));
    }

    #[test]
    fn mistakes_name_their_column() {
        let cases = [
            ("", "column 1: expected `|`"),
            (
                "|nor_conv_5x5~0|",
                "column 2: expected an operation: none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3",
            ),
            ("|none~1|", "column 6: expected `~0|`"),
            ("|none~0|none~0|", "column 9: expected `+|`"),
        ];
        for (text, expected) in cases {
            assert_eq!(Cell::parse(text).unwrap_err().to_string(), expected, "{text}");
        }
        let more = format!("{TEXT}+");
        assert!(Cell::parse(&more).unwrap_err().to_string().contains("nothing may follow"));
    }

    #[test]
    fn only_edges_between_input_and_output_live() {
        // Node 1 gets nothing, node 2 leads nowhere.
        let text =
            "|none~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_1x1~1|none~2|";
        let cell = Cell::parse(text).unwrap();
        assert_eq!(cell.live().collect::<Vec<_>>(), [(0, 3, EdgeOp::Skip)]);
        assert!(cell.has_identity_path());
    }

    /// The benchmark has 341 cells that score exactly at chance.
    #[test]
    fn as_many_cells_are_disconnected_as_the_benchmark_has() {
        let cell = |mut index: usize| {
            Cell([(); 6].map(|()| {
                let op = EdgeOp::ALL[index % 5];
                index /= 5;
                op
            }))
        };
        assert_eq!((0..15_625).filter(|index| !cell(*index).is_connected()).count(), 341);
    }
}
