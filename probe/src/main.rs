//! The program `airtight-probe`.

use std::process::ExitCode;

fn main() -> ExitCode {
    airtight_probe::program::main(std::env::args_os())
}
