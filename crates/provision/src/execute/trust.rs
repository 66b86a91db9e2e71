//! The stand-ins' authority as the one that waypoints take for the system's, and its certificates at gateways.
//!
//! A provider's certificate is one that the public trusts, and a waypoint that begins TLS verifies it by the bundle of
//! its own image. That bundle is replaced as a platform with an authority of its own does it: by the defaults of the
//! class, which Istio lays over the Deployment of each waypoint (Istio "Kubernetes Gateway API: resource attachment and
//! scaling"; `pilot/pkg/config/kube/gateway/deploymentcontroller.go`, label `gateway.istio.io/defaults-for-class`).

use std::fs;

use serde_json::{Value, json};

use crate::authority::{CERTIFICATE, is_issued, issue};
use crate::failure::StepFailure;
use crate::kubernetes::Kubernetes;
use crate::plan::{Source, TlsSecret, Trust};
use crate::program::Bounds;

const NAME: &str = "airtight-authority";

/// Where Istio's agent looks for the system's authorities first (Istio `pkg/security/security.go`, `GetOSRootFilePath`).
const FOLDER: &str = "/etc/ssl/certs";
const BUNDLE: &str = "ca-certificates.crt";

pub(super) fn make_known(wanted: &Trust, cluster: &Kubernetes, bounds: Bounds<'_>) -> Result<(), StepFailure> {
    for wanted in &wanted.secrets {
        apply(&format!("Secret {}", wanted.name), &secret(wanted)?, cluster, bounds)?;
    }
    if wanted.namespaces.is_empty() {
        return Ok(());
    }
    let path = wanted.authority.join(CERTIFICATE);
    let certificate = fs::read_to_string(&path).map_err(|error| {
        let message = format!("the authority of the stand-ins cannot be read: {}: {error}", path.display());
        StepFailure::new("certificates", message, "`airtight down` and `airtight up` make the cluster with a new one")
    })?;
    // Where the bundle is missing, a pod that mounts it does not start: the namespaces go first.
    let bundles = wanted.namespaces.iter().map(|namespace| bundle(namespace, &certificate));
    for object in bundles.chain([defaults()]) {
        apply(&format!("ConfigMap {NAME}"), &object, cluster, bounds)?;
    }
    Ok(())
}

fn apply(name: &str, object: &Value, cluster: &Kubernetes, bounds: Bounds<'_>) -> Result<(), StepFailure> {
    cluster.apply(&Source::Text { name: name.to_owned(), text: object.to_string(), probe: None }, bounds)
}

/// A certificate that was issued before is kept: who has seen it need not learn of another.
fn secret(wanted: &TlsSecret) -> Result<Value, StepFailure> {
    let TlsSecret { namespace, name, certificate } = wanted;
    let failed = |why: String| {
        StepFailure::new(
            "certificates",
            format!("Secret {namespace}/{name} has no certificate: {why}"),
            "is the folder of the cluster writable?",
        )
    };
    if !is_issued(certificate) {
        issue(certificate).map_err(|error| failed(error.to_string()))?;
    }
    let read = |file: &str| {
        let path = certificate.folder.join(file);
        fs::read_to_string(&path).map_err(|error| failed(format!("{}: {error}", path.display())))
    };
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": read("tls.crt")?, "tls.key": read("tls.key")?},
    }))
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
