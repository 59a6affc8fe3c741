//! What must hold of every search, whatever the strategy.
