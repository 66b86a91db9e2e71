//! The `airtight` command.

use std::process::ExitCode;

/// Worlds are many small objects, made and dropped again for every object whose removal is tried: a third of a
/// run's time with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    airtight::cli::main()
}
