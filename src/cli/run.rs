//! `airtight run`: the matrix on a testbed, and the reports.

use std::collections::BTreeSet;
use std::path::PathBuf;

#[cfg(feature = "live")]
use airtight_live::RunInput;
use airtight_matrix::judge::Verdict;
use airtight_matrix::model::Model;
use airtight_matrix::run::{CaseRecord, ExitStatus, RunContext, RunRecord, StackRecord, SystemClock, ablation};
#[cfg(feature = "live")]
use airtight_matrix::run::{Coverage, Predictions, judge_all};
use airtight_matrix::scenario::{CaseId, Filter, Plan, Selection};
use airtight_matrix::testbed::Testbed;
use airtight_model::path::Engine;
use airtight_model::world::Built;
use airtight_report::{Format, Options, Style, Terminal, write_with};
use clap::{Args, ValueEnum};

use super::error::{CliError, unless_closed};
#[cfg(feature = "live")]
use super::evidence;
use super::input::{InputArgs, Inputs, ReadingArgs};
#[cfg(feature = "live")]
use super::live::Ownership;
use super::output::{Output, OutputFormat};
use super::render;

/// Stands for the run whose reports are in the report folder.
const LAST: &str = "last";

/// How to run the matrix.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Where flows are tried
    #[arg(long, value_enum, default_value_t, env = "AIRTIGHT_TESTBED")]
    testbed: TestbedName,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    reading: ReadingArgs,
    /// The namespace of objects that name none [default: default]
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
    /// Take the cases that failed or stayed inconclusive in an earlier run [default: the last one, in the report folder]
    #[arg(long, value_name = "RUN.JSON", num_args = 0..=1, default_missing_value = LAST)]
    only_failed: Option<PathBuf>,
    /// Folder for the reports; made if it is not there
    #[arg(long, value_name = "DIR", default_value = "airtight-report", env = "AIRTIGHT_REPORT_DIR")]
    report_dir: PathBuf,
    /// Reports to write [default: json,junit,markdown,html]
    #[arg(long = "report", value_name = "FORMAT", value_enum, value_delimiter = ',')]
    reports: Vec<Format>,
    /// Where the inputs can be read on the web, so that places in the page lead there
    #[arg(long, value_name = "URL", env = "AIRTIGHT_SOURCE_URL")]
    source_url: Option<String>,
    /// Files or folders with waivers; those among the scenarios count too
    #[arg(long, value_name = "PATH", env = "AIRTIGHT_WAIVERS")]
    waivers: Vec<PathBuf>,
    /// What to print to standard output
    #[arg(long, short, value_enum, default_value_t)]
    output: OutputFormat,
    #[cfg(feature = "live")]
    #[command(flatten)]
    live: super::live::LiveArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum TestbedName {
    /// Computed: an exact policy engine, no cluster
    #[default]
    Model,
    /// Tried by probes in the cluster that `airtight up` made
    #[cfg(feature = "live")]
    Kind,
    /// Tried by probes in a cluster that is there already
    #[cfg(feature = "live")]
    Cluster,
}

/// What to do when no case satisfies the selection.
pub(super) const NOTHING_SELECTED_HINT: &str =
    "loosen `--filter` or `--suite`; `airtight list` without them shows every case";

/// Which cases to take.
#[derive(Debug, Args)]
pub struct SelectionArgs {
    /// Take the cases that satisfy this, such as `llm-egress and expect=deny`; several mean any of them
    #[arg(long, short, value_name = "FILTER")]
    pub(super) filter: Vec<String>,
    /// Take the cases of this suite; several mean any of them
    #[arg(long, value_name = "NAME")]
    pub(super) suite: Vec<String>,
}

impl SelectionArgs {
    fn is_everything(&self) -> bool {
        self.filter.is_empty() && self.suite.is_empty()
    }

