//! The client: one bucket, its connections and their runtime.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client as Sdk;
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Credentials, ProvideCredentials, Region, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use super::failure::failure;
use super::{Location, S3Error};

/// Tries of a request that fails for reasons that may pass.
pub(super) const TRIES: u32 = 6;

/// Mebibytes of parts on their way at once, over all uploads.
pub(super) const IN_FLIGHT_MIB: usize = 64;

/// Keys in one request to delete; the protocol's limit.
const DELETED_AT_ONCE: usize = 1000;

/// How long a connection may take to come about, at most.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Without one, there is no signing; servers other than AWS do not care which it is.
const DEFAULT_REGION: &str = "us-east-1";

/// A bucket. Clones nothing, blocks, and may be used by many threads at once.
#[derive(Debug)]
pub struct Client {
    pub(super) runtime: Runtime,
    pub(super) sdk: Sdk,
    pub(super) location: Location,
    /// Bounds the memory that parts on their way take.
    pub(super) in_flight: std::sync::Arc<Semaphore>,
}

/// An object, as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name below the location's prefix.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// When it was written.
    pub written_at: SystemTime,
    /// What changes when the content does; quoted, as the server gives it.
    pub etag: String,
}

/// An upload in parts that was begun and never ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultipartLeft {
    /// The name that it would have had.
    pub name: String,
    /// Its id.
    pub id: String,
    /// When it was begun.
    pub begun_at: SystemTime,
}

impl Client {
    /// Opens a bucket: finds credentials and region. Asks nothing of the bucket itself yet.
    pub fn open(location: Location) -> Result<Self, S3Error> {
        Self::connect(location, None)
    }

    /// Opens a bucket with keys that the caller has, instead of those of the environment.
    pub fn open_with_keys(location: Location, id: &str, secret: &str) -> Result<Self, S3Error> {
        Self::connect(location, Some(Credentials::new(id, secret, None, None, "keys")))
    }

    fn connect(location: Location, keys: Option<Credentials>) -> Result<Self, S3Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("s3")
            .enable_all()
            .build()
            .map_err(S3Error::Local)?;
        let sdk = runtime.block_on(connect(&location, keys))?;
        let in_flight = std::sync::Arc::new(Semaphore::new(IN_FLIGHT_MIB));
        Ok(Self { runtime, sdk, location, in_flight })
    }

    /// Where it is.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Hands every object whose name begins with `prefix` to `each`, in the order of names.
    pub fn list(&self, prefix: &str, each: &mut dyn FnMut(Listed)) -> Result<(), S3Error> {
        let mut pages = self
            .sdk
            .list_objects_v2()
            .bucket(&self.location.bucket)
            .prefix(self.location.key(prefix))
            .into_paginator()
            .send();
        self.runtime.block_on(async {
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| failure(&self.location, "list", &error))?;
                for object in page.contents() {
                    let name = object.key().and_then(|key| self.location.name(key));
                    let Some(name) = name else { continue };
                    each(Listed {
                        name: name.to_owned(),
                        size: object.size().and_then(|size| size.try_into().ok()).unwrap_or(0),
                        written_at: time(object.last_modified()),
                        etag: object.e_tag().unwrap_or_default().to_owned(),
                    });
                }
            }
            Ok(())
        })
    }

    /// Deletes objects; one that is already gone is as good.
    pub fn remove(&self, names: &[String]) -> Result<(), S3Error> {
        for names in names.chunks(DELETED_AT_ONCE) {
            self.runtime.block_on(self.remove_some(names))?;
        }
        Ok(())
    }

    async fn remove_some(&self, names: &[String]) -> Result<(), S3Error> {
        let id = |name: &String| ObjectIdentifier::builder().key(self.location.key(name)).build();
        let ids: Result<Vec<_>, _> = names.iter().map(id).collect();
        let delete =
            ids.and_then(|ids| Delete::builder().set_objects(Some(ids)).quiet(true).build());
        let delete = delete.expect("BUG: a deletion has keys");
        let request = self.sdk.delete_objects().bucket(&self.location.bucket).delete(delete);
        let answer = request.send().await;
        let answer = answer.map_err(|error| failure(&self.location, "delete", &error))?;
        match answer.errors().first() {
            None => Ok(()),
            Some(error) => Err(S3Error::Refused {
                place: self.location.to_string(),
                action: "delete",
                reason: error.code().unwrap_or("no reason given").to_owned(),
            }),
        }
    }

    /// Uploads in parts that nobody has ended, a thousand at most. They take room, and no listing of
    /// objects shows them.
    pub fn multiparts_left(&self) -> Result<Vec<MultipartLeft>, S3Error> {
        let request = self
            .sdk
            .list_multipart_uploads()
            .bucket(&self.location.bucket)
            .prefix(self.location.key(""));
        let answer = self.runtime.block_on(request.send());
        let answer = answer.map_err(|error| failure(&self.location, "list", &error))?;
        let left = answer.uploads().iter().filter_map(|upload| {
            let name = self.location.name(upload.key()?)?.to_owned();
            let begun_at = time(upload.initiated());
            Some(MultipartLeft { name, id: upload.upload_id()?.to_owned(), begun_at })
        });
        Ok(left.collect())
    }

    /// Gives the room of an unfinished upload back.
    pub fn end_multipart(&self, left: &MultipartLeft) -> Result<(), S3Error> {
        let request = self
            .sdk
            .abort_multipart_upload()
            .bucket(&self.location.bucket)
            .key(self.location.key(&left.name))
            .upload_id(&left.id);
        let ended = self.runtime.block_on(request.send());
        ended.map(drop).map_err(|error| failure(&self.location, "delete", &error))
    }
}

