//! Inputs of a command: manifests, scenarios, stack and environment, from disk or from within the program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[cfg(feature = "live")]
use airtight_manifest::manifests_of;
use airtight_manifest::stack::Stack;
use airtight_manifest::{
    Diagnostic, Document, File, Loaded, Node, Reading, Sources, load, load_files, load_manifests, printable,
};
use airtight_matrix::run::ExitStatus;
use airtight_matrix::scenario::{Catalogue, Plan, named_ports};
use airtight_model::path::Engine;
use airtight_model::world::{Built, Environment, World, build};
use clap::Args;

#[cfg(feature = "live")]
use super::cluster_input::ClusterArgs;
use super::embedded;
use super::error::CliError;
use super::rendering::RenderingArgs;

/// Which manifests, scenarios and stack to use.
#[derive(Debug, Clone, Args)]
pub struct InputArgs {
    /// Files or folders with manifests [default: ./manifests if it is there, else the built-in reference set]
    #[arg(long, short = 'm', value_name = "PATH", env = "AIRTIGHT_MANIFESTS")]
    pub manifests: Vec<PathBuf>,
    /// Files or folders with scenarios [default: ./scenarios if it is there, else the built-in matrix]
    #[arg(long, short = 's', value_name = "PATH", env = "AIRTIGHT_SCENARIOS")]
    pub scenarios: Vec<PathBuf>,
    /// Component versions: `reference`, `latest`, a stack file, or `auto`: the stack among the manifests, as a snapshot
    /// has one, else `reference`
    #[arg(long, value_name = "NAME", default_value = AUTO, env = "AIRTIGHT_STACK")]
    pub stack: String,
}

/// The stack that stands among the manifests, else the reference.
pub(super) const AUTO: &str = "auto";

const REFERENCE: &str = "reference";

impl InputArgs {
    /// The stack's name or file, where no manifests can have one.
    #[cfg(feature = "live")]
    pub(super) fn stack_name(&self) -> &str {
        if self.stack == AUTO { REFERENCE } else { &self.stack }
    }
}

/// How the manifests are read.
#[derive(Debug, Clone, Default, Args)]
pub struct ReadingArgs {
    /// Refuse objects of kinds that airtight does not read, instead of counting them
    #[arg(long)]
    pub strict: bool,
    #[command(flatten)]
    pub(super) rendering: RenderingArgs,
    #[cfg(feature = "live")]
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
}

/// Everything that a command reads, loaded.
#[derive(Debug)]
pub struct Inputs {
    /// The manifests, `Environment` documents taken out.
    pub manifests: Loaded,
    /// The scenarios.
    pub scenarios: Loaded,
    /// Versions and options.
    pub stack: Stack,
    /// What is around the cluster.
    pub environment: Environment,
    /// Whether somebody has written down what is around the cluster: then there is nothing else.
    pub(super) environment_is_written: bool,
    /// Where the manifests came from, for the reader.
    pub origin: String,
    /// Whether the scenarios are the built-in ones, and the manifests are not.
    pub(super) borrowed_scenarios: bool,
}

impl Inputs {
    /// Loads what the arguments name, as it is read where nothing else is said.
    ///
    /// # Errors
    /// Every file that cannot be read or parsed.
    pub fn load(args: &InputArgs) -> Result<Self, CliError> {
        Self::read(args, &ReadingArgs::default(), None)
    }

    /// Loads what the arguments name; objects that name no namespace are put into `namespace`.
    ///
    /// # Errors
    /// Every file that cannot be read or parsed.
    pub fn read(args: &InputArgs, reading: &ReadingArgs, namespace: Option<&str>) -> Result<Self, CliError> {
        let inputs = Self::of_manifests(&args.manifests, &args.stack, reading, namespace)?;
        let (scenarios, origin) = tree(&args.scenarios, "scenarios", embedded::scenarios, listed)?;
        let borrowed_scenarios =
            origin == built_in_origin("scenarios") && inputs.origin != built_in_origin("manifests");
        if borrowed_scenarios {
            // The reference matrix speaks of workloads that are not there.
            return Ok(Self { borrowed_scenarios, ..inputs });
        }
        Ok(Self { scenarios, ..inputs })
    }

