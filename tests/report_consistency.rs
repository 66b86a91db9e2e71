//! Every format carries the same counts and ids.

#[path = "fixtures/run/mod.rs"]
mod fixture;

use airtight::report::{Format, write};

#[test]
fn reports_are_written() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("mixed");
    let paths = write(&folder, &fixture::mixed(), &Format::ALL).unwrap();
    assert_eq!(paths.len(), 4);
    write(&folder.with_file_name("green"), &fixture::green(), &Format::ALL).unwrap();
}
