//! Wiring: references become edges between stages, checked against their ports.
//!
//! Works on the order of the file; the topological order comes last, when there are no cycles.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use crate::artifact::Coordinates;
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use crate::spec::{self, Key, Pipeline, Reference};
use crate::stage::{Arity, Port, Ports, Stage};
use crate::wording;

use super::findings::Findings;
use super::port::{self, Taker};
use super::{Feed, StageIndex, Study, StudyStage};

/// Most cells that a message lists.
const LISTED_MAX: usize = 8;

/// How the stages hang together, by their places in the file.
#[derive(Debug, Default)]
pub(super) struct Wiring {
    stages: Vec<Wired>,
}

/// One stage's edges.
#[derive(Debug, Default)]
struct Wired {
    inputs: Vec<(String, Vec<Wire>)>,
    needs: Vec<usize>,
    /// All stages it waits for, with the words that say so; for cycles.
    waits: Vec<Wait>,
}

/// An output bound to a port.
#[derive(Debug)]
struct Wire {
    stage: usize,
    output: String,
    label: Coordinates,
}

/// A stage waits for another one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    /// For whom, by its place in the file.
    pub(super) on: usize,
    /// The reference.
    pub(super) span: Span,
    /// Whether it reads from it, or only `needs` it.
    pub(super) reads: bool,
}

/// Stages by name, and cells by coordinates.
struct Names<'a> {
    cells: HashMap<&'a str, Vec<usize>>,
    places: HashMap<(&'a str, &'a Coordinates), usize>,
}

impl<'a> Names<'a> {
    fn of(stages: &'a [spec::Stage]) -> Self {
        let mut names = Self { cells: HashMap::new(), places: HashMap::new() };
        for (place, stage) in stages.iter().enumerate() {
            names.cells.entry(&stage.id.name).or_default().push(place);
            names.places.insert((&stage.id.name, &stage.id.coordinates), place);
        }
        names
    }

    /// The stages that a reference names; a bare name is all cells of its stage.
    fn places(&self, reference: &Reference) -> Vec<usize> {
        let name = reference.stage.as_str();
        if !reference.gathered {
            return self.cells.get(name).cloned().unwrap_or_default();
        }
        let place = |cell| self.places.get(&(name, cell)).copied();
        reference.cells.iter().filter_map(place).collect()
    }
}

/// Wires every stage. What cannot be wired is a finding.
pub(super) fn wire(
    pipeline: &Pipeline,
    bound: &[Option<Box<dyn Stage>>],
    findings: &mut Findings,
) -> Wiring {
    let names = Names::of(&pipeline.stages);
    let outputs: Vec<_> =
        bound.iter().map(|stage| stage.as_ref().map(|stage| stage.outputs())).collect();
    let mut wirer = Wirer { stages: &pipeline.stages, names, outputs, findings };
    let stages = pipeline
        .stages
        .iter()
        .zip(bound)
        .map(|(stage, bound)| wirer.stage(stage, bound.as_deref()))
        .collect();
    Wiring { stages }
}

struct Wirer<'a, 'f> {
    stages: &'a [spec::Stage],
    names: Names<'a>,
    outputs: Vec<Option<Vec<crate::stage::Output>>>,
    findings: &'f mut Findings,
}

impl Wirer<'_, '_> {
    fn stage(&mut self, stage: &spec::Stage, bound: Option<&dyn Stage>) -> Wired {
        let mut wired = Wired::default();
        for reference in &stage.needs {
            let places = self.names.places(reference);
            wired.waits.extend(waits(&places, reference, false));
            wired.needs.extend(places);
        }
        for reference in stage.inputs.iter().flat_map(|(_, references)| references) {
            wired.waits.extend(waits(&self.names.places(reference), reference, true));
        }
        // Without a bound stage its ports are not known; its edges still may close a ring.
        if let Some(bound) = bound {
            let ports = bound.ports();
            wired.inputs = self.inputs(stage, bound.kind(), &ports);
            self.missing(stage, &ports);
        }
        wired
    }

    fn inputs(
        &mut self,
        stage: &spec::Stage,
        kind: &str,
        ports: &Ports,
    ) -> Vec<(String, Vec<Wire>)> {
        let mut inputs = Vec::with_capacity(stage.inputs.len());
        for (key, references) in &stage.inputs {
            match Taker::of(ports, &key.name, &stage.id.name) {
                Some(taker) => {
                    let wires = self.port(key, references, &taker);
                    inputs.push((key.name.clone(), wires));
                }
                None => self.findings.add_once(port::unknown(key, kind, ports)),
            }
        }
        // The order in which ports are written is no content.
        inputs.sort_by(|a, b| a.0.cmp(&b.0));
        inputs
    }

