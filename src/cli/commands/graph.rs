//! `graph`: draw the stages and how they feed each other.

use crate::cli::args::{GraphArgs, GraphFormat};
use crate::cli::error::CliError;
use crate::cli::project::Workplace;
use crate::cli::{Exit, Terminal};
use crate::plan::{self, Drawing};

/// Prints the drawing.
pub(super) fn graph(
    workplace: &Workplace,
    args: &GraphArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let (study, _) = workplace.load(&args.pipeline)?;
    let drawing = match args.format {
        GraphFormat::Text => Drawing::Text,
        GraphFormat::Mermaid => Drawing::Mermaid,
        GraphFormat::Dot => Drawing::Dot,
        GraphFormat::Svg => Drawing::Svg,
    };
    terminal.say(&plan::draw(&study, drawing, args.cells));
    Ok(Exit::Done)
}