    /// The selection that was asked for.
    ///
    /// # Errors
    /// When a filter does not parse.
    pub fn selection(&self) -> Result<Selection, CliError> {
        let filters = self.filter.iter().map(|text| parse(text)).collect::<Result<_, _>>()?;
        Ok(Selection { filters, suites: self.suite.clone(), ids: None })
    }
}

fn parse(text: &str) -> Result<Filter, CliError> {
    text.parse().map_err(|error: airtight_matrix::scenario::FilterError| CliError::Argument {
        value: text.to_owned(),
        expected: "a filter",
        hint: format!("{error}; {}", error.hint),
    })
}

impl RunArgs {
    /// The selection that was asked for.
    fn selection(&self) -> Result<Selection, CliError> {
        Ok(Selection { ids: self.unsettled()?, ..self.selection.selection()? })
    }

    fn is_everything(&self) -> bool {
        self.selection.is_everything() && self.only_failed.is_none()
    }

    /// The cases that an earlier run left failed or inconclusive, if only those are wanted.
    fn unsettled(&self) -> Result<Option<BTreeSet<CaseId>>, CliError> {
        let Some(path) = &self.only_failed else { return Ok(None) };
        let last = self.report_dir.join(Format::Json.file_name());
        let record = render::read(if path.as_os_str() == LAST { &last } else { path })?;
        let is_open = |record: &&CaseRecord| match record.judgement.verdict {
            Verdict::Fail | Verdict::Inconclusive => true,
            Verdict::Pass | Verdict::Skipped { .. } | Verdict::Waived { .. } => false,
        };
        Ok(Some(record.cases.iter().filter(is_open).map(|record| record.case.id.clone()).collect()))
    }

    /// What to do when nothing was selected.
    fn hint(&self) -> &'static str {
        match self.only_failed {
            Some(_) => "the earlier run left nothing failed or inconclusive; without `--only-failed` every case runs",
            None => NOTHING_SELECTED_HINT,
        }
    }

    /// A cluster that is the testbed is not the input.
    fn reading_for_testbed(&self) -> ReadingArgs {
        match self.testbed {
            TestbedName::Model => self.reading.clone(),
            #[cfg(feature = "live")]
            TestbedName::Kind | TestbedName::Cluster => {
                ReadingArgs { cluster: super::cluster_input::ClusterArgs::default(), ..self.reading.clone() }
            }
        }
    }

    fn formats(&self) -> Vec<Format> {
        if self.reports.is_empty() { Format::USUAL.to_vec() } else { self.reports.clone() }
    }

    fn options(&self) -> Options {
        Options { source_url: self.source_url.clone(), ..Options::default() }
    }
}

/// Runs the matrix and writes the reports.
///
/// # Errors
/// When inputs cannot be read, the testbed cannot be brought up, or a report cannot be written.
pub fn run(args: &RunArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    #[cfg(feature = "live")]
    if args.testbed == TestbedName::Model {
        args.live.refuse_deploying("model")?;
    }
    let mut inputs = Inputs::read(&args.input, &args.reading_for_testbed(), args.namespace.as_deref())?;
    inputs.add_waivers(&args.waivers)?;
    let built = inputs.world()?;
    let plan = inputs.plan_for(&built)?.select(&args.selection()?);
    let engine = Engine::compile(&built.world);
    let clock = SystemClock::new();
    let context = context(&inputs, &built, &engine, (&plan, args.is_everything()), &clock);
    let mut model = Model::new(&engine);
    match args.testbed {
        TestbedName::Model => {
            let save =
                |record: &mut RunRecord| Ok(write_with(&args.report_dir, record, &args.formats(), &args.options())?);
            finish(args, &plan, &mut model, context, (&|| Ok(()), &save), output)
        }
        #[cfg(feature = "live")]
        TestbedName::Kind | TestbedName::Cluster => {
            let ownership = if args.testbed == TestbedName::Kind { Ownership::Ours } else { Ownership::Theirs };
            let predicted = judge_all(&plan, &mut model);
            let mut context = beside(context, predicted, args.live.retries());
            let found = context.findings.clone();
            let (documents, stack) = (&inputs.manifests.documents, &inputs.stack);
            let input = RunInput { documents, stack, built: &built, plan: &plan, findings: &found };
            args.live.run_on((ownership, &args.reading.cluster), input, output, |testbed, ready, go_on, output| {
                context.findings.extend(ready.findings);
                let (formats, options) = (args.formats(), args.options());
                let save = |record: &mut RunRecord| {
                    evidence::write_with(&ready.evidence, &args.report_dir, record, (&formats, &options))
                };
                finish(args, &plan, testbed, context, (go_on, &save), output)
            })
        }
    }
}

