//! Manifests as a text, linted as the command lints them.

use std::sync::OnceLock;

use airtight_lint::{Input, Report, lint, refused};
use airtight_manifest::stack::Stack;
use airtight_manifest::{File, Reading, Severity, Sources, manifests_of};
use airtight_model::path::Engine;
use airtight_model::world::{Environment, build};
use airtight_testkit::{repository, stack};
use jiff::civil::Date;

/// The day on which vectors are linted.
pub(crate) const TODAY: Date = jiff::civil::date(2026, 1, 15);

/// What was found, and the texts.
pub(crate) struct Linted {
    pub(crate) report: Report,
    pub(crate) sources: Sources,
}

/// Nodes and ranges as around the reference set, and its hosts nowhere.
fn environment() -> Environment {
    static READ: OnceLock<Environment> = OnceLock::new();
    let read = || Environment::read(&repository::document("manifests/environment.yaml")).unwrap();
    let mut environment = READ.get_or_init(read).clone();
    environment.hosts.clear();
    environment
}

/// A stack that comes with the program, or the reference without Kyverno, or without its exceptions.
fn shipped(name: &str) -> Stack {
    let mut stack = stack::shipped("reference");
    match name {
        "without-kyverno" => stack.kyverno.absent = true,
        "without-exceptions" => stack.kyverno.exception_namespace = None,
        _ => return stack::shipped(name),
    }
    stack
}

/// Lints files on a stack.
pub(crate) fn linted(files: &[(&str, &str)], stack_name: &str) -> Linted {
    let shipped = shipped(stack_name);
    let mut sources = Sources::default();
    for (name, text) in files {
        sources.insert(name, text);
    }
    let read: Vec<File> =
        files.iter().map(|(name, text)| File { name: (*name).to_owned(), bytes: text.as_bytes().to_vec() }).collect();
    let reading = Reading { strict: false, namespace: Some("default"), renderer: None };
    let loaded = match manifests_of(read, reading) {
        Ok(loaded) => loaded,
        Err(findings) => return Linted { report: refused(&findings, &sources, stack_name, TODAY), sources },
    };
    let built = match build(&loaded.documents, &environment(), shipped) {
        Ok(built) => built,
        Err(findings) => return Linted { report: refused(&findings, &sources, stack_name, TODAY), sources },
    };
    let noticed: Vec<_> = loaded.findings.iter().chain(&built.findings).cloned().collect();
    let engine = Engine::compile(&built.world);
    let report = lint(Input {
        documents: &loaded.documents,
        admitted: &built.documents,
        sources: &sources,
        engine: &engine,
        noticed: &noticed,
        today: TODAY,
    });
    Linted { report, sources }
}

impl Linted {
    /// Warnings and errors as `LINE RULE`, in order.
    pub(crate) fn told(&self) -> Vec<String> {
        self.lines(|severity| severity != Severity::Note)
    }

    /// Notes, in the same form.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.lines(|severity| severity == Severity::Note)
    }

    fn lines(&self, wanted: impl Fn(Severity) -> bool) -> Vec<String> {
        let counted = self.report.findings.iter().map(|found| &found.diagnostic);
        let counted = counted.filter(|finding| wanted(finding.severity));
        let line = |finding: &airtight_manifest::Diagnostic| {
            finding.location.as_ref().map_or(0, |location| location.position.line)
        };
        counted.map(|finding| format!("{} {}", line(finding), finding.code)).collect()
    }

    /// Everything with its words, for a test that fails.
    pub(crate) fn shown(&self) -> String {
        let lines = self.report.findings.iter().map(|found| found.diagnostic.to_string());
        lines.collect::<Vec<_>>().join("\n")
    }
}