    /// Everything that `references` bind to one port.
    fn port(&mut self, key: &Key, references: &[Reference], taker: &Taker<'_>) -> Vec<Wire> {
        if let [_, second, ..] = references
            && taker.takes_one()
        {
            self.findings.add_once(several_inputs(key, second, references.len()));
            return Vec::new();
        }
        let mut wires: Vec<Wire> = Vec::new();
        let mut bound_already = BTreeSet::new();
        for reference in references {
            let labelled = taker.labels(reference.gathered || references.len() > 1);
            for place in self.feeding(key, reference, taker) {
                let Some(output) = self.output(place, reference, taker) else { continue };
                let label = if labelled {
                    self.stages[place].id.coordinates.clone()
                } else {
                    Coordinates::default()
                };
                if bound_already.insert((place, output.clone())) {
                    wires.push(Wire { stage: place, output, label });
                } else {
                    self.findings.add_once(twice(key, reference));
                }
            }
        }
        // Stable: artifacts without coordinates keep the order in which they are written.
        wires.sort_by(|a, b| a.label.cmp(&b.label));
        wires
    }

    /// The stages that a reference names, unless the port cannot take so many.
    fn feeding(&mut self, key: &Key, reference: &Reference, taker: &Taker<'_>) -> Vec<usize> {
        let places = self.names.places(reference);
        if places.len() > 1 && taker.takes_one() {
            let cells: Vec<String> =
                places.iter().map(|&place| self.stages[place].id.to_string()).collect();
            self.findings.add_once(several_cells(key, reference, &cells));
            return Vec::new();
        }
        places
    }

    /// The output that a reference means; `None` when its stage is not bound or has no such output.
    fn output(&mut self, place: usize, reference: &Reference, taker: &Taker<'_>) -> Option<String> {
        let outputs = self.outputs[place].as_deref()?;
        match port::choose(outputs, reference, taker) {
            Ok(output) => Some(output.name.clone()),
            Err(mistake) => {
                self.findings.add_once(mistake);
                None
            }
        }
    }

    /// Ports that must be bound and are not.
    fn missing(&mut self, stage: &spec::Stage, ports: &Ports) {
        let Ports::Fixed(ports) = ports else { return };
        for port in ports.iter().filter(|port| matches!(port.arity, Arity::One | Arity::Many)) {
            let written = stage.inputs.iter().find(|(key, _)| key.name == port.name);
            let span = match written {
                Some((_, references)) if !references.is_empty() || stage.gaps.references => {
                    continue;
                }
                None if stage.inputs.is_empty() && stage.gaps.references => continue,
                Some((key, _)) => key.span,
                None if is_misspelt(stage, &port.name, ports) => continue,
                None => stage.span,
            };
            let offers = self.offers(stage, port);
            self.findings.add(port::missing(&stage.id.name, span, port, &offers));
        }
    }

    /// Names of other stages that have a fitting output.
    fn offers(&self, reader: &spec::Stage, port: &Port) -> Vec<&str> {
        let mut offers: Vec<&str> = Vec::new();
        for (stage, outputs) in self.stages.iter().zip(&self.outputs) {
            let name = stage.id.name.as_str();
            let mut kinds = outputs.iter().flatten().map(|output| output.kind);
            if name != reader.id.name
                && offers.last() != Some(&name)
                && kinds.any(|kind| port.types.contains(&kind))
            {
                offers.push(name);
            }
        }
        offers
    }
}

/// Whether an unknown key was meant to be this port: that is one mistake and not two.
fn is_misspelt(stage: &spec::Stage, port: &str, ports: &[Port]) -> bool {
    let is_known = |key: &Key| ports.iter().any(|port| port.name == key.name);
    let mut unknown = stage.inputs.iter().map(|(key, _)| key).filter(|key| !is_known(key));
    unknown.any(|key| port::meant(&key.name, ports) == Some(port))
}

fn waits(places: &[usize], reference: &Reference, reads: bool) -> Vec<Wait> {
    let span = reference.span;
    places.iter().map(|&on| Wait { on, span, reads }).collect()
}

fn several_inputs(key: &Key, second: &Reference, count: usize) -> Diagnostic {
    let message = format!("port `{}` takes one artifact, but {count} are listed", key.name);
    Diagnostic::error("plan::several_inputs", message)
        .label(second.span, "one too many")
        .help("keep one of them")
}

