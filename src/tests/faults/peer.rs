//! A provider that does one thing wrong, at one place, for one connection.
//!
//! It speaks over a plain socket, since much of what it says is no HTTP. Which connection a call belongs
//! to is told by the code or token in it; what it asks for, by its address.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use regex::Regex;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::catalog::Play;

/// A call site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Site {
    Token,
    Refresh,
    Test,
    Proxy,
    Revoke,
}

impl Site {
    pub const ALL: [Self; 5] = [Self::Token, Self::Refresh, Self::Test, Self::Proxy, Self::Revoke];
}

/// Longer than any deadline of the server under test.
const LONG: Duration = Duration::from_secs(120);
/// More than anybody reads of an endless answer.
const ENDLESS_MAX: usize = 64 * 1024 * 1024;

#[derive(Default)]
struct Plan {
    /// What goes wrong, by connection.
    armed: HashMap<usize, (Site, Play)>,
    /// Seconds that a connection's tokens live.
    lives: HashMap<usize, u64>,
    met: HashMap<(usize, Site), usize>,
}

pub struct Peer {
    pub address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
    task: JoinHandle<()>,
}

impl Peer {
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let plan = Arc::new(Mutex::new(Plan::default()));
        let shared = plan.clone();
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        Self { address, plan, task }
    }

    /// From now on, this call of this connection goes wrong.
    pub fn arm(&self, cell: usize, site: Site, play: &Play) {
        self.plan.lock().unwrap().armed.insert(cell, (site, play.clone()));
    }

    /// How long the tokens of this connection live.
    pub fn lives(&self, cell: usize, seconds: u64) {
        self.plan.lock().unwrap().lives.insert(cell, seconds);
    }

    /// How often this call of this connection came.
    pub fn met(&self, cell: usize, site: Site) -> usize {
        self.plan.lock().unwrap().met.get(&(cell, site)).copied().unwrap_or_default()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, plan: Arc<Mutex<Plan>>) {
    let Some(request) = read(&mut stream).await else { return };
    let cell = Regex::new(r"cell-(\d+)").unwrap();
    let cell: Option<usize> = cell.captures(&request).and_then(|found| found[1].parse().ok());
    let (Some(cell), Some(site)) = (cell, site(&request)) else {
        let _ = stream
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .await;
        return;
    };
    let play = {
        let mut plan = plan.lock().unwrap();
        *plan.met.entry((cell, site)).or_default() += 1;
        let life = plan.lives.get(&cell).copied().unwrap_or(36_000);
        plan.armed
            .get(&cell)
            .filter(|(armed, _)| *armed == site)
            .map(|(_, play)| play.clone())
            .unwrap_or_else(|| honest(cell, site, life))
    };
    perform(stream, play).await;
}

async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if bytes.len() >= end + 4 + length.unwrap_or(0) {
                return Some(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        match tokio::time::timeout(LONG, stream.read(&mut buffer)).await {
            Ok(Ok(count)) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
}

fn site(request: &str) -> Option<Site> {
    let path = request.split(' ').nth(1)?;
    Some(match path.rsplit('/').next()?.split('?').next()? {
        "token" if request.contains("grant_type=refresh_token") => Site::Refresh,
        "token" => Site::Token,
        "me" => Site::Test,
        "things" => Site::Proxy,
        "revoke" => Site::Revoke,
        _ => return None,
    })
}

fn honest(cell: usize, site: Site, life: u64) -> Play {
    let body = match site {
        Site::Token | Site::Refresh => json!({
            "access_token": format!("cell-{cell}.access"), "refresh_token": format!("cell-{cell}.refresh"),
            "token_type": "bearer", "expires_in": life,
        }),
        Site::Test => json!({ "id": format!("account-{cell}"), "name": "Ada" }),
        Site::Proxy | Site::Revoke => json!({ "ok": true }),
    };
    let body = body.to_string();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
    Play::Say(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

async fn perform(mut stream: TcpStream, play: Play) {
    match play {
        Play::Say(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            // What the other side still sends is read, so that closing does not become a reset.
            let mut rest = [0; 1024];
            let _ = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut rest)).await;
        }
        Play::SayAndReset(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        Play::SayAndHang(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let mut rest = [0; 1024];
            let _ = tokio::time::timeout(LONG, stream.read(&mut rest)).await;
        }
        Play::Endless(first, again) => {
            let mut sent = first.len();
            let mut going = stream.write_all(&first).await.is_ok();
            while going && sent < ENDLESS_MAX {
                sent += again.len();
                going = stream.write_all(&again).await.is_ok();
            }
        }
        Play::Drip(bytes, pause) => {
            for byte in bytes {
                if stream.write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(pause).await;
            }
        }
    }
}
