//! `airtight lint`: policies that do not do what they say.

use std::path::PathBuf;

use airtight_lint::fix::{Mended, mend};
use airtight_lint::{Catalogue, Input, Report, explained, lint as linted, refused, sarif};
use airtight_manifest::{Severity, Sources};
use airtight_matrix::run::{ExitStatus, today};
use airtight_model::path::Engine;
use clap::{Args, ValueEnum};

use super::diagnostics;
use super::error::CliError;
use super::input::{AUTO, Inputs, ReadingArgs};
use super::output::{Output, OutputFormat};

/// What to look at, and how to tell.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 nothing is refused, 1 an object is refused or what --deny names was found, \
                        2 usage, or a file that cannot be read")]
pub struct LintArgs {
    /// Files or folders with manifests, charts, or `-` for standard input [default: ./manifests if it is there, else the
    /// built-in reference set]
    #[arg(value_name = "PATH", env = "AIRTIGHT_MANIFESTS")]
    paths: Vec<PathBuf>,
    /// Component versions: `reference`, `latest`, a stack file, or `auto`: the stack among the manifests, as a snapshot
    /// has one, else `reference`
    #[arg(long, value_name = "NAME", default_value = AUTO, env = "AIRTIGHT_STACK")]
    stack: String,
    /// The namespace of objects that name none [default: default]
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
    /// End with 1 where this was found: `warnings`, or a rule; may be repeated
    #[arg(long, value_name = "WHAT", value_parser = denied)]
    deny: Vec<String>,
    /// Mend what can be mended without a doubt, in the files
    #[arg(long, conflicts_with = "explain")]
    fix: bool,
    /// With --fix: show the changes, and make none
    #[arg(long, requires = "fix")]
    dry_run: bool,
    /// Print a rule: what happens, the correct form, the source
    #[arg(long, value_name = "RULE", value_parser = rule)]
    explain: Option<String>,
    /// Output format
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    reading: ReadingArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// For people: each finding with its line.
    #[default]
    Text,
    /// JSON (`airtight schema lint`).
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
}

const WARNINGS: &str = "warnings";

/// Looks for what breaks a rule.
///
/// # Errors
/// When inputs cannot be read, or a file cannot be mended.
pub fn lint(args: &LintArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    if let Some(rule) = args.explain.as_deref().and_then(|id| Catalogue::embedded().rule(id)) {
        write!(output.out, "{}", explained(rule)).map_err(CliError::Output)?;
        return Ok(ExitStatus::Passed);
    }
    let (report, sources, read) = args.looked()?;
    if args.fix {
        return args.mended(&report, &sources, read, output);
    }
    args.show(&report, &sources, output)?;
    Ok(args.status(&report, read))
}

impl LintArgs {
    /// What was found, and whether everything could be read.
    fn looked(&self) -> Result<(Report, Sources, bool), CliError> {
        let read = Inputs::of_manifests(&self.paths, &self.stack, &self.reading, self.namespace.as_deref());
        let unread = |findings: &[airtight_manifest::Diagnostic], sources: Sources| {
            (refused(findings, &sources, &self.stack, today()), sources, false)
        };
        let inputs = match read {
            Ok(inputs) => inputs,
            Err(CliError::Input(findings)) => {
                let sources = Sources::of_files(&findings);
                return Ok(unread(&findings, sources));
            }
            Err(error) => return Err(error),
        };
        let sources = inputs.sources();
        let built = match inputs.world() {
            Ok(built) => built,
            Err(CliError::Input(findings)) => return Ok(unread(&findings, sources)),
            Err(error) => return Err(error),
        };
        let engine = Engine::compile(&built.world);
        let report = linted(Input {
            documents: &inputs.manifests.documents,
            admitted: &built.documents,
            sources: &sources,
            engine: &engine,
            noticed: &inputs.findings(&built),
            today: today(),
        });
        Ok((report, sources, true))
    }

