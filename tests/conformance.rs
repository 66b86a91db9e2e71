//! The matrix as tests: one trial for each case, named `scenario::ID`.
//!
//! `AIRTIGHT_STACK` names another stack, `AIRTIGHT_TESTBED` another testbed (`kind`, `cluster`), on which the command
//! tries the cases that are selected here; `AIRTIGHT_OPTIONS` are more options for it, such as `--context NAME`.
#![expect(clippy::print_stderr, reason = "a test program without libtest tells by itself what went wrong")]

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use airtight::cli::input::{InputArgs, Inputs};
use airtight_manifest::Diagnostic;
use airtight_matrix::judge::Verdict;
use airtight_matrix::model::Model;
use airtight_matrix::run::{CaseRecord, judge_all};
use airtight_matrix::scenario::Expectation;
use airtight_matrix::testbed::Testbed;
use airtight_model::path::Engine;
use airtight_report::json;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    match trials(&arguments) {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(why) => {
            eprintln!("the matrix cannot be run: {why}");
            ExitCode::from(5)
        }
    }
}

/// What came of the matrix on a testbed.
struct Tried {
    canary: Result<(), String>,
    findings: Vec<Diagnostic>,
    records: Vec<CaseRecord>,
}

fn trials(arguments: &Arguments) -> Result<Vec<Trial>, String> {
    let stack = std::env::var("AIRTIGHT_STACK").unwrap_or_else(|_| "reference".to_owned());
    let computed = on_model(&stack)?;
    let tried = match std::env::var("AIRTIGHT_TESTBED").as_deref() {
        Err(_) | Ok("model") => computed,
        // What is only listed is not tried.
        Ok(_) if arguments.list => computed,
        Ok(testbed) => on_cluster(testbed, &stack, arguments, computed)?,
    };
    let Tried { canary, findings, records } = tried;
    let mut trials = vec![
        Trial::test("airtight::canary", move || canary.map_err(Failed::from)),
        Trial::test("airtight::policies", move || no_errors(&findings)),
    ];
    trials.extend(records.into_iter().map(trial));
    Ok(trials)
}

fn on_model(stack: &str) -> Result<Tried, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let args = InputArgs {
        manifests: vec![root.join("manifests")],
        scenarios: vec![root.join("scenarios")],
        stack: stack.to_owned(),
    };
    let inputs = Inputs::load(&args).map_err(|error| told(&error))?;
    let built = inputs.world().map_err(|error| told(&error))?;
    let plan = inputs.plan(&built.world).map_err(|error| told(&error))?;
    let engine = Engine::compile(&built.world);
    let mut model = Model::new(&engine);
    let canary = model.canary().map_err(|error| error.to_string())?;
    let records = judge_all(&plan, &mut model);
    if records.is_empty() {
        return Err("there is no case".to_owned());
    }
    let mut findings = built.findings.clone();
    findings.extend(engine.findings());
    let canary = if canary.enforces() { Ok(()) } else { Err(canary.detail) };
    Ok(Tried { canary, findings, records })
}

/// Tries the selected cases by the command, whose progress is seen, and whose record is read.
fn on_cluster(testbed: &str, stack: &str, arguments: &Arguments, computed: Tried) -> Result<Tried, String> {
    let selected: Vec<&str> = computed
        .records
        .iter()
        .map(|record| &record.case)
        .filter(|case| {
            let name = format!("{}::{}", case.scenario, case.id);
            is_selected(&name, arguments)
        })
        .map(|case| case.id.as_str())
        .collect();
    if selected.is_empty() {
        return Ok(Tried { records: Vec::new(), ..computed });
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_airtight"));
    command
        .args(["run", "--testbed", testbed, "--stack", stack, "--report", "json", "--report-dir"])
        .arg(folder.path());
    command.arg("--manifests").arg(root.join("manifests")).arg("--scenarios").arg(root.join("scenarios"));
    if selected.len() < computed.records.len() {
        command.args(selected.iter().flat_map(|id| ["--filter", id]));
    }
    command.args(std::env::var("AIRTIGHT_OPTIONS").unwrap_or_default().split_whitespace()).stdout(Stdio::null());
    let status = command.status().map_err(|error| format!("airtight cannot be started: {error}"))?;
    let text = std::fs::read_to_string(folder.path().join("run.json"))
        .map_err(|error| format!("the run on {testbed} ended with {status} and left no record: {error}"))?;
    let record = json::read(&text).map_err(|error| error.to_string())?;
    let canary = if record.canary.enforces { Ok(()) } else { Err(record.canary.detail) };
    Ok(Tried { canary, findings: record.findings, records: record.cases })
}

/// Whether libtest's own arguments take a test.
fn is_selected(name: &str, arguments: &Arguments) -> bool {
    let fits = |wanted: &String| if arguments.exact { name == wanted } else { name.contains(wanted.as_str()) };
    arguments.filter.as_ref().is_none_or(fits) && !arguments.skip.iter().any(fits)
}

fn told(error: &airtight::cli::CliError) -> String {
    match error {
        airtight::cli::CliError::Input(findings) => {
            findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        }
        other => other.to_string(),
    }
}

fn no_errors(findings: &[Diagnostic]) -> Result<(), Failed> {
    let errors: Vec<String> = findings.iter().filter(|finding| finding.is_error()).map(ToString::to_string).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors.join("\n").into()) }
}

fn trial(record: CaseRecord) -> Trial {
    let name = format!("{}::{}", record.case.scenario, record.case.id);
    let kind = match record.case.expect {
        Expectation::Allow(_) => "allow",
        Expectation::Deny(_) => "deny",
    };
    let record = Arc::new(record);
    Trial::ignorable_test(name, move || conclude(&record)).with_kind(kind)
}

/// Only a pass is a pass: inconclusive is a failure, and what was not tried is ignored with its reason.
fn conclude(record: &CaseRecord) -> Result<Completion, Failed> {
    let why = &record.judgement.why;
    match &record.judgement.verdict {
        Verdict::Pass => Ok(Completion::Completed),
        Verdict::Skipped { reason } => Ok(Completion::ignored_with(reason.clone())),
        Verdict::Waived { until, why: waiver } => {
            Ok(Completion::ignored_with(format!("waived until {until}: {waiver}")))
        }
        Verdict::Fail => Err(explained("failed", why, record)),
        Verdict::Inconclusive => Err(explained("inconclusive", why, record)),
    }
}

fn explained(verdict: &str, why: &str, record: &CaseRecord) -> Failed {
    let trace = record.observation.as_ref().and_then(|observation| observation.evidence.trace.as_ref());
    let trace =
        trace.map(|trace| airtight_report::render_trace(trace, airtight_report::Style::PLAIN)).unwrap_or_default();
    format!("{verdict}: {}\n{why}\n{}\n{trace}", record.case.title, record.case.at).into()
}
