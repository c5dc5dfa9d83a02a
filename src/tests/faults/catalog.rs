//! The ways in which a provider's answer can go wrong, and what each must lead to.

use std::time::Duration;

/// What a fault amounts to, whichever call meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// They said no, without saying that the grant is over.
    No,
    /// They said that the grant is over.
    Over,
    /// They are in trouble, or want to be asked later.
    Trouble,
    /// No HTTP answer, or one that broke off.
    Broken,
    /// A well-formed HTTP answer of 2xx whose body makes no sense.
    Nonsense,
    /// A redirect, which is never followed.
    Elsewhere,
}

/// What is done on the wire after the request was read.
#[derive(Clone, Debug)]
pub enum Play {
    /// These bytes, then the end.
    Say(Vec<u8>),
    /// These bytes, and then a reset.
    SayAndReset(Vec<u8>),
    /// These bytes, and then nothing more for longer than anybody waits.
    SayAndHang(Vec<u8>),
    /// The first bytes, then the second ones over and over.
    Endless(Vec<u8>, Vec<u8>),
    /// The bytes one at a time, with a pause between them.
    Drip(Vec<u8>, Duration),
}

pub struct Fault {
    pub name: &'static str,
    pub kind: Kind,
    pub play: Play,
}

impl Fault {
    /// The status on the wire, where there is one.
    pub fn status(&self) -> Option<u16> {
        let Play::Say(bytes) = &self.play else { return None };
        String::from_utf8_lossy(bytes).split(' ').nth(1)?.parse().ok()
    }
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn json(status: &str, body: &str) -> Play {
    Play::Say(answer(status, "Content-Type: application/json\r\n", body.as_bytes()))
}

fn with(status: &str, headers: &str) -> Play {
    Play::Say(answer(status, &format!("{headers}\r\n"), b"{}"))
}

fn raw(bytes: &str) -> Play {
    Play::Say(bytes.as_bytes().to_vec())
}

/// `mib` of zeros, compressed: a thousandth of it on the wire.
fn bomb(mib: usize) -> Vec<u8> {
    use std::io::Write as _;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..mib {
        packed.write_all(&[b' '; 1024 * 1024]).unwrap();
    }
    packed.finish().unwrap()
}

/// Every fault. `evil` is an address that nobody may ever call.
pub fn all(evil: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |name, kind, play| faults.push(Fault { name, kind, play });
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

    add("400 without an error", Kind::No, json("400 Bad Request", "{}"));
    add("400 invalid_request", Kind::No, json("400 Bad Request", r#"{"error":"invalid_request"}"#));
    add("400 invalid_client", Kind::No, json("400 Bad Request", r#"{"error":"invalid_client"}"#));
    add("400 invalid_grant", Kind::Over, json("400 Bad Request", r#"{"error":"invalid_grant"}"#));
    add("402", Kind::No, json("402 Payment Required", r#"{"message":"pay"}"#));
    add("403", Kind::No, json("403 Forbidden", r#"{"message":"no"}"#));
    add("404", Kind::No, json("404 Not Found", "<h1>404</h1>"));
    add("405", Kind::No, json("405 Method Not Allowed", ""));
    add("406", Kind::No, json("406 Not Acceptable", ""));
    add("409", Kind::No, json("409 Conflict", "{}"));
    add("410", Kind::No, json("410 Gone", "{}"));
    add("413", Kind::No, json("413 Content Too Large", "{}"));
    add("415", Kind::No, json("415 Unsupported Media Type", "{}"));
    add("418", Kind::No, json("418 I'm a teapot", "{}"));
    add("422", Kind::No, json("422 Unprocessable Content", "{}"));
    add("451", Kind::No, json("451 Unavailable For Legal Reasons", "{}"));

    add("429 without Retry-After", Kind::Trouble, json("429 Too Many Requests", "{}"));
    add("429 Retry-After in seconds", Kind::Trouble, with("429 Too Many Requests", "Retry-After: 1"));
    add(
        "429 Retry-After absurd",
        Kind::Trouble,
        with("429 Too Many Requests", "Retry-After: 99999999999999999999"),
    );
    add(
        "429 Retry-After a date",
        Kind::Trouble,
        with("429 Too Many Requests", "Retry-After: Wed, 21 Oct 2099 07:28:00 GMT"),
    );
    add("429 Retry-After nonsense", Kind::Trouble, with("429 Too Many Requests", "Retry-After: soon"));
    add("500", Kind::Trouble, json("500 Internal Server Error", r#"{"error":"invalid_grant"}"#));
    add("501", Kind::Trouble, json("501 Not Implemented", "{}"));
    add("502 with a page", Kind::Trouble, json("502 Bad Gateway", "<html>bad gateway</html>"));
    add("503", Kind::Trouble, json("503 Service Unavailable", "{}"));
    add("503 Retry-After", Kind::Trouble, with("503 Service Unavailable", "Retry-After: 1"));
    add("504", Kind::Trouble, json("504 Gateway Timeout", ""));
    add("520", Kind::Trouble, json("520 Unknown", ""));
    add("599", Kind::Trouble, json("599 Network", ""));

    for (name, status) in [
        ("301 elsewhere", "301 Moved Permanently"),
        ("302 elsewhere", "302 Found"),
        ("303 elsewhere", "303 See Other"),
        ("307 elsewhere", "307 Temporary Redirect"),
        ("308 elsewhere", "308 Permanent Redirect"),
    ] {
        add(name, Kind::Elsewhere, with(status, &format!("Location: {evil}")));
    }

    add("closed at once", Kind::Broken, Play::Say(Vec::new()));
    add("reset at once", Kind::Broken, Play::SayAndReset(Vec::new()));
    add("closed in the status line", Kind::Broken, raw("HTTP/1.1 20"));
    add("closed in the headers", Kind::Broken, raw("HTTP/1.1 200 OK\r\nContent-Ty"));
    add(
        "closed in the body",
        Kind::Broken,
        raw(&format!("{head}Content-Length: 900\r\n\r\n{{\"access_token\":\"a")),
    );
    add(
        "reset in the body",
        Kind::Broken,
        Play::SayAndReset(format!("{head}Content-Length: 900\r\n\r\n{{\"access_token\":").into()),
    );
    add(
        "closed in a chunk",
        Kind::Broken,
        raw(&format!("{head}Transfer-Encoding: chunked\r\n\r\nff\r\n{{}}")),
    );
    add(
        "a bad chunk size",
        Kind::Broken,
        raw(&format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n")),
    );
    add("a length that is none", Kind::Broken, raw(&format!("{head}Content-Length: many\r\n\r\n{{}}")));
    add(
        "two lengths",
        Kind::Broken,
        raw(&format!("{head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}")),
    );
    add("not HTTP", Kind::Broken, raw("SSH-2.0-OpenSSH_9.2p1\r\n"));
    add("TLS where none was asked", Kind::Broken, Play::Say(vec![0x15, 3, 3, 0, 2, 2, 40]));
    add("silence", Kind::Broken, Play::SayAndHang(Vec::new()));
    add(
        "silence after the headers",
        Kind::Broken,
        Play::SayAndHang(format!("{head}Content-Length: 900\r\n\r\n").into()),
    );
    add(
        "dripping headers",
        Kind::Broken,
        Play::Drip(format!("{head}X: {}", "y".repeat(600)).into(), Duration::from_millis(200)),
    );
    add(
        "dripping body",
        Kind::Broken,
        Play::Drip(
            format!("{head}Content-Length: 900\r\n\r\n{}", " ".repeat(900)).into(),
            Duration::from_millis(200),
        ),
    );
    add(
        "headers of 1 MiB",
        Kind::Broken,
        raw(&format!("{head}X-Long: {}\r\nContent-Length: 2\r\n\r\n{{}}", "x".repeat(1 << 20))),
    );
    add(
        "endless headers",
        Kind::Broken,
        Play::Endless(head.into(), b"X-More: again and again and again\r\n".repeat(64)),
    );
    add("endless body", Kind::Broken, Play::Endless(format!("{head}\r\n").into(), vec![b' '; 64 * 1024]));
    add(
        "endless chunks",
        Kind::Broken,
        Play::Endless(
            format!("{head}Transfer-Encoding: chunked\r\n\r\n").into(),
            [b"10000\r\n".to_vec(), vec![b' '; 64 * 1024], b"\r\n".to_vec()].concat(),
        ),
    );
    add(
        "endless 100 Continue",
        Kind::Broken,
        Play::Endless(Vec::new(), b"HTTP/1.1 100 Continue\r\n\r\n".repeat(16)),
    );
    add(
        "a body of 300 KB",
        Kind::Broken,
        json("200 OK", &format!("{{\"access_token\":\"a\",\"pad\":\"{}\"}}", "x".repeat(300_000))),
    );
    add(
        "a bomb of 200 MiB",
        Kind::Broken,
        Play::Say(answer("200 OK", "Content-Encoding: gzip\r\n", &bomb(200))),
    );
    add(
        "gzip that is none",
        Kind::Broken,
        Play::Say(answer("200 OK", "Content-Encoding: gzip\r\n", b"{\"access_token\":\"a\"}")),
    );

    add("200 empty", Kind::Nonsense, json("200 OK", ""));
    add("204", Kind::Nonsense, raw("HTTP/1.1 204 No Content\r\n\r\n"));
    add("a page", Kind::Nonsense, json("200 OK", "<!doctype html><title>Sign in</title>"));
    add("half of JSON", Kind::Nonsense, json("200 OK", r#"{"access_token":"a"#));
    add("null", Kind::Nonsense, json("200 OK", "null"));
    add("a list", Kind::Nonsense, json("200 OK", "[1,2,3]"));
    add("a number", Kind::Nonsense, json("200 OK", "42"));
    add(
        "a token that is a number",
        Kind::Nonsense,
        json("200 OK", r#"{"access_token":5,"token_type":"bearer"}"#),
    );
    add(
        "a token that is an object",
        Kind::Nonsense,
        json("200 OK", r#"{"access_token":{},"token_type":"bearer"}"#),
    );
    add("no token", Kind::Nonsense, json("200 OK", r#"{"token_type":"bearer","expires_in":3600}"#));
    add("an empty token", Kind::Nonsense, json("200 OK", r#"{"access_token":"","token_type":"bearer"}"#));
    add(
        "a token with a line break",
        Kind::Nonsense,
        json("200 OK", r#"{"access_token":"a\r\nX-Evil: 1","token_type":"bearer"}"#),
    );
    add(
        "nested 100,000 deep",
        Kind::Nonsense,
        json("200 OK", &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))),
    );
    add(
        "bytes that are not text",
        Kind::Nonsense,
        Play::Say(answer("200 OK", "", &[0xff, 0xfe, 0, 0x80, 0xc0])),
    );
    faults
}
