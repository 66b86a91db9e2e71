//! The matrix as tests: one trial for each case, named `scenario::ID`.
//!
//! `AIRTIGHT_STACK` names another stack, `AIRTIGHT_TESTBED` another testbed.
#![expect(clippy::print_stderr, reason = "a test program without libtest tells by itself what went wrong")]

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use airtight::cli::input::{InputArgs, Inputs};
use airtight::judge::Verdict;
use airtight::manifest::Diagnostic;
use airtight::path::Engine;
use airtight::run::{CaseRecord, judge_all};
use airtight::scenario::Expectation;
use airtight::testbed::Testbed;
use airtight::testbed::model::Model;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    match trials() {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(why) => {
            eprintln!("the matrix cannot be run: {why}");
            ExitCode::from(5)
        }
    }
}

fn trials() -> Result<Vec<Trial>, String> {
    let testbed = std::env::var("AIRTIGHT_TESTBED").unwrap_or_else(|_| "model".to_owned());
    if testbed != "model" {
        return Err(format!("testbed `{testbed}` is not part of this version; leave AIRTIGHT_TESTBED unset"));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let args = InputArgs {
        manifests: vec![root.join("manifests")],
        scenarios: vec![root.join("scenarios")],
        stack: std::env::var("AIRTIGHT_STACK").unwrap_or_else(|_| "reference".to_owned()),
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
    let mut trials = vec![
        Trial::test(
            "airtight::canary",
            move || {
                if canary.enforces() { Ok(()) } else { Err(Failed::from(canary.detail)) }
            },
        ),
        Trial::test("airtight::policies", move || no_errors(&findings)),
    ];
    trials.extend(records.into_iter().map(trial));
    Ok(trials)
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
        trace.map(|trace| airtight::report::render_trace(trace, airtight::report::Style::PLAIN)).unwrap_or_default();
    format!("{verdict}: {}\n{why}\n{}\n{trace}", record.case.title, record.case.at).into()
}
