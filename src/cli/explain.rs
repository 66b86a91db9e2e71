//! `airtight explain`: one flow, hop by hop.

use airtight_manifest::Diagnostic;
use airtight_matrix::judge::ends_anyway;
use airtight_matrix::run::{ExitStatus, redacted_trace};
use airtight_matrix::scenario::{default_authority, got_through};
use airtight_model::path::{Destination, Engine, Flow, Trace, leads_inside};
use airtight_model::world::{Protocol, World, service_host};
use airtight_report::{Style, render_trace};
use clap::{Args, ValueEnum};

use super::bearing::{bearing, namespaces};
use super::endpoint;
use super::error::CliError;
use super::input::{InputArgs, Inputs, ReadingArgs};
use super::output::{Output, OutputFormat};
use super::suggest;

/// Which flow to explain.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Who attempts it: NAMESPACE/WORKLOAD, `outside`, `kubelet` or node/NAME
    from: String,
    /// What it aims at: NAMESPACE/SERVICE:PORT, pod/NAMESPACE/NAME:PORT, gateway/NAMESPACE/NAME:PORT,
    /// node/NAME:PORT, HOST:PORT, ADDRESS:PORT or name/DNS-NAME
    to: String,
    /// An HTTP request: METHOD PATH
    #[arg(long, value_name = "METHOD PATH")]
    http: Option<String>,
    /// The Host header [default: the destination's name]
    #[arg(long, requires = "http")]
    host: Option<String>,
    /// A header of the request, NAME: VALUE; may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", requires = "http")]
    headers: Vec<String>,
    /// A bearer token, as the claims that a verifier would find, in JSON
    #[arg(long, value_name = "JSON", requires = "http")]
    token: Option<String>,
    /// The client speaks TLS itself, with this server name [default: the destination's name; of a gateway, a pod, a node
    /// or an address, what --host says]
    #[arg(long, value_name = "SERVER-NAME", num_args = 0..=1, default_missing_value = "")]
    tls: Option<String>,
    /// Transport protocol: tcp, udp, sctp or icmp
    #[arg(long, default_value = "tcp")]
    protocol: String,
    /// End with 1 unless the flow gets through (`allow`) or does not (`deny`), and with 3 where nobody can tell
    #[arg(long, value_enum, value_name = "OUTCOME")]
    expect: Option<Expected>,
    /// Output format
    #[arg(long, short, value_enum, default_value_t)]
    output: OutputFormat,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    reading: ReadingArgs,
    /// The namespace of objects that name none [default: default]
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
}

/// What a script expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Expected {
    /// It gets through.
    Allow,
    /// It does not.
    Deny,
}

/// Explains one flow.
///
/// # Errors
/// When inputs cannot be read, or the flow does not fit the world.
pub fn explain(args: &ExplainArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let mut inputs = Inputs::read(&args.input, &args.reading, args.namespace.as_deref())?;
    let mut built = inputs.world()?;
    let mut flow = args.flow(&built.world)?;
    if !inputs.environment_is_written
        && !leads_inside(&built.world, &flow.from, &flow.to)
        && let Some(assumed) = endpoint::assume(&flow, &mut inputs.environment)
    {
        inputs.manifests.findings.push(assumed);
        built = inputs.world()?;
        flow = args.flow(&built.world)?;
    }
    let engine = Engine::compile(&built.world).suggesting();
    let mut findings = inputs.findings(&built);
    let trace = match engine.trace(&flow) {
        Ok(trace) => trace,
        Err(error) => {
            // What is missing may have been refused.
            findings.retain(Diagnostic::is_error);
            output.diagnostics(&findings, &inputs.sources())?;
            return Err(suggest::instead(error, &flow, &built.world, &findings));
        }
    };
    findings.extend(bearing(engine.findings(), &namespaces(&trace), &built.world.stack));
    output.diagnostics(&findings, &inputs.sources())?;
    let shown = redacted_trace(trace.clone());
    match args.output {
        OutputFormat::Table => {
            write!(output.out, "{}", render_trace(&shown, Style::of(&std::io::stdout()))).map_err(CliError::Output)?;
        }
        OutputFormat::Json | OutputFormat::Yaml => output.serialized(&shown, args.output)?,
    }
    if let Some(note) = suggest::other_ports(&flow, &built.world) {
        writeln!(output.err, "note: {note}").map_err(CliError::Output)?;
    }
    match args.expect.map(|expected| expected.status(&trace, output)).transpose()? {
        None | Some(ExitStatus::Passed) => Ok(inputs.status(&built, &engine)),
        Some(otherwise) => Ok(otherwise),
    }
}

