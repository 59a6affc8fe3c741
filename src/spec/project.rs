//! The project: its root and `phytotron.yaml`.
//!
//! Knows where the store lies, not what a store is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::files::Files;
use super::remote::RemoteSettings;
use super::settings::Amount;
use super::{Value, bind};
use crate::diagnostic::{Diagnostics, in_file_order};

/// The file that marks a project's root and holds its settings.
pub const PROJECT_FILE: &str = "phytotron.yaml";
/// The folder that marks a project's root when there is no file, and holds the store.
pub const STORE_FOLDER: &str = ".phytotron";

/// Runs whose results are kept by default.
const KEEP_RUNS: u32 = 20;

/// A project: where it is and how its runs are set up.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// The folder that every path in its files is relative to.
    pub root: PathBuf,
    /// The store's folder.
    pub store: PathBuf,
    /// Capacities of pools, in tokens; `memory` in bytes.
    pub pools: BTreeMap<String, u64>,
    /// How writes reach the disk.
    pub durability: Durability,
    /// Whether the store is written for a whole group of users.
    pub group_writable: bool,
    /// How many runs that computed something keep their results from `gc`.
    pub keep_runs: u32,
    /// The program that runs stages with `device: cuda`, when it does not lie beside this one.
    pub cuda_program: Option<PathBuf>,
    /// Places where results are shared, by name.
    pub remotes: BTreeMap<String, RemoteSettings>,
    /// Where every run puts its outputs for people: `s3://bucket/prefix`.
    pub export_to: Option<String>,
}

/// How writes reach the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// One sync at a run's end; what a power cut loses is computed again.
    #[default]
    Fast,
    /// Every object is synced before it counts.
    Strict,
}

/// The keys of `phytotron.yaml`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ProjectKeys {
    /// The store's folder, relative to this file; `.phytotron` when missing.
    store: Option<String>,
    /// Capacities of pools: `gpu: 1`, `memory: 24 GiB`.
    pools: BTreeMap<String, Amount>,
    /// `fast` (one sync at a run's end) or `strict` (every object).
    durability: Durability,
    /// Whether everything in the store is written for the group, for several users of one machine.
    group_writable: bool,
    /// How many runs that computed something keep their results from `gc`; 20 when missing.
    keep_runs: Option<u32>,
    /// The phytotron that was built with CUDA, relative to this file: it runs stages with `device: cuda`. When
    /// missing, `phytotron-cuda` beside the program that is running.
    cuda_program: Option<String>,
    /// Places where results are shared, by name: `lab: {kind: s3, bucket: nas-lab}`.
    remote: BTreeMap<String, RemoteSettings>,
    /// Where every run puts its outputs for people to open: `s3://bucket/prefix`.
    #[schemars(pattern(r"^s3://[^/]+"))]
    export_to: Option<String>,
}

impl Project {
    /// The project that `start`, a pipeline file or a folder, belongs to.
    ///
    /// Its root is the nearest folder upwards with `phytotron.yaml` or `.phytotron`; without one it is the
    /// current folder when `start` lies below it, and else the folder of `start`.
    ///
    /// # Errors
    /// The mistakes in `phytotron.yaml`.
    pub fn find(start: &Path) -> Result<Self, Diagnostics> {
        let start = std::path::absolute(start).unwrap_or_else(|_| start.to_owned());
        let start = start.canonicalize().unwrap_or(start);
        let folder =
            if start.is_dir() { start.as_path() } else { start.parent().unwrap_or(&start) };
        let marked = folder.ancestors().find(|folder| {
            folder.join(PROJECT_FILE).is_file() || folder.join(STORE_FOLDER).is_dir()
        });
        let current = std::env::current_dir().and_then(|folder| folder.canonicalize()).ok();
        let current = current.as_deref().filter(|current| folder.starts_with(current));
        Self::open(marked.or(current).unwrap_or(folder))
    }

    /// The project with the root `root`, with the settings of its `phytotron.yaml` if it has one.
    ///
    /// # Errors
    /// The mistakes in `phytotron.yaml`.
    pub fn open(root: &Path) -> Result<Self, Diagnostics> {
        let file = root.join(PROJECT_FILE);
        let mut files = Files::new(root);
        let tree = if file.exists() { files.open(&file) } else { None };
        let keys = match tree.as_deref() {
            Some(node) if node.value != Value::Null => bind::<ProjectKeys>(node),
            _ => Ok(ProjectKeys::default()),
        };
        let mut mistakes = files.mistakes;
        match keys {
            Ok(keys) if mistakes.is_empty() => Ok(Self::new(root, keys)),
            keys => {
                mistakes.extend(keys.err().unwrap_or_default());
                Err(Diagnostics { list: in_file_order(mistakes), sources: files.sources })
            }
        }
    }

    fn new(root: &Path, keys: ProjectKeys) -> Self {
        Self {
            root: root.to_owned(),
            store: root.join(keys.store.as_deref().unwrap_or(STORE_FOLDER)),
            pools: keys.pools.into_iter().map(|(pool, amount)| (pool, amount.0)).collect(),
            durability: keys.durability,
            group_writable: keys.group_writable,
            keep_runs: keys.keep_runs.unwrap_or(KEEP_RUNS),
            cuda_program: keys.cuda_program.map(|path| root.join(path)),
            remotes: keys.remote,
            export_to: keys.export_to,
        }
    }
}
