//! Files and folders → documents: strictly, as what airtight's own formats are written in, or as manifests, among which
//! there is much that is not ours.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::diagnostic::Diagnostic;
use super::kustomize::{self, Kustomizations, Top};
use super::node::Node;
use super::placeholder;
use super::read::Read;
use super::render::Renderer;
use super::sift::{LeftOut, Unused, sift};
use super::source::Sources;
use super::yaml::{Document, decode_utf8, parse};

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
    /// Remarks that refuse nothing (a file that a kustomization leaves out, objects of a kind that is not read, …).
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

    /// Every namespace that is written, or that an object names as its own.
    #[must_use]
    pub fn namespaces(&self) -> BTreeSet<&str> {
        self.documents.iter().filter_map(namespace_of).collect()
    }
}

/// The namespace that a document is, or whose object it is.
fn namespace_of(document: &Document) -> Option<&str> {
    let metadata = document.root.get("metadata")?;
    let is_namespace = document.root.get("kind").and_then(Node::as_str) == Some("Namespace");
    metadata.get(if is_namespace { "name" } else { "namespace" })?.as_str()
}

/// How manifests are read.
#[derive(Clone, Copy, Default)]
pub struct Reading<'a> {
    /// Whether objects of a kind that airtight does not read are errors.
    pub strict: bool,
    /// Where objects live that name no namespace [default: `default`].
    pub namespace: Option<&'a str>,
    /// Who renders kustomizations and charts; without one they are errors.
    pub renderer: Option<&'a dyn Renderer>,
}

/// Reads a file, or a folder with everything below it (or, where a folder has a `kustomization.yaml`,
/// what that lists).
///
/// # Errors
/// Every file that cannot be read or is not YAML, and a folder without any manifest.
pub fn load(path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    let mut read = Read::default();
    read.add(path);
    if read.failures.is_empty() { load_files(read.files) } else { Err(read.failures) }
}

/// Parses files that were read already (from a disk, or from within the program).
///
/// # Errors
/// Every file that is not YAML, and every `kustomization.yaml` that lists what is not there.
pub fn load_files(files: Vec<File>) -> Result<Loaded, Vec<Diagnostic>> {
    let (mut loaded, mut failures, mut parsed) = (Loaded::default(), Vec::new(), kustomize::Files::new());
    for file in files {
        match parse_file(&file, &mut loaded) {
            Ok(documents) => parsed.entry(file.name).or_default().extend(documents),
            Err(finding) => failures.push(finding),
        }
    }
    let tops = match Kustomizations::of(&parsed).tops() {
        Ok(tops) => tops,
        Err(findings) => return Err(failures.into_iter().chain(findings).collect()),
    };
    failures.extend(tops.iter().filter_map(|top| match top {
        Top::Listed { .. } => None,
        Top::Rendered { folder, field, by, .. } => Some(kustomize::unrendered(folder, field, by)),
    }));
    if !failures.is_empty() {
        return Err(failures);
    }
    let mut left_out = LeftOut::default();
    let kept = kustomize::kept(&parsed, &tops, &mut left_out);
    loaded.documents = parsed.into_iter().filter(|(name, _)| kept.contains(name)).flat_map(|(_, kept)| kept).collect();
    loaded.findings.extend(left_out.findings());
    Ok(loaded)
}

/// Reads manifests as people have them: each of `paths` a file, a folder, a chart, or `-` for standard input.
///
/// Lists are taken apart, kustomizations and charts rendered where listing their files would not do. Objects of kinds
/// that airtight does not read, and files that are no manifests, are counted in the findings and otherwise left out.
///
/// # Errors
/// Every file that cannot be read; broken YAML; broken objects; kinds of groups that airtight knows and that do not
/// exist; kustomizations and charts that cannot be rendered.
pub fn load_manifests(paths: &[PathBuf], reading: Reading<'_>) -> Result<Loaded, Vec<Diagnostic>> {
    let mut read = Read::default();
    let (charts, paths): (Vec<&PathBuf>, Vec<&PathBuf>) =
        paths.iter().partition(|path| path.join("Chart.yaml").is_file());
    for path in paths {
        read.add(path);
    }
    for chart in charts {
        match rendered_chart(chart, reading.renderer) {
            Ok(file) => read.files.push(file),
            Err(finding) => read.failures.push(finding),
        }
    }
    if !read.failures.is_empty() {
        return Err(read.failures);
    }
    Manifests { read, reading, loaded: Loaded::default(), failures: Vec::new(), left_out: LeftOut::default() }.load()
}

/// Manifests that were read already, as [`load_manifests`] takes them from files.
///
/// # Errors
/// Those of [`load_manifests`], but for what the disk refuses.
pub fn manifests_of(files: Vec<File>, reading: Reading<'_>) -> Result<Loaded, Vec<Diagnostic>> {
    let mut read = Read::default();
    read.files = files;
    Manifests { read, reading, loaded: Loaded::default(), failures: Vec::new(), left_out: LeftOut::default() }.load()
}

/// Manifests on their way from bytes to objects.
struct Manifests<'a> {
    read: Read,
    reading: Reading<'a>,
    loaded: Loaded,
    failures: Vec<Diagnostic>,
    left_out: LeftOut,
}

