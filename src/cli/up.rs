//! `airtight up`: a cluster of a stack on kind.

use std::path::PathBuf;

use airtight_manifest::{File, Loaded};
use airtight_matrix::run::ExitStatus;
use airtight_provision::preflight::preflight as measure;
use airtight_provision::{
    Docker, Ended, Executor, Folder, Kubernetes, Owner, Payload, Plan, Progress, Site, State, StepFailure, in_order,
};
use clap::Args;
use serde::Serialize;

use super::error::CliError;
use super::input::{ReadingArgs, environment, manifests};
use super::output::{Output, OutputFormat};
use super::preflight;
use super::progress;
use super::signals::stop;
use super::site::ClusterArgs;

/// Which cluster, and what is put on it.
#[derive(Debug, Args)]
pub struct UpArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Folder with `policies` and `workloads` to put on the cluster, and the hosts around it
    /// [default: ./manifests if it is there, else the built-in reference set]
    #[arg(long, short = 'm', value_name = "PATH", env = "AIRTIGHT_MANIFESTS")]
    manifests: Option<PathBuf>,
    /// Bring up the platform alone: no policies, stand-ins and workloads
    #[arg(long, conflicts_with = "manifests")]
    platform_only: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Go on where this machine lacks something
    #[arg(long)]
    skip_preflight: bool,
    /// Output format
    #[arg(long, short, value_enum, default_value_t)]
    output: OutputFormat,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Up<'a> {
    cluster: &'a str,
    stack: &'a str,
    kubeconfig: PathBuf,
    steps: Vec<String>,
    left_out: &'a [String],
}

/// Brings a cluster up, or goes on where the last attempt ended.
///
/// # Errors
/// When the stack or the manifests cannot be read, a need is unmet, or a step fails.
pub fn up(args: &UpArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let (recipe, options, site) = (args.cluster.recipe()?, args.cluster.options()?, args.cluster.site()?);
    let plan = Plan::new(&recipe, &options, &site, &args.payload()?);
    if args.dry_run {
        return dry_run(&plan, args.output, output);
    }
    let state = State::read(&site.folder.state()).map_err(|error| folder_failure(&site.folder, &error))?;
    // What a running cluster has taken is no longer free.
    let stands = state.steps.get("cluster").is_some_and(|record| record.progress == Progress::Done);
    if !stands {
        let needs = measure(&recipe, &options, &site, &Docker::new()?);
        preflight::write(&needs, output.err).map_err(CliError::Output)?;
        match preflight::unmet(&needs) {
            0 => {}
            count if args.skip_preflight => {
                writeln!(output.err, "going on with unmet needs: {count}").map_err(CliError::Output)?;
            }
            count => return Err(CliError::Preflight(count)),
        }
    }
    let ended = execute(&plan, &site, output)?;
    conclude(&plan, &site, &ended, args.output, output)
}

fn dry_run(plan: &Plan, format: OutputFormat, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    match format {
        OutputFormat::Table => progress::write_plan(plan, output.out).map_err(CliError::Output)?,
        OutputFormat::Json | OutputFormat::Yaml => output.serialized(plan, format)?,
    }
    Ok(ExitStatus::Passed)
}

impl UpArgs {
    fn payload(&self) -> Result<Payload, CliError> {
        if self.platform_only {
            return Ok(Payload::default());
        }
        let paths: Vec<PathBuf> = self.manifests.iter().cloned().collect();
        let (mut loaded, _) = manifests(&paths, &ReadingArgs::default(), None)?;
        let hosts = environment(&mut loaded)?.hosts;
        let root = paths.first().map_or_else(|| "manifests".to_owned(), |path| path.display().to_string());
        let root = root.trim_end_matches('/');
        let files = files(&loaded);
        let within = |folder: &str| in_order(&format!("{root}/{folder}"), &files);
        Ok(Payload { hosts, policies: within("policies"), workloads: within("workloads") })
    }
}

fn files(loaded: &Loaded) -> Vec<File> {
    let file = |(name, text): (&str, &str)| File { name: name.to_owned(), bytes: text.as_bytes().to_vec() };
    loaded.sources.iter().map(file).collect()
}

fn execute(plan: &Plan, site: &Site, output: &mut Output<'_>) -> Result<Ended, CliError> {
    let Some(_lock) = site.folder.lock().map_err(|error| folder_failure(&site.folder, &error))? else {
        return Err(busy(site).into());
    };
    let (stop, owner) = (stop()?, Owner::folder(&site.folder.0));
    // What a killed attempt left running would work against this one.
    let left = airtight_provision::end_left_behind(&site.folder.0);
    if left > 0 {
        writeln!(output.err, "ended {left} programs that an earlier attempt left running").map_err(CliError::Output)?;
    }
    let (cluster, docker) = (Kubernetes::new(site.folder.kubeconfig()), Docker::new()?);
    let executor = Executor { plan, site, cluster: &cluster, docker: &docker, stop: &stop, owner: &owner };
    let mut tell = |event| {
        // Nobody may be listening any more; the work goes on.
        let _ = progress::write(&event, output.err);
    };
    executor.run(&mut tell).map_err(|error| folder_failure(&site.folder, &error).into())
}

fn conclude(
    plan: &Plan,
    site: &Site,
    ended: &Ended,
    format: OutputFormat,
    output: &mut Output<'_>,
) -> Result<ExitStatus, CliError> {
    for left in &plan.left_out {
        writeln!(output.err, "left out: {left}").map_err(CliError::Output)?;
    }
    if !ended.failures.is_empty() || ended.interrupted {
        let (done, all) = (ended.done.len(), plan.steps.len());
        let name = &site.name;
        writeln!(output.err, "{done} of {all} steps are done; what was made is still there:")
            .map_err(CliError::Output)?;
        writeln!(output.err, "  the same `airtight up` goes on").map_err(CliError::Output)?;
        writeln!(output.err, "  `airtight down --name {name}` removes it").map_err(CliError::Output)?;
    }
    if let Some((step, failure)) = ended.failures.first() {
        return Err(StepFailure { message: format!("step {step}: {}", failure.message), ..failure.clone() }.into());
    }
    if ended.interrupted {
        return Err(StepFailure::interrupted().into());
    }
    let up = Up {
        cluster: &plan.cluster,
        stack: &plan.stack,
        kubeconfig: site.folder.kubeconfig(),
        steps: ended.done.clone(),
        left_out: &plan.left_out,
    };
    match format {
        OutputFormat::Table => {
            let kubeconfig = up.kubeconfig.display();
            writeln!(output.out, "cluster {} of stack {} is up", up.cluster, up.stack).map_err(CliError::Output)?;
            writeln!(output.out, "  export KUBECONFIG={kubeconfig}").map_err(CliError::Output)?;
        }
        OutputFormat::Json | OutputFormat::Yaml => output.serialized(&up, format)?,
    }
    Ok(ExitStatus::Passed)
}

/// Another process works on the cluster.
pub(super) fn busy(site: &Site) -> StepFailure {
    StepFailure::new(
        "busy",
        format!("another airtight works on the cluster {}", site.name),
        "wait for it, end it with Ctrl-C, or choose another --name",
    )
}

/// The folder of a cluster cannot be used.
pub(super) fn folder_failure(folder: &Folder, error: &std::io::Error) -> StepFailure {
    StepFailure::new(
        "state",
        format!("cannot use {}: {error}", folder.0.display()),
        "check the folder and its permissions, or name another with --state-dir",
    )
}
