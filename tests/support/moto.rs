//! A server that speaks S3, on this machine: moto, which `scripts/test` installs.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::skip;

/// The credentials that tests give; moto takes any.
pub(crate) const KEYS: (&str, &str) = ("tester", "no-secret");

/// Gives a command the credentials of [`KEYS`], and nothing of this machine's.
pub(crate) fn sign(command: &mut Command, home: &Path) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command.env("HOME", home).env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("AWS_ACCESS_KEY_ID", KEYS.0).env("AWS_SECRET_ACCESS_KEY", KEYS.1);
}

/// The server of this test process. It ends with it: a shell waits for the end of the pipe that this
/// process holds, however it dies, and then ends the server.
#[derive(Debug)]
pub(crate) struct Moto {
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    _shell: Child,
}

const SHELL: &str = r#""$0" -H 127.0.0.1 -p "$1" & server=$!; cat > /dev/null; kill $server"#;

/// The server, started for the first test that asks; none, and said so, where it is not installed.
pub(crate) fn moto() -> Option<&'static Moto> {
    static MOTO: OnceLock<Option<Moto>> = OnceLock::new();
    let moto = MOTO.get_or_init(start).as_ref();
    if moto.is_none() {
        skip("moto_server is not installed: `scripts/test` does that, or name it in MOTO_SERVER");
    }
    moto
}

fn start() -> Option<Moto> {
    let program = program()?;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let shell = Command::new("sh")
        .args(["-c", SHELL, program.to_str().unwrap(), &port.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let moto = Moto { port, _shell: shell };
    for _ in 0..600 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(moto);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("moto_server does not answer");
}

fn program() -> Option<PathBuf> {
    let named = std::env::var_os("MOTO_SERVER").map(PathBuf::from);
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/moto/bin/moto_server");
    named.or(Some(installed)).filter(|program| program.exists())
}

impl Moto {
    /// Its address.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes a bucket that no other test has.
    pub(crate) fn bucket(&self) -> String {
        static BUCKETS: AtomicUsize = AtomicUsize::new(0);
        let bucket = format!("bucket-{}", BUCKETS.fetch_add(1, Ordering::Relaxed));
        self.make(&bucket);
        bucket
    }

    /// Makes a bucket of this name.
    pub(crate) fn make(&self, bucket: &str) {
        let (status, body) = self.ask("PUT", &format!("/{bucket}"), &[]);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    }

    /// Replaces or makes an object, past any client of ours.
    pub(crate) fn put(&self, bucket: &str, key: &str, bytes: &[u8]) {
        assert_eq!(self.ask("PUT", &format!("/{bucket}/{key}"), bytes).0, 200);
    }

    /// Deletes an object, past any client of ours.
    pub(crate) fn delete(&self, bucket: &str, key: &str) {
        assert_eq!(self.ask("DELETE", &format!("/{bucket}/{key}"), &[]).0, 204);
    }

    /// The answer's whole head and body to a request for an object.
    pub(crate) fn get(&self, bucket: &str, key: &str) -> (String, Vec<u8>) {
        let answer = self.answer("GET", &format!("/{bucket}/{key}"), &[]);
        let (head, body) = split(&answer);
        (head.to_ascii_lowercase(), body)
    }

    fn ask(&self, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let answer = self.answer(method, path, body);
        let (head, body) = split(&answer);
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
    }

    fn answer(&self, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
        // moto tells accounts and services apart by the signature's scope.
        let authorization = "AWS4-HMAC-SHA256 Credential=tester/20260101/us-east-1/s3/aws4_request, \
                             SignedHeaders=host, Signature=none";
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\
             Authorization: {authorization}\r\nContent-Length: {}\r\n\r\n",
            self.port,
            body.len()
        );
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }
}

fn split(answer: &[u8]) -> (String, Vec<u8>) {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    (String::from_utf8_lossy(&answer[..end]).into_owned(), answer[end + 4..].to_vec())
}
