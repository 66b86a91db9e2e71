//! The `airtight` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    airtight::cli::main()
}
