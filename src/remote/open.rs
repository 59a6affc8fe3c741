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

/// Where `url`, which is `s3://bucket/prefix`, is: the server and region are those of a remote with this bucket,
/// where there is one.
///
/// # Errors
/// `RemoteError::BadAddress`
pub fn locate(
    url: &str,
    remotes: &BTreeMap<String, RemoteSettings>,
) -> Result<Location, RemoteError> {
    let bad = || RemoteError::BadAddress { url: url.to_owned() };
    let named = Location::parse(url).ok_or_else(bad)?;
    let known = remotes.values().find_map(|settings| match settings {
        RemoteSettings::S3(s3) if s3.bucket == named.bucket => Some(location(s3)),
        _ => None,
    });
    Ok(match known {
        Some(known) => Location { prefix: named.prefix, ..known },
        None => named,
    })
}

/// Where a bucket of the settings is.
fn location(settings: &S3RemoteSettings) -> Location {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_takes_its_server_from_the_remote_with_its_bucket() {
        let settings = S3RemoteSettings {
            bucket: "lab".to_owned(),
            prefix: "store".to_owned(),
            region: None,
            endpoint: Some("http://here".to_owned()),
            path_style: None,
            timeout: None,
            push: false,
        };
        let remotes = BTreeMap::from([("x".to_owned(), RemoteSettings::S3(settings))]);
        let found = locate("s3://lab/out", &remotes).unwrap();
        assert_eq!(
            (found.prefix.as_str(), found.endpoint.as_deref()),
            ("out", Some("http://here"))
        );
        assert_eq!(locate("s3://other", &remotes).unwrap().endpoint, None);
        assert!(locate("/tmp/out", &remotes).is_err());
    }
}
