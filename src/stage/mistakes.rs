//! What the rooms below say of a config's values, put under the words that say them.

use crate::diagnostic::Diagnostic;
use crate::search::StrategyConfig;
use crate::space::SpaceConfig;
use crate::spec::Node;

/// Mistakes in a space's values; `key` is where it stands in `with`.
pub(super) fn of_space(space: &SpaceConfig, with: &Node, key: &str) -> Vec<Diagnostic> {
    let mistake = |mistake: crate::space::ConfigMistake| {
        let diagnostic = Diagnostic::error("search::space", mistake.message).help(mistake.help);
        place(with, &[key, mistake.key]).blame(diagnostic, "")
    };
    space.check().into_iter().map(mistake).collect()
}

/// Mistakes in a strategy's values; `key` is where it stands in `with`.
pub(super) fn of_strategy(strategy: &StrategyConfig, with: &Node, key: &str) -> Vec<Diagnostic> {
    let mistake = |(parameter, message): (&str, String)| {
        let diagnostic = Diagnostic::error("search::strategy", message);
        place(with, &[key, parameter]).blame(diagnostic, "")
    };
    strategy.check().into_iter().map(mistake).collect()
}

/// The node at a path, or the innermost one on the way that was written.
pub(super) fn place<'n>(with: &'n Node, path: &[&str]) -> &'n Node {
    path.iter().try_fold(with, |node, key| node.get(key).ok_or(node)).unwrap_or_else(|node| node)
}
