//! What the rooms below say of a config's values, put under the words that say them.

use super::evaluators::EvaluatorConfig;
use super::task::ImageConfig;
use crate::diagnostic::Diagnostic;
use crate::search::StrategyConfig;
use crate::space::SpaceConfig;
use crate::spec::{self, Key, Node, Value};
use crate::train::{Device, Kept, Recipe};

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

/// Given networks that the space does not have, where the images that it is opened for are known.
pub(super) fn of_given(
    strategy: &StrategyConfig,
    space: &SpaceConfig,
    image: Option<ImageConfig>,
    with: &Node,
) -> Vec<Diagnostic> {
    let (StrategyConfig::Given(given), Some(image)) = (strategy, image) else {
        return Vec::new();
    };
    let (image, classes) = image.task();
    // A space that cannot be opened has a mistake of its own.
    let space = Some(space).filter(|space| space.check().is_empty());
    let Some(Ok(space)) = space.map(|space| space.open(image, classes)) else {
        return Vec::new();
    };
    let list = place(with, &["strategy", "networks"]);
    let mistake = |(number, error): (usize, crate::search::SearchError)| {
        let network = match &list.value {
            Value::List(networks) => networks.get(number).unwrap_or(list),
            _ => list,
        };
        network.blame(Diagnostic::error("search::given", error.to_string()), "")
    };
    given.mistakes(&*space).into_iter().map(mistake).collect()
}

/// Mistakes in values that are put over those of a space which only the trials name: what no space would take,
/// said of the space that would take most of them.
pub(super) fn of_changes(with: &Node, key: &str) -> Vec<Diagnostic> {
    let Some((node, Value::Map(entries))) = with.get(key).map(|node| (node, &node.value)) else {
        return Vec::new();
    };
    let kind = Key { name: "kind".to_owned(), span: node.span };
    let mistakes = |name: &'static str| {
        let word = Node { value: Value::Text(name.to_owned()), span: node.span, used: node.used };
        let mut entries = entries.clone();
        entries.retain(|(key, _)| *key.name != *kind.name);
        entries.insert(0, (kind.clone(), word));
        let alone = Node { value: Value::Map(entries), span: node.span, used: node.used };
        spec::bind::<SpaceConfig>(&alone).err().unwrap_or_default()
    };
    let said = node.get("kind").map(|word| word.value.clone());
    let kinds = SpaceConfig::kinds();
    let kinds = kinds.filter(|kind| said.as_ref().is_none_or(|said| is_text(said, kind)));
    kinds.map(mistakes).min_by_key(Vec::len).unwrap_or_default()
}

fn is_text(value: &Value, word: &str) -> bool {
    matches!(value, Value::Text(text) if text == word)
}

/// Mistakes in an evaluator's values; `key` is where it stands in `with`.
pub(super) fn of_evaluator(evaluator: &EvaluatorConfig, with: &Node, key: &str) -> Vec<Diagnostic> {
    let EvaluatorConfig::Train(config) = evaluator else { return Vec::new() };
    let weights = (config.recipe.weights == Kept::Best).then(|| {
        let text = "`weights: best` changes no score: a search keeps no weights";
        let diagnostic = Diagnostic::error("evaluator::weights", text)
            .help("`score: best` counts the best epoch's accuracy");
        place(with, &[key, "recipe", "weights"]).blame(diagnostic, "")
    });
    let evaluator = with.get(key).unwrap_or(with);
    weights.into_iter().chain(of_precision(&config.recipe, config.device, evaluator)).collect()
}

/// A precision that the device does not compute in; `with` has the recipe.
pub(super) fn of_precision(recipe: &Recipe, device: Device, with: &Node) -> Option<Diagnostic> {
    if recipe.precision.is_f32() || !device.is_cpu() {
        return None;
    }
    let text = "`precision: bf16` needs `device: cuda`: processors gain nothing by it";
    let diagnostic = Diagnostic::error("recipe::precision", text)
        .help("say `device: cuda` beside the recipe, or leave `precision` out");
    Some(place(with, &["recipe", "precision"]).blame(diagnostic, ""))
}

/// The node at a path, or the innermost one on the way that was written.
pub(super) fn place<'n>(with: &'n Node, path: &[&str]) -> &'n Node {
    path.iter().try_fold(with, |node, key| node.get(key).ok_or(node)).unwrap_or_else(|node| node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::{Level, QLearningConfig};
    use crate::space::chain::ChainConfig;
    use crate::span::{Sources, Span};
    use crate::spec::{Key, Value};

    const TEXT: &str = "space: filters: 64, 64\nstrategy: q_learning\n";

    /// The words of a diagnostic's first label.
    fn words(sources: &Sources, diagnostic: &Diagnostic) -> String {
        sources.words(diagnostic.labels[0].span).to_owned()
    }

    /// `with` as a file would say it: each node stands where its words are in [`TEXT`].
    fn with(sources: &mut Sources) -> Node {
        let source = sources.add("a.yaml", TEXT);
        let span = |words: &str| {
            let start = TEXT.find(words).expect("the words are there");
            let place = |at: usize| u32::try_from(at).expect("a short text");
            Span { source, start: place(start), end: place(start + words.len()) }
        };
        let node = |words: &str, value| Node { value, span: span(words), used: None };
        let key = |name: &str| Key { name: name.to_owned(), span: span(name) };
        let filters = (key("filters"), node("64, 64", Value::List(Vec::new())));
        let space = (key("space"), node("filters: 64, 64", Value::Map(vec![filters])));
        let name = Value::Text("q_learning".to_owned());
        node(TEXT, Value::Map(vec![space, (key("strategy"), node("q_learning", name))]))
    }

    #[test]
    fn a_mistake_stands_under_the_value_that_is_wrong() {
        let mut sources = Sources::default();
        let with = with(&mut sources);
        let config = ChainConfig { filters: vec![64, 64], ..ChainConfig::default() };
        let mistakes = of_space(&SpaceConfig::Chain(config), &with, "space");
        assert_eq!(mistakes.len(), 1);
        assert_eq!(mistakes[0].message, "64 stands twice in `filters`");
        assert_eq!(words(&sources, &mistakes[0]), "64, 64");
    }

    #[test]
    fn a_mistake_of_a_value_that_was_not_written_stands_under_the_innermost_that_was() {
        let mut sources = Sources::default();
        let with = with(&mut sources);
        let level = |epsilon| Level { epsilon, networks: 1 };
        let schedule = vec![level(0.1), level(0.2)];
        let config = QLearningConfig { schedule, ..QLearningConfig::default() };
        let mistakes = of_strategy(&StrategyConfig::QLearning(config), &with, "strategy");
        assert_eq!(words(&sources, &mistakes[0]), "q_learning");
    }
}
