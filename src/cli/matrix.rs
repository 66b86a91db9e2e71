//! `airtight matrix`: who reaches whom, for all pods at once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use airtight_matrix::run::ExitStatus;
use airtight_matrix::run::draft::PassingRequests;
use airtight_model::path::Engine;
use airtight_model::path::reach::{Reachability, Scope, View};
use airtight_model::world::World;
use airtight_report::{ReportError, Style, reach};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::bearing::bearing;
use super::error::CliError;
use super::input::{InputArgs, Inputs, ReadingArgs};
use super::output::{Output, OutputFormat};
use super::suggest;

/// Which part of the matrix to show.
#[derive(Debug, Args)]
pub struct MatrixArgs {
    /// What flows aim at: the names of Services (so that waypoints are on the way) and pods that none leads to, pods' own
    /// addresses, or Services alone
    #[arg(long, value_enum, default_value_t)]
    by: By,
    /// Sources: NAMESPACE, NAMESPACE/WORKLOAD, node or outside; may be repeated
    #[arg(long, value_name = "SOURCE")]
    from: Vec<String>,
    /// Destinations: NAMESPACE, NAMESPACE/NAME or the name of a host; may be repeated
    #[arg(long, value_name = "DESTINATION")]
    to: Vec<String>,
    /// The namespace of one end at least, and of objects that name none
    #[arg(long, short)]
    namespace: Option<String>,
    /// The destination's port
    #[arg(long)]
    port: Option<u16>,
    /// List denied pairs as well, and hosts outside that no policy names
    #[arg(long)]
    all: bool,
    /// Output format
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
    /// In JSON and YAML: sources, destinations, pods and rules once, and cells that end alike together, as `airtight schema
    /// matrix` says
    #[arg(long)]
    grouped: bool,
    /// Write a page with the picture of the matrix
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the picture alone
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    reading: ReadingArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum By {
    /// Names of Services, and addresses of pods at ports that no Service leads to; no waypoints.
    #[default]
    Usual,
    /// Addresses of pods.
    Pod,
    /// Names of Services.
    Service,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// For people: what gets through, and by which rules.
    #[default]
    Table,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// Comma-separated values.
    Csv,
    /// A graph for Graphviz: what gets through.
    Dot,
}

/// Computes and shows the matrix.
///
/// # Errors
/// When inputs cannot be read, or a file cannot be written.
pub fn matrix(args: &MatrixArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let inputs = Inputs::read(&args.input, &args.reading, args.namespace.as_deref())?;
    let built = inputs.world()?;
    let engine = Engine::compile(&built.world);
    let mut findings = inputs.findings(&built);
    findings.extend(bearing(engine.findings(), &args.homes(&built.world), &built.world.stack));
    output.diagnostics(&findings, &inputs.sources())?;
    let matrix = Reachability::compute(&engine, &args.scope()).folded();
    if matrix.cells().next().is_none() {
        writeln!(output.err, "no pair of source and destination is selected").map_err(CliError::Output)?;
        let names = args.from.iter().chain(&args.to).chain(&args.namespace);
        for unknown in names.filter_map(|name| suggest::unknown_name(name, &built.world)) {
            writeln!(output.err, "  hint: {unknown}").map_err(CliError::Output)?;
        }
        return Ok(ExitStatus::NothingSelected);
    }
    if let Some(path) = &args.html {
        write(path, &reach::page(&matrix)?)?;
    }
    if let Some(path) = &args.svg {
        write(path, &reach::svg(&matrix))?;
    }
    if args.html.is_some() || args.svg.is_some() {
        return Ok(inputs.status(&built, &engine));
    }
    args.show(&engine, &matrix, output)?;
    Ok(inputs.status(&built, &engine))
}

impl MatrixArgs {
    fn scope(&self) -> Scope {
        Scope {
            view: match self.by {
                By::Usual => View::Usual,
                By::Pod => View::Pod,
                By::Service => View::Service,
            },
            from: self.from.clone(),
            to: self.to.clone(),
            namespace: self.namespace.clone(),
            port: self.port,
            named_hosts: !self.all,
        }
    }

    /// Namespaces that the selection can show anything of.
    fn homes(&self, world: &World) -> BTreeSet<String> {
        let named = self.from.iter().chain(&self.to).chain(&self.namespace);
        let homes: BTreeSet<String> =
            named.map(|name| name.split_once('/').map_or(name.as_str(), |(home, _)| home).to_owned()).collect();
        if homes.is_empty() { world.namespaces.keys().map(ToString::to_string).collect() } else { homes }
    }

    fn show(
        &self,
        engine: &Engine<'_>,
        matrix: &Reachability<'_, '_>,
        output: &mut Output<'_>,
    ) -> Result<(), CliError> {
        let requests = || PassingRequests::of(engine, matrix);
        match self.output {
            Format::Table => reach::list(output.out, matrix, &requests(), self.all, Style::of(&std::io::stdout()))
                .map_err(CliError::Output),
            Format::Csv => output.data(|out| reach::csv(out, matrix)),
            Format::Dot => output.data(|out| reach::dot(out, matrix)),
            Format::Yaml if self.grouped => {
                output.serialized(&reach::Grouped::of(matrix, &requests()), OutputFormat::Yaml)
            }
            Format::Json if self.grouped => json(&reach::Grouped::of(matrix, &requests()), output),
            Format::Yaml => output.serialized(&reach::Document::of(matrix, &requests()), OutputFormat::Yaml),
            Format::Json => json(&reach::Document::of(matrix, &requests()), output),
        }
    }
}

fn json(document: &impl Serialize, output: &mut Output<'_>) -> Result<(), CliError> {
    output.data(|out| {
        serde_json::to_writer(&mut *out, document)?;
        writeln!(out)
    })
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let failed = |source| CliError::Report(ReportError::Write { path: path.to_owned(), source });
    std::fs::write(path, text).map_err(failed)
}
