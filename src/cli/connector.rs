//! `hitchpost connector`: what the apps of the catalog want, and what is wrong with a file.

mod list;
mod show;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Subcommand;

use super::{refused, say, table::counted};
use crate::{
    catalog::{Catalog, Connector, parse, schema},
    config::Environment,
    server::StartError,
};

/// Exit code of a file that is refused.
const REFUSED: u8 = 1;

/// Verbs of `hitchpost connector`.
#[derive(Subcommand)]
pub(super) enum Verb {
    /// List the connectors that come with Hitchpost, with counts by auth type at the end
    List(list::Wanted),
    /// Show one connector: who gives which value, the callback address to register, and a block to paste
    Show(show::Asked),
    /// Check connector files: every fault with file, line, key and reason; exit code 1 if there is one
    ///
    /// The check is the one that `apply` and the server's start make.
    Check {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Print the JSON Schema of connector files, for editors, and nothing else
    ///
    /// Save it beside your file and begin the file with `#:schema ./connector.schema.json`.
    Schema,
}

impl Verb {
    pub(super) fn obey(self, file: Option<&Path>, environment: &Environment) -> Result<ExitCode, StartError> {
        match self {
            Self::List(wanted) => list::list(&Catalog::on_demand(), &wanted),
            Self::Show(asked) => show::show(&Catalog::on_demand(), &asked, file, environment)?,
            Self::Check { files } => return check(&files),
            Self::Schema => say(&mut std::io::stdout(), schema::document().trim_end()),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn check(files: &[PathBuf]) -> Result<ExitCode, StartError> {
    let mut out = std::io::stdout();
    let mut found = 0;
    for file in files {
        let (key, text) = read(file)?;
        let name = file.display().to_string();
        let faults = parse::faults(&key, &name, &text);
        found += faults.len();
        for fault in &faults {
            say(&mut out, &fault.to_string());
        }
        if faults.is_empty() {
            let options = parse::connector(&key, &name, &text).map(|connector| connector.auth.len());
            say(
                &mut out,
                &format!("{name}: ok, {}", counted(options.unwrap_or_default(), "way") + " to sign in"),
            );
        }
    }
    if found == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    say(
        &mut std::io::stderr(),
        &format!("hitchpost: {} in {}", counted(found, "fault"), counted(files.len(), "file")),
    );
    Ok(ExitCode::from(REFUSED))
}

/// A connector's key, which is the file's name, and its text.
fn read(file: &Path) -> Result<(String, String), StartError> {
    let key = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    let text = std::fs::read_to_string(file)
        .map_err(|error| refused(&file.display().to_string(), format!("cannot be read: {error}")))?;
    Ok((key, text))
}

/// The connector of a key, or of a file that is named with `.toml`.
fn found(catalog: &Catalog, named: &str) -> Result<std::sync::Arc<Connector>, StartError> {
    if named.ends_with(".toml") {
        let path = Path::new(named.strip_prefix("file:").unwrap_or(named));
        let (key, text) = read(path)?;
        return parse::connector(&key, &path.display().to_string(), &text).map(Into::into).map_err(|fault| {
            let line = fault.line.map(|line| format!(":{line}")).unwrap_or_default();
            refused(&format!("{}{line}", fault.file), format!("{}: {}", fault.key, fault.reason))
        });
    }
    catalog.get(named).cloned().ok_or_else(|| {
        let beginning = named.get(..3).unwrap_or(named);
        let near = catalog.iter().find(|connector| connector.key.starts_with(beginning));
        let hint = near.map(|near| format!(" (did you mean `{}`?)", near.key)).unwrap_or_default();
        refused(
            "connector",
            format!("there is no `{named}` in the catalog{hint}; `hitchpost connector list` has all"),
        )
    })
}
