//! Search spaces: the sets of architectures that a study may visit, as decision processes.
