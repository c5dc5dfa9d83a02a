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

/// Integrations of the small workspace: as many as one page shows. The large one has every connector.
const ONE_PAGE: usize = 48;
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
    let connectors = connectors()?;
    for size in [ONE_PAGE, connectors.len().max(ONE_PAGE + 1)] {
        let folder = folder(&format!("page-{size}"))?;
        let (server, cookie) = signed_in(&folder, size, &connectors)?;
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

/// Keys of all connectors, sorted, so that the first page of both workspaces is the same.
fn connectors() -> Outcome<Vec<String>> {
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("connectors"))?;
    let names = files.map(|file| Ok(file?.file_name().to_string_lossy().into_owned()));
    let names = names.collect::<Outcome<Vec<_>>>()?;
    let mut keys: Vec<_> =
        names.iter().filter_map(|name| name.strip_suffix(".toml")).map(str::to_owned).collect();
    keys.sort();
    Ok(keys)
}

/// A server with a signed-in customer, and the customer's cookie.
fn signed_in(folder: &Path, integrations: usize, connectors: &[String]) -> Outcome<(Hitchpost, String)> {
    let mut config =
        "[[workspace]]\nkey = \"bench\"\nname = \"Bench\"\nsecret = \"a secret of a benchmark, 32 bytes\"\n"
            .to_owned();
    for (number, connector) in (1..=integrations).zip(connectors.iter().cycle()) {
        write!(
            config,
            "[[workspace.integration]]\nkey = \"app-{number:03}\"\nname = \"App {number:03}\"\nconnector = \"{connector}\"\nfeatured = false\nsandbox = true\n"
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
