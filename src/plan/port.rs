//! Ports: which output of a stage a reference means, and what is said when none fits.

use crate::artifact::ArtifactType;
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use crate::spec::{Key, Reference};
use crate::stage::{Arity, Output, Port, Ports};
use crate::wording;

/// What a port takes.
#[derive(Debug)]
pub(super) struct Taker<'a> {
    port: &'a str,
    stage: &'a str,
    /// `None`: any but test sets.
    types: Option<&'a [ArtifactType]>,
    arity: Arity,
}

impl<'a> Taker<'a> {
    /// What the port called `name` of the stage called `stage` takes, when there is such a port.
    pub(super) fn of(ports: &'a Ports, name: &'a str, stage: &'a str) -> Option<Self> {
        match ports {
            Ports::Open => Some(Self { port: name, stage, types: None, arity: Arity::Any }),
            Ports::Fixed(ports) => {
                let port = ports.iter().find(|port| port.name == name)?;
                Some(Self { port: name, stage, types: Some(&port.types), arity: port.arity })
            }
        }
    }

    /// Whether one artifact is all it takes.
    pub(super) fn takes_one(&self) -> bool {
        matches!(self.arity, Arity::One | Arity::Optional)
    }

    /// Whether the stage sees its artifacts by their coordinates; on an open port only where
    /// `several` may come, as the folder that it sees is then another one.
    pub(super) fn labels(&self, several: bool) -> bool {
        !self.takes_one() && (self.types.is_some() || several)
    }

    /// An open port takes every type but the test set, which needs a port of its own type.
    fn takes(&self, kind: ArtifactType) -> bool {
        self.types.map_or(kind != ArtifactType::Testset, |types| types.contains(&kind))
    }

    fn words(&self) -> String {
        self.types.map_or_else(|| "anything but test sets".to_owned(), type_words)
    }
}

/// The output that `reference` means for a port.
pub(super) fn choose<'o>(
    outputs: &'o [Output],
    reference: &Reference,
    taker: &Taker<'_>,
) -> Result<&'o Output, Diagnostic> {
    if let Some(name) = &reference.output {
        let Some(output) = outputs.iter().find(|output| &output.name == name) else {
            return Err(unknown_output(outputs, reference, name));
        };
        return if taker.takes(output.kind) {
            Ok(output)
        } else {
            Err(unfit(std::slice::from_ref(output), reference, taker))
        };
    }
    let fitting: Vec<&Output> = outputs.iter().filter(|output| taker.takes(output.kind)).collect();
    match fitting.as_slice() {
        [output] => Ok(output),
        [] => Err(unfit(outputs, reference, taker)),
        several => Err(ambiguous(several, reference, taker)),
    }
}

fn unknown_output(outputs: &[Output], reference: &Reference, name: &str) -> Diagnostic {
    let names = outputs.iter().map(|output| output.name.as_str());
    let help = match wording::nearest(name, names) {
        Some(near) => format!("did you mean `{}.{near}`?", reference.stage),
        None => format!("it writes {}", output_words(outputs)),
    };
    let message = format!("stage `{}` has no output `{name}`", reference.stage);
    Diagnostic::error("plan::unknown_output", message)
        .label(reference.span, format!("no output `{name}`"))
        .help(help)
}

/// Nothing that the stage writes may come to this port.
fn unfit(outputs: &[Output], reference: &Reference, taker: &Taker<'_>) -> Diagnostic {
    let only_testset = outputs.iter().all(|output| output.kind == ArtifactType::Testset);
    if only_testset && !outputs.is_empty() && taker.types.is_none() {
        let message = format!("port `{}` of `{}` cannot take a test set", taker.port, taker.stage);
        return Diagnostic::error("plan::testset", message)
            .label(reference.span, "a test set")
            .help("only a port made for test sets reads them, so that nothing is chosen by them");
    }
    let found = match (&reference.output, outputs) {
        (Some(name), [output]) => format!("`{}.{name}` is `{}`", reference.stage, output.kind),
        _ => format!("`{}` writes {}", reference.stage, output_words(outputs)),
    };
    let (port, stage, wanted) = (taker.port, taker.stage, taker.words());
    let message = format!("port `{port}` of `{stage}` takes {wanted}, but {found}");
    Diagnostic::error("plan::wrong_type", message)
        .label(reference.span, format!("no {wanted}"))
        .help(format!("name a stage that writes {wanted}"))
}

fn ambiguous(fitting: &[&Output], reference: &Reference, taker: &Taker<'_>) -> Diagnostic {
    let names: Vec<String> =
        fitting.iter().map(|output| format!("{}.{}", reference.stage, output.name)).collect();
    let message = format!(
        "`{}` writes {} artifacts that port `{}` takes",
        reference.stage,
        fitting.len(),
        taker.port
    );
    Diagnostic::error("plan::ambiguous_output", message)
        .label(reference.span, "which one?")
        .help(format!("name one of {}", wording::list(&names)))
}

/// A key under `inputs` that is no port.
pub(super) fn unknown(key: &Key, kind: &str, ports: &Ports) -> Diagnostic {
    let ports: &[Port] = if let Ports::Fixed(ports) = ports { ports } else { &[] };
    let help = match meant(&key.name, ports) {
        _ if ports.is_empty() => format!("`{kind}` reads no other stage: take `inputs` away"),
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("its ports are {}", port_words(ports)),
    };
    Diagnostic::error("plan::unknown_port", format!("`{kind}` has no port `{}`", key.name))
        .label(key.span, "no such port")
        .help(help)
}

/// The port that an unknown key was most likely meant to be.
pub(super) fn meant<'p>(key: &str, ports: &'p [Port]) -> Option<&'p str> {
    wording::nearest(key, ports.iter().map(|port| port.name.as_str()))
}

/// A port that must be bound and is not. `offers` names the stages that could feed it.
pub(super) fn missing(stage: &str, span: Span, port: &Port, offers: &[&str]) -> Diagnostic {
    let types = type_words(&port.types);
    let help = match offers {
        [] => format!("no other stage without mistakes writes {types}: add one, or mend it"),
        [only] => format!("add `inputs: {{ {}: {only} }}`", port.name),
        several => format!("{} write {types}: name one of them", wording::list(several)),
    };
    let message = format!("stage `{stage}` needs an input `{}`", port.name);
    Diagnostic::error("plan::missing_input", message)
        .label(span, format!("reads {types} from port `{}`", port.name))
        .help(help)
}

/// `dataset`, `dataset or files`.
fn type_words(types: &[ArtifactType]) -> String {
    let words: Vec<String> = types.iter().map(|kind| format!("`{kind}`")).collect();
    words.join(" or ")
}

/// `trials` and `best` (a `models`).
fn output_words(outputs: &[Output]) -> String {
    let words: Vec<String> = outputs
        .iter()
        .map(|output| match output.kind.word() {
            word if word == output.name => format!("`{word}`"),
            word => format!("`{}` (of type `{word}`)", output.name),
        })
        .collect();
    joined(&words)
}

/// `data` (`dataset`), `trials` (many `trials`).
fn port_words(ports: &[Port]) -> String {
    let words: Vec<String> = ports
        .iter()
        .map(|port| {
            let many = if matches!(port.arity, Arity::Many | Arity::Any) { "many " } else { "" };
            format!("`{}` ({many}{})", port.name, type_words(&port.types))
        })
        .collect();
    joined(&words)
}

fn joined(words: &[String]) -> String {
    match words.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}
