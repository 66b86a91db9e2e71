//! CoreDNS: its Corefile is read, changed and applied, and its pods take it up at once.

use airtight_manifest::digest;
use serde_json::{Value, json};

use crate::failure::StepFailure;
use crate::gate::Lookup;
use crate::kubernetes::Kubernetes;
use crate::plan::{HostName, Source, with_names};
use crate::program::Bounds;

pub(super) fn resolve(hosts: &[HostName], cluster: &Kubernetes, bounds: Bounds<'_>) -> Result<(), StepFailure> {
    let lookup = Lookup {
        resource: "configmaps".to_owned(),
        namespace: Some("kube-system".to_owned()),
        name: Some("coredns".to_owned()),
    };
    let found = cluster.get(&lookup, bounds)?.unwrap_or_default();
    let corefile = found["data"]["Corefile"].as_str().unwrap_or_default();
    let changed = with_names(corefile, hosts).map_err(|error| {
        StepFailure::new(
            "corefile",
            format!("kube-system/coredns: {error}"),
            "the node image has another CoreDNS than kind's",
        )
    })?;
    for (name, object) in [("coredns ConfigMap", config(&changed)), ("coredns Deployment", restarted(&changed))] {
        cluster.apply(&Source::Text { name: name.to_owned(), text: object.to_string(), probe: None }, bounds)?;
    }
    Ok(())
}

fn config(corefile: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "coredns", "namespace": "kube-system"},
        "data": {"Corefile": corefile},
    })
}

/// CoreDNS rereads its file after up to 30 s; a changed template starts new pods now.
fn restarted(corefile: &str) -> Value {
    let digest = digest(&json!(corefile));
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "coredns", "namespace": "kube-system"},
        "spec": {"template": {"metadata": {"annotations": {"airtight.dev/names": digest}}}},
    })
}
