//! The `airtight` command.

fn main() {}