/// The SDK's client, after credentials were found: what is missing is said once and not by each request.
async fn connect(location: &Location, keys: Option<Credentials>) -> Result<Sdk, S3Error> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    if let Some(region) = &location.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &location.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(keys) = keys {
        loader = loader.credentials_provider(keys);
    }
    let shared = loader.load().await;
    find_credentials(location, &shared).await?;
    let mut config = Builder::from(&shared);
    if shared.region().is_none() {
        config = config.region(Region::new(DEFAULT_REGION));
    }
    // A server that is not AWS seldom has a name in the DNS for each bucket.
    let path_style = location.path_style.unwrap_or(shared.endpoint_url().is_some());
    let grace = StalledStreamProtectionConfig::enabled().grace_period(location.timeout);
    Ok(Sdk::from_conf(
        config
            .force_path_style(path_style)
            .timeout_config(timeouts(location.timeout))
            .retry_config(retries(location.timeout))
            .retry_partition(own_budget())
            .stalled_stream_protection(grace.build())
            // All content is verified by its own digest.
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build(),
    ))
}

async fn find_credentials(
    location: &Location,
    shared: &aws_config::SdkConfig,
) -> Result<(), S3Error> {
    let missing = || S3Error::Credentials {
        place: location.to_string(),
        reason: "none were found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY"
            .to_owned(),
    };
    let provider = shared.credentials_provider().ok_or_else(missing)?;
    provider.provide_credentials().await.map(drop).map_err(|_| missing())
}

fn timeouts(timeout: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT.min(timeout))
        .read_timeout(timeout)
        .build()
}

/// Waits between tries grow from a fortieth of the time-out to all of it, each by a random share.
fn retries(timeout: Duration) -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(TRIES)
        .with_initial_backoff(timeout / 40)
        .with_max_backoff(timeout)
}

/// Tries are counted for each request. The SDK's budget is one for all clients of a process: what one of
/// them spends on a bad network would leave the next, on a good one, without a second try.
fn own_budget() -> RetryPartition {
    RetryPartition::custom("phytotron").token_bucket(TokenBucket::unlimited()).build()
}

fn time(time: Option<&DateTime>) -> SystemTime {
    let secs = time.and_then(|time| u64::try_from(time.secs()).ok()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(secs)
}
