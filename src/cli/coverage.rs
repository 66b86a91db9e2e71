//! `airtight coverage`: what the matrix would not notice.

use std::path::PathBuf;

use airtight_matrix::run::ExitStatus;
use airtight_matrix::run::coverage::{CoverageRecord, Input, Sample, measure};
use airtight_model::path::Engine;
use airtight_report::coverage::{Extent, render_list, render_markdown};
use airtight_report::{ReportError, Style};
use clap::Args;

use super::diff::DiffFormat;
use super::error::CliError;
use super::input::{InputArgs, Inputs, ReadingArgs};
use super::output::{Output, OutputFormat};

/// What to measure, and how to tell.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 measured, 1 less than --min or an object is refused, 2 usage or input error, \
                        4 the matrix has no case")]
pub struct CoverageArgs {
    #[command(flatten)]
    input: InputArgs,
    /// End with 1 unless so much is noticed, in percent: of removed objects, and of mutants of rules
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min: Option<f64>,
    /// Write a scenario file with a case for each allowed flow that no case asserts
    #[arg(long, value_name = "FILE")]
    draft: Option<PathBuf>,
    /// Replace the file of --draft if it is there
    #[arg(long, requires = "draft")]
    force: bool,
    /// Try every N-th mutant alone, for a first impression
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
    /// Show whole lists, and every object
    #[arg(long)]
    all: bool,
    /// Output format
    #[arg(long, short, visible_alias = "format", value_enum, default_value_t)]
    output: DiffFormat,
    /// The namespace of objects that name none [default: default]
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
    #[command(flatten)]
    reading: ReadingArgs,
}

fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text.trim_end_matches('%').trim().parse().map_err(|_| "a number from 0 to 100".to_owned())?;
    if (0.0..=100.0).contains(&number) { Ok(number) } else { Err("a number from 0 to 100".to_owned()) }
}

/// Measures what the matrix notices of changes to the policies.
///
/// # Errors
/// When inputs cannot be read, or a file cannot be written.
pub fn coverage(args: &CoverageArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    if let Some(path) = args.draft.as_ref().filter(|path| !args.force && path.exists()) {
        return Err(CliError::Exists(path.clone()));
    }
    let inputs = Inputs::read(&args.input, &args.reading, args.namespace.as_deref())?;
    let built = inputs.world()?;
    let plan = inputs.plan_for(&built)?;
    if plan.cases.is_empty() {
        writeln!(output.err, "the matrix has no case, so that nothing would be noticed").map_err(CliError::Output)?;
        return Ok(ExitStatus::NothingSelected);
    }
    let engine = Engine::compile(&built.world);
    output.diagnostics(&inputs.remarks(&built), &inputs.sources())?;
    let mut findings = inputs.findings(&built);
    findings.extend(engine.findings());
    let input = Input {
        documents: &inputs.manifests.documents,
        environment: &inputs.environment,
        stack: &inputs.stack,
        plan: &plan,
    };
    let sample = if args.every == 1 { Sample::All } else { Sample::Every(args.every as usize) };
    let record = measure(input, &engine, &findings, sample);
    args.tell(&record, output)?;
    args.save_draft(&record, &engine, output)?;
    let is_less = args.min.is_some_and(|min| record.rules.percent() < min || record.objects_removed.percent() < min);
    Ok(if is_less { ExitStatus::Failed } else { inputs.status(&built, &engine) })
}

impl CoverageArgs {
    fn tell(&self, record: &CoverageRecord, output: &mut Output<'_>) -> Result<(), CliError> {
        let usual = Extent { width: Style::of(&std::io::stdout()).width, ..Extent::USUAL };
        let extent = if self.all { usual.all() } else { usual };
        let text = match self.output {
            DiffFormat::Table => render_list(record, extent),
            DiffFormat::Markdown => render_markdown(record, extent),
            DiffFormat::Json => return output.serialized(record, OutputFormat::Json),
            DiffFormat::Yaml => return output.serialized(record, OutputFormat::Yaml),
        };
        output.out.write_all(text.as_bytes()).map_err(CliError::Output)
    }

    fn save_draft(
        &self,
        record: &CoverageRecord,
        engine: &Engine<'_>,
        output: &mut Output<'_>,
    ) -> Result<(), CliError> {
        let Some(path) = &self.draft else { return Ok(()) };
        let Some(text) = record.draft(engine) else {
            return writeln!(output.err, "nothing to draft: cases assert every allowed flow").map_err(CliError::Output);
        };
        let failed = |source| CliError::Report(ReportError::Write { path: path.clone(), source });
        std::fs::write(path, text).map_err(failed)?;
        let count = record.unasserted.len();
        writeln!(output.err, "drafted {count} cases into {}: read each, and keep what is meant", path.display())
            .map_err(CliError::Output)
    }
}
