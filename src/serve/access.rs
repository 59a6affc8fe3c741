//! Access: who may read. The address binds to this machine; the key keeps out its other users, and pages of the web
//! that a browser on it shows.
//!
//! The key comes once in the address and then in a cookie that no script and no other site can use. A request that
//! names another host than this one is refused, whatever key it has: a name of the web may be made to lead here.

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::{ServeError, Site};

/// Bytes of a key.
const BYTES: usize = 16;

/// What our own pages may load: from here, and styles inside their pictures.
const POLICY: &str = "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; connect-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What a report may do, whoever made it: run its own script, in an origin of its own, and load nothing.
pub(super) const REPORT_POLICY: &str = "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; \
    script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A secret of one server.
pub(super) struct Key(String);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// A fresh key.
    pub(super) fn random() -> Result<Self, ServeError> {
        let mut bytes = [0; BYTES];
        File::open("/dev/urandom")
            .and_then(|mut random| random.read_exact(&mut bytes))
            .map_err(ServeError::Random)?;
        Ok(Self(format!("{:032x}", u128::from_le_bytes(bytes))))
    }

    /// The key as it stands in an address.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Compares hashes, so that the time it takes says nothing of where they differ.
    fn fits(&self, text: &str) -> bool {
        blake3::hash(self.0.as_bytes()) == blake3::hash(text.as_bytes())
    }
}

/// Lets a request through that is only to read, comes to this host and has the key.
pub(super) async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let mut response = match judged(&site, &request) {
        Ok(None) => next.run(request).await,
        Ok(Some(cookie)) => {
            let mut response = Redirect::to(request.uri().path()).into_response();
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            response
        }
        Err((status, text)) => (status, text).into_response(),
    };
    let headers = response.headers_mut();
    let mut set = |name, value| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::CACHE_CONTROL, "no-store");
    response
}

/// Nothing for a request that may pass, a cookie for one that brings the key in its address.
fn judged(
    site: &Site,
    request: &Request,
) -> Result<Option<HeaderValue>, (StatusCode, &'static str)> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "this page is only to read\n"));
    }
    if !is_host(request.headers(), site.port) {
        return Err((StatusCode::MISDIRECTED_REQUEST, "this is no name of this server\n"));
    }
    let query = request.uri().query().unwrap_or_default();
    if let Some(token) = query.split('&').find_map(|pair| pair.strip_prefix("token="))
        && site.key.fits(token)
    {
        let cookie = format!("{}={token}; Path=/; HttpOnly; SameSite=Strict", cookie(site.port));
        return Ok(Some(HeaderValue::from_str(&cookie).expect("BUG: a key is of digits")));
    }
    let cookies = request.headers().get_all(header::COOKIE);
    let name = format!("{}=", cookie(site.port));
    let has_key = cookies
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(name.as_str()))
        .any(|token| site.key.fits(token));
    if has_key {
        return Ok(None);
    }
    let text = "open the address that `phytotron serve` has printed: the key is in it\n";
    Err((StatusCode::FORBIDDEN, text))
}

/// Cookies know no ports: two servers need two names.
fn cookie(port: u16) -> String {
    format!("phytotron_{port}")
}

fn is_host(headers: &HeaderMap, port: u16) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.is_some_and(|host| {
        ["127.0.0.1", "localhost"].iter().any(|name| host == format!("{name}:{port}"))
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn site() -> Site {
        let options = crate::serve::Options { root: ".".into(), runs: ".".into(), port: None };
        Site { options, port: 8471, key: Key("ab12".to_owned()) }
    }

    fn answer(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<Option<String>, u16> {
        let mut request = axum::http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match judged(&site(), &request.body(Body::empty()).unwrap()) {
            Ok(cookie) => Ok(cookie.map(|cookie| cookie.to_str().unwrap().to_owned())),
            Err((status, _)) => Err(status.as_u16()),
        }
    }

    const HERE: (&str, &str) = ("host", "127.0.0.1:8471");

    #[test]
    fn the_key_in_the_address_becomes_a_cookie_and_the_cookie_lets_in() {
        let cookie = answer("GET", "/?token=ab12", &[HERE]).unwrap().unwrap();
        assert_eq!(cookie, "phytotron_8471=ab12; Path=/; HttpOnly; SameSite=Strict");
        let with = |cookie| answer("GET", "/runs/x", &[HERE, ("cookie", cookie)]);
        assert_eq!(with("a=b; phytotron_8471=ab12"), Ok(None));
        assert_eq!(with("phytotron_8471=ab13"), Err(403));
        assert_eq!(with("phytotron_8472=ab12"), Err(403));
    }

    #[test]
    fn without_the_key_nothing_is_read() {
        assert_eq!(answer("GET", "/", &[HERE]), Err(403));
        assert_eq!(answer("GET", "/?token=", &[HERE]), Err(403));
        assert_eq!(answer("GET", "/style.css", &[HERE]), Err(403));
    }

    #[test]
    fn a_name_of_the_web_that_leads_here_is_refused_even_with_the_key() {
        for host in
            ["evil.example:8471", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8471.evil.example"]
        {
            assert_eq!(answer("GET", "/?token=ab12", &[("host", host)]), Err(421), "{host}");
        }
        assert_eq!(answer("GET", "/?token=ab12", &[]), Err(421));
        assert!(answer("GET", "/?token=ab12", &[("host", "localhost:8471")]).is_ok());
    }

    #[test]
    fn nothing_can_be_written() {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            assert_eq!(answer(method, "/?token=ab12", &[HERE]), Err(405), "{method}");
        }
    }

    #[test]
    fn keys_differ_and_are_not_told_by_accident() {
        let (one, other) = (Key::random().unwrap(), Key::random().unwrap());
        assert_eq!(one.text().len(), 2 * BYTES);
        assert_ne!(one.text(), other.text());
        assert!(!format!("{one:?}").contains(one.text()));
    }
}