/// The context of a run on another testbed than the model. What exercises a policy is known of the model alone.
#[cfg(feature = "live")]
fn beside(context: RunContext<'_>, predicted: Vec<CaseRecord>, retries: u32) -> RunContext<'_> {
    let RunContext { coverage, .. } = context;
    let cases = predicted.clone();
    let coverage: Coverage<'_> = Box::new(move |_| coverage(&cases));
    RunContext { coverage, predictions: Predictions::of(predicted), retries, ..context }
}

/// An error once the user wants to end.
pub(super) type GoOn<'a> = &'a dyn Fn() -> Result<(), CliError>;

/// Writes the reports of a run; the files.
type Save<'a> = &'a dyn Fn(&mut RunRecord) -> Result<Vec<PathBuf>, CliError>;

/// Tries the cases and writes the reports; none of a run that was interrupted.
fn finish(
    args: &RunArgs,
    plan: &Plan,
    testbed: &mut dyn Testbed,
    context: RunContext<'_>,
    (go_on, save): (GoOn<'_>, Save<'_>),
    output: &mut Output<'_>,
) -> Result<ExitStatus, CliError> {
    let mut terminal = Terminal::new(&mut *output.err, Style::of(&std::io::stderr()));
    let stopped = || go_on().is_err();
    let context = RunContext { stopped: &stopped, ..context };
    let mut record = airtight_matrix::run::run(plan, testbed, context, &mut [&mut terminal]);
    go_on()?;
    // A run of nothing is no reason to lose the report of the last one.
    let kept = record.cases.is_empty() && args.report_dir.join(Format::Json.file_name()).exists();
    let written = if kept { Vec::new() } else { save(&mut record)? };
    terminal.written(&written).map_err(CliError::Output)?;
    if record.summary.status == ExitStatus::NothingSelected {
        writeln!(output.err, "  hint: {}", args.hint()).map_err(CliError::Output)?;
    }
    let told = match args.output {
        OutputFormat::Table => Ok(()),
        OutputFormat::Json | OutputFormat::Yaml => output.serialized(&record, args.output),
    };
    // A reader who leaves early takes nothing from what the run found.
    unless_closed(told).map(|()| record.summary.status)
}

fn context<'a>(
    inputs: &'a Inputs,
    built: &'a Built,
    engine: &Engine<'_>,
    (plan, whole): (&'a Plan, bool),
    clock: &'a SystemClock,
) -> RunContext<'a> {
    let setting = ablation::Setting {
        documents: &inputs.manifests.documents,
        environment: &inputs.environment,
        stack: &inputs.stack,
    };
    let mut findings = inputs.findings(built);
    findings.extend(engine.findings());
    let count = inputs.manifests.documents.len();
    RunContext {
        manifests: format!("{count} objects from {}", inputs.origin),
        findings,
        inputs: inputs.digests(),
        coverage: Box::new(move |cases| {
            let mut policies = ablation::coverage(setting, &built.world, plan, cases);
            // What a part of the matrix does not exercise says nothing of the matrix.
            policies.retain(|policy| whole || !policy.decides.is_empty() || !policy.noticed_by.is_empty());
            policies
        }),
        ..RunContext::new(StackRecord::from(&inputs.stack), clock)
    }
}
