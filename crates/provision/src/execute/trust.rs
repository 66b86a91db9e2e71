//! The stand-ins' authority as the one that waypoints take for the system's.
//!
//! A provider's certificate is one that the public trusts, and a waypoint that begins TLS verifies it by the bundle of
//! its own image. That bundle is replaced as a platform with an authority of its own does it: by the defaults of the
//! class, which Istio lays over the Deployment of each waypoint (Istio "Kubernetes Gateway API: resource attachment and
//! scaling"; `pilot/pkg/config/kube/gateway/deploymentcontroller.go`, label `gateway.istio.io/defaults-for-class`).

use std::fs;

use serde_json::{Value, json};

use crate::authority::CERTIFICATE;
use crate::failure::StepFailure;
use crate::kubernetes::Kubernetes;
use crate::plan::{Source, Trust};
use crate::program::Bounds;

const NAME: &str = "airtight-authority";

/// Where Istio's agent looks for the system's authorities first (Istio `pkg/security/security.go`, `GetOSRootFilePath`).
const FOLDER: &str = "/etc/ssl/certs";
const BUNDLE: &str = "ca-certificates.crt";

pub(super) fn make_known(wanted: &Trust, cluster: &Kubernetes, bounds: Bounds<'_>) -> Result<(), StepFailure> {
    let path = wanted.authority.join(CERTIFICATE);
    let certificate = fs::read_to_string(&path).map_err(|error| {
        let message = format!("the authority of the stand-ins cannot be read: {}: {error}", path.display());
        StepFailure::new("certificates", message, "`airtight down` and `airtight up` make the cluster with a new one")
    })?;
    // Where the bundle is missing, a pod that mounts it does not start: the namespaces go first.
    let bundles = wanted.namespaces.iter().map(|namespace| bundle(namespace, &certificate));
    for object in bundles.chain([defaults()]) {
        cluster.apply(&Source::Text { name: format!("ConfigMap {NAME}"), text: object.to_string() }, bounds)?;
    }
    Ok(())
}

fn bundle(namespace: &str, certificate: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": namespace},
        "data": {BUNDLE: certificate},
    })
}

/// What Istio lays over the Deployment of each waypoint.
fn defaults() -> Value {
    let deployment = json!({"spec": {"template": {"spec": {
        "containers": [{"name": "istio-proxy",
            "volumeMounts": [{"name": NAME, "mountPath": FOLDER, "readOnly": true}]}],
        "volumes": [{"name": NAME, "configMap": {"name": NAME}}],
    }}}});
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": NAME,
            "namespace": "istio-system",
            "labels": {"gateway.istio.io/defaults-for-class": "istio-waypoint"},
        },
        "data": {"deployment": deployment.to_string()},
    })
}
