//! nginx as the peer that a figure is compared with.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::stage::{Outcome, Process, free_port};

/// nginx with one process and the given `server` block's content, after its `listen`.
pub fn nginx(program: &Path, folder: &Path, name: &str, http: &str, server: &str) -> Outcome<Process> {
    let port = free_port()?;
    let place = folder.display();
    // Without a master the one process is the worker: it runs as ourselves and can read our files.
    let config = format!(
        "daemon off; master_process off; pid {place}/{name}.pid; error_log {place}/{name}.log;
events {{ worker_connections 512; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; default_type text/html;
    client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
    {http}
    server {{ listen 127.0.0.1:{port}; root {place}; {server} }}
}}
"
    );
    let file = folder.join(format!("{name}.conf"));
    fs::write(&file, config)?;
    let mut command = Command::new(program);
    command.arg("-e").arg(folder.join(format!("{name}.log"))).arg("-c").arg(&file);
    Process::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()), port)
}

pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    // Debian keeps daemons where only root's PATH leads.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}
