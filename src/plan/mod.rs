//! Plans: which stages are cached, restored or run, and why.
//!
//! Binds the stages of a pipeline, joins them to a graph, checks what only the whole shows (ports,
//! cycles), and turns stages into manifests as their inputs become known. Starts nothing, writes nothing
//! but the snapshot and the lock file.

mod absent;
mod checks;
mod compare;
mod contents;
mod drift;
mod error;
mod explain;
mod findings;
mod folder;
mod graph;
mod history;
mod known;
mod load;
mod lock;
mod origin;
mod planner;
mod port;
mod reads;
mod reason;
mod ring;
mod selection;
mod snapshot;
mod stamp;
mod state;
mod study;
mod table;
mod wire;
mod world;

pub use absent::absent;
pub use compare::{ComparedStage, SpecDiff, Standing};
pub use drift::drift;
pub use error::PlanError;
pub use explain::{ExplainedLine, Explanation, Since};
pub use folder::{of_stage as stage_folder, safe as safe_name};
pub use graph::{Drawing, Face, Graph, Node, draw};
pub use history::{LastRun, LastStage};
pub use known::KnownResults;
pub use load::{join, load};
pub use lock::{LockDifference, LockFile, LockedStage, lock_path};
pub use planner::{Planner, Resolved};
pub use reads::Reads;
pub use selection::{Selected, Selection};
pub use snapshot::{Finished, NoOp, Request};
pub use study::{Feed, StageIndex, Study, StudyStage};
pub use table::{Fate, Plan, PlannedStage};
pub use world::World;
