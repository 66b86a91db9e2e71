//! What an ELF header tells of a program (System V ABI, "ELF Header", "Program Header").

use super::{ImageError, Libraries};

/// A segment that names the program's interpreter, which is the dynamic linker.
const PT_INTERP: u32 = 3;

/// The architecture that images name (OCI image specification, `GOARCH` of Go) of a program that starts with these
/// libraries alone.
pub(super) fn architecture(program: &[u8], libraries: &Libraries) -> Result<&'static str, ImageError> {
    // 64 bits, little-endian, version 1.
    if !program.starts_with(b"\x7fELF\x02\x01\x01") {
        return Err(ImageError::NoElf);
    }
    let machine = u16::from_le_bytes(bytes(program, 18)?);
    let architecture = match machine {
        62 => "amd64",
        183 => "arm64",
        other => return Err(ImageError::Machine(other)),
    };
    match interpreter(program)? {
        Some(interpreter) if !libraries.has(&interpreter) => Err(ImageError::NotStatic(interpreter)),
        Some(_) | None => Ok(architecture),
    }
}

/// The interpreter that the program headers name.
pub(super) fn interpreter(program: &[u8]) -> Result<Option<String>, ImageError> {
    let table = offset(u64::from_le_bytes(bytes(program, 32)?))?;
    let size = usize::from(u16::from_le_bytes(bytes(program, 54)?));
    let count = usize::from(u16::from_le_bytes(bytes(program, 56)?));
    for index in 0..count {
        let header = part(program, table.saturating_add(index * size), size)?;
        if u32::from_le_bytes(bytes(header, 0)?) == PT_INTERP {
            let start = offset(u64::from_le_bytes(bytes(header, 8)?))?;
            let length = offset(u64::from_le_bytes(bytes(header, 32)?))?;
            let path = part(program, start, length)?;
            return Ok(Some(String::from_utf8_lossy(path).trim_end_matches('\0').to_owned()));
        }
    }
    Ok(None)
}

fn part(of: &[u8], start: usize, length: usize) -> Result<&[u8], ImageError> {
    of.get(start..start.saturating_add(length)).ok_or(ImageError::NoElf)
}

fn offset(value: u64) -> Result<usize, ImageError> {
    // Beyond half of the address space nothing of a file lies, and sums stay within it.
    usize::try_from(value).ok().filter(|value| *value <= usize::MAX / 2).ok_or(ImageError::NoElf)
}

fn bytes<const N: usize>(of: &[u8], at: usize) -> Result<[u8; N], ImageError> {
    part(of, at, N)?.try_into().map_err(|_| ImageError::NoElf)
}
