//! The Kubernetes API through kubectl.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::cluster_api::Cluster;
use super::failure::Failure;
use super::gate::Lookup;
use super::plan::Source;
use super::program::{Bounds, Call, Program, Said, run};

/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(30);

/// Who owns the fields that are applied.
const MANAGER: &str = "airtight";

/// kubectl with a kubeconfig of our own: the user's is never read.
#[derive(Debug, Clone)]
pub struct Kubectl {
    /// The kubeconfig.
    pub kubeconfig: PathBuf,
}

impl Kubectl {
    fn call(&self, arguments: &[&str]) -> Call {
        let kubeconfig = self.kubeconfig.display().to_string();
        Program::Kubectl.call(["--kubeconfig", &kubeconfig].into_iter().chain(arguments.iter().copied()))
    }

    fn ask(&self, arguments: &[&str], bounds: Bounds<'_>) -> Result<Said, Failure> {
        let deadline = bounds.deadline.min(Instant::now() + ANSWER);
        run(&self.call(arguments), Bounds { deadline, ..bounds }).map_err(Failure::from)
    }
}

impl Cluster for Kubectl {
    fn ready(&self, bounds: Bounds<'_>) -> Result<bool, Failure> {
        self.ask(&["get", "--raw", "/readyz"], bounds).map(|said| said.stdout.trim() == "ok")
    }

    fn get(&self, lookup: &Lookup, bounds: Bounds<'_>) -> Result<Option<Value>, Failure> {
        let mut arguments = vec!["get", lookup.resource.as_str()];
        arguments.extend(lookup.name.as_deref());
        if let Some(namespace) = &lookup.namespace {
            arguments.extend(["--namespace", namespace]);
        }
        arguments.extend(["--ignore-not-found", "--output", "json"]);
        let said = self.ask(&arguments, bounds)?;
        if said.stdout.trim().is_empty() {
            return Ok(None);
        }
        serde_json::from_str(&said.stdout).map(Some).map_err(|error| {
            let message = format!("kubectl answered no JSON when asked for {}: {error}", lookup.resource);
            Failure::new("kubectl-answer", message, "see that `kubectl` on the search path is Kubernetes' own")
        })
    }

    fn apply(&self, source: &Source, bounds: Bounds<'_>) -> Result<(), Failure> {
        let owned = ["apply", "--server-side", "--force-conflicts", "--field-manager", MANAGER, "--filename"];
        let call = match source {
            Source::Location(location) => self.call(&[&owned[..], &[location]].concat()),
            Source::Text { text, .. } => self.call(&[&owned[..], &["-"]].concat()).reading(text.clone()),
        };
        run(&call, bounds).map(|_| ()).map_err(|error| match source {
            Source::Location(_) => Failure::from(error),
            Source::Text { name, .. } => {
                let failure = Failure::from(error);
                Failure { message: format!("{name}: {}", failure.message), ..failure }
            }
        })
    }

    fn delete_labelled(&self, resources: &[&str], label: &str, bounds: Bounds<'_>) -> Result<(), Failure> {
        let resources = resources.join(",");
        let arguments =
            ["delete", &resources, "--all-namespaces", "--selector", label, "--ignore-not-found", "--wait=false"];
        run(&self.call(&arguments), bounds).map(|_| ()).map_err(Failure::from)
    }
}
