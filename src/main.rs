//! The `hitchpost` binary; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    hitchpost::start()
}
