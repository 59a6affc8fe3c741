//! Results that the remote has: fetched instead of computed, and instead of what is damaged here.

use std::fmt::Display;
use std::thread::Scope;
use std::time::Instant;

use super::{Report, Scheduler, Work};
use crate::event::Event;
use crate::plan::StageIndex;
use crate::record::StageRecord;
use crate::remote::RemoteError;
use crate::run::states::StageState;

impl<'r> Scheduler<'r, '_> {
    /// The remote has the result that `record` tells of.
    pub(super) fn queue_fetching(&mut self, stage: StageIndex, record: StageRecord) {
        self.has_news = true;
        let facts = &mut self.facts[stage.0];
        facts.record = Some(record);
        facts.work = Work::Fetch;
        self.states.set(stage, StageState::Queued);
    }

    pub(super) fn start_fetching<'scope>(
        &mut self,
        stage: StageIndex,
        scope: &'scope Scope<'scope, 'r>,
    ) where
        'r: 'scope,
    {
        let facts = &mut self.facts[stage.0];
        facts.asked_remote = true;
        let record = facts.record.as_ref().expect("BUG: what is fetched has a record");
        let fingerprint = record.fingerprint;
        self.running += 1;
        self.states.set(stage, StageState::Running);
        let (site, sender) = (self.site, self.sender.clone());
        let sharing = site.sharing.expect("BUG: a record came from a remote that is not there");
        scope.spawn(move || {
            let started = Instant::now();
            let result = sharing.fetch(fingerprint, site.events);
            let secs = started.elapsed().as_secs_f64();
            // The receiver lives as long as the scope.
            _ = sender.send(Report::Fetched { stage, result, secs });
        });
    }

    pub(super) fn fetched(
        &mut self,
        stage: StageIndex,
        result: Result<Option<String>, RemoteError>,
        secs: f64,
    ) {
        let facts = &mut self.facts[stage.0];
        facts.secs += secs;
        match result {
            Ok(None) => {
                let record = facts.record.clone().expect("BUG: what was fetched has a record");
                self.know(stage, record, false);
            }
            Ok(Some(reason)) => self.redo(stage, &reason),
            Err(error) => self.fail_for_storage(stage, &error),
        }
    }

    /// Whether a result that proved damaged is looked for at the remote, before it is computed again.
    pub(super) fn asks_remote_instead(&mut self, stage: StageIndex, damage: &dyn Display) -> bool {
        if self.site.sharing.is_none() || self.facts[stage.0].asked_remote {
            return false;
        }
        let text = format!("{damage}; looking for it at the remote");
        let id = Some(self.study.get(stage).id.clone());
        self.site.events.emit(Event::Warning { stage: id, text });
        self.facts[stage.0].work = Work::Fetch;
        self.states.set(stage, StageState::Queued);
        self.has_news = true;
        true
    }
}