fn several_cells(key: &Key, reference: &Reference, cells: &[String]) -> Diagnostic {
    let (port, stage) = (&key.name, &reference.stage);
    let count = wording::count(cells.len(), "cell");
    let message = if reference.gathered {
        format!("port `{port}` takes one artifact, but {count} of `{stage}` are selected")
    } else {
        format!("port `{port}` takes one artifact, but `{stage}` has {count}")
    };
    let listed = wording::list(&cells[..cells.len().min(LISTED_MAX)]);
    let more = match cells.len().saturating_sub(LISTED_MAX) {
        0 => String::new(),
        n => format!(" (and {} more)", wording::thousands(n as u64)),
    };
    Diagnostic::error("plan::several_cells", message)
        .label(reference.span, "which cell?")
        .help(format!("name one cell of {listed}{more}"))
}

fn twice(key: &Key, reference: &Reference) -> Diagnostic {
    let message = format!("port `{}` is given the same artifact twice", key.name);
    Diagnostic::error("plan::same_input", message)
        .label(reference.span, "bound before")
        .help("take one of the references away")
}

impl Wiring {
    /// What each stage waits for, by its place in the file.
    pub(super) fn waits(&self) -> impl Iterator<Item = &[Wait]> {
        self.stages.iter().map(|stage| stage.waits.as_slice())
    }

    /// The study; only for a wiring without cycles and findings.
    pub(super) fn into_study(self, pipeline: Pipeline, bound: Vec<Box<dyn Stage>>) -> Study {
        let order = self.order();
        let mut index = vec![StageIndex(0); order.len()];
        for (i, &place) in order.iter().enumerate() {
            index[place] = StageIndex(i);
        }
        let mut wired: Vec<Option<(Wired, Box<dyn Stage>)>> =
            self.stages.into_iter().zip(bound).map(Some).collect();
        let mut stages: Vec<StudyStage> = order
            .iter()
            .map(|&place| {
                let (wired, stage) = wired[place].take().expect("BUG: a stage stands there twice");
                study_stage(place, &pipeline.stages[place], wired, stage, &index)
            })
            .collect();
        link(&mut stages);
        Study { pipeline, stages }
    }

    /// Topological order in which the stage that stands first in the file goes first (Kahn 1962 with
    /// a heap). Not `petgraph::algo::toposort`, whose order among equals is its own.
    fn order(&self) -> Vec<usize> {
        let mut missing: Vec<usize> = self.stages.iter().map(|stage| stage.waits.len()).collect();
        let mut after: Vec<Vec<usize>> = vec![Vec::new(); self.stages.len()];
        for (place, stage) in self.stages.iter().enumerate() {
            for wait in &stage.waits {
                after[wait.on].push(place);
            }
        }
        let ready = |(place, &n): (usize, &usize)| (n == 0).then_some(Reverse(place));
        let mut ready: BinaryHeap<_> = missing.iter().enumerate().filter_map(ready).collect();
        let mut order = Vec::with_capacity(self.stages.len());
        while let Some(Reverse(place)) = ready.pop() {
            order.push(place);
            for &next in &after[place] {
                missing[next] -= 1;
                if missing[next] == 0 {
                    ready.push(Reverse(next));
                }
            }
        }
        assert_eq!(order.len(), self.stages.len(), "BUG: a ring passed the check");
        order
    }
}

fn study_stage(
    place: usize,
    written: &spec::Stage,
    wired: Wired,
    stage: Box<dyn Stage>,
    index: &[StageIndex],
) -> StudyStage {
    let feed = |wire: Wire| Feed {
        stage: index[wire.stage],
        output: wire.output,
        coordinates: wire.label,
    };
    let inputs = wired
        .inputs
        .into_iter()
        .map(|(port, wires)| (port, wires.into_iter().map(feed).collect()))
        .collect();
    let before: BTreeSet<StageIndex> = wired.waits.iter().map(|wait| index[wait.on]).collect();
    StudyStage {
        id: written.id.clone(),
        stage,
        inputs,
        needs: wired.needs.into_iter().map(|place| index[place]).collect(),
        before: before.into_iter().collect(),
        after: Vec::new(),
        settings: written.settings.clone(),
        is_final: true,
        written: place,
    }
}

/// Fills in what only the readers of a stage say: who comes after it, and whether it is final.
fn link(stages: &mut [StudyStage]) {
    for i in 0..stages.len() {
        for before in stages[i].before.clone() {
            stages[before.0].after.push(StageIndex(i));
        }
        let feeds = stages[i].inputs.iter().flat_map(|(_, feeds)| feeds);
        for read in feeds.map(|feed| feed.stage.0).collect::<Vec<_>>() {
            stages[read].is_final = false;
        }
    }
}
