//! Uploads: small objects whole, large ones in parts, with a bound on the memory that they take.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::config::Config;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;

use super::client::{Client, IN_FLIGHT_MIB, MultipartLeft};
use super::failure::failure;
use super::{Location, S3Error};

const MIB: u64 = 1 << 20;

/// What is larger goes in parts, of this size at least: a broken connection costs one of them.
const PART_BYTES: u64 = 8 * MIB;

/// Parts that an object has at most before they grow to [`LARGE_PART_BYTES`]: each costs a round trip.
const PARTS_FEW: u64 = 32;

/// Parts grow to this size, and beyond it only where there would be too many.
const LARGE_PART_BYTES: u64 = 16 * MIB;

/// Parts of one object; the protocol's limit.
const PARTS_MAX: u64 = 10_000;

/// An upload may take as much longer than the time-out as its bytes need at this pace, in bytes a second.
const SLOWEST: u64 = 32 << 10;

/// What is uploaded.
#[derive(Debug, Clone, Copy)]
pub struct Upload<'a> {
    /// Its name below the location's prefix.
    pub name: &'a str,
    /// Its bytes.
    pub size: u64,
    /// What a browser is told that it is.
    pub content_type: Option<&'a str>,
    /// Leave an object alone that has the name already; where the server knows how to.
    pub only_new: bool,
}

/// What became of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It is there now.
    Written,
    /// Another has the name, and stays.
    Taken,
}

impl Client {
    /// Uploads what `source` gives, which must be `upload.size` bytes. Nothing is there under the name
    /// before all of it has come; an error of `source`, be it at its very end, leaves nothing behind.
    ///
    /// # Errors
    /// `S3Error::Local` with the source's error.
    pub fn upload(&self, upload: &Upload<'_>, source: &mut dyn Read) -> Result<Stored, S3Error> {
        if upload.size <= PART_BYTES {
            return self.runtime.block_on(async {
                let _permit = self.permit(upload.size).await;
                let bytes = read_part(source, upload.size).and_then(|bytes| {
                    is_at_end(source)?;
                    Ok(bytes)
                });
                self.put(upload, bytes.map_err(S3Error::Local)?).await
            });
        }
        self.runtime.block_on(self.put_in_parts(upload, source))
    }

    /// Room in memory for `bytes` on their way, until it is dropped.
    async fn permit(&self, bytes: u64) -> OwnedSemaphorePermit {
        let mebibytes = usize::try_from(bytes.div_ceil(MIB)).unwrap_or(IN_FLIGHT_MIB);
        let permits = u32::try_from(mebibytes.clamp(1, IN_FLIGHT_MIB));
        let permits = permits.expect("BUG: the bound on memory is a small number");
        let permit = Arc::clone(&self.in_flight).acquire_many_owned(permits).await;
        permit.expect("BUG: nobody closes the semaphore")
    }

    async fn put(&self, upload: &Upload<'_>, bytes: Vec<u8>) -> Result<Stored, S3Error> {
        // Clones share their bytes.
        let bytes = SdkBody::from(bytes);
        match self.try_put(upload, &bytes, upload.only_new).await {
            Err(error) if upload.only_new && is_unknown_condition(&error) => {
                let put = self.try_put(upload, &bytes, false).await;
                put.map_err(|error| failure(&self.location, "write", &error))
            }
            other => other.map_err(|error| failure(&self.location, "write", &error)),
        }
    }

    async fn try_put(
        &self,
        upload: &Upload<'_>,
        bytes: &SdkBody,
        only_new: bool,
    ) -> Result<Stored, SdkError<PutObjectError>> {
        let patience = patience(&self.location, upload.size);
        let body = bytes.try_clone().expect("BUG: what lies in memory can be sent twice");
        let request = self
            .sdk
            .put_object()
            .bucket(&self.location.bucket)
            .key(self.location.key(upload.name))
            .set_content_type(upload.content_type.map(str::to_owned))
            .set_if_none_match(only_new.then(|| "*".to_owned()))
            .body(ByteStream::from(body));
        match request.customize().config_override(patience).send().await {
            Ok(_) => Ok(Stored::Written),
            Err(error) if only_new && is_taken(&error) => Ok(Stored::Taken),
            Err(error) => Err(error),
        }
    }

