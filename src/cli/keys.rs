//! `hitchpost workspace keys`: makes, shows and retires what customers' tokens are signed with.

use std::{io::Write as _, time::Duration};

use clap::Subcommand;

use super::{refused, say};
use crate::{
    engine::{Engine, EngineError, KeyView},
    model::Timestamp,
    server::{self, StartError},
    store::Retiring,
};

/// Verbs of `hitchpost workspace`.
#[derive(Subcommand)]
pub(super) enum Workspace {
    /// Keys that your backend signs its customers' tokens with
    #[command(subcommand)]
    Keys(Keys),
}

/// Verbs of `hitchpost workspace keys`.
#[derive(Subcommand)]
pub(super) enum Keys {
    /// Show the keys of a workspace: name, kind, when made, when last used, state
    ///
    /// No private key and no secret is shown: of a private key Hitchpost never kept anything. Times are
    /// UTC; the last use is at most a minute behind, and is not kept for secrets.
    List {
        /// Key of the workspace
        #[arg(long)]
        workspace: String,
    },
    /// Make a key pair, print the private key once, and keep the public one
    ///
    /// The private key (RSA, 2048 bits, PKCS #8 PEM) goes to standard output and nowhere else: put it where
    /// your backend keeps its secrets. Everything else is said on standard error. The keys there were go on
    /// counting, so a backend can change over while both work; `retire` then ends the old one.
    New {
        /// Key of the workspace
        #[arg(long)]
        workspace: String,
        /// Name of the key, for the header of tokens: 1 to 64 letters, digits, `-`, `.`, `_`
        /// [default: the day and six hexadecimal digits]
        #[arg(long, value_name = "NAME")]
        kid: Option<String>,
    },
    /// Let a key count no longer, at once or after a while
    ///
    /// Tokens signed with it are refused from then on. Pages that were opened before stay open until their
    /// session ends, at most 8 hours. Retired keys cannot be brought back. A key that stands in the
    /// configuration file is taken out there.
    Retire {
        /// Key of the workspace
        #[arg(long)]
        workspace: String,
        /// Name of the key, as `list` shows it
        kid: String,
        /// How long it counts still, such as 30m, 24h or 7d; said again it moves the end
        #[arg(long = "in", value_name = "DURATION", default_value = "0s", value_parser = humantime::parse_duration)]
        after: Duration,
    },
}

impl Keys {
    pub(super) async fn obey(self, engine: &Engine) -> Result<(), StartError> {
        match self {
            Self::List { workspace } => list(engine, &workspace).await,
            Self::New { workspace, kid } => new(engine, &workspace, kid.as_deref()).await,
            Self::Retire { workspace, kid, after } => retire(engine, &workspace, &kid, after).await,
        }
    }
}

async fn list(engine: &Engine, workspace: &str) -> Result<(), StartError> {
    let keys = engine.keys_of(workspace).await.map_err(|error| unfit(error, workspace))?;
    let now = engine.clock().now();
    let heads = ["KID", "KIND", "MADE", "LAST USED", "STATE"].map(str::to_owned);
    let lines: Vec<_> = std::iter::once(heads).chain(keys.iter().map(|key| line(key, now))).collect();
    let widths: [usize; 5] = std::array::from_fn(|column| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default()
    });
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        say(&mut std::io::stdout(), cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    Ok(())
}

fn line(key: &KeyView, now: Timestamp) -> [String; 5] {
    let used = match key.last_used_at {
        Some(at) => minute(at),
        None if key.kind == "secret" => "-".to_owned(),
        None => "never".to_owned(),
    };
    let state = match key.retires_at {
        Some(end) if end <= now => format!("retired {}", minute(end)),
        Some(end) => format!("retires {}", minute(end)),
        None if key.of_file => "in use, from the configuration file".to_owned(),
        None => "in use".to_owned(),
    };
    let kid = key.kid.clone().unwrap_or_else(|| "-".to_owned());
    [kid, key.kind.to_owned(), minute(key.created_at), used, state]
}

/// `2026-11-21 14:05`.
fn minute(at: Timestamp) -> String {
    at.rfc3339().get(..16).unwrap_or_default().replace('T', " ")
}

async fn new(engine: &Engine, workspace: &str, kid: Option<&str>) -> Result<(), StartError> {
    let made = engine.make_key(workspace, kid).await.map_err(|error| unfit(error, workspace))?;
    if let Err(error) = print(made.private_key.expose()) {
        // Nobody has it: it must not look like a key that is in use.
        engine.retire_key(workspace, &made.kid, Duration::ZERO).await?;
        return Err(error.into());
    }
    let mut aside = std::io::stderr();
    say(&mut aside, &format!("key {} of workspace {workspace} counts from now on", made.kid));
    say(
        &mut aside,
        "the private key was printed once and is kept nowhere: store it with your backend's secrets",
    );
    say(&mut aside, &format!("sign with RS256, header {{\"alg\":\"RS256\",\"kid\":\"{}\"}}", made.kid));
    say(
        &mut aside,
        &format!("claims: \"iss\": \"{workspace}\", or \"workspace_id\": \"{}\"", made.workspace),
    );
    Ok(())
}

fn print(key: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    out.write_all(key.as_bytes())?;
    out.flush()
}

async fn retire(engine: &Engine, workspace: &str, kid: &str, after: Duration) -> Result<(), StartError> {
    let done = engine.retire_key(workspace, kid, after).await.map_err(|error| unfit(error, workspace))?;
    let mut out = std::io::stdout();
    match done {
        Retiring::Unknown => {
            return Err(refused(
                "KID",
                format!("workspace `{workspace}` has no key `{kid}`; `list` shows them"),
            ));
        }
        Retiring::OfFile => {
            let reason = format!(
                "`{kid}` stands in the configuration file: take it out of `public_keys` there and apply the file"
            );
            return Err(refused("KID", reason));
        }
        Retiring::Over(at) => say(&mut out, &format!("key {kid} was retired already, at {} UTC", minute(at))),
        Retiring::Until(_) if after.is_zero() => say(&mut out, &format!("key {kid} is retired")),
        Retiring::Until(at) => say(&mut out, &format!("key {kid} counts until {} UTC", minute(at))),
    }
    let end = engine.clock().now().plus(after);
    if !engine.workspace_by_key(workspace).await?.has_key(end) {
        say(&mut std::io::stderr(), &format!("there is no other key: {}", server::no_key(workspace)));
    }
    Ok(())
}

fn unfit(error: EngineError, workspace: &str) -> StartError {
    match error {
        EngineError::NotFound(_) => super::no_workspace(workspace),
        EngineError::AlreadyExists(_) => {
            refused("--kid", format!("workspace `{workspace}` has a key of that name; choose another"))
        }
        EngineError::Invalid(wrong) => {
            let reasons: Vec<_> = wrong.into_iter().map(|(_, reason)| reason).collect();
            refused("--kid", reasons.join(" "))
        }
        other => other.into(),
    }
}
