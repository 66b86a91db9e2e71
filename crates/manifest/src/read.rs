//! Files and folders → their bytes, as `kubectl -R` finds them: the only part of this crate that touches the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::Diagnostic;
use super::kustomize;
use super::load::File;
use super::source::{Location, Position};
use super::yaml::MAX_FILE_BYTES;

/// Folders nested deeper than this are refused: a link that leads back to its parent would never end.
const MAX_FOLDER_DEPTH: usize = 32;

/// How standard input is called where a file's name would stand.
const STANDARD_INPUT: &str = "standard input";

/// What was read of a disk.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) files: Vec<File>,
    /// Where the folders of kustomizations and charts are, by the name that is shown.
    pub(super) folders: BTreeMap<String, PathBuf>,
    pub(super) failures: Vec<Diagnostic>,
    seen: BTreeSet<PathBuf>,
    /// How many files were met, those that had been read before among them.
    met: usize,
    names: BTreeSet<String>,
}

impl Read {
    /// Adds a file, a folder with everything below it, or with `-` standard input.
    pub(super) fn add(&mut self, path: &Path) {
        let before = (self.met, self.failures.len());
        let again = path.canonicalize().is_ok_and(|real| self.seen.contains(&real));
        if path == Path::new("-") {
            self.stream(STANDARD_INPUT, std::io::stdin().lock());
        } else if path.file_name().is_some_and(|name| kustomize::is_name(&name.to_string_lossy())) {
            // It speaks of the folder around it.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            self.visit(folder.unwrap_or(Path::new(".")), 0);
        } else {
            self.visit(path, 0);
        }
        if before == (self.met, self.failures.len()) && !again {
            self.failures.push(empty(path));
        }
    }

    fn visit(&mut self, path: &Path, depth: usize) {
        if depth > MAX_FOLDER_DEPTH {
            return self.fail(path, "folders are nested too deeply", "look for a link that leads back to its parent");
        }
        match fs::metadata(path) {
            Err(error) => self.fail(path, &describe(&error), "check the path and its permissions"),
            // What is reached twice through links, or named twice, is there once.
            Ok(meta) if path.canonicalize().is_ok_and(|real| !self.seen.insert(real)) => {
                self.met += usize::from(meta.is_file());
            }
            Ok(meta) if meta.is_dir() => self.folder(path, depth),
            Ok(meta) if !meta.is_file() && !is_pipe(&meta) => {
                self.fail(path, "not a regular file", "name a file or a folder");
            }
            Ok(meta) => self.file(path, meta.len()),
        }
    }

    fn folder(&mut self, path: &Path, depth: usize) {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => return self.fail(path, &describe(&error), "check the permissions of the folder"),
        };
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        paths.sort();
        for entry in paths.iter().filter(|entry| !is_internal(entry) && (entry.is_dir() || is_manifest(entry))) {
            self.visit(entry, depth + 1);
        }
    }

    fn file(&mut self, path: &Path, bytes: u64) {
        if bytes > MAX_FILE_BYTES {
            return self.fail(path, &too_large(bytes), "split the file");
        }
        match fs::File::open(path) {
            Ok(file) => {
                let name = shown(path);
                if let Some(folder) = special_folder(path) {
                    self.folders.insert(shown(folder), folder.to_owned());
                }
                self.stream(&name, file);
            }
            Err(error) => self.fail(path, &describe(&error), "check the permissions of the file"),
        }
    }

    /// Takes in what is read until its end; a stream without end is cut off.
    fn stream(&mut self, name: &str, reader: impl std::io::Read) {
        self.met += 1;
        let mut bytes = Vec::new();
        match reader.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes) {
            Ok(read) if read as u64 > MAX_FILE_BYTES => {
                self.fail(Path::new(name), &too_large(MAX_FILE_BYTES + 1), "split the file");
            }
            Ok(_) => {
                let name = self.distinct(name);
                self.files.push(File { name, bytes });
            }
            Err(error) => self.fail(Path::new(name), &describe(&error), "check the permissions of the file"),
        }
    }

    /// A name that no other file is shown with: two names may differ in bytes alone that nobody can see.
    fn distinct(&mut self, name: &str) -> String {
        let numbered = (2_usize..).map(|number| format!("{name} ({number})"));
        let free = std::iter::once(name.to_owned()).chain(numbered).find(|name| !self.names.contains(name));
        let name = free.unwrap_or_else(|| name.to_owned());
        self.names.insert(name.clone());
        name
    }

    fn fail(&mut self, path: &Path, why: &str, hint: &str) {
        let name = shown(path);
        let at = Location::new(&Arc::from(name.as_str()), Position { line: 1, column: 1 });
        let finding = Diagnostic::error("unreadable", format!("cannot read {name}: {why}"));
        self.failures.push(finding.at(at).hint(hint));
    }
}

/// The folder that a file makes a kustomization or a chart.
fn special_folder(path: &Path) -> Option<&Path> {
    let name = path.file_name()?.to_string_lossy();
    (kustomize::is_name(&name) || name == "Chart.yaml").then(|| path.parent()).flatten()
}

/// A path as it is shown: with `/` between its parts, and without what would steer a terminal.
pub(super) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy().replace('\\', "/"))
}

/// A text without what would steer a terminal or turn the writing around.
#[must_use]
pub fn printable(text: &str) -> String {
    let steers = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let escaped = |c: char| if steers(c) { c.escape_default().to_string() } else { c.to_string() };
    if text.contains(steers) { text.chars().map(escaped).collect() } else { text.to_owned() }
}

/// What a shell's `<(command)` is.
fn is_pipe(meta: &fs::Metadata) -> bool {
    #[cfg(unix)]
    {
        std::os::unix::fs::FileTypeExt::is_fifo(&meta.file_type())
    }
    #[cfg(not(unix))]
    {
        let _ = meta;
        false
    }
}

fn too_large(bytes: u64) -> String {
    format!("{bytes} bytes or more, more than {MAX_FILE_BYTES}")
}

fn empty(path: &Path) -> Diagnostic {
    Diagnostic::error("no-manifests", format!("there is no .yaml, .yml or .json file in {}", shown(path)))
        .hint("name a folder with manifests, or a file")
}

/// The text of a file for showing a line of it; empty if it is too large, or cannot be read any more.
pub(super) fn text_of(file: &str) -> String {
    let fits = fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_FILE_BYTES);
    if fits {
        fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    } else {
        String::new()
    }
}

fn describe(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// What a kubelet keeps beside the files of a mounted ConfigMap, which lead there.
fn is_internal(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".."))
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|ext| matches!(ext.to_str(), Some("yaml" | "yml" | "json")))
        || path.file_name().is_some_and(|name| name == kustomize::BARE_NAME)
}
