//! Downloads: an object's content in a stream that goes on where a connection broke.

use std::io;
use std::time::Duration;

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use tokio::time::timeout;

use super::S3Error;
use super::client::{Client, TRIES};
use super::failure::{failure, stalled, unreachable};

/// What is downloaded.
#[derive(Debug, Clone, Copy)]
pub struct Download<'a> {
    /// Its name below the location's prefix.
    pub name: &'a str,
    /// The first byte that is wanted, which must be one that there is.
    pub from: u64,
    /// The version that it must be, as a listing told it; any when none.
    pub etag: Option<&'a str>,
}

/// A download that got so far since it last broke has all its tries again.
const PROGRESS_BYTES: u64 = 1 << 20;

/// How far a download is.
struct Progress {
    /// Bytes that were handed on, or not wanted.
    done: u64,
    /// Bytes there are, once the server has said so.
    total: Option<u64>,
    /// What the object must be, or was when it was first asked for.
    etag: Option<String>,
    /// Breaks since it last got anywhere.
    breaks: u32,
    /// Where it was at the last of them.
    broke_at: u64,
}

impl Client {
    /// The content of a small object; none when there is no such object.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, S3Error> {
        let mut bytes = Vec::new();
        let found = self.stream(&Download { name, from: 0, etag: None }, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(found.map(|_| bytes))
    }

    /// Hands the content to `sink`, piece by piece and each byte once, and returns the object's size; none when
    /// there is no such object. A connection that breaks is made again, for the rest.
    ///
    /// # Errors
    /// `S3Error::Local` with the sink's error.
    pub fn stream(
        &self,
        download: &Download<'_>,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Option<u64>, S3Error> {
        self.runtime.block_on(async {
            let mut progress = Progress::of(download);
            loop {
                let answer = match self.ask(download.name, &progress).await {
                    Ok(answer) => answer,
                    Err(error) if is_missing(&error) => return Ok(None),
                    Err(error) => return Err(failure(&self.location, "read", &error)),
                };
                let unwanted = progress.note(&answer);
                match self.pass_on(answer.body, unwanted, &mut progress, sink).await {
                    Ok(()) => return Ok(Some(progress.done)),
                    Err(error @ S3Error::Local(_)) => return Err(error),
                    Err(error) => self.pause(&mut progress, error).await?,
                }
            }
        })
    }

    /// Asks for the object, or for the rest of the very one that was begun.
    async fn ask(
        &self,
        name: &str,
        progress: &Progress,
    ) -> Result<GetObjectOutput, SdkError<GetObjectError>> {
        let range = (progress.done > 0).then(|| format!("bytes={}-", progress.done));
        self.sdk
            .get_object()
            .bucket(&self.location.bucket)
            .key(self.location.key(name))
            .set_range(range)
            .set_if_match(progress.etag.clone())
            .send()
            .await
    }

    async fn pass_on(
        &self,
        mut body: ByteStream,
        mut unwanted: u64,
        progress: &mut Progress,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), S3Error> {
        while !progress.is_whole() {
            let piece = timeout(self.location.timeout, body.next()).await;
            match piece.map_err(|_| stalled(&self.location))? {
                Some(Ok(piece)) => {
                    let skipped = piece.len().min(usize::try_from(unwanted).unwrap_or(usize::MAX));
                    unwanted -= skipped as u64;
                    let wanted = &piece[skipped..];
                    sink(wanted).map_err(S3Error::Local)?;
                    progress.done += wanted.len() as u64;
                }
                Some(Err(error)) => return Err(unreachable(&self.location, &error)),
                None if progress.total.is_none() => return Ok(()),
                None => {
                    let place = self.location.to_string();
                    let reason = "an answer ended too early".to_owned();
                    return Err(S3Error::Unreachable { place, reason });
                }
            }
        }
        Ok(())
    }

    /// Waits before the next try; gives up with `error` after too many.
    async fn pause(&self, progress: &mut Progress, error: S3Error) -> Result<(), S3Error> {
        if progress.done >= progress.broke_at + PROGRESS_BYTES {
            progress.breaks = 0;
        }
        progress.broke_at = progress.done;
        progress.breaks += 1;
        if progress.breaks >= TRIES {
            return Err(error);
        }
        let wait: Duration = self.location.timeout / 40 * (1 << progress.breaks);
        tokio::time::sleep(wait.min(self.location.timeout)).await;
        Ok(())
    }
}

impl Progress {
    fn of(download: &Download<'_>) -> Self {
        Self {
            done: download.from,
            total: None,
            etag: download.etag.map(str::to_owned),
            breaks: 0,
            broke_at: download.from,
        }
    }

    /// Takes over what the first answer says of the whole object. Returns how many bytes at the answer's
    /// beginning are not wanted: a server that knows no ranges sends everything.
    fn note(&mut self, answer: &GetObjectOutput) -> u64 {
        let unwanted = if answer.content_range().is_some() { 0 } else { self.done };
        if self.total.is_none() {
            let length = answer.content_length().and_then(|length| u64::try_from(length).ok());
            self.total = length.map(|length| self.done - unwanted + length);
            self.etag = answer.e_tag().map(str::to_owned);
        }
        unwanted
    }

    fn is_whole(&self) -> bool {
        self.total.is_some_and(|total| self.done >= total)
    }
}

fn is_missing(error: &SdkError<GetObjectError>) -> bool {
    error.as_service_error().is_some_and(GetObjectError::is_no_such_key)
}
