//! Expressions that only name a place: `params.model.filters`, `params[params.size].epochs`.

/// Names from a root on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path<'e> {
    pub(super) root: &'e str,
    pub(super) steps: Vec<Step<'e>>,
}

/// One step down.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'e> {
    /// `.filters`
    Name(&'e str),
    /// `[params.size]`: the key is the value there.
    At(Path<'e>),
}

impl<'e> Path<'e> {
    /// The path that `expression` is, when it is no more than that.
    pub(super) fn of(expression: &'e str) -> Option<Self> {
        let mut rest = expression.trim();
        let path = Self::eat(&mut rest)?;
        let is_constant =
            matches!(path.root, "true" | "false" | "none" | "True" | "False" | "None");
        (rest.is_empty() && !is_constant).then_some(path)
    }

    /// Takes the longest path off the beginning of `rest`.
    fn eat(rest: &mut &'e str) -> Option<Self> {
        let mut path = Self { root: name(rest)?, steps: Vec::new() };
        loop {
            if let Some(tail) = rest.strip_prefix('.') {
                *rest = tail;
                path.steps.push(Step::Name(name(rest)?));
            } else if let Some(tail) = rest.strip_prefix('[') {
                *rest = tail.trim_start();
                path.steps.push(Step::At(Self::eat(rest)?));
                *rest = rest.trim_start().strip_prefix(']')?;
            } else {
                return Some(path);
            }
        }
    }
}

/// Takes a name off the beginning of `rest`.
fn name<'e>(rest: &mut &'e str) -> Option<&'e str> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = rest.find(|c| !is_letter(c)).unwrap_or(rest.len());
    let (name, tail) = rest.split_at(end);
    *rest = tail;
    (!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named<'e>(root: &'e str, steps: &[&'e str]) -> Path<'e> {
        Path { root, steps: steps.iter().copied().map(Step::Name).collect() }
    }

    #[test]
    fn names_and_chosen_keys_are_a_path() {
        assert_eq!(Path::of(" params "), Some(named("params", &[])));
        assert_eq!(Path::of("params.a_1.b"), Some(named("params", &["a_1", "b"])));
        let size = Step::At(named("params", &["size"]));
        let expected = Path { root: "params", steps: vec![size, Step::Name("epochs")] };
        assert_eq!(Path::of("params[ params.size ].epochs"), Some(expected));
        let deep = Path::of("a[b[c]].d[e]").unwrap();
        assert_eq!(deep.steps.len(), 3);
    }

    #[test]
    fn anything_else_is_none() {
        for other in [
            "",
            "true",
            "None",
            "1",
            "a.1",
            "a.",
            ".a",
            "a b",
            "a + b",
            "a['x']",
            "a[0]",
            "a[b",
            "a[]",
            "a]",
            "a | upper",
            "a()",
            "a.b-c",
            "a[b]c",
        ] {
            assert_eq!(Path::of(other), None, "{other}");
        }
    }
}