impl Expected {
    fn status(self, trace: &Trace, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
        let Some(outcome) = trace.outcome() else { return Ok(ExitStatus::Inconclusive) };
        let wanted = match self {
            Self::Allow => true,
            Self::Deny => false,
        };
        if got_through(outcome) == wanted {
            return if wanted { Ok(ExitStatus::Passed) } else { Self::by_policy(trace, output) };
        }
        let expected = if wanted { "to get through" } else { "to be denied" };
        writeln!(output.err, "expected {expected}: the client sees {outcome}").map_err(CliError::Output)?;
        Ok(ExitStatus::Failed)
    }
}

impl Expected {
    /// What ends without any policy shows no denial, as in the matrix.
    fn by_policy(trace: &Trace, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
        let Some(why) = ends_anyway(trace) else { return Ok(ExitStatus::Passed) };
        writeln!(output.err, "expected to be denied: it would end without any policy, {why}")
            .map_err(CliError::Output)?;
        Ok(ExitStatus::Inconclusive)
    }
}

impl ExplainArgs {
    fn flow(&self, world: &World) -> Result<Flow, CliError> {
        let from = endpoint::source(&self.from)?;
        let (to, port) = endpoint::destination(&self.to, world)?;
        let protocol = protocol(&self.protocol)?;
        let port = port.or_else(|| suggest::only_port(&to, protocol, world));
        let name = host_name(&to);
        let host = self.host.clone().or_else(|| default_authority(world, &to, port, self.tls.is_some()));
        let host = host.unwrap_or_else(|| name.clone());
        let request = self
            .http
            .as_deref()
            .map(|http| endpoint::request(http, host, &self.headers, self.token.as_deref()))
            .transpose()?;
        let server_name = match &self.host {
            Some(host) if !has_name(&to) => host.clone(),
            Some(_) | None => name,
        };
        let tls = self.tls.clone().map(|written| if written.is_empty() { server_name } else { written });
        Ok(Flow { from, to, protocol, port, request, tls, after: Vec::new() })
    }
}

fn protocol(text: &str) -> Result<Protocol, CliError> {
    match text.to_ascii_lowercase().as_str() {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "sctp" => Ok(Protocol::Sctp),
        "icmp" => Ok(Protocol::Icmp),
        _ => Err(CliError::Argument {
            value: text.to_owned(),
            expected: "a transport protocol",
            hint: "write `tcp`, `udp`, `sctp` or `icmp`".to_owned(),
        }),
    }
}

/// Whether clients call a destination by a name of its own; whoever dials any other says the name that is meant.
fn has_name(to: &Destination) -> bool {
    match to {
        Destination::Service(..) | Destination::Host(_) | Destination::Name(_) | Destination::Object(_) => true,
        Destination::Gateway(..) | Destination::Pod(..) | Destination::Node(_) | Destination::Address(_) => false,
    }
}

/// The name that a client would put into its Host header.
fn host_name(to: &Destination) -> String {
    match to {
        Destination::Service(namespace, name) => service_host(namespace, name),
        Destination::Pod(_, name)
        | Destination::Gateway(_, name)
        | Destination::Node(name)
        | Destination::Host(name)
        | Destination::Name(name) => name.clone(),
        Destination::Address(address) => address.to_string(),
        Destination::Object(_) => "kubernetes.default.svc".to_owned(),
    }
}
