//! Spaces opened again from the cards, to read genotypes: a card of another version may name none that is
//! known here.

use crate::results::TrialsCard;
use crate::space::{Space, SpaceConfig};

/// The space that the trials are of.
pub(super) fn open(card: &TrialsCard) -> Option<Box<dyn Space>> {
    let config: SpaceConfig = serde_json::from_value(card.space.clone()).ok()?;
    config.open(card.image, card.classes).ok()
}
