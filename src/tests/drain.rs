//! The way down: what was accepted is answered.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::operation::{Started, binary, furnished, token};

/// How often the server is ended under load.
const ROUNDS: u32 = 20;
/// Clients that ask at once.
const CLIENTS: usize = 12;

/// What one client saw.
#[derive(Default, Debug)]
struct Tally {
    /// Answered whole.
    answered: u32,
    /// Asked and not answered, on a connection that was answered on before or has begun to be: lost.
    lost: Vec<String>,
    /// The first request of a connection got no byte back. The system takes connections in before the
    /// server does, so between its last look and the end of the listener one may be left over: nobody
    /// accepted it, and whoever asks again loses nothing.
    never_accepted: u32,
    /// No connection any more.
    refused: u32,
}

/// An answer, whole: its status line, and whether the connection goes on.
async fn answer(stream: &mut TcpStream) -> io::Result<(u16, bool)> {
    let mut bytes = Vec::new();
    let mut piece = [0; 8192];
    let (head, length) = loop {
        let read = stream.read(&mut piece).await?;
        if read == 0 {
            let kind =
                if bytes.is_empty() { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::InvalidData };
            return Err(io::Error::new(kind, format!("closed after {} bytes", bytes.len())));
        }
        bytes.extend_from_slice(&piece[..read]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            break (head, end + 4 + length.unwrap_or(0));
        }
    };
    while bytes.len() < length {
        let read = stream.read(&mut piece).await?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "closed within a body"));
        }
        bytes.extend_from_slice(&piece[..read]);
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Ok((status, !head.contains("\r\nconnection: close")))
}

/// Asks again and again, on one connection or each time on a new one, until nobody listens any more.
async fn ask(port: u16, token: String, keeps: bool, ended: Arc<AtomicBool>, load: Arc<AtomicU32>) -> Tally {
    let (mut tally, mut kept, mut was_answered) = (Tally::default(), None, false);
    for number in 0.. {
        let request = match number % 3 {
            // One that writes, one that reads, one that does neither.
            0 => {
                let body = "integrationKey=hubspot";
                format!(
                    "POST /connect HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\nAuthorization: Bearer {token}\r\n\
                     Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                )
            }
            1 => format!("GET /connections HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\r\n"),
            _ => "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        };
        let mut stream = match kept.take() {
            Some(stream) => stream,
            None => {
                was_answered = false;
                match TcpStream::connect(("127.0.0.1", port)).await {
                    Ok(stream) => stream,
                    Err(_) => {
                        tally.refused += 1;
                        break;
                    }
                }
            }
        };
        let asked = stream.write_all(request.as_bytes()).await;
        let told = match asked {
            Ok(()) => {
                timeout(Duration::from_secs(30), answer(&mut stream)).await.expect("an answer or an end")
            }
            Err(error) => Err(error),
        };
        match told {
            Ok((status, goes_on)) => {
                assert_eq!(status, 200);
                tally.answered += 1;
                load.fetch_add(1, Relaxed);
                was_answered = true;
                kept = (keeps && goes_on).then_some(stream);
            }
            Err(error) => {
                let is_fresh = !was_answered && error.kind() != io::ErrorKind::InvalidData;
                match is_fresh && ended.load(Relaxed) {
                    true => tally.never_accepted += 1,
                    false => tally.lost.push(error.to_string()),
                }
            }
        }
    }
    tally
}

/// Security F15.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_that_was_accepted_is_lost_when_the_server_ends_under_load() {
    let folder = furnished("drain");
    let config = std::fs::read_to_string(folder.0.join("hitchpost.toml")).unwrap();
    let limits = "[server.limits]\nstart_per_customer = \"off\"\nstart_per_workspace = \"off\"\n\
                  api_per_customer = \"off\"\n";
    std::fs::write(folder.0.join("hitchpost.toml"), format!("{limits}{config}")).unwrap();
    let (mut answered, mut never_accepted) = (0, 0);

    for round in 0..ROUNDS {
        let mut server = Started::new(&mut binary(), &folder);
        let token = token(&folder, "c1");
        let (ended, load) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            clients.spawn(ask(server.port(), token.clone(), number % 2 == 0, ended.clone(), load.clone()));
        }
        // Somewhere else in the clients' rounds each time.
        let until = Instant::now() + Duration::from_secs(30);
        while load.load(Relaxed) < 48 + round * 5 {
            assert!(Instant::now() < until, "round {round}: {load:?} requests are no load");
            sleep(Duration::from_millis(1)).await;
        }

        ended.store(true, Relaxed);
        server.signal("TERM");

        while let Some(tally) = clients.join_next().await {
            let tally = tally.unwrap();
            assert!(tally.lost.is_empty(), "round {round}: {tally:?}");
            answered += tally.answered;
            never_accepted += tally.never_accepted;
        }
        assert_eq!(server.ended(Duration::from_secs(30)), Some(0), "round {round}");
    }

    println!("{answered} requests answered in {ROUNDS} rounds, {never_accepted} connections never accepted");
    assert!(never_accepted <= ROUNDS, "{never_accepted} connections were left over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_end_a_request_in_progress_completes_and_streams_and_newcomers_do_not_wait() {
    let folder = furnished("drain-slow");
    let mut server = Started::new(&mut binary(), &folder);
    let (port, token) = (server.port(), token(&folder, "c1"));
    let dial = async || TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut slow = dial().await;
    let body = "integrationKey=hubspot";
    let head = format!(
        "POST /connect HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{}",
        body.len(),
        &body[..10]
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut events = dial().await;
    events
        .write_all(b"GET /sse/connection-events/0123456789abcdef HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    assert!(events.read(&mut [0; 1024]).await.unwrap() > 0);
    let mut kept = dial().await;
    kept.write_all(b"GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    assert_eq!(answer(&mut kept).await.unwrap(), (200, true));

    server.signal("TERM");

    let until = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
        assert!(Instant::now() < until, "it still listens");
        sleep(Duration::from_millis(5)).await;
    }
    kept.write_all(b"GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    assert_eq!(answer(&mut kept).await.unwrap(), (503, false));
    let mut rest = Vec::new();
    let _ = timeout(Duration::from_secs(5), events.read_to_end(&mut rest)).await.expect("the stream ends");
    assert_eq!(server.ended(Duration::from_millis(700)), None, "it waits for what is in progress");
    slow.write_all(&body.as_bytes()[10..]).await.unwrap();
    assert_eq!(answer(&mut slow).await.unwrap(), (200, false));
    assert_eq!(server.ended(Duration::from_secs(10)), Some(0));
}