impl Manifests<'_> {
    fn load(mut self) -> Result<Loaded, Vec<Diagnostic>> {
        let mut parsed = kustomize::Files::new();
        self.parse_all(&mut parsed);
        self.follow_outside(&mut parsed);
        let files = self.kustomized(parsed);
        let sifted = sift(files, self.reading, &mut self.left_out);
        self.failures.extend(sifted.failures);
        if !self.failures.is_empty() {
            return Err(self.failures);
        }
        self.loaded.findings.extend(self.left_out.findings());
        self.loaded.findings.extend(sifted.findings);
        self.loaded.findings.extend(placeholder::finding(&sifted.documents));
        self.loaded.documents = sifted.documents;
        Ok(self.loaded)
    }

    /// Parses what was read since the last time.
    fn parse_all(&mut self, parsed: &mut kustomize::Files) {
        let files = std::mem::take(&mut self.read.files);
        let charts: BTreeSet<String> = files.iter().filter_map(|file| chart_of(&file.name)).collect();
        for file in files {
            if charts.iter().any(|chart| is_in_chart(&file.name, chart)) {
                self.left_out.add(Unused::Chart, &file.name);
                continue;
            }
            match parse_file(&file, &mut self.loaded) {
                Ok(documents) => {
                    parsed.insert(file.name, documents);
                }
                Err(finding) => {
                    match unparsed(&file) {
                        Some(why) => self.left_out.add(why, &file.name),
                        None => self.failures.push(finding),
                    }
                    // It is there all the same, for whoever lists it.
                    parsed.insert(file.name, Vec::new());
                }
            }
        }
    }

    /// Reads what kustomizations name beyond the folders that the user named.
    fn follow_outside(&mut self, parsed: &mut kustomize::Files) {
        let mut tried = BTreeSet::new();
        loop {
            let outside = kustomize::outside(parsed);
            let new: Vec<String> = outside.into_iter().filter(|target| tried.insert(target.clone())).collect();
            if new.is_empty() {
                return;
            }
            for path in new.iter().map(Path::new).filter(|path| path.exists()) {
                self.read.add(path);
            }
            self.failures.append(&mut self.read.failures);
            self.parse_all(parsed);
        }
    }

    /// The files whose objects count: kustomizations are followed or rendered.
    fn kustomized(&mut self, parsed: kustomize::Files) -> Vec<(String, Vec<Document>)> {
        let tops = match Kustomizations::of(&parsed).tops() {
            Ok(tops) => tops,
            Err(findings) => {
                self.failures.extend(findings);
                return Vec::new();
            }
        };
        let kept = kustomize::kept(&parsed, &tops, &mut self.left_out);
        let mut made = Vec::new();
        for top in &tops {
            if let Top::Rendered { folder, field, by, .. } = top {
                match self.rendered(folder, field, by) {
                    Ok(file) => made.push(file),
                    Err(finding) => self.failures.push(finding),
                }
            }
        }
        parsed.into_iter().filter(|(name, _)| kept.contains(name)).chain(made).collect()
    }

    fn rendered(&mut self, folder: &str, field: &str, by: &Document) -> Result<(String, Vec<Document>), Diagnostic> {
        let path = self.read.folders.get(folder);
        let (Some(renderer), Some(path)) = (self.reading.renderer, path) else {
            return Err(kustomize::unrendered(folder, field, by));
        };
        let bytes = renderer.kustomization(path)?.into_bytes();
        let file = File { name: format!("{folder} (rendered)"), bytes };
        let documents = parse_file(&file, &mut self.loaded)?;
        Ok((file.name, documents))
    }
}

fn rendered_chart(folder: &Path, renderer: Option<&dyn Renderer>) -> Result<File, Diagnostic> {
    let name = super::read::shown(folder);
    let Some(renderer) = renderer else {
        return Err(Diagnostic::error("chart", format!("{name} is a chart, which nobody renders here")));
    };
    Ok(File { bytes: renderer.chart(folder)?.into_bytes(), name: format!("{name} (rendered)") })
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

/// The folder of the chart that a file is the head of.
fn chart_of(name: &str) -> Option<String> {
    let folder = name.strip_suffix("Chart.yaml")?;
    (folder.is_empty() || folder.ends_with('/')).then(|| folder.to_owned())
}

fn is_in_chart(name: &str, chart: &str) -> bool {
    name.strip_prefix(chart).is_some_and(|rest| {
        rest == "Chart.yaml"
            || rest.starts_with("values")
            || !rest.contains('/')
            || PARTS.iter().any(|part| rest.starts_with(part))
    })
}

/// Folders of a chart that Helm reads.
const PARTS: &[&str] = &["templates/", "charts/", "crds/", "ci/"];

/// What a file that is no YAML is, if it is no broken manifest.
fn unparsed(file: &File) -> Option<Unused> {
    let text = std::str::from_utf8(&file.bytes).ok()?;
    if text.lines().any(is_templated) {
        return Some(Unused::Template);
    }
    let is_json = Path::new(&file.name).extension().is_some_and(|extension| extension == "json");
    (is_json && !text.contains("apiVersion")).then_some(Unused::Data)
}

/// Whether a line has an action of a Go template where YAML could not have quoted it.
fn is_templated(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '-', '\t']);
    !line.starts_with('#') && (line.starts_with("{{") || line.contains(": {{") || line.contains("{%"))
}
