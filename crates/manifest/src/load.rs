//! Files and folders → documents: the only part of this module that touches the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::diagnostic::Diagnostic;
use super::kustomize;
use super::source::{Location, Position, Sources};
use super::yaml::{Document, MAX_FILE_BYTES, decode_utf8, parse};

/// Folders nested deeper than this are refused: a link that leads back to its parent would never end.
const MAX_FOLDER_DEPTH: usize = 32;

/// A file's name as the user sees it, and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path as given, with `/` between its parts.
    pub name: String,
    /// Content.
    pub bytes: Vec<u8>,
}

/// Everything that was read.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// All documents in the order of files.
    pub documents: Vec<Document>,
    /// The texts, for diagnostics.
    pub sources: Sources,
    /// SHA-256 of every file that was used, by name, in lower-case hex.
    pub digests: BTreeMap<String, String>,
    /// Remarks that refuse nothing (a file that a kustomization leaves out, …).
    pub findings: Vec<Diagnostic>,
}

impl Loaded {
    /// Takes over everything of `other`.
    pub fn extend(&mut self, other: Self) {
        self.documents.extend(other.documents);
        self.sources.extend(other.sources);
        self.digests.extend(other.digests);
        self.findings.extend(other.findings);
    }
}

/// Reads a file, or a folder with everything below it (or, where a folder has a `kustomization.yaml`,
/// what that lists).
///
/// # Errors
/// Every file that cannot be read or is not YAML, and a folder without any manifest.
pub fn load(path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    let mut reader = Reader::default();
    reader.visit(path, 0);
    if !reader.failures.is_empty() {
        return Err(reader.failures);
    }
    if reader.files.is_empty() {
        return Err(vec![empty(path)]);
    }
    load_files(reader.files)
}

/// Parses files that were read already (from a disk, or from within the program).
///
/// # Errors
/// Every file that is not YAML, and every `kustomization.yaml` that lists what is not there.
pub fn load_files(files: Vec<File>) -> Result<Loaded, Vec<Diagnostic>> {
    let mut loaded = Loaded::default();
    let mut failures = Vec::new();
    let mut parsed = BTreeMap::new();
    for file in files {
        match parse_file(&file, &mut loaded) {
            Ok(documents) => {
                parsed.insert(file.name, documents);
            }
            Err(finding) => failures.push(finding),
        }
    }
    match kustomize::select(parsed) {
        Ok(selection) => {
            loaded.documents = selection.documents;
            loaded.findings.extend(selection.findings);
        }
        Err(findings) => failures.extend(findings),
    }
    if failures.is_empty() { Ok(loaded) } else { Err(failures) }
}

fn parse_file(file: &File, loaded: &mut Loaded) -> Result<Vec<Document>, Diagnostic> {
    let name: Arc<str> = Arc::from(file.name.as_str());
    let text = decode_utf8(&name, &file.bytes)?;
    let documents = parse(&name, text)?;
    loaded.sources.insert(&file.name, text);
    let digest = Sha256::digest(&file.bytes);
    loaded.digests.insert(file.name.clone(), super::object::hex(&digest));
    Ok(documents)
}

fn empty(path: &Path) -> Diagnostic {
    Diagnostic::error("no-manifests", format!("there is no .yaml, .yml or .json file in {}", path.display()))
        .hint("name a folder with manifests, or a file")
}

#[derive(Default)]
struct Reader {
    files: Vec<File>,
    failures: Vec<Diagnostic>,
    seen: BTreeSet<PathBuf>,
}

impl Reader {
    fn visit(&mut self, path: &Path, depth: usize) {
        if depth > MAX_FOLDER_DEPTH {
            return self.fail(path, "folders are nested too deeply", "look for a link that leads back to its parent");
        }
        match fs::metadata(path) {
            Err(error) => self.fail(path, &describe(&error), "check the path and its permissions"),
            Ok(meta) if meta.is_dir() => self.folder(path, depth),
            Ok(meta) if !meta.is_file() => self.fail(path, "not a regular file", "name a file or a folder"),
            Ok(meta) => self.file(path, meta.len()),
        }
    }

    fn folder(&mut self, path: &Path, depth: usize) {
        // A folder reached twice through links would load every object twice.
        if path.canonicalize().is_ok_and(|real| !self.seen.insert(real)) {
            return;
        }
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => return self.fail(path, &describe(&error), "check the permissions of the folder"),
        };
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        paths.sort();
        for entry in paths.iter().filter(|entry| entry.is_dir() && !is_hidden(entry) || is_manifest(entry)) {
            self.visit(entry, depth + 1);
        }
    }

    fn file(&mut self, path: &Path, bytes: u64) {
        if bytes > MAX_FILE_BYTES {
            let why = format!("{bytes} bytes, more than {MAX_FILE_BYTES}");
            return self.fail(path, &why, "split the file");
        }
        match fs::read(path) {
            Ok(bytes) => self.files.push(File { name: path.to_string_lossy().replace('\\', "/"), bytes }),
            Err(error) => self.fail(path, &describe(&error), "check the permissions of the file"),
        }
    }

    fn fail(&mut self, path: &Path, why: &str, hint: &str) {
        let name: Arc<str> = Arc::from(path.to_string_lossy().as_ref());
        self.failures.push(
            Diagnostic::error("unreadable", format!("cannot read {}: {why}", path.display()))
                .at(Location::new(&name, Position { line: 1, column: 1 }))
                .hint(hint),
        );
    }
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

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

fn is_manifest(path: &Path) -> bool {
    !is_hidden(path) && path.extension().is_some_and(|ext| matches!(ext.to_str(), Some("yaml" | "yml" | "json")))
}
