//! [`Peer`]: an app's API that remembers every request byte for byte and answers whatever bytes it is told;
//! and [`ask`], a client that sends what it is told.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Bodies larger than this are counted and not kept.
const KEPT_MOST: usize = 16 * 1024 * 1024;
/// Every test ends, whatever the server does.
const PATIENCE: Duration = Duration::from_secs(60);

/// One request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Bytes of the body, also where they were not kept.
    pub length: u64,
    /// Which connection it came on, from 0.
    pub connection: usize,
}

impl Seen {
    /// A header's values, joined; empty when there is none.
    pub fn header(&self, name: &str) -> String {
        joined(&self.headers, name)
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }
}

fn joined(headers: &[(String, String)], name: &str) -> String {
    let found = headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(",")
}

/// What the peer does with a request.
pub enum Say {
    /// These bytes, and the connection goes on.
    Raw(Vec<u8>),
    /// These bytes, and the connection ends.
    Last(Vec<u8>),
    /// The connection is reset.
    Reset,
    /// Nothing, for as long as the other side stays.
    Silence,
    /// A head, and so many bytes of body.
    Flood(Vec<u8>, u64),
    /// The first bytes, and the rest a while later.
    Pause(Vec<u8>, Duration, Vec<u8>),
}

/// 200 with this body.
pub fn ok(body: impl AsRef<[u8]>) -> Say {
    say("200 OK", &[], body)
}

pub fn say(status: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Say {
    let mut text = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.as_ref().len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    Say::Raw([text.as_bytes(), body.as_ref()].concat())
}

type Script = Arc<dyn Fn(&Seen) -> Say + Send + Sync>;

/// Listens and remembers.
pub struct Peer {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    opened: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Peer {
    pub async fn new(script: impl Fn(&Seen) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, opened): (Arc<Mutex<Vec<Seen>>>, Arc<AtomicUsize>) = Default::default();
        let script: Script = Arc::new(script);
        let (kept, counted) = (seen.clone(), opened.clone());
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let connection = counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, connection, kept.clone(), script.clone()));
            }
        });
        Self { address, seen, opened, task }
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The requests since the last time somebody took them.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    /// The one request since the last time somebody took them.
    #[track_caller]
    pub fn one(&self) -> Seen {
        let mut seen = self.take();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.pop().unwrap()
    }

    /// Connections that were opened so far.
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, connection: usize, seen: Arc<Mutex<Vec<Seen>>>, script: Script) {
    let mut ahead = Vec::new();
    while let Some(mut request) = read(&mut stream, &mut ahead).await {
        request.connection = connection;
        let said = script(&request);
        seen.lock().unwrap().push(request);
        let done = match said {
            Say::Raw(bytes) => stream.write_all(&bytes).await.is_err(),
            Say::Last(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                true
            }
            Say::Reset => {
                let _ = stream.set_zero_linger();
                true
            }
            Say::Silence => {
                let _ = stream.read(&mut [0; 16]).await;
                true
            }
            Say::Flood(head, size) => flood(&mut stream, &head, size).await.is_err(),
            Say::Pause(first, pause, rest) => {
                let _ = stream.write_all(&first).await;
                tokio::time::sleep(pause).await;
                stream.write_all(&rest).await.is_err()
            }
        };
        if done {
            return;
        }
    }
}

async fn flood(stream: &mut TcpStream, head: &[u8], size: u64) -> std::io::Result<()> {
    stream.write_all(head).await?;
    let piece = vec![b'x'; 64 * 1024];
    let mut left = usize::try_from(size).unwrap();
    while left > 0 {
        let next = left.min(piece.len());
        stream.write_all(&piece[..next]).await?;
        left -= next;
    }
    Ok(())
}

async fn more(stream: &mut TcpStream, ahead: &mut Vec<u8>) -> Option<()> {
    let mut piece = vec![0; 64 * 1024];
    let read = stream.read(&mut piece).await.ok().filter(|read| *read > 0)?;
    ahead.extend_from_slice(&piece[..read]);
    Some(())
}

