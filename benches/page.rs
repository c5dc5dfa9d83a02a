//! What a page costs: CPU time per request of `/`, beside nginx serving the same bytes as a file.
//!
//! Time on the clock says more about the machine's neighbours than about us, so this reads what the
//! kernel booked on the process. Run it with `cargo bench --bench page`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "stage/nginx.rs"]
mod nginx;
#[path = "stage/mod.rs"]
mod stage;

use std::{fmt::Write as _, fs, path::Path};

use nginx::{nginx, on_path};
use stage::{Client, Hitchpost, Outcome, Process, folder, get, measure};

/// Every connector of the catalog, in turn.
const CONNECTORS: &str =
    "airtable asana dropbox github gitlab google-drive hubspot linear notion sendgrid stripe zendesk";
const SIZES: [usize; 2] = [48, 500];
const ENCODINGS: [&str; 2] = ["identity", "gzip"];
/// How many times nginx's CPU time ours should be at most.
const AIM: f64 = 8.0;

fn main() -> Outcome<()> {
    let peer = on_path("nginx");
    if peer.is_none() {
        println!(
            "nginx is not on PATH (Debian: apt-get install nginx-light), so only our own figures follow."
        );
    }
    println!("CPU time per request of `/` (48 cards a page), one keep-alive connection");
    println!(
        "{:>12}  {:>8}  {:>7}  {:>12}  {:>9}  {:>6}",
        "integrations", "encoding", "bytes", "Hitchpost µs", "nginx µs", "ratio"
    );
    let mut worst: f64 = 0.0;
    for size in SIZES {
        let folder = folder(&format!("page-{size}"))?;
        let (server, cookie) = signed_in(&folder, size)?;
        for encoding in ENCODINGS {
            let headers = format!("Accept: text/html\r\nCookie: {cookie}\r\nAccept-Encoding: {encoding}\r\n");
            let (own, body) = measure(&server.process, &[get("/", &headers)])?;
            let file = match &peer {
                Some(program) => {
                    let peer = serve_file(program, &folder, encoding, &body)?;
                    Some(measure(&peer, &[get("/page.html", "")])?.0)
                }
                None => None,
            };
            let ratio = file.map(|file| own / file);
            worst = worst.max(ratio.unwrap_or_default());
            let shown = |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| format!("{figure:.1}"));
            println!(
                "{size:>12}  {encoding:>8}  {:>7}  {own:>12.1}  {:>9}  {:>6}",
                body.len(),
                shown(file),
                shown(ratio)
            );
        }
    }
    if peer.is_some() {
        let verdict = if worst <= AIM { "met" } else { "missed" };
        println!("Aim: at most {AIM} times nginx. The worst here is {worst:.1}: {verdict}.");
    }
    Ok(())
}

/// A server with a signed-in customer, and the customer's cookie.
fn signed_in(folder: &Path, integrations: usize) -> Outcome<(Hitchpost, String)> {
    let mut config =
        "[[workspace]]\nkey = \"bench\"\nname = \"Bench\"\nsecret = \"a secret of a benchmark, 32 bytes\"\n"
            .to_owned();
    for (number, connector) in (1..=integrations).zip(CONNECTORS.split(' ').cycle()) {
        write!(
            config,
            "[[workspace.integration]]\nkey = \"app-{number:03}\"\nname = \"App {number:03}\"\nconnector = \"{connector}\"\nsandbox = true\n"
        )?;
    }
    let server = Hitchpost::start(folder, &config)?;
    let (port, token) = (server.process.port, server.token("customer-1", false)?);
    let request = format!("GET /?token={token} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
    let answer = Client::connect(port)?.ask(&request)?;
    let cookie = answer.header("set-cookie").and_then(|value| value.split(';').next()).map(str::to_owned);
    Ok((server, cookie.ok_or("signing in brought no cookie")?))
}

/// nginx that serves `body` at `/page.html`.
fn serve_file(program: &Path, folder: &Path, encoding: &str, body: &[u8]) -> Outcome<Process> {
    fs::write(folder.join("page.html"), body)?;
    let header = match encoding {
        "identity" => String::new(),
        other => format!("add_header Content-Encoding {other};"),
    };
    nginx(program, folder, "file", "", &header)
}
