//! The referee: generated worlds are asked of the model and of the engine itself, and the answers compared.
//!
//! `ci/oracles.sh` builds the oracles and runs it.

mod cilium;
mod comparison;
mod exceptions;
mod fidelity;
mod istio;
mod kyverno;
mod oracle;
mod question;
mod search;
mod tally;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use airtight_manifest::Failure;
use clap::{Parser, Subcommand};

use self::tally::Tally;

/// What is asked of the referee.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Hold the model against Cilium's policy engine.
    Cilium(Comparison),
    /// Hold the model against istiod, Envoy and ztunnel's rules.
    Istio(Comparison),
    /// Hold the model against Kyverno's engine.
    Kyverno(Comparison),
    /// Write the page of all comparisons.
    Page {
        /// Where comparisons were recorded.
        #[arg(long)]
        records: PathBuf,
        /// The page.
        #[arg(long)]
        page: PathBuf,
    },
}

/// One engine at one version.
#[derive(clap::Args)]
pub(crate) struct Comparison {
    /// The program that asks the engine.
    #[arg(long)]
    oracle: PathBuf,
    /// The stack whose versions the model takes.
    #[arg(long)]
    stack: String,
    /// The version of the engine, for the record.
    #[arg(long)]
    engine: String,
    /// How many worlds.
    #[arg(long, default_value_t = 300)]
    worlds: u32,
    /// Other worlds for another seed.
    #[arg(long, default_value_t = 20_250_704)]
    seed: u64,
    /// After how many worlds with disagreements to stop.
    #[arg(long, default_value_t = 5)]
    patience: usize,
    /// Disagreements that are upstream bugs.
    #[arg(long)]
    exceptions: PathBuf,
    /// Where to record what came of it.
    #[arg(long)]
    record: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(failure) => {
            let hint = failure.hint.map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
            say(&format!("error[{}]: {}{hint}", failure.code, failure.message));
            ExitCode::from(2)
        }
    }
}

/// Whether everything agreed.
fn run(command: &Command) -> Result<bool, Failure> {
    match command {
        Command::Cilium(comparison) => finish(comparison, &comparison::compare::<cilium::Cilium>(comparison)?),
        Command::Istio(comparison) => finish(comparison, &comparison::compare::<istio::Istio>(comparison)?),
        Command::Kyverno(comparison) => finish(comparison, &comparison::compare::<kyverno::Kyverno>(comparison)?),
        Command::Page { records, page } => fidelity::write(records, page).map(|()| true),
    }
}

/// Tells and records what came of a comparison; whether everything agreed.
fn finish(comparison: &Comparison, tally: &Tally) -> Result<bool, Failure> {
    say(&tally.line());
    if let Some(path) = &comparison.record {
        tally.write(path)?;
    }
    Ok(tally.agrees())
}

/// A line for whoever reads; nobody there is no reason to stop.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
