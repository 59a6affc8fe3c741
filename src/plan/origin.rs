//! Origins: where the value of a manifest's line was written.

use crate::span::Span;
use crate::spec::{Node, Value};

use super::{Planner, StageIndex, Study};

/// Looks up where a stage's values came from.
pub(super) struct Origins<'a> {
    study: &'a Study,
    index: StageIndex,
    tools: Vec<(String, String)>,
}

impl<'a> Origins<'a> {
    pub(super) fn of(planner: &Planner<'a>, index: StageIndex) -> Self {
        let tools = planner.reads().tool_paths();
        Self { study: planner.study(), index, tools }
    }

    /// Where the value under `key` came from; empty where that says nothing.
    pub(super) fn of_line(&self, key: &str) -> String {
        let written = self.study.written(self.index);
        let (section, rest) = key.split_once('.').unwrap_or((key, ""));
        match section {
            "kind" => self.place(written.kind_span),
            "with" => self.parameter(&written.with, rest),
            "seed" if rest == "pipeline" => "`seed` of the pipeline".to_owned(),
            "seed" => "default".to_owned(),
            "command" => self.command(&written.with, rest),
            "file" => self.parameter_or_nothing(&written.with, "files"),
            "input" => self.input(rest),
            "tool" => {
                let tool = self.tools.iter().find(|(name, _)| name == rest);
                tool.map(|(_, path)| path.clone()).unwrap_or_default()
            }
            _ => String::new(),
        }
    }

    /// The node that a dotted path leads to, or the scalar that stands for the whole of it:
    /// `strategy: random` gives `with.strategy.kind`.
    fn parameter(&self, with: &Node, path: &str) -> String {
        let mut node = with;
        for part in parts(path) {
            let next = match &node.value {
                Value::Map(_) => node.get(&part),
                Value::List(items) => part.parse::<usize>().ok().and_then(|i| items.get(i)),
                _ => break,
            };
            match next {
                Some(next) => node = next,
                None => return "default".to_owned(),
            }
        }
        match node.used {
            Some(used) => format!("{}, used at {}", self.place(node.span), self.place(used)),
            None => self.place(node.span),
        }
    }

    /// Lines that the planner wrote from what a program is started with, by the words of `command`.
    fn command(&self, with: &Node, path: &str) -> String {
        let (part, rest) = path.split_once('.').unwrap_or((path, ""));
        match part {
            "argv" => self.parameter_or_nothing(with, "run"),
            "output" => self.parameter_or_nothing(with, "outputs"),
            _ => self.parameter(with, &format!("{part}.{rest}")),
        }
    }

    fn parameter_or_nothing(&self, with: &Node, name: &str) -> String {
        with.get(name).map(|_| self.parameter(with, name)).unwrap_or_default()
    }

    fn input(&self, key: &str) -> String {
        let port = key.split(['[', '#']).next().unwrap_or(key);
        let written = self.study.written(self.index);
        let references = written
            .inputs
            .iter()
            .find(|(key, _)| key.name == port)
            .map(|(_, references)| references);
        let places: Vec<String> =
            references.into_iter().flatten().map(|reference| self.place(reference.span)).collect();
        places.first().cloned().unwrap_or_default()
    }

    fn place(&self, span: Span) -> String {
        let sources = &self.study.pipeline.sources;
        let name = &sources.get(span.source).name;
        // An option of the command line has no lines.
        if name.starts_with('-') {
            return name.clone();
        }
        format!("{name}:{}", sources.position(span).0)
    }
}

/// The parts of a dotted path, quotes taken off.
fn parts(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if rest.starts_with('"') {
            let mut texts = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let Some(Ok(part)) = texts.next() else { break };
            rest = rest[texts.byte_offset()..].trim_start_matches('.');
            parts.push(part);
        } else {
            let (part, after) = rest.split_once('.').unwrap_or((rest, ""));
            parts.push(part.to_owned());
            rest = after;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_apart_at_dots_outside_quotes() {
        assert_eq!(parts("budget.trials"), ["budget", "trials"]);
        assert_eq!(parts("env.\"a.b\".0"), ["env", "a.b", "0"]);
        assert!(parts("").is_empty());
    }
}
