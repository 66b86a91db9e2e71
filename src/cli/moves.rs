//! `airtight diff --manifests`: what two sets of manifests allow, and what changes from one to the other.

use std::collections::BTreeSet;
use std::path::PathBuf;

use airtight_manifest::{Diagnostic, Severity};
use airtight_matrix::run::ExitStatus;
use airtight_model::path::Engine;
use airtight_model::path::reach::{Reachability, Scope, View};
use airtight_model::world::{Built, World};
use airtight_report::moves::{Moves, Side, render_list, render_markdown};

use super::diff::DiffArgs;
use super::error::CliError;
use super::input::{Inputs, ReadingArgs};
use super::output::Output;

/// Compares two sets of manifests.
///
/// # Errors
/// When there are not two, one cannot be read, or standard output cannot be written.
pub(super) fn moves(args: &DiffArgs, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let [mut before, mut after] = args.sides()?;
    before.environment.know_hosts_of(&after.environment);
    before.environment.assume_edges(&before.manifests.documents, &after.manifests.documents);
    before.environment.assume_anybody();
    after.environment.hosts.clone_from(&before.environment.hosts);
    let [mut built, mut built_after] = [before.world()?, after.world()?];
    listen_alike(&mut built.world, &mut built_after.world);
    let both = [(&before, &built), (&after, &built_after)];
    let engines = both.map(|(_, built)| Engine::compile(&built.world));
    tell(both, &engines, output)?;
    let scope = Scope { view: View::Everything, namespace: args.namespace.clone(), ..Scope::default() };
    let [reach, reach_after] = [0, 1].map(|side| Reachability::compute(&engines[side], &scope));
    let side = |index: usize, reach| {
        let (inputs, built) = both[index];
        Side { name: &inputs.origin, engine: &engines[index], reach, documents: &built.documents }
    };
    let moves = Moves::between(side(0, &reach), side(1, &reach_after));
    args.output.write(&moves, render_list, render_markdown, output)?;
    Ok(worst(both, &engines, moves.status(args.strict)))
}

/// What is refused on either side, and what the later set is warned of and the earlier was not.
fn tell(both: [(&Inputs, &Built); 2], engines: &[Engine<'_>; 2], output: &mut Output<'_>) -> Result<(), CliError> {
    let mut known = BTreeSet::new();
    for ((inputs, built), engine) in both.into_iter().zip(engines) {
        let found = inputs.findings(built).into_iter().chain(engine.findings());
        let found: Vec<Diagnostic> = found.filter(|finding| finding.severity > Severity::Note).collect();
        let mut is_told = |finding: &Diagnostic| {
            let is_news = known.insert((finding.code.clone(), finding.message.clone()));
            finding.is_error() || (is_news && std::ptr::eq(inputs, both[1].0))
        };
        let told: Vec<Diagnostic> = found.into_iter().filter(|finding| is_told(finding)).collect();
        output.diagnostics(&told, &inputs.sources())?;
    }
    Ok(())
}

/// What a pod that lists no ports is known by one set to listen on, it listens on in both: else the flow would be missing
/// where the other set's policies do not name it.
fn listen_alike(before: &mut World, after: &mut World) {
    let [ports, ports_after] = [before.ports_of_pods(), after.ports_of_pods()];
    *before = before.clone().with_named_ports(&ports_after);
    *after = after.clone().with_named_ports(&ports);
}

/// An object that is refused is missing from what was compared.
fn worst(both: [(&Inputs, &Built); 2], engines: &[Engine<'_>; 2], status: ExitStatus) -> ExitStatus {
    let refused =
        both.iter().zip(engines).any(|((inputs, built), engine)| inputs.status(built, engine) != ExitStatus::Passed);
    if refused && status != ExitStatus::NothingSelected { ExitStatus::Failed } else { status }
}

impl DiffArgs {
    /// Both sets, the earlier first.
    fn sides(&self) -> Result<[Inputs; 2], CliError> {
        let cluster = self.cluster();
        match (cluster, self.manifests.as_slice()) {
            (Some(cluster), [after]) => Ok([self.read(&[], &cluster)?, self.of(after)?]),
            (None, [before, after]) => Ok([self.of(before)?, self.of(after)?]),
            (Some(_), others) => {
                Err(not_two(others.len() + 1, "--context NAME is the earlier one, --manifests the later"))
            }
            (None, others) => Err(not_two(others.len(), "write --manifests BEFORE --manifests AFTER")),
        }
    }

    fn of(&self, path: &PathBuf) -> Result<Inputs, CliError> {
        self.read(std::slice::from_ref(path), &self.reading())
    }

    fn read(&self, paths: &[PathBuf], reading: &ReadingArgs) -> Result<Inputs, CliError> {
        Inputs::of_manifests(paths, &self.stack, reading, self.namespace.as_deref())
    }

    fn reading(&self) -> ReadingArgs {
        ReadingArgs { rendering: self.rendering.clone(), ..ReadingArgs::default() }
    }

    /// How to read the cluster, if one is named.
    #[cfg(feature = "live")]
    fn cluster(&self) -> Option<ReadingArgs> {
        self.cluster.is_named().then(|| ReadingArgs { cluster: self.cluster.clone(), ..self.reading() })
    }

    #[cfg(not(feature = "live"))]
    fn cluster(&self) -> Option<ReadingArgs> {
        None
    }
}

fn not_two(number: usize, hint: &str) -> CliError {
    CliError::Argument {
        value: format!("diff of {number}"),
        expected: "a comparison of two sets of manifests",
        hint: hint.to_owned(),
    }
}