async fn line(stream: &mut TcpStream, ahead: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = ahead.windows(2).position(|pair| pair == b"\r\n") {
            let line = ahead.drain(..end + 2).take(end).collect();
            return Some(String::from_utf8(line).unwrap());
        }
        more(stream, ahead).await?;
    }
}

async fn read(stream: &mut TcpStream, ahead: &mut Vec<u8>) -> Option<Seen> {
    let first = line(stream, ahead).await?;
    let mut words = first.split(' ');
    let mut seen =
        Seen { method: words.next()?.to_owned(), target: words.next()?.to_owned(), ..Seen::default() };
    loop {
        let header = line(stream, ahead).await?;
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').unwrap();
        seen.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if seen.header("transfer-encoding") == "chunked" {
        loop {
            let size = u64::from_str_radix(&line(stream, ahead).await?, 16).ok()?;
            take(stream, ahead, size, &mut seen).await?;
            line(stream, ahead).await?;
            if size == 0 {
                return Some(seen);
            }
        }
    }
    let length = seen.header("content-length").parse().unwrap_or(0);
    take(stream, ahead, length, &mut seen).await?;
    Some(seen)
}

async fn take(stream: &mut TcpStream, ahead: &mut Vec<u8>, size: u64, seen: &mut Seen) -> Option<()> {
    let mut left = usize::try_from(size).unwrap();
    while left > 0 {
        if ahead.is_empty() {
            more(stream, ahead).await?;
        }
        let piece: Vec<u8> = ahead.drain(..left.min(ahead.len())).collect();
        left -= piece.len();
        seen.length += piece.len() as u64;
        if seen.body.len() + piece.len() <= KEPT_MOST {
            seen.body.extend_from_slice(&piece);
        }
    }
    Some(())
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Told {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The body ended as its framing says.
    pub is_whole: bool,
}

impl Told {
    pub fn header(&self, name: &str) -> String {
        joined(&self.headers, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The reason of a refusal of ours; empty for an answer of the app's.
    pub fn refusal(&self) -> String {
        let reason = self.header("hitchpost-error");
        if !reason.is_empty() {
            let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
            assert_eq!(body["data"]["reason"], reason.as_str(), "{body}");
        }
        reason
    }
}

/// Sends these bytes and reads one answer to the end; none when the server says nothing.
pub async fn ask(address: SocketAddr, bytes: &[u8]) -> Option<Told> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that refuses early may not read it all.
    let _ = stream.write_all(bytes).await;
    let is_head = bytes.starts_with(b"HEAD ");
    let mut read = Vec::new();
    tokio::time::timeout(PATIENCE, async {
        while told(&read, is_head).is_none_or(|told| !told.is_whole) {
            let mut piece = vec![0; 64 * 1024];
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => break,
                Ok(count) => read.extend_from_slice(&piece[..count]),
            }
        }
    })
    .await
    .expect("the server answers in time");
    told(&read, is_head)
}

fn told(read: &[u8], is_head: bool) -> Option<Told> {
    let end = read.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let rest = &read[end + 4..];
    let bodiless = is_head || matches!(status, 204 | 304);
    let (body, is_whole) = if bodiless {
        (rest.to_vec(), true)
    } else if joined(&headers, "transfer-encoding") == "chunked" {
        unchunked(rest)
    } else {
        let length: usize = joined(&headers, "content-length").parse().unwrap_or(usize::MAX);
        (rest.to_vec(), rest.len() >= length)
    };
    Some(Told { status, headers, body, is_whole })
}

fn unchunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return (body, rest[end..].starts_with(b"\r\n\r\n"));
        }
        let from = end + 2;
        if rest.len() < from + size + 2 {
            break;
        }
        body.extend_from_slice(&rest[from..from + size]);
        rest = &rest[from + size + 2..];
    }
    (body, false)
}
