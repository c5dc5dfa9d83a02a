//! What a page costs: CPU time per request of `/`, beside nginx serving the same bytes as a file.
//!
//! Time on the clock says more about the machine's neighbours than about us, so this reads what the
//! kernel booked on the process. Run it with `cargo bench --bench page`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::{
    error::Error,
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

type Outcome<T> = Result<T, Box<dyn Error>>;

const SERVER: &str = env!("CARGO_BIN_EXE_hitchpost");
/// Every connector of the catalog, in turn.
const CONNECTORS: &str =
    "airtable asana dropbox github gitlab google-drive hubspot linear notion sendgrid stripe zendesk";
const SIZES: [usize; 2] = [48, 500];
const ENCODINGS: [&str; 2] = ["identity", "gzip"];
/// How many times nginx's CPU time ours should be at most.
const AIM: f64 = 8.0;
/// Requests before anything is measured, and per round.
const WARM_UP: u32 = 200;
const ROUND: u32 = 2000;
/// In which /proc counts, on every Linux that we build for.
const TICKS_PER_SECOND: f64 = 100.0;
/// Less CPU time than this says little, in ticks of 10 ms.
const ENOUGH: Duration = Duration::from_secs(1);
const REQUESTS_MAX: u32 = 200_000;

fn main() -> Outcome<()> {
    let nginx = on_path("nginx");
    if nginx.is_none() {
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
        let server = Hitchpost::start(&folder, size)?;
        for encoding in ENCODINGS {
            let headers = format!("Cookie: {}\r\nAccept-Encoding: {encoding}\r\n", server.cookie);
            let (own, body) = measure(&server.process, "/", &headers)?;
            let file = match &nginx {
                Some(nginx) => {
                    let peer = serve_file(nginx, &folder, encoding, &body)?;
                    Some(measure(&peer, "/page.html", "")?.0)
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
    if nginx.is_some() {
        let verdict = if worst <= AIM { "met" } else { "missed" };
        println!("Aim: at most {AIM} times nginx. The worst here is {worst:.1}: {verdict}.");
    }
    Ok(())
}

/// CPU µs per request, and the body.
fn measure(process: &Process, path: &str, headers: &str) -> Outcome<(f64, Vec<u8>)> {
    let mut client = Client::connect(process.port)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost:{}\r\nAccept: text/html\r\n{headers}\r\n",
        process.port
    );
    let body = client.ask(&request)?.good()?;
    for _ in 0..WARM_UP {
        client.ask(&request)?.good()?;
    }
    let before = process.cpu()?;
    let mut requests = 0;
    let mut used = Duration::ZERO;
    while used < ENOUGH && requests < REQUESTS_MAX {
        for _ in 0..ROUND {
            client.ask(&request)?.good()?;
        }
        requests += ROUND;
        used = process.cpu()?.saturating_sub(before);
    }
    Ok((used.as_secs_f64() * 1e6 / f64::from(requests), body))
}

/// A server with a signed-in customer.
struct Hitchpost {
    process: Process,
    cookie: String,
}

impl Hitchpost {
    fn start(folder: &Path, integrations: usize) -> Outcome<Self> {
        let mut config = "[[workspace]]\nkey = \"bench\"\nname = \"Bench\"\nsecret = \"a secret of a benchmark, 32 bytes\"\n".to_owned();
        for (number, connector) in (1..=integrations).zip(CONNECTORS.split(' ').cycle()) {
            write!(
                config,
                "[[workspace.integration]]\nkey = \"app-{number:03}\"\nname = \"App {number:03}\"\nconnector = \"{connector}\"\nsandbox = true\n"
            )?;
        }
        let file = folder.join("hitchpost.toml");
        fs::write(&file, config)?;
        let port = free_port()?;
        let command = || {
            let mut command = Command::new(SERVER);
            command
                .current_dir(folder)
                .env("HITCHPOST_CONFIG", &file)
                .env("HITCHPOST_LISTEN", format!("127.0.0.1:{port}"))
                .env("HITCHPOST_DATABASE", format!("sqlite:{}", folder.join("bench.db").display()))
                .stdin(Stdio::null())
                .stderr(Stdio::null());
            command
        };
        let process = Process::start(command().arg("serve").stdout(Stdio::null()), port)?;
        // The address is bound before the database is open; the first answer says that both are there.
        Client::connect(port)?
            .ask(&format!("GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"))?
            .good()?;
        let printed =
            command().args(["token", "--workspace", "bench", "--customer", "customer-1"]).output()?;
        let token = String::from_utf8(printed.stdout)?;
        let request = format!("GET /?token={} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n", token.trim());
        let answer = Client::connect(port)?.ask(&request)?;
        let cookie = answer.header("set-cookie").and_then(|value| value.split(';').next()).map(str::to_owned);
        Ok(Self { process, cookie: cookie.ok_or("signing in brought no cookie")? })
    }
}

/// nginx with one process that serves `body` at `/page.html`.
fn serve_file(nginx: &Path, folder: &Path, encoding: &str, body: &[u8]) -> Outcome<Process> {
    fs::write(folder.join("page.html"), body)?;
    let port = free_port()?;
    let place = folder.display();
    let header = if encoding == "identity" {
        String::new()
    } else {
        format!("add_header Content-Encoding {encoding};")
    };
    // Without a master the one process is the worker: it runs as ourselves and can read our files.
    let config = format!(
        "daemon off; master_process off; pid {place}/nginx.pid; error_log {place}/nginx.log;
events {{ worker_connections 64; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; default_type text/html;
    client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
    server {{ listen 127.0.0.1:{port}; root {place}; {header} }}
}}
"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, config)?;
    let mut command = Command::new(nginx);
    command.arg("-e").arg(folder.join("nginx.log")).arg("-c").arg(&file);
    Process::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()), port)
}

/// A process that listens; ended when dropped.
struct Process {
    child: Child,
    port: u16,
}

impl Process {
    fn start(command: &mut Command, port: u16) -> Outcome<Self> {
        let mut process = Self { child: command.spawn()?, port };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = process.child.try_wait()? {
                return Err(format!("{command:?} ended: {status}").into());
            }
            if Instant::now() > deadline {
                return Err(format!("{command:?} does not listen").into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(process)
    }

    /// CPU time of all its threads so far, in user space and in the kernel for it.
    fn cpu(&self) -> Outcome<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The second field, the name, may hold spaces; it ends at the last parenthesis.
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
        let used = ticks(11).zip(ticks(12)).ok_or("cannot read /proc/PID/stat")?;
        Ok(Duration::from_secs_f64((used.0 + used.1) / TICKS_PER_SECOND))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Just enough of an HTTP/1.1 client.
struct Client(BufReader<TcpStream>);

struct Answer {
    status: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Client {
    fn connect(port: u16) -> Outcome<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::with_capacity(64 * 1024, stream)))
    }

    fn ask(&mut self, request: &str) -> Outcome<Answer> {
        self.0.get_mut().write_all(request.as_bytes())?;
        let status = self.line()?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        if let Some(length) = answer.header("content-length") {
            let length = length.parse()?;
            self.take(length, &mut answer.body)?;
        } else if answer.header("transfer-encoding").is_some() {
            loop {
                let length = usize::from_str_radix(self.line()?.trim(), 16)?;
                self.take(length, &mut answer.body)?;
                self.line()?;
                if length == 0 {
                    break;
                }
            }
        }
        Ok(answer)
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line)? {
            0 => Err("the connection was closed".into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    fn take(&mut self, length: usize, body: &mut Vec<u8>) -> Outcome<()> {
        let start = body.len();
        body.resize(start + length, 0);
        Ok(self.0.read_exact(&mut body[start..])?)
    }
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// Its body, if it is a 200.
    fn good(self) -> Outcome<Vec<u8>> {
        if self.status.contains(" 200 ") { Ok(self.body) } else { Err(self.status.into()) }
    }
}

/// A new folder below `target`.
fn folder(name: &str) -> Outcome<PathBuf> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path)?;
    Ok(path)
}

fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    // Debian keeps daemons where only root's PATH leads.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}
