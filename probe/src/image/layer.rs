//! The layer: the program and its libraries, always packed the same.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

use super::{Libraries, PROGRAM};

/// A tar with the program and its libraries, which everybody may run and nobody change.
pub(super) fn of_program(program: &[u8], libraries: &Libraries) -> io::Result<Vec<u8>> {
    let mut layer = Builder::new(Vec::new());
    for (path, bytes) in std::iter::once((PROGRAM, program)).chain(libraries.iter()) {
        append(&mut layer, path.trim_start_matches('/'), 0o555, bytes)?;
    }
    layer.into_inner()
}

/// Adds a file of root's, as old as time.
pub(super) fn append<W: Write>(tar: &mut Builder<W>, path: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    tar.append_data(&mut header, path, bytes)
}

/// The layer as gzip, without time, name or system in its header.
pub(super) fn compressed(layer: &[u8]) -> io::Result<Vec<u8>> {
    const UNKNOWN_SYSTEM: u8 = 255;
    let mut gzip = GzBuilder::new().operating_system(UNKNOWN_SYSTEM).write(Vec::new(), Compression::best());
    gzip.write_all(layer)?;
    gzip.finish()
}