    async fn put_in_parts(
        &self,
        upload: &Upload<'_>,
        source: &mut dyn Read,
    ) -> Result<Stored, S3Error> {
        let begun = self
            .sdk
            .create_multipart_upload()
            .bucket(&self.location.bucket)
            .key(self.location.key(upload.name))
            .set_content_type(upload.content_type.map(str::to_owned))
            .send()
            .await
            .map_err(|error| failure(&self.location, "write", &error))?;
        let id = begun.upload_id().unwrap_or_default().to_owned();
        let sent = match self.send_parts(upload, &id, source).await {
            Ok(parts) => self.complete(upload, &id, parts).await,
            Err(error) => Err(error),
        };
        if !matches!(sent, Ok(Stored::Written)) {
            self.give_up(upload, id).await;
        }
        sent
    }

    /// Sends all parts, several at once. Reading is done here, so memory is bounded by what is in flight.
    async fn send_parts(
        &self,
        upload: &Upload<'_>,
        id: &str,
        source: &mut dyn Read,
    ) -> Result<Vec<CompletedPart>, S3Error> {
        let part_bytes = part_bytes(upload.size);
        let mut sending = JoinSet::new();
        let mut parts = Vec::new();
        let mut rest = upload.size;
        let mut number = 0;
        while rest > 0 {
            let permit = self.permit(part_bytes).await;
            let size = rest.min(part_bytes);
            let bytes = read_part(source, size).map_err(S3Error::Local)?;
            rest -= size;
            number += 1;
            let part = self.part(upload, id, number, bytes);
            sending.spawn(async move {
                let sent = part.await;
                drop(permit);
                sent
            });
            while let Some(sent) = sending.try_join_next() {
                parts.push(sent.expect("BUG: sending a part does not panic")?);
            }
        }
        is_at_end(source).map_err(S3Error::Local)?;
        while let Some(sent) = sending.join_next().await {
            parts.push(sent.expect("BUG: sending a part does not panic")?);
        }
        parts.sort_by_key(CompletedPart::part_number);
        Ok(parts)
    }

    fn part(
        &self,
        upload: &Upload<'_>,
        id: &str,
        number: i32,
        bytes: Vec<u8>,
    ) -> impl Future<Output = Result<CompletedPart, S3Error>> + use<> {
        let patience = patience(&self.location, bytes.len() as u64);
        let request = self
            .sdk
            .upload_part()
            .bucket(&self.location.bucket)
            .key(self.location.key(upload.name))
            .upload_id(id)
            .part_number(number)
            .body(ByteStream::from(bytes));
        let location = self.location.clone();
        async move {
            // A part has a checksum on its way and all of it a digest: another SHA-256 of every byte, for the
            // signature, would only take time.
            let request = request.customize().disable_payload_signing();
            let sent = request.config_override(patience).send().await;
            let sent = sent.map_err(|error| failure(&location, "write", &error))?;
            Ok(CompletedPart::builder()
                .part_number(number)
                .set_e_tag(sent.e_tag().map(str::to_owned))
                .set_checksum_crc32(sent.checksum_crc32().map(str::to_owned))
                .build())
        }
    }

