//! Remotes: where results are shared, by name, as `phytotron.yaml` lists them.
//!
//! Names places and patience, never a secret: credentials come from the environment of whoever runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::settings::TimeLimit;

/// A place behind the local store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "kind")]
pub enum RemoteSettings {
    /// A folder that several people reach.
    Dir(DirRemoteSettings),
    /// A bucket of S3, or of a server that speaks its protocol.
    S3(S3RemoteSettings),
}

/// A shared folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DirRemoteSettings {
    /// The folder, absolute or relative to the project; made when it is missing.
    pub path: String,
    /// Whether `run --remote` also sends what it has computed.
    #[serde(default)]
    pub push: bool,
}

/// A bucket. Credentials are found as every AWS tool finds them: environment, profile, role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct S3RemoteSettings {
    /// The bucket's name.
    pub bucket: String,
    /// What all keys begin with, without the last slash.
    #[serde(default)]
    pub prefix: String,
    /// The bucket's region; that of the environment or profile when missing.
    #[serde(default)]
    pub region: Option<String>,
    /// Address of a server other than AWS: `https://minio.example.org:9000`.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the path instead of the host's name; yes where `endpoint` is given.
    #[serde(default)]
    pub path_style: Option<bool>,
    /// How long the server may say nothing before a request is tried again; 20s when missing.
    #[serde(default)]
    pub timeout: Option<TimeLimit>,
    /// Whether `run --remote` also sends what it has computed.
    #[serde(default)]
    pub push: bool,
}

impl RemoteSettings {
    /// Whether `run --remote` also sends what it has computed.
    #[must_use]
    pub fn pushes(&self) -> bool {
        match self {
            Self::Dir(dir) => dir.push,
            Self::S3(s3) => s3.push,
        }
    }
}
