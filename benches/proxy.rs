//! What a proxied call costs: CPU time of the whole process per call, beside nginx with `proxy_pass` in
//! front of the same upstream. Run it with `cargo bench --bench proxy`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "stage/nginx.rs"]
mod nginx;
#[path = "stage/mod.rs"]
mod stage;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use nginx::{nginx, on_path};
use stage::{Client, Hitchpost, Outcome, Process, folder, get, measure};

/// Connections that are called in turn so that each call finds its credential gone from memory.
const MANY: usize = 3000;
const MIB: u64 = 1024 * 1024;
const SPARSE: u64 = 1024 * MIB;
/// How many times nginx's CPU time ours should be at most, by what is called.
const SMALL_AIM: f64 = 2.2;
const LARGE_AIM: f64 = 1.0;
const MISS_AIM: f64 = 4.0;
/// Memory while a body of 1 GiB passes, MiB.
const MEMORY_AIM: f64 = 64.0;

fn main() -> Outcome<()> {
    let Some(program) = on_path("nginx") else {
        println!(
            "nginx is not on PATH (Debian: apt-get install nginx-light): there is nothing to compare with."
        );
        return Ok(());
    };
    let folder = folder("proxy")?;
    fs::write(folder.join("small"), vec![b'a'; 200])?;
    fs::write(folder.join("large"), vec![b'b'; usize::try_from(MIB)?])?;
    fs::File::create(folder.join("huge"))?.set_len(SPARSE)?;
    let upstream = nginx(&program, &folder, "upstream", "", "")?;
    let to = upstream.port;
    let peer = nginx(
        &program,
        &folder,
        "peer",
        &format!("upstream app {{ server 127.0.0.1:{to}; keepalive 16; }}"),
        "location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection \"\"; }",
    )?;
    let server = start(&folder, to)?;
    let admin = server.token("customer-0", true)?;
    let connections =
        (0..MANY).map(|number| connect(&server, &admin, number)).collect::<Outcome<Vec<_>>>()?;

    println!("CPU time per proxied call, one keep-alive connection");
    println!("{:>24}  {:>12}  {:>9}  {:>6}  {:>5}", "", "Hitchpost µs", "nginx µs", "ratio", "aim");
    let token = format!("Authorization: Bearer {admin}\r\n");
    let ours =
        |connection: &String, path: &str| get(&format!("/connections/{connection}/proxy/{path}"), &token);
    let small = [get("/small", "")];
    let rows = [
        ("200 bytes", vec![ours(&connections[0], "small")], &small, SMALL_AIM),
        ("1 MiB", vec![ours(&connections[0], "large")], &[get("/large", "")], LARGE_AIM),
        ("200 bytes, cache miss", connections.iter().map(|id| ours(id, "small")).collect(), &small, MISS_AIM),
    ];
    for (what, asked, plain, aim) in rows {
        let own = measure(&server.process, &asked)?.0;
        let theirs = measure(&peer, plain)?.0;
        let ratio = own / theirs;
        let verdict = if ratio <= aim { "met" } else { "missed" };
        println!("{what:>24}  {own:>12.1}  {theirs:>9.1}  {ratio:>6.2}  {aim:>5} {verdict}");
    }
    let (most, read) = huge(&server.process, &ours(&connections[0], "huge"))?;
    let verdict = if most < MEMORY_AIM && read >= SPARSE { "met" } else { "missed" };
    println!(
        "A body of {} MiB took at most {most:.1} MiB of memory (aim: below {MEMORY_AIM}): {verdict}.",
        read / MIB
    );
    Ok(())
}

fn start(folder: &Path, upstream: u16) -> Outcome<Hitchpost> {
    let connector = format!(
        "name = \"Upstream\"\n[api]\nbase = \"http://127.0.0.1:{upstream}\"\nhosts = [\"127.0.0.1:{upstream}\"]\n\
         [[auth]]\nkey = \"key\"\ntype = \"api-key\"\nuse.headers = {{ Authorization = \"Bearer {{{{api_key}}}}\" }}\n\
         field = [{{ name = \"api_key\", title = \"Key\", secret = true }}]\n"
    );
    fs::write(folder.join("upstream.toml"), connector)?;
    let config = format!(
        "[server]\negress_allow = [\"127.0.0.1:{upstream}\"]\n\
         [server.limits]\napi_per_customer = \"off\"\napi_per_workspace = \"off\"\n\
         [[workspace]]\nkey = \"bench\"\nname = \"Bench\"\nsecret = \"a secret of a benchmark, 32 bytes\"\n\
         [[workspace.integration]]\nkey = \"upstream\"\nconnector = \"file:upstream.toml\"\n"
    );
    Hitchpost::start(folder, &config)
}

/// A further connection, as a backend imports it.
fn connect(server: &Hitchpost, admin: &str, number: usize) -> Outcome<String> {
    let body = format!(
        r#"{{"integrationKey":"upstream","customerId":"customer-0","allowMultipleConnections":true,"name":"{number}","credentials":{{"api_key":"key-{number}"}},"test":false}}"#
    );
    let request = format!(
        "POST /connections HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {admin}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = Client::connect(server.process.port)?.ask(&request)?;
    let made: serde_json::Value = serde_json::from_slice(&answer.body)?;
    made["id"].as_str().map(str::to_owned).ok_or_else(|| format!("{}: {made}", answer.status).into())
}

/// The most memory that the process had while a body passed, MiB, and how much of the body came.
fn huge(process: &Process, request: &str) -> Outcome<(f64, u64)> {
    let mut stream = TcpStream::connect(("127.0.0.1", process.port))?;
    stream.write_all(request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes())?;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most: f64 = 0.0;
            while !done.load(Ordering::Relaxed) {
                most = most.max(memory(process).unwrap_or_default());
                thread::sleep(Duration::from_millis(20));
            }
            most
        });
        let (mut read, mut buffer) = (0, vec![0; 256 * 1024]);
        let outcome = loop {
            match stream.read(&mut buffer) {
                Ok(0) => break Ok(read),
                Ok(count) => read += u64::try_from(count)?,
                Err(error) => break Err(error),
            }
        };
        done.store(true, Ordering::Relaxed);
        let most = watcher.join().map_err(|_| "the watcher stopped")?;
        Ok((most, outcome?))
    })
}

/// Memory of a process that is its own, MiB: the proportional set size.
fn memory(process: &Process) -> Outcome<f64> {
    let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", process.child.id()))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("no Pss in smaps_rollup")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}
