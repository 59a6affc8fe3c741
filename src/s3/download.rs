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

/// A download that got so far since it last broke has all its tries again.
const PROGRESS_BYTES: u64 = 1 << 20;

/// How far a download is.
#[derive(Default)]
struct Progress {
    /// Bytes that were handed on.
    done: u64,
    /// Bytes there are, once the server has said so.
    total: Option<u64>,
    /// What the object was when it was first asked for.
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
        let found = self.stream(name, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(found.map(|_| bytes))
    }

    /// Hands the content to `sink`, piece by piece and each byte once, and returns its size; none when there
    /// is no such object. A connection that breaks is made again, for the rest.
    ///
    /// # Errors
    /// `S3Error::Local` with the sink's error.
    pub fn stream(
        &self,
        name: &str,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Option<u64>, S3Error> {
        self.runtime.block_on(async {
            let mut progress = Progress::default();
            loop {
                let answer = match self.ask(name, &progress).await {
                    Ok(answer) => answer,
                    Err(error) if is_missing(&error) => return Ok(None),
                    Err(error) => return Err(failure(&self.location, "read", &error)),
                };
                progress.note(&answer);
                match self.pass_on(answer.body, &mut progress, sink).await {
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
        let request =
            self.sdk.get_object().bucket(&self.location.bucket).key(self.location.key(name));
        if progress.done == 0 {
            return request.send().await;
        }
        let range = format!("bytes={}-", progress.done);
        request.range(range).set_if_match(progress.etag.clone()).send().await
    }

    async fn pass_on(
        &self,
        mut body: ByteStream,
        progress: &mut Progress,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), S3Error> {
        while !progress.is_whole() {
            let piece = timeout(self.location.timeout, body.next()).await;
            match piece.map_err(|_| stalled(&self.location))? {
                Some(Ok(piece)) => {
                    sink(&piece).map_err(S3Error::Local)?;
                    progress.done += piece.len() as u64;
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
    /// Takes over what the first answer says of the whole object.
    fn note(&mut self, answer: &GetObjectOutput) {
        if self.done == 0 {
            self.total = answer.content_length().and_then(|length| length.try_into().ok());
            self.etag = answer.e_tag().map(str::to_owned);
        }
    }

    fn is_whole(&self) -> bool {
        self.total.is_some_and(|total| self.done >= total)
    }
}

fn is_missing(error: &SdkError<GetObjectError>) -> bool {
    error.as_service_error().is_some_and(GetObjectError::is_no_such_key)
}
