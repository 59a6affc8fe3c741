//! Locations: which bucket, where, under which prefix, and how patient to be with it.

use std::fmt;
use std::time::Duration;

/// How long a server may say nothing before a request is tried again.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A prefix in a bucket, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The bucket.
    pub bucket: String,
    /// What all keys begin with; without slashes at its ends, or empty.
    pub prefix: String,
    /// Region, when the environment shall not decide.
    pub region: Option<String>,
    /// Server, when it is not AWS.
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the path; decided by `endpoint` when none.
    pub path_style: Option<bool>,
    /// How long the server may say nothing before a request is tried again.
    pub timeout: Duration,
}

impl Location {
    /// `bucket` and `prefix` in the region, and at the server, that the environment names.
    #[must_use]
    pub fn new(bucket: &str, prefix: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
            region: None,
            endpoint: None,
            path_style: None,
            timeout: TIMEOUT,
        }
    }

    /// Reads `s3://bucket/prefix`; none when it is no such address.
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let (bucket, prefix) = match url.strip_prefix("s3://")?.split_once('/') {
            Some((bucket, prefix)) => (bucket, prefix),
            None => (url.strip_prefix("s3://")?, ""),
        };
        (!bucket.is_empty()).then(|| Self::new(bucket, prefix))
    }

    /// The whole key of `name`, which is relative to the prefix.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }

    /// A key relative to the prefix; none when it does not lie below.
    #[must_use]
    pub fn name<'k>(&self, key: &'k str) -> Option<&'k str> {
        if self.prefix.is_empty() {
            return Some(key);
        }
        key.strip_prefix(&self.prefix)?.strip_prefix('/')
    }
}

/// `s3://bucket/prefix`.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        write!(f, "s3://{}{slash}{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back() {
        for url in ["s3://lab", "s3://lab/a", "s3://lab/a/b"] {
            assert_eq!(Location::parse(url).map(|it| it.to_string()).as_deref(), Some(url));
        }
        assert_eq!(Location::parse("s3://lab/a/").map(|it| it.prefix).as_deref(), Some("a"));
        for wrong in ["s3://", "s3:///a", "lab/a", "https://lab"] {
            assert_eq!(Location::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_are_relative_to_the_prefix() {
        let location = Location::new("lab", "/a/b/");
        assert_eq!(location.key("c"), "a/b/c");
        assert_eq!(location.name("a/b/c"), Some("c"));
        assert_eq!(location.name("a/bc"), None);
        assert_eq!(Location::new("lab", "").name("c"), Some("c"));
    }
}