    /// Loads manifests alone.
    ///
    /// # Errors
    /// Every file that cannot be read or parsed.
    pub fn of_manifests(
        paths: &[PathBuf],
        stack_name: &str,
        reading: &ReadingArgs,
        namespace: Option<&str>,
    ) -> Result<Self, CliError> {
        let (mut manifests, origin) = manifests(paths, reading, namespace)?;
        let environment_is_written = manifests.documents.iter().any(has_hosts);
        let environment = environment(&mut manifests)?;
        let scenarios = Loaded::default();
        let stack = stack_among(&mut manifests, stack_name)?;
        Ok(Self { manifests, scenarios, stack, environment, environment_is_written, origin, borrowed_scenarios: false })
    }

    /// Adds files with waivers to the scenarios.
    ///
    /// # Errors
    /// Every file that cannot be read or parsed.
    pub fn add_waivers(&mut self, paths: &[PathBuf]) -> Result<(), CliError> {
        self.scenarios.extend(listed(paths).map_err(CliError::Input)?);
        Ok(())
    }

    /// The world of the manifests.
    ///
    /// # Errors
    /// Documents that are no objects of a known kind, and objects defined twice.
    pub fn world(&self) -> Result<Built, CliError> {
        let built = build(&self.manifests.documents, &self.environment, self.stack.clone()).map_err(CliError::Input)?;
        Ok(Built { world: built.world.with_named_ports(&named_ports(&self.scenarios.documents)), ..built })
    }

    /// The matrix of the scenarios, checked against `world`.
    ///
    /// # Errors
    /// Everything that is wrong with the scenarios.
    pub fn plan(&self, world: &World) -> Result<Plan, CliError> {
        if self.borrowed_scenarios {
            return Err(CliError::NoScenarios(self.origin.clone()));
        }
        let catalogue = Catalogue::embedded().map_err(CliError::Input)?;
        let today = airtight_matrix::run::today();
        airtight_matrix::scenario::load(&self.scenarios.documents, world, &catalogue, today).map_err(CliError::Input)
    }

    /// [`Inputs::plan`] for people: a workload may be unknown because its manifest was refused.
    ///
    /// # Errors
    /// Everything that is wrong with the scenarios, after the objects that were refused.
    pub fn plan_for(&self, built: &Built) -> Result<Plan, CliError> {
        self.plan(&built.world).map_err(|error| match error {
            CliError::Input(findings) => {
                let refused = built.findings.iter().filter(|finding| finding.is_error()).cloned();
                CliError::Input(refused.chain(findings).collect())
            }
            error => error,
        })
    }

    /// What was noticed while the manifests were read and their world was built.
    #[must_use]
    pub fn findings(&self, built: &Built) -> Vec<Diagnostic> {
        self.manifests.findings.iter().chain(&built.findings).cloned().collect()
    }

    /// What concerns whoever asks for something else than the world itself: what was not read, and what is missing.
    #[must_use]
    pub fn remarks(&self, built: &Built) -> Vec<Diagnostic> {
        let missing = built.findings.iter().filter(|finding| finding.is_error());
        self.manifests.findings.iter().chain(missing).cloned().collect()
    }

    /// How a command ends that has shown what it was asked for: an object that is refused, or that by its `engine`'s word
    /// the agent ignores, is missing from what it showed.
    #[must_use]
    pub fn status(&self, built: &Built, engine: &Engine<'_>) -> ExitStatus {
        let mut findings = self.remarks(built).into_iter().chain(engine.findings());
        if findings.any(|finding| finding.is_error()) { ExitStatus::Failed } else { ExitStatus::Passed }
    }

