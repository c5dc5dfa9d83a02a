//! Encryption keys: from the environment, or from a file beside the database that only its owner reads.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use super::{ConfigError, Environment};
use crate::{clock::Entropy, model::Secret, vault::Vault};

const VARIABLE: &str = "HITCHPOST_ENCRYPTION_KEYS";
/// Name of the first key an installation makes.
const FIRST_KID: &str = "1";

/// Where the key file of a database is: `<database>.key`.
pub fn key_path(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".key");
    PathBuf::from(path)
}

/// The keys in the form the vault reads. Makes the file when the database is new and there is none.
pub fn encryption_keys(
    database: &Path,
    is_new: bool,
    environment: &Environment,
    entropy: &dyn Entropy,
) -> Result<Secret<String>, ConfigError> {
    if let Some(keys) = environment.get(VARIABLE) {
        return Ok(Secret::from(keys));
    }
    let path = key_path(database);
    let unreadable = |reason| ConfigError::Unreadable { path: path.clone(), reason };
    match std::fs::read_to_string(&path) {
        Ok(keys) => return Ok(Secret::new(keys.trim().to_owned())),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(unreadable(error)),
        Err(_) => {}
    }
    if !is_new {
        let database = database.display().to_string();
        return Err(ConfigError::MissingKey { database, key_file: path });
    }
    let keys = Vault::generate(FIRST_KID, entropy);
    match write(&path, &keys) {
        Ok(()) => Ok(keys),
        // Another process starts on the same new database at the same time: its key counts.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let keys = std::fs::read_to_string(&path).map_err(unreadable)?;
            Ok(Secret::new(keys.trim().to_owned()))
        }
        Err(reason) => Err(ConfigError::Unwritable { path, reason }),
    }
}

fn write(path: &Path, keys: &Secret<String>) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(keys.expose().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}
