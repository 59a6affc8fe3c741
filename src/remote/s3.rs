//! A remote in a bucket.

use std::io::Read;
use std::time::{Duration, SystemTime};

use super::{Held, Object, Remote, RemoteError, Room, Sink, Stored};
use crate::s3::{self, Client, Download, Location, S3Error, Upload};

/// A prefix of a bucket with a store's layout.
#[derive(Debug)]
pub struct Bucket {
    client: Client,
}

impl Bucket {
    /// Opens it; nothing is asked of the server yet.
    pub fn open(location: Location) -> Result<Self, RemoteError> {
        Ok(Self { client: Client::open(location).map_err(RemoteError::S3)? })
    }

    /// [`Bucket::open`] with keys that the caller has, instead of those of the environment.
    pub fn open_with_keys(location: Location, id: &str, secret: &str) -> Result<Self, RemoteError> {
        let client = Client::open_with_keys(location, id, secret);
        Ok(Self { client: client.map_err(RemoteError::S3)? })
    }

    fn failed(&self, object: &Object, error: S3Error) -> RemoteError {
        match error {
            S3Error::Local(source) => RemoteError::local(object, self.place(), source),
            other => RemoteError::S3(other),
        }
    }
}

impl Remote for Bucket {
    fn place(&self) -> String {
        self.client.location().to_string()
    }

    /// Small objects take a round trip each, and little else.
    fn width(&self) -> usize {
        16
    }

    fn list(&self, each: &mut dyn FnMut(Object, Held)) -> Result<(), RemoteError> {
        let mut tell = |listed: s3::Listed| {
            if let Some(object) = Object::parse(&listed.name) {
                each(object, Held { size: listed.size, written_at: listed.written_at });
            }
        };
        self.client.list("", &mut tell).map_err(RemoteError::S3)
    }

    fn read(
        &self,
        object: &Object,
        from: u64,
        sink: &mut Sink<'_>,
    ) -> Result<Option<u64>, RemoteError> {
        let name = object.to_string();
        let read = self.client.stream(&Download { name: &name, from, etag: None }, sink);
        read.map_err(|error| self.failed(object, error))
    }

    fn write(
        &self,
        object: &Object,
        size: u64,
        source: &mut dyn Read,
        replace: bool,
    ) -> Result<Stored, RemoteError> {
        let name = object.to_string();
        let content_type = match object.room {
            Room::Blobs | Room::Trees => None,
            Room::Results | Room::Trials => Some("application/json"),
        };
        let upload = Upload { name: &name, size, content_type, only_new: !replace };
        match self.client.upload(&upload, source) {
            Ok(s3::Stored::Written) => Ok(Stored::Written),
            Ok(s3::Stored::Taken) => Ok(Stored::Taken),
            Err(error) => Err(self.failed(object, error)),
        }
    }

    fn remove(&self, objects: &[Object]) -> Result<(), RemoteError> {
        let names: Vec<String> = objects.iter().map(ToString::to_string).collect();
        self.client.remove(&names).map_err(RemoteError::S3)
    }

    fn sweep_leavings(&self, grace: Duration, dry_run: bool) -> Result<u64, RemoteError> {
        let now = SystemTime::now();
        let mut swept = 0;
        for left in self.client.multiparts_left().map_err(RemoteError::S3)? {
            let is_ours = Object::parse(&left.name).is_some();
            if is_ours && now.duration_since(left.begun_at).unwrap_or_default() >= grace {
                swept += 1;
                if !dry_run {
                    self.client.end_multipart(&left).map_err(RemoteError::S3)?;
                }
            }
        }
        Ok(swept)
    }
}
