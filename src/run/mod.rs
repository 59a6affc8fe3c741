//! Runs: the executor, its processes, its journal and its history.
