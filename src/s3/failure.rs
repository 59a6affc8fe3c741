//! From the SDK's errors to ours.

use std::error::Error;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::{Location, S3Error};

/// What a failed request means. `action` is what was tried: `read`, `write`, `list`, `delete`.
pub(super) fn failure<E>(location: &Location, action: &'static str, error: &SdkError<E>) -> S3Error
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let place = location.to_string();
    match error {
        SdkError::TimeoutError(_) => stalled(location),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => stalled(location),
        SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => unreachable(location, error),
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            let code = answer.err().code().unwrap_or_default();
            answered(place, action, status, code, answer.err().message().unwrap_or_default())
        }
        _ => S3Error::Refused { place, action, reason: root_cause(error) },
    }
}

/// The server said nothing for too long.
pub(super) fn stalled(location: &Location) -> S3Error {
    S3Error::Stalled { place: location.to_string(), secs: location.timeout.as_secs_f64() }
}

/// The connection was not made, or broke.
pub(super) fn unreachable(location: &Location, error: &dyn Error) -> S3Error {
    let chain: Vec<String> = causes(error).collect();
    // The SDK's stalled-stream protection is an error of the connection to the SDK.
    if chain.iter().any(|words| words.contains("minimum throughput")) {
        return stalled(location);
    }
    S3Error::Unreachable { place: location.to_string(), reason: root_cause(error) }
}

fn answered(
    place: String,
    action: &'static str,
    status: u16,
    code: &str,
    message: &str,
) -> S3Error {
    let named = if code.is_empty() { format!("status {status}") } else { code.to_owned() };
    match (status, code) {
        (_, "NoSuchBucket") => S3Error::NoBucket { place },
        (
            _,
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "InvalidToken"
            | "InvalidClientTokenId"
            | "NotSignedUp",
        )
        | (401, _) => S3Error::Credentials { place, reason: format!("it answers `{named}`") },
        (
            _,
            "PermanentRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException",
        )
        | (301, _) => {
            let reason = format!("the bucket lies in another region ({named}): set `region`");
            S3Error::Refused { place, action, reason }
        }
        (412, _) => S3Error::OtherVersion { place },
        (403, _) => S3Error::Forbidden { place, action },
        (429 | 500..=599, _) => S3Error::Busy { place, reason: named },
        _ if message.is_empty() => S3Error::Refused { place, action, reason: named },
        _ => S3Error::Refused { place, action, reason: format!("{named}, {}", line(message)) },
    }
}

/// The innermost reason, which is the one that people understand: `connection refused`.
fn root_cause(error: &dyn Error) -> String {
    let innermost = causes(error).last().unwrap_or_default();
    line(&innermost)
}

fn causes<'e>(error: &'e (dyn Error + 'e)) -> impl Iterator<Item = String> + 'e {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error.to_string())
    })
}

/// Words of a server on one line, without what a terminal would obey.
fn line(words: &str) -> String {
    const LETTERS_MAX: usize = 200;
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LETTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_what_to_do() {
        let text = |status, code| {
            answered("s3://lab".to_owned(), "read", status, code, "words\nof a server").to_string()
        };
        assert_eq!(
            text(403, "SignatureDoesNotMatch"),
            "s3://lab needs other credentials: it answers `SignatureDoesNotMatch`"
        );
        assert_eq!(text(403, "AccessDenied"), "s3://lab does not allow these credentials to read");
        assert!(text(404, "NoSuchBucket").ends_with("no such bucket at this server"));
        assert!(text(503, "SlowDown").contains("overloaded or broken"));
        assert!(text(301, "").contains("set `region`"));
        assert_eq!(text(400, "Odd"), "s3://lab refused to read: Odd, words of a server");
    }
}