    fn show(&self, report: &Report, sources: &Sources, output: &mut Output<'_>) -> Result<(), CliError> {
        match self.output {
            Format::Text => text(report, sources, output),
            Format::Json => output.serialized(report, OutputFormat::Json),
            Format::Sarif => output.serialized(&sarif(report, sources), OutputFormat::Json),
        }
    }

    fn status(&self, report: &Report, read: bool) -> ExitStatus {
        let denied = report.findings.iter().map(|found| &found.diagnostic).any(|finding| {
            let warnings = finding.severity == Severity::Warning && self.deny.iter().any(|what| what == WARNINGS);
            warnings || self.deny.contains(&finding.code)
        });
        match (read, report.counts.errors > 0 || denied) {
            (false, _) => ExitStatus::InputError,
            (true, true) => ExitStatus::Failed,
            (true, false) => ExitStatus::Passed,
        }
    }

    /// Mends the files, or shows how, and tells what is left.
    fn mended(
        &self,
        report: &Report,
        sources: &Sources,
        read: bool,
        output: &mut Output<'_>,
    ) -> Result<ExitStatus, CliError> {
        let files = mend(report, sources);
        if self.dry_run {
            for file in &files {
                write!(output.out, "{}", file.diff()).map_err(CliError::Output)?;
            }
            return Ok(self.status(report, read));
        }
        let written: Vec<&Mended> = files.iter().filter(|file| is_on_disk(file)).collect();
        for file in &written {
            let path = PathBuf::from(&*file.file);
            std::fs::write(&path, &file.text).map_err(|source| CliError::Write { path, source })?;
        }
        let lines: usize = written.iter().map(|file| file.edits.len()).sum();
        writeln!(output.err, "mended {lines} lines in {} files", written.len()).map_err(CliError::Output)?;
        let (left, sources, read) = self.looked()?;
        self.show(&left, &sources, output)?;
        Ok(self.status(&left, read))
    }
}

/// Whether a file can be written back: neither standard input nor a part of the program.
fn is_on_disk(file: &Mended) -> bool {
    PathBuf::from(&*file.file).is_file()
}

fn text(report: &Report, sources: &Sources, output: &mut Output<'_>) -> Result<(), CliError> {
    diagnostics::write(output.out, &report.diagnostics(), sources).map_err(CliError::Output)?;
    let counts = report.counts;
    let mut told: Vec<String> = [(counts.errors, "error"), (counts.warnings, "warning"), (counts.notes, "note")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| plural(number, what))
        .collect();
    if told.is_empty() {
        told.push("nothing found".to_owned());
    }
    told.extend((counts.allowed > 0).then(|| format!("{} allowed", counts.allowed)));
    let fixable = report.findings.iter().filter(|found| found.fixable).count();
    told.extend((fixable > 0).then(|| format!("{fixable} that --fix mends")));
    writeln!(output.out, "{}", told.join(", ")).map_err(CliError::Output)?;
    let gravest = report
        .findings
        .iter()
        .map(|found| &found.diagnostic)
        .reduce(|one, other| if other.severity > one.severity { other } else { one });
    if let Some(gravest) = gravest {
        let code = &gravest.code;
        writeln!(output.out, "  `airtight lint --explain {code}` says more").map_err(CliError::Output)?;
    }
    Ok(())
}

fn plural(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The id of a rule that there is.
fn rule(text: &str) -> Result<String, String> {
    if Catalogue::embedded().rule(text).is_some() {
        return Ok(text.to_owned());
    }
    let ids = Catalogue::embedded().rules().iter().map(|rule| rule.id.as_str());
    let meant = airtight_manifest::closest(text, ids).map(|meant| format!(": did you mean `{meant}`?"));
    Err(format!("there is no such rule{}", meant.unwrap_or_else(|| "; docs/rules.md lists them".to_owned())))
}

/// What `--deny` takes.
fn denied(text: &str) -> Result<String, String> {
    if text == WARNINGS { Ok(text.to_owned()) } else { rule(text) }
}
