//! Where maps lie: what is kept over phases, and the scratch of each phase.

use std::ops::Range;

use super::program::{MapId, Phase};
use crate::kernel::Memory;

/// Numbers of a group's maps that should stay in a second-level cache.
const GROUP: usize = 1 << 17;

/// A map that has no place yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draft {
    /// Numbers of one image.
    pub(super) len: usize,
}

/// Places of all maps, in numbers of one image.
#[derive(Debug)]
pub(super) struct Maps {
    places: Vec<Place>,
    /// Numbers that an image keeps over phases.
    kept: usize,
    /// Of each phase.
    scratches: Vec<Scratch>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    offset: usize,
    len: usize,
    is_kept: bool,
}

#[derive(Debug, Clone, Copy)]
struct Scratch {
    /// Numbers of one image.
    len: usize,
    /// Numbers of all maps that an image uses.
    touched: usize,
    /// Numbers of a group's maps: what stays in a cache, or as many as the weights that all images walk through.
    group: usize,
}

/// Something that needs `len` numbers from one time to another.
struct Need {
    map: usize,
    len: usize,
    from: usize,
    to: usize,
}

impl Maps {
    /// Finds places. `outside` are uses by others, in the phase that is named.
    pub(super) fn place(drafts: &[Draft], phases: &[Phase], outside: &[(MapId, usize)]) -> Self {
        let mut uses: Vec<Vec<(usize, usize)>> = vec![Vec::new(); drafts.len()];
        for (number, phase) in phases.iter().enumerate() {
            for (place, instruction) in phase.instructions.iter().enumerate() {
                for map in instruction.reads.iter().chain(&instruction.write) {
                    uses[map.0].push((number, place));
                }
            }
        }
        let mut is_kept: Vec<bool> = uses
            .iter()
            .map(|uses| uses.first().map(|first| first.0) != uses.last().map(|last| last.0))
            .collect();
        for (map, phase) in outside {
            is_kept[map.0] = true;
            uses[map.0].push((*phase, 0));
        }
        for uses in &mut uses {
            uses.sort_unstable();
        }
        let mut places: Vec<Place> = (drafts.iter().zip(&is_kept))
            .map(|(draft, &is_kept)| Place { offset: 0, len: draft.len, is_kept })
            .collect();
        let need = |map: usize, time: fn(&(usize, usize)) -> usize| {
            let (first, last) = (uses[map].first()?, uses[map].last()?);
            Some(Need { map, len: drafts[map].len, from: time(first), to: time(last) })
        };
        let kept = (0..drafts.len()).filter(|&map| is_kept[map]);
        let kept = fit(kept.filter_map(|map| need(map, |(phase, _)| *phase)), &mut places);
        let scratches = (0..phases.len()).map(|phase| {
            let here = |&map: &usize| uses[map].iter().any(|(number, _)| *number == phase);
            let used = (0..drafts.len()).filter(here);
            let own = used.clone().filter(|&map| !is_kept[map]);
            let len = fit(own.filter_map(|map| need(map, |(_, place)| *place)), &mut places);
            let touched = used.map(|map| drafts[map].len).sum();
            Scratch { len, touched, group: GROUP.max(phases[phase].dense) }
        });
        let scratches = scratches.collect();
        Self { places, kept, scratches }
    }

    /// Images that go through a phase together, of a chunk of `images`.
    pub(super) fn group(&self, phase: usize, images: usize) -> usize {
        let Scratch { touched, group, .. } = self.scratches[phase];
        (group / touched.max(1)).clamp(1, images.max(1))
    }

    /// Numbers that a chunk of `images` needs.
    pub(super) fn len(&self, images: usize) -> usize {
        let scratch = |(phase, scratch): (usize, &Scratch)| scratch.len * self.group(phase, images);
        self.kept * images + self.scratches.iter().enumerate().map(scratch).max().unwrap_or(0)
    }

    /// Where the images `group` of a chunk of `images` lie in a phase.
    pub(super) fn range(
        &self,
        map: MapId,
        phase: usize,
        images: usize,
        group: &Range<usize>,
    ) -> Range<usize> {
        let Place { offset, len, is_kept } = self.places[map.0];
        let start = if is_kept {
            offset * images + group.start * len
        } else {
            self.kept * images + offset * self.group(phase, images)
        };
        start..start + group.len() * len
    }

    /// Numbers of a map of one image.
    pub(super) fn map_len(&self, map: MapId) -> usize {
        self.places[map.0].len
    }
}

/// Gives each need the lowest offset at which nothing else lies while it is needed, large ones first; returns the
/// numbers that all need together.
fn fit(needs: impl Iterator<Item = Need>, places: &mut [Place]) -> usize {
    let mut needs: Vec<Need> = needs.collect();
    needs.sort_by_key(|need| std::cmp::Reverse((need.len, std::cmp::Reverse(need.map))));
    let mut placed: Vec<(Range<usize>, usize, usize)> = Vec::new();
    let mut end = 0;
    for need in needs {
        let mut taken: Vec<&Range<usize>> = placed
            .iter()
            .filter(|(_, from, to)| *from <= need.to && need.from <= *to)
            .map(|(range, ..)| range)
            .collect();
        taken.sort_by_key(|range| range.start);
        let len = Memory::aligned(need.len);
        let mut offset = 0;
        for range in taken {
            if offset + len <= range.start {
                break;
            }
            offset = offset.max(range.end);
        }
        places[need.map].offset = offset;
        end = end.max(offset + len);
        placed.push((offset..offset + len, need.from, need.to));
    }
    end
}
