//! Edits: what one step away from a genotype means where decisions do not depend on earlier ones.

use super::{Genotype, Process};
use crate::seed::Stream;

/// Tries of a random edit before it is given up.
pub(super) const TRIES: usize = 100;

/// All walks that differ in one decision, in the order of decisions and slots. Slots behind the walk
/// are not kept.
///
/// Only for processes in which every choice is legal whatever was chosen before.
pub(super) fn changed_once(process: &Process, genotype: &Genotype) -> Vec<Genotype> {
    let walk = walk_of(process, genotype);
    let mut neighbours = Vec::new();
    for (step, (state, slot, _)) in process.walk(genotype).enumerate() {
        for other in 0..process.actions(state).len() {
            if other != usize::from(slot) {
                let mut neighbour = walk.clone();
                neighbour.0[step] = narrow(other);
                neighbours.push(neighbour);
            }
        }
    }
    neighbours
}

/// A walk that differs in one decision: any that has another choice with equal probability, then any of
/// its other choices. Nothing when there is no choice at all.
///
/// Only for processes in which every choice is legal whatever was chosen before.
pub(super) fn change(
    process: &Process,
    genotype: &Genotype,
    stream: &mut Stream,
) -> Option<Genotype> {
    let mut changed = walk_of(process, genotype);
    let choices = |state| process.actions(state).len();
    let open = process.walk(genotype).filter(|(state, ..)| choices(*state) > 1).count();
    if open == 0 {
        return None;
    }
    let wanted = stream.index(open);
    let mut decisions = process.walk(genotype).enumerate();
    let decision = decisions.by_ref().filter(|(_, (state, ..))| choices(*state) > 1).nth(wanted);
    let (step, (state, slot, _)) = decision.expect("counted above");
    let other = stream.index(choices(state) - 1);
    // The choices without the one that was taken.
    changed.0[step] = narrow(other + usize::from(other >= usize::from(slot)));
    Some(changed)
}

/// The genotype without slots behind its walk.
fn walk_of(process: &Process, genotype: &Genotype) -> Genotype {
    Genotype(genotype.0[..process.walk(genotype).count()].to_vec())
}

fn narrow(slot: usize) -> u16 {
    u16::try_from(slot).expect("a token for each slot fits 16 bits")
}
