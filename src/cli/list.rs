//! `airtight list`: what there is to run, and what it runs on.

use airtight_matrix::run::{ExitStatus, shown_flow};
use airtight_matrix::scenario::{Case, Expectation, Plan};
use airtight_model::path::Engine;
use airtight_model::world::World;
use clap::Args;
use serde::Serialize;

use super::error::CliError;
use super::input::{InputArgs, Inputs, ReadingArgs};
use super::output::{Output, OutputFormat};
use super::run::{NOTHING_SELECTED_HINT, SelectionArgs};

/// What to list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// List the workloads, Services and Gateways that a scenario can name
    #[arg(long)]
    workloads: bool,
    /// Output format
    #[arg(long, short, value_enum, default_value_t)]
    output: OutputFormat,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    reading: ReadingArgs,
    /// The namespace of objects that name none [default: default]
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
}

#[derive(Debug, Serialize)]
struct Row {
    id: String,
    scenario: String,
    severity: String,
    expect: String,
    flow: String,
    title: String,
}

#[derive(Debug, Serialize)]
struct Workload {
    name: String,
    kind: &'static str,
    mesh: String,
    ports: String,
}

/// Lists cases or workloads.
///
/// # Errors
/// When inputs cannot be read, or nothing is selected.
pub fn list(args: &ListArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let inputs = Inputs::read(&args.input, &args.reading, args.namespace.as_deref())?;
    let built = inputs.world()?;
    let engine = Engine::compile(&built.world);
    let status = inputs.status(&built, &engine);
    let mut findings = inputs.remarks(&built);
    findings.extend(engine.findings());
    output.diagnostics(&findings, &inputs.sources())?;
    if args.workloads {
        let rows = workloads(&built.world);
        return show(
            args.output,
            &rows,
            |row| [row.kind.to_owned(), row.name.clone(), row.mesh.clone(), row.ports.clone()],
            output,
        )
        .map(|()| status);
    }
    let plan = inputs.plan_for(&built)?.select(&args.selection.selection()?);
    let rows = cases(&plan);
    if rows.is_empty() {
        writeln!(output.err, "no case is selected\n  hint: {NOTHING_SELECTED_HINT}").map_err(CliError::Output)?;
        return Ok(ExitStatus::NothingSelected);
    }
    show(
        args.output,
        &rows,
        |row| [row.id.clone(), row.severity.clone(), row.expect.clone(), row.title.clone()],
        output,
    )
    .map(|()| status)
}

fn show<R: Serialize, const N: usize>(
    format: OutputFormat,
    rows: &[R],
    columns: impl Fn(&R) -> [String; N],
    output: &mut Output<'_>,
) -> Result<(), CliError> {
    match format {
        OutputFormat::Table => table(rows.iter().map(columns).collect(), output),
        OutputFormat::Json | OutputFormat::Yaml => output.serialized(&rows, format),
    }
}

/// Writes rows to standard output, in columns as wide as they must be.
pub(super) fn table<const N: usize>(rows: Vec<[String; N]>, output: &mut Output<'_>) -> Result<(), CliError> {
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(output.out, "{}", cells.join("  ").trim_end()).map_err(CliError::Output)?;
    }
    Ok(())
}

fn cases(plan: &Plan) -> Vec<Row> {
    plan.cases.iter().filter(|planned| !planned.support).map(|planned| row(&planned.case)).collect()
}

fn row(case: &Case) -> Row {
    Row {
        id: format!("{}::{}", case.scenario, case.id),
        scenario: case.scenario.clone(),
        severity: format!("{:?}", case.severity).to_lowercase(),
        expect: match &case.expect {
            Expectation::Allow(_) => "allow".to_owned(),
            Expectation::Deny(deny) => format!("deny by {}", deny.by),
        },
        flow: shown_flow(case),
        title: case.title.clone(),
    }
}

fn workloads(world: &World) -> Vec<Workload> {
    let pods = world.pods.iter().map(|pod| Workload {
        name: format!("{}/{}", pod.namespace, pod.workload),
        kind: "workload",
        mesh: format!("{:?}", pod.enrolment).to_lowercase(),
        ports: list_ports(pod.ports.iter().map(|port| (port.number, port.protocol))),
    });
    let services = world.services.iter().map(|service| Workload {
        name: format!("{}/{}", service.namespace, service.name),
        kind: "service",
        mesh: String::new(),
        ports: list_ports(service.ports.iter().map(|port| (port.port, port.protocol))),
    });
    let hosts = world.hosts.iter().map(|host| Workload {
        name: host.names.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", "),
        kind: "host",
        mesh: String::new(),
        ports: list_ports(
            host.ports.iter().chain(&host.tls_ports).map(|port| (*port, airtight_model::world::Protocol::Tcp)),
        ),
    });
    let mut rows: Vec<Workload> = pods.chain(services).chain(hosts).collect();
    rows.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    // Replicas of a workload are one line.
    rows.dedup_by(|a, b| a.kind == b.kind && a.name == b.name);
    rows
}

fn list_ports(ports: impl Iterator<Item = (u16, airtight_model::world::Protocol)>) -> String {
    ports.map(|(port, protocol)| format!("{port}/{protocol}")).collect::<Vec<_>>().join(" ")
}
