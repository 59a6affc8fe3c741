//! A network that fails: an HTTP proxy between client and server that does harm by a seeded plan.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use phytotron::seed::Seed;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// The server says that it is broken.
    Error500,
    /// The server says that it has too much to do.
    SlowDown,
    /// The connection breaks before the request gets anywhere.
    Lost,
    /// The server does it, and the connection breaks in the middle of the answer.
    Cut,
    /// The answer is shorter than it was, and says so.
    Truncated,
    /// One bit of the answer's content is another.
    Flipped,
    /// Nothing comes for a long time, after half of the answer.
    Stalled,
    /// The server refuses the credentials.
    Denied,
}

/// Decides from the number of the request.
pub(super) type Plan = dyn Fn(u64) -> Fault + Send + Sync;

/// Faults of all passing kinds, each request with the chance `share`.
pub(super) fn faults(seed: u64, share: f64) -> impl Fn(u64) -> Fault + Send + Sync {
    const KINDS: [Fault; 14] = [
        Fault::Error500,
        Fault::Error500,
        Fault::SlowDown,
        Fault::SlowDown,
        Fault::Lost,
        Fault::Lost,
        Fault::Cut,
        Fault::Cut,
        Fault::Cut,
        Fault::Truncated,
        Fault::Truncated,
        Fault::Flipped,
        Fault::Flipped,
        Fault::Stalled,
    ];
    move |request| {
        let mut stream = Seed::root(seed).stream("fault", request);
        if stream.unit() >= share {
            return Fault::None;
        }
        KINDS[usize::try_from(stream.below(KINDS.len() as u64)).unwrap()]
    }
}

/// The proxy; it ends with its owner.
pub(super) struct Proxy {
    pub(super) port: u16,
    inner: Arc<Inner>,
}

struct Inner {
    server: u16,
    plan: Box<Plan>,
    stall: Duration,
    requests: AtomicU64,
    ended: AtomicBool,
}

impl Proxy {
    /// Between a client and the server at `server`. A stalled answer goes on after `stall`.
    pub(super) fn new(
        server: u16,
        stall: Duration,
        plan: impl Fn(u64) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let inner = Arc::new(Inner {
            server,
            plan: Box::new(plan),
            stall,
            requests: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if accepting.ended.load(Ordering::Relaxed) {
                    return;
                }
                let inner = Arc::clone(&accepting);
                // What breaks here is what a network breaks.
                std::thread::spawn(move || drop(inner.serve(stream)));
            }
        });
        Self { port, inner }
    }

    /// Requests that have come.
    pub(super) fn requests(&self) -> u64 {
        self.inner.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.inner.ended.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for connections.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

/// Head and content of a message.
struct Message {
    head: String,
    body: Vec<u8>,
}

impl Inner {
    /// Serves one connection, request after request.
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut client = stream;
        loop {
            let Some(request) = read_message(&mut reader)? else { return Ok(()) };
            let number = self.requests.fetch_add(1, Ordering::Relaxed);
            let is_object =
                request.head.starts_with("GET ") && !request.head.contains("list-type=2");
            match (self.plan)(number) {
                Fault::Error500 => {
                    answer(&mut client, "500 Internal Server Error", "InternalError")?;
                }
                Fault::SlowDown => answer(&mut client, "503 Slow Down", "SlowDown")?,
                Fault::Denied => answer(&mut client, "403 Forbidden", "SignatureDoesNotMatch")?,
                Fault::Lost => return client.shutdown(Shutdown::Both),
                fault => {
                    let answer = self.forward(&request)?;
                    if !self.pass_on(answer, fault, is_object, &mut client)? {
                        return client.shutdown(Shutdown::Both);
                    }
                }
            }
        }
    }

    fn forward(&self, request: &Message) -> io::Result<Message> {
        let mut server = TcpStream::connect(("127.0.0.1", self.server))?;
        let (first, rest) = request.head.split_once("\r\n").unwrap_or((&request.head, ""));
        let rest: String = rest
            .split("\r\n")
            .filter(|line| !line.to_ascii_lowercase().starts_with("connection:"))
            .flat_map(|line| [line, "\r\n"])
            .collect();
        // HTTP/1.0: the answer ends with the connection and comes in no chunks.
        let head = format!("{}\r\n{rest}", first.replace("HTTP/1.1", "HTTP/1.0"));
        server.write_all(head.trim_end().as_bytes())?;
        server.write_all(b"\r\nConnection: close\r\n\r\n")?;
        server.write_all(&request.body)?;
        let mut bytes = Vec::new();
        server.read_to_end(&mut bytes)?;
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        Ok(Message { head, body: bytes.split_off(end + 4) })
    }

    /// Writes the answer; says whether the connection is still of use.
    fn pass_on(
        &self,
        mut answer: Message,
        fault: Fault,
        is_object: bool,
        client: &mut TcpStream,
    ) -> io::Result<bool> {
        let half = answer.body.len() / 2;
        if is_object && fault == Fault::Truncated {
            answer.body.truncate(half);
        }
        if is_object && fault == Fault::Flipped && half > 0 {
            answer.body[half] ^= 0x10;
        }
        let lines = answer.head.split("\r\n").filter(|line| {
            let line = line.to_ascii_lowercase();
            !line.starts_with("connection:") && !line.starts_with("content-length:")
        });
        let mut head: String = lines.flat_map(|line| [line, "\r\n"]).collect();
        head = head.replacen("HTTP/1.0", "HTTP/1.1", 1);
        client.write_all(head.as_bytes())?;
        write!(client, "Content-Length: {}\r\n\r\n", answer.body.len())?;
        match fault {
            Fault::Cut => {
                client.write_all(&answer.body[..half])?;
                client.flush()?;
                return Ok(false);
            }
            Fault::Stalled => {
                client.write_all(&answer.body[..half])?;
                client.flush()?;
                std::thread::sleep(self.stall);
                client.write_all(&answer.body[half..])?;
            }
            _ => client.write_all(&answer.body)?,
        }
        client.flush()?;
        Ok(true)
    }
}

fn answer(client: &mut TcpStream, status: &str, code: &str) -> io::Result<()> {
    let body = format!("<Error><Code>{code}</Code><Message>as planned</Message></Error>");
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\n\r\n"
    );
    client.write_all(head.as_bytes())?;
    client.write_all(body.as_bytes())
}

/// A request with its body; none at the end of the connection.
fn read_message(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Message>> {
    let mut head = String::new();
    loop {
        let before = head.len();
        if reader.read_line(&mut head)? == 0 {
            return Ok(None);
        }
        if &head[before..] == "\r\n" {
            head.truncate(before - 2);
            break;
        }
    }
    let length = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    if head.to_ascii_lowercase().contains("expect: 100-continue") {
        reader.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    reader.read_exact(&mut body)?;
    Ok(Some(Message { head, body }))
}
