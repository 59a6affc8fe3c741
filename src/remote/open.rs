//! Opening: from a name in `phytotron.yaml` to a remote.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Dir, Remote, RemoteError};
use crate::s3::Location;
use crate::spec::{RemoteSettings, S3RemoteSettings};
use crate::wording;

/// The settings of the remote `name`.
///
/// # Errors
/// `RemoteError::Unknown` with what there is.
pub fn find<'s>(
    remotes: &'s BTreeMap<String, RemoteSettings>,
    name: &str,
) -> Result<&'s RemoteSettings, RemoteError> {
    remotes.get(name).ok_or_else(|| {
        let names: Vec<&String> = remotes.keys().collect();
        let help = match wording::nearest(name, remotes.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "phytotron.yaml sets none up under `remote:`".to_owned(),
            None => format!("phytotron.yaml sets up {}", wording::list(&names)),
        };
        RemoteError::Unknown { name: name.to_owned(), help }
    })
}

/// Opens a remote of the project at `root`. Nothing is asked of it yet, but a bucket's credentials are
/// looked for.
pub fn open(settings: &RemoteSettings, root: &Path) -> Result<Box<dyn Remote>, RemoteError> {
    match settings {
        RemoteSettings::Dir(dir) => Ok(Box::new(Dir::new(root.join(&dir.path)))),
        RemoteSettings::S3(s3) => bucket(location(s3)),
    }
}

/// Where a bucket of the settings is.
pub(super) fn location(settings: &S3RemoteSettings) -> Location {
    let mut location = Location::new(&settings.bucket, &settings.prefix);
    location.region.clone_from(&settings.region);
    location.endpoint.clone_from(&settings.endpoint);
    location.path_style = settings.path_style;
    if let Some(timeout) = settings.timeout {
        location.timeout = timeout.0;
    }
    location
}

#[cfg(feature = "s3")]
fn bucket(location: Location) -> Result<Box<dyn Remote>, RemoteError> {
    Ok(Box::new(super::Bucket::open(location)?))
}

#[cfg(not(feature = "s3"))]
fn bucket(location: Location) -> Result<Box<dyn Remote>, RemoteError> {
    Err(RemoteError::WithoutS3 { place: location.to_string() })
}