    /// SHA-256 of every file that was read, by name.
    #[must_use]
    pub fn digests(&self) -> BTreeMap<String, String> {
        self.manifests
            .digests
            .iter()
            .chain(&self.scenarios.digests)
            .map(|(name, digest)| (name.clone(), digest.clone()))
            .collect()
    }

    /// All texts that were read.
    #[must_use]
    pub fn sources(&self) -> Sources {
        let mut sources = self.manifests.sources.clone();
        sources.extend(self.scenarios.sources.clone());
        sources
    }
}

/// The manifests that are named, those of this folder, or the built-in ones; and where they came from.
pub(super) fn manifests(
    paths: &[PathBuf],
    reading: &ReadingArgs,
    namespace: Option<&str>,
) -> Result<(Loaded, String), CliError> {
    let renderer = reading.rendering.programs(namespace);
    // As `kubectl apply` has it.
    let namespace = Some(namespace.unwrap_or("default"));
    let how = Reading { strict: reading.strict, namespace, renderer: Some(&renderer) };
    #[cfg(feature = "live")]
    if reading.cluster.is_named() {
        return of_cluster(paths, &reading.cluster, how);
    }
    tree(paths, "manifests", embedded::manifests, |paths| load_manifests(paths, how))
}

/// What is on a cluster, and the manifests that are named beside it.
#[cfg(feature = "live")]
fn of_cluster(paths: &[PathBuf], cluster: &ClusterArgs, how: Reading<'_>) -> Result<(Loaded, String), CliError> {
    let (name, snapshot) = cluster.snapshot(None)?;
    let shown = printable(&name);
    let files = snapshot.files.into_iter().map(|file| File { name: format!("{shown}/{}", file.name), ..file });
    let mut loaded = manifests_of(files.collect(), how).map_err(CliError::Input)?;
    loaded.findings.extend(snapshot.notes);
    let mut origin = format!("cluster {shown}");
    if !paths.is_empty() {
        let (beside, names) = tree(paths, "manifests", embedded::manifests, |paths| load_manifests(paths, how))?;
        loaded.extend(beside);
        origin = format!("{origin}, {names}");
    }
    Ok((loaded, origin))
}

fn tree(
    paths: &[PathBuf],
    folder: &str,
    built_in: fn() -> Vec<File>,
    read: impl Fn(&[PathBuf]) -> Result<Loaded, Vec<Diagnostic>>,
) -> Result<(Loaded, String), CliError> {
    let local = PathBuf::from(folder);
    let chosen = if paths.is_empty() && local.is_dir() { std::slice::from_ref(&local) } else { paths };
    if chosen.is_empty() {
        let loaded = load_files(built_in()).map_err(CliError::Input)?;
        return Ok((loaded, built_in_origin(folder)));
    }
    let names: Vec<String> = chosen.iter().map(|path| printable(&path.to_string_lossy())).collect();
    Ok((read(chosen).map_err(CliError::Input)?, names.join(", ")))
}

fn built_in_origin(folder: &str) -> String {
    format!("built-in {folder}")
}

fn listed(paths: &[PathBuf]) -> Result<Loaded, Vec<Diagnostic>> {
    let mut all = Loaded::default();
    let mut failures = Vec::new();
    for path in paths {
        match load(path) {
            Ok(loaded) => all.extend(loaded),
            Err(findings) => failures.extend(findings),
        }
    }
    if failures.is_empty() { Ok(all) } else { Err(failures) }
}

