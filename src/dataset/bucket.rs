//! Buckets as sources of datasets: what lies there, and how it comes here.
//!
//! Blocking, by way of `s3`. Without that feature there is only the error that says so.

#[cfg(feature = "s3")]
pub(crate) use with_s3::{Objects, download};
#[cfg(not(feature = "s3"))]
pub(crate) use without_s3::{Objects, download};

/// An object below a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    /// Its name below the prefix.
    pub(crate) name: String,
    /// Its bytes.
    pub(crate) size: u64,
    /// What changes when its content does.
    pub(crate) etag: String,
}

#[cfg(feature = "s3")]
mod with_s3 {
    use std::fs::File;
    use std::io::{self, Write as _};
    use std::os::unix::fs::FileExt as _;

    use super::Held;
    use crate::dataset::DatasetError;
    use crate::parallel;
    use crate::s3::{Client, Download, Location, S3Error};
    use crate::web::{Sha256, WebError, sha256};
    use crate::wording;

    /// Objects on their way at once: each takes a round trip, and little else.
    const WIDTH: usize = 16;

    /// A prefix of a bucket.
    pub(crate) struct Objects {
        client: Client,
    }

    impl Objects {
        /// Opens the prefix; nothing is asked of the server yet.
        pub(crate) fn open(location: &Location) -> Result<Self, DatasetError> {
            let client = Client::open(location.clone());
            Ok(Self { client: client.map_err(|error| failed(location, error))? })
        }

        /// Everything below the prefix but the marks that stand for folders, sorted by name.
        pub(crate) fn list(&self) -> Result<Vec<Held>, DatasetError> {
            let mut found = Vec::new();
            let listed = self.client.list("", &mut |object| {
                if !object.name.ends_with('/') {
                    let (name, size, etag) = (object.name, object.size, object.etag);
                    found.push(Held { name, size, etag });
                }
            });
            listed.map_err(|error| failed(self.client.location(), error))?;
            found.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(found)
        }

        /// Writes each object, as it was listed, into `file` at its place.
        pub(crate) fn fetch(
            &self,
            wanted: &[(&Held, u64)],
            file: &File,
        ) -> Result<(), DatasetError> {
            parallel::map(wanted, WIDTH, |(held, place)| self.fetch_one(held, *place, file))
                .map(drop)
        }

        fn fetch_one(&self, held: &Held, place: u64, file: &File) -> Result<(), DatasetError> {
            let changed = || DatasetError::Changed { path: held.name.clone() };
            let mut done = 0;
            let download = Download { name: &held.name, from: 0, etag: Some(&held.etag) };
            let found = self.client.stream(&download, &mut |piece| {
                let end = done + piece.len() as u64;
                if end > held.size {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                file.write_all_at(piece, place + done)?;
                done = end;
                Ok(())
            });
            match found {
                Ok(Some(_)) if done == held.size => Ok(()),
                Ok(_) | Err(S3Error::OtherVersion { .. }) => Err(changed()),
                Err(S3Error::Local(error)) if error.kind() == io::ErrorKind::InvalidData => {
                    Err(changed())
                }
                Err(error) => Err(failed(self.client.location(), error)),
            }
        }
    }

    /// Writes the object at `location`, of `bytes_max` bytes at most, into `file`, which stands at its beginning
    /// after, and returns its digest.
    pub(crate) fn download(
        location: &Location,
        file: &mut File,
        bytes_max: u64,
    ) -> Result<Sha256, DatasetError> {
        let mut folder = location.clone();
        let (prefix, name) = location.prefix.rsplit_once('/').unwrap_or(("", &location.prefix));
        prefix.clone_into(&mut folder.prefix);
        let client = Client::open(folder).map_err(|error| failed(location, error))?;
        let mut total = 0;
        let found = client.stream(&Download { name, from: 0, etag: None }, &mut |piece| {
            total += piece.len() as u64;
            if total > bytes_max {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            file.write_all(piece)
        });
        match found {
            Ok(Some(_)) => sha256(file).map_err(DatasetError::read(location.to_string())),
            Ok(None) => Err(DatasetError::NoObject { url: location.to_string() }),
            Err(S3Error::Local(error)) if error.kind() == io::ErrorKind::FileTooLarge => {
                let limit = wording::bytes(bytes_max);
                let source = WebError::TooLarge { limit };
                Err(DatasetError::Web { url: location.to_string(), source })
            }
            Err(error) => Err(failed(location, error)),
        }
    }

    fn failed(location: &Location, error: S3Error) -> DatasetError {
        match error {
            S3Error::Local(error) => DatasetError::write("what was downloaded")(error),
            source => DatasetError::Bucket { url: location.to_string(), source },
        }
    }
}

#[cfg(not(feature = "s3"))]
mod without_s3 {
    use std::fs::File;

    use super::Held;
    use crate::dataset::DatasetError;
    use crate::s3::Location;
    use crate::web::Sha256;

    /// Stands for a prefix that cannot be opened.
    pub(crate) enum Objects {}

    impl Objects {
        pub(crate) fn open(location: &Location) -> Result<Self, DatasetError> {
            Err(without(location))
        }

        pub(crate) fn list(&self) -> Result<Vec<Held>, DatasetError> {
            match *self {}
        }

        pub(crate) fn fetch(&self, _: &[(&Held, u64)], _: &File) -> Result<(), DatasetError> {
            match *self {}
        }
    }

    pub(crate) fn download(
        location: &Location,
        _: &mut File,
        _: u64,
    ) -> Result<Sha256, DatasetError> {
        Err(without(location))
    }

    fn without(location: &Location) -> DatasetError {
        DatasetError::WithoutS3 { url: location.to_string() }
    }
}
