//! Sharing: a run's dealings with the remote behind its store.
//!
//! Nothing here touches a network before a stage needs it.

use std::sync::atomic::{AtomicBool, Ordering};

use super::error::with_causes;
use crate::event::{Emit, Event};
use crate::manifest::Fingerprint;
use crate::plan::World;
use crate::remote::{RemoteError, Tier, Transferred};
use crate::stage::SharedTrialsAt;
use crate::store::Store;

/// A store, and the remote behind it when there is one.
#[derive(Clone, Copy)]
pub struct Stores<'a> {
    /// The store.
    pub(super) store: &'a Store,
    /// The same store with a remote behind it.
    pub(super) tier: Option<&'a Tier<'a>>,
}

impl<'a> Stores<'a> {
    /// What planning asks.
    pub(super) fn world(self) -> &'a dyn World {
        self.tier.map_or(self.store as &dyn World, |tier| tier as &dyn World)
    }
}

impl<'a> From<&'a Store> for Stores<'a> {
    fn from(store: &'a Store) -> Self {
        Self { store, tier: None }
    }
}

impl<'a> From<&'a Tier<'a>> for Stores<'a> {
    fn from(tier: &'a Tier<'a>) -> Self {
        Self { store: tier.store(), tier: Some(tier) }
    }
}

/// The remote of one run.
pub(super) struct Sharing<'a> {
    tier: &'a Tier<'a>,
    /// Sending failed: what follows is sent once, at the end.
    is_broken: AtomicBool,
}

impl<'a> Sharing<'a> {
    pub(super) fn new(tier: &'a Tier<'a>) -> Self {
        Self { tier, is_broken: AtomicBool::new(false) }
    }

    /// Where workers share trained children.
    pub(super) fn trials(&self) -> Option<SharedTrialsAt> {
        let remote = self.tier.settings()?.clone();
        Some(SharedTrialsAt { remote, push: self.tier.pushes() })
    }

    /// Brings a result into the store; the reason when the remote does not have it whole.
    pub(super) fn fetch(
        &self,
        fingerprint: Fingerprint,
        events: &dyn Emit,
    ) -> Result<Option<String>, RemoteError> {
        let fetched = self.tier.fetch(&[fingerprint], events)?;
        Ok(fetched.left.into_iter().next().map(|left| left.reason))
    }

    /// Sends a result as soon as it is there. What fails is not said: it is tried again at the run's end.
    pub(super) fn send(&self, fingerprint: Fingerprint, events: &dyn Emit) {
        if !self.tier.pushes() || self.is_broken.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.tier.send(&[fingerprint], events) {
            tracing::warn!(%error, "a result was not sent");
            self.is_broken.store(true, Ordering::Relaxed);
        }
    }

    /// Sends what the remote still lacks of `results`; says what kept it from having all.
    pub(super) fn send_all(&self, results: &[Fingerprint], events: &dyn Emit) -> Option<String> {
        if !self.tier.pushes() {
            return None;
        }
        match self.tier.send(results, events) {
            Err(error) => Some(format!("not everything was pushed: {}", with_causes(&error))),
            Ok(sent) => {
                self.warn_of_conflicts(&sent, events);
                let left = sent.left.first()?;
                Some(format!("not everything was pushed: {}", left.reason))
            }
        }
    }

    fn warn_of_conflicts(&self, sent: &Transferred, events: &dyn Emit) {
        for conflict in &sent.conflicts {
            let text = format!(
                "nondeterministic: `{}` has another `{}` for {}, which stays there",
                self.tier.name(),
                conflict.output,
                conflict.fingerprint.short()
            );
            events.emit(Event::Warning { stage: None, text });
        }
    }
}