/// Takes the `Environment` out of the manifests; if they have none, the built-in one with the hosts that they name.
pub(super) fn environment(manifests: &mut Loaded) -> Result<Environment, CliError> {
    let (own, rest): (Vec<Document>, Vec<Document>) =
        std::mem::take(&mut manifests.documents).into_iter().partition(|document| is_kind(document, "Environment"));
    manifests.documents = rest;
    match own.as_slice() {
        [] => {
            // Hosts of the reference set are nobody else's.
            let mut environment = Environment { hosts: Vec::new(), ..built_in_environment()? };
            manifests.findings.extend(environment.assume_hosts(&manifests.documents));
            Ok(environment)
        }
        [one] => {
            let mut environment = Environment::read(one).map_err(CliError::Input)?;
            if !has_hosts(one) {
                manifests.findings.extend(environment.assume_hosts(&manifests.documents));
            }
            Ok(environment)
        }
        [_, second, ..] => Err(CliError::Input(vec![
            Diagnostic::error("duplicate-object", "there are two Environment documents")
                .at(second.location(second.root.at))
                .hint("keep one"),
        ])),
    }
}

/// Whether somebody has written down which hosts there are outside.
fn has_hosts(document: &Document) -> bool {
    is_kind(document, "Environment") && document.root.get("spec").is_some_and(|spec| spec.get("hosts").is_some())
}

/// Takes the stack out of the manifests; it counts where none is named. Who names one knows what could not be read of
/// the components' settings.
fn stack_among(manifests: &mut Loaded, name: &str) -> Result<Stack, CliError> {
    let (own, rest): (Vec<Document>, Vec<Document>) =
        std::mem::take(&mut manifests.documents).into_iter().partition(|document| is_kind(document, "Stack"));
    manifests.documents = rest;
    if name != AUTO {
        manifests.documents.retain(|document| !is_about_settings(document));
        return stack(name);
    }
    match own.as_slice() {
        [] => stack(REFERENCE),
        [one] => Stack::read(one).map_err(CliError::Input),
        [_, second, ..] => Err(CliError::Input(vec![
            Diagnostic::error("duplicate-object", "there are two Stack documents among the manifests")
                .at(second.location(second.root.at))
                .hint("keep one, or name one with --stack"),
        ])),
    }
}

fn is_about_settings(document: &Document) -> bool {
    let kind = document.root.get("spec").and_then(|spec| spec.get("kind")).and_then(Node::as_str);
    is_kind(document, "Unread") && kind == Some("Settings")
}

/// The environment that is part of the program.
///
/// # Errors
/// When the program was built without one.
pub fn built_in_environment() -> Result<Environment, CliError> {
    let files = embedded::manifests().into_iter().filter(|file| file.name.ends_with("environment.yaml")).collect();
    let loaded = load_files(files).map_err(CliError::Input)?;
    let document = loaded.documents.first().ok_or_else(|| CliError::Input(vec![no_environment()]))?;
    Environment::read(document).map_err(CliError::Input)
}

fn no_environment() -> Diagnostic {
    Diagnostic::error("no-environment", "there is no Environment document")
        .hint("add one: nodes, hosts, outside, podCidrs and serviceCidrs")
}

/// A built-in stack by name, or a stack file.
///
/// # Errors
/// When there is no such stack, or its file is wrong.
pub fn stack(name: &str) -> Result<Stack, CliError> {
    Stack::read(&stack_document(name)?).map_err(CliError::Input)
}

/// The document of a built-in stack by name, or of a stack file.
///
/// # Errors
/// When there is no such stack, or its file is no YAML.
pub fn stack_document(name: &str) -> Result<Document, CliError> {
    let path = Path::new(name);
    let loaded = if path.extension().is_some() || path.exists() {
        load(path).map_err(CliError::Input)?
    } else {
        let wanted = format!("kind/stacks/{name}.yaml");
        let files: Vec<File> = embedded::stacks().into_iter().filter(|file| file.name == wanted).collect();
        load_files(files).map_err(CliError::Input)?
    };
    let found = loaded.documents.into_iter().find(|document| is_kind(document, "Stack"));
    found.ok_or_else(|| CliError::UnknownStack(name.to_owned()))
}

fn is_kind(document: &Document, kind: &str) -> bool {
    let text = |key: &str| document.root.get(key).and_then(Node::as_str);
    text("kind") == Some(kind) && text("apiVersion").is_some_and(|version| version.starts_with("airtight.dev/"))
}
