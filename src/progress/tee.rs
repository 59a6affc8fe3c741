//! Tee: one stream of events for several observers, the journal and a person.

use std::sync::Arc;

use crate::event::{Emit, Event};

/// Gives each event to all of its observers, in order.
#[derive(Clone, Default)]
pub struct Tee(Vec<Arc<dyn Emit>>);

impl Tee {
    /// An observer for each of `observers`.
    #[must_use]
    pub fn new(observers: Vec<Arc<dyn Emit>>) -> Self {
        Self(observers)
    }
}

impl Emit for Tee {
    fn emit(&self, event: Event) {
        let Some((last, others)) = self.0.split_last() else { return };
        for other in others {
            other.emit(event.clone());
        }
        last.emit(event);
    }
}
