//! The run: executes what has no result, and keeps a history of it.
//!
//! A scheduler decides in one thread, jobs run in processes of their own, and everything that is said on
//! the way goes to the journal and to whoever listens. A job is one library function from a resolved stage
//! to its record. Knows nothing of YAML, of how manifests come about and of terminals.

mod attempt;
mod board;
mod calibrate;
mod calibration;
mod collect;
mod compare;
mod distance;
mod error;
mod execute;
mod follow;
mod gpus;
mod hardware;
mod history;
mod interrupt;
mod job;
mod journal;
mod memory;
mod pins;
mod pipeline;
mod pools;
mod process;
mod publish;
mod scheduler;
mod sharing;
mod staging;
mod start;
mod states;
mod sys;
mod tables;
mod thrift;
mod verify;
mod worker;

pub use board::{Advance, Board, Doing, Score, Standing, Training};
pub use calibrate::calibrate;
pub use calibration::{CalibratedStage, Calibration, Cost};
pub use compare::{Changed, RepeatedDiff, RunDiff, StageDiff, compare};
pub use error::{JobError, RunError};
pub use execute::{RunOptions, RunReport, cuda_program, execute};
pub use follow::Follower;
pub use gpus::gpus;
pub use hardware::hardware;
pub use history::{History, PastRun, PastRunDetails, RunStatus};
pub use interrupt::{Interrupt, Listening, Urgency};
pub use journal::{
    IndexLine, JOURNAL_FORMAT, JournalLine, RunEnd, RunFile, StageEnd, note_no_op, now, run_id,
    time_text,
};
pub use pipeline::{LockUse, PipelineReport, pipeline};
pub use pools::{Pools, Shortage, Tokens, machine};
pub use scheduler::{Finding, Resolve};
pub use sharing::Stores;
pub use states::{StageState, States};
pub use tables::{details_text, diff_text, log_table, text_table};
pub use verify::{Sample, Verdict, Verification, VerifiedStage, Verify, verify};
pub use worker::{WorkerEnd, worker};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod worker_tests;