    async fn complete(
        &self,
        upload: &Upload<'_>,
        id: &str,
        parts: Vec<CompletedPart>,
    ) -> Result<Stored, S3Error> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = self
            .sdk
            .complete_multipart_upload()
            .bucket(&self.location.bucket)
            .key(self.location.key(upload.name))
            .upload_id(id)
            .multipart_upload(parts);
        let condition = upload.only_new.then(|| "*".to_owned());
        match request.clone().set_if_none_match(condition).send().await {
            Ok(_) => Ok(Stored::Written),
            Err(error) if upload.only_new && is_taken(&error) => Ok(Stored::Taken),
            Err(error) if upload.only_new && is_unknown_condition(&error) => {
                let sent = request.send().await.map(|_| Stored::Written);
                sent.map_err(|error| failure(&self.location, "write", &error))
            }
            // It was done and the answer was lost: trying again finds the parts gone.
            Err(error) if is_done_already(&error) && self.is_there(upload).await => {
                Ok(Stored::Written)
            }
            Err(error) => Err(failure(&self.location, "write", &error)),
        }
    }

    /// Whether the object is there in the size of the upload.
    async fn is_there(&self, upload: &Upload<'_>) -> bool {
        let request = self
            .sdk
            .head_object()
            .bucket(&self.location.bucket)
            .key(self.location.key(upload.name));
        let size = request.send().await.ok().and_then(|head| head.content_length());
        size.and_then(|size| u64::try_from(size).ok()) == Some(upload.size)
    }

    /// Parts that were sent take room until somebody says that nothing comes of them.
    async fn give_up(&self, upload: &Upload<'_>, id: String) {
        let left = MultipartLeft {
            name: upload.name.to_owned(),
            id,
            begun_at: std::time::SystemTime::UNIX_EPOCH,
        };
        let request = self
            .sdk
            .abort_multipart_upload()
            .bucket(&self.location.bucket)
            .key(self.location.key(&left.name))
            .upload_id(&left.id);
        if let Err(error) = request.send().await {
            // `gc` of the remote finds it later.
            let error = failure(&self.location, "delete", &error);
            tracing::warn!(name = left.name, %error, "an unfinished upload is left behind");
        }
    }
}

/// Reads exactly `size` bytes.
fn read_part(source: &mut dyn Read, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Asks the source for more, which must be nothing; a source that verifies itself says so now.
fn is_at_end(source: &mut dyn Read) -> io::Result<()> {
    match source.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(io::Error::other("it is longer than it was")),
    }
}

/// The size of all parts but the last.
fn part_bytes(size: u64) -> u64 {
    let few = size.div_ceil(PARTS_FEW).clamp(PART_BYTES, LARGE_PART_BYTES);
    size.div_ceil(PARTS_MAX).max(few).next_multiple_of(MIB)
}

/// Waits for an answer as long as the bytes before it may take, too. That nothing moves is noticed by the
/// SDK's protection against stalled streams meanwhile.
fn patience(location: &Location, bytes: u64) -> aws_sdk_s3::config::Builder {
    let time = location.timeout + Duration::from_secs(bytes / SLOWEST);
    Config::builder().timeout_config(TimeoutConfig::builder().read_timeout(time).build())
}

/// Whether an object has the name already, or is getting it at this moment.
fn is_taken<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    matches!(status(error), Some(409 | 412))
}

/// Whether the server does not know `If-None-Match` on uploads.
fn is_unknown_condition<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    status(error) == Some(501)
}

/// Whether an upload in parts that is to be completed is not there, or not there any more.
fn is_done_already<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    error.code() == Some("NoSuchUpload")
}

fn status<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_few_enough_and_no_smaller_than_they_must_be() {
        assert_eq!(part_bytes(PART_BYTES + 1), PART_BYTES);
        assert_eq!(part_bytes(PART_BYTES * PARTS_FEW), PART_BYTES);
        assert_eq!(part_bytes(80_000 * MIB), LARGE_PART_BYTES);
        for size in [1 << 30, 1 << 40, (1 << 40) + 1, 5 << 40] {
            let part = part_bytes(size);
            assert!(size.div_ceil(part) <= PARTS_MAX && part.is_multiple_of(MIB), "{size}");
        }
    }

    #[test]
    fn a_source_must_be_as_long_as_it_said() {
        let mut source: &[u8] = b"abc";
        assert_eq!(read_part(&mut source, 2).unwrap(), b"ab");
        assert!(is_at_end(&mut { source }).is_err());
        assert!(read_part(&mut { source }, 2).is_err());
        assert_eq!(read_part(&mut source, 1).unwrap(), b"c");
        assert!(is_at_end(&mut source).is_ok());
    }
}
