//! The `hitchpost` binary; everything is in the library.

use std::process::ExitCode;

/// A call through the server asks for memory some eighty times; this one answers in half the time of the
/// system's, and huge pages would make it keep what it does not use.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hitchpost::start()
}
