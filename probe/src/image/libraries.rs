//! What a program needs beside itself to start, taken from the process that runs it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Files by their absolute paths: the dynamic linker and the libraries of a program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Libraries {
    files: BTreeMap<String, Vec<u8>>,
}

impl Libraries {
    /// Those of the program that runs this: what the kernel has mapped into it as code (proc(5), `maps`), each where it
    /// was found, which is where its dynamic linker looks; and the linker under the name by which `program` asks for it.
    ///
    /// # Errors
    /// When the map or a file cannot be read, as on every system but Linux.
    pub fn of_this_process(program: &[u8]) -> io::Result<Self> {
        let own = std::env::current_exe()?;
        let maps = std::fs::read_to_string("/proc/self/maps")?;
        let mut files = BTreeMap::new();
        for path in mapped_code(&maps).filter(|path| Path::new(path) != own) {
            if !files.contains_key(path) {
                files.insert(path.to_owned(), std::fs::read(path)?);
            }
        }
        if let Ok(Some(linker)) = super::program::interpreter(program) {
            let bytes = std::fs::read(&linker)?;
            files.insert(linker, bytes);
        }
        Ok(Self { files })
    }

    /// Whether a file is among them.
    pub(super) fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// Each file with its path.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }
}

/// The files of executable mappings: `address perms offset device inode path`.
fn mapped_code(maps: &str) -> impl Iterator<Item = &str> {
    maps.lines().filter_map(|line| {
        let mut fields = line.splitn(6, ' ');
        let permissions = fields.nth(1)?;
        let path = fields.nth(3)?.trim_start();
        (permissions.contains('x') && path.starts_with('/') && !path.ends_with(" (deleted)")).then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_files_is_taken_and_nothing_else() {
        let maps = "\
55d0-55d1 r--p 00000000 fe:00 131 /usr/bin/airtight
55d1-55d2 r-xp 00001000 fe:00 131                          /usr/bin/airtight
7f10-7f11 r-xp 00001000 fe:00 7                            /usr/lib/a dir/libc.so.6
7f12-7f13 rw-p 00000000 00:00 0
7f14-7f15 r-xp 00000000 00:00 0                            [vdso]
7f16-7f17 r-xp 00000000 fe:00 9                            /tmp/gone.so (deleted)
";
        assert_eq!(mapped_code(maps).collect::<Vec<_>>(), ["/usr/bin/airtight", "/usr/lib/a dir/libc.so.6"]);
    }
}
