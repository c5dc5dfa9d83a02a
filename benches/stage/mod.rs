//! What the benchmarks share: processes that are measured by the CPU time the kernel booked on them, a
//! client that costs little, and a place to write.

use std::{
    error::Error,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

pub type Outcome<T> = Result<T, Box<dyn Error>>;

const SERVER: &str = env!("CARGO_BIN_EXE_hitchpost");
/// In which /proc counts, on every Linux that we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Requests before anything is measured, and between two looks at the clock.
const WARM_UP: usize = 200;
const ROUND: usize = 100;
/// Less CPU time than this says little, in ticks of 10 ms.
const ENOUGH: Duration = Duration::from_secs(1);
const REQUESTS_MAX: usize = 200_000;

/// A request for `path`, with further header lines.
pub fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}

/// CPU µs per request over one keep-alive connection, the requests in turn; and the last body.
pub fn measure(process: &Process, requests: &[String]) -> Outcome<(f64, Vec<u8>)> {
    let mut client = Client::connect(process.port)?;
    let mut turn = requests.iter().cycle();
    let mut ask = || client.ask(turn.next().ok_or("nothing to ask")?)?.good();
    let mut body = ask()?;
    for _ in 0..WARM_UP {
        body = ask()?;
    }
    let (before, mut asked, mut used) = (process.cpu()?, 0, Duration::ZERO);
    while used < ENOUGH && asked < REQUESTS_MAX {
        for _ in 0..ROUND {
            body = ask()?;
        }
        asked += ROUND;
        used = process.cpu()?.saturating_sub(before);
    }
    Ok((used.as_secs_f64() * 1e6 / f64::from(u32::try_from(asked)?), body))
}

/// The server with a configuration of its own.
pub struct Hitchpost {
    pub process: Process,
    config: PathBuf,
    database: PathBuf,
}

impl Hitchpost {
    pub fn start(folder: &Path, config: &str) -> Outcome<Self> {
        let (file, database) = (folder.join("hitchpost.toml"), folder.join("bench.db"));
        fs::write(&file, config)?;
        let port = free_port()?;
        let mut command = Self::command(&file, &database, port);
        let process = Process::start(command.arg("serve").stdout(Stdio::null()), port)?;
        // The address is bound before the database is open; the first answer says that both are there.
        Client::connect(port)?
            .ask(&format!("GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"))?
            .good()?;
        Ok(Self { process, config: file, database })
    }

    fn command(config: &Path, database: &Path, port: u16) -> Command {
        let mut command = Command::new(SERVER);
        command
            .env("HITCHPOST_CONFIG", config)
            .env("HITCHPOST_LISTEN", format!("127.0.0.1:{port}"))
            .env("HITCHPOST_DATABASE", format!("sqlite:{}", database.display()))
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// A token of the workspace `bench`, as the command line makes it.
    pub fn token(&self, customer: &str, admin: bool) -> Outcome<String> {
        let mut command = Self::command(&self.config, &self.database, self.process.port);
        command.args(["token", "--workspace", "bench", "--customer", customer, "--expires", "12h"]);
        if admin {
            command.arg("--admin");
        }
        Ok(String::from_utf8(command.output()?.stdout)?.trim().to_owned())
    }
}

/// A process that listens; ended when dropped.
pub struct Process {
    pub child: Child,
    pub port: u16,
}

impl Process {
    pub fn start(command: &mut Command, port: u16) -> Outcome<Self> {
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
    pub fn cpu(&self) -> Outcome<Duration> {
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
pub struct Client(BufReader<TcpStream>);

pub struct Answer {
    pub status: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Client {
    pub fn connect(port: u16) -> Outcome<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::with_capacity(64 * 1024, stream)))
    }

    pub fn ask(&mut self, request: &str) -> Outcome<Answer> {
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
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// Its body, if it is a 200.
    pub fn good(self) -> Outcome<Vec<u8>> {
        if self.status.contains(" 200 ") { Ok(self.body) } else { Err(self.status.into()) }
    }
}

/// A new folder below `target`.
pub fn folder(name: &str) -> Outcome<PathBuf> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path)?;
    Ok(path)
}

pub fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
