//! Whether proxies write access logs: without them no denial of theirs can be attributed.

use std::sync::Arc;

use airtight_cluster::Cluster;
use airtight_cluster::read;
use airtight_cluster::read::{items, text};
use airtight_manifest::{Failure, yaml};
use serde::Serialize;
use serde_json::Value;

/// Who writes access logs; none where nobody can tell. ztunnel and agentgateway do unless they are told not to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessLogs {
    /// Istio's waypoints and gateways: by `meshConfig.accessLogFile`, or by a Telemetry (Istio, Envoy access logs).
    pub istio: Option<bool>,
    /// Kgateway's proxies: by `accessLog` of a listener policy (Kgateway `api/v1alpha1`).
    pub kgateway: Option<bool>,
}

impl AccessLogs {
    /// Looks at the settings of a cluster whose istiod runs in `istiod`, if it has one.
    pub(super) fn read(cluster: &dyn Cluster, istiod: Option<&str>) -> Result<Self, Failure> {
        let istio = istiod.map(|namespace| istio(cluster, namespace)).transpose()?;
        Ok(Self { istio, kgateway: Some(kgateway(cluster)?) })
    }

    /// What is missing, one sentence each.
    pub(super) fn findings(self, has_istio: bool, has_kgateway: bool) -> Vec<String> {
        let known = [
            (
                has_istio && self.istio == Some(false),
                "waypoints write no access log: no denial of theirs can be attributed; set \
                 meshConfig.accessLogFile=/dev/stdout",
            ),
            (
                has_kgateway && self.kgateway == Some(false),
                "gateways of Kgateway write no access log: no denial of theirs can be attributed; add an accessLog with \
                 a fileSink to /dev/stdout",
            ),
        ];
        known.into_iter().filter(|(applies, _)| *applies).map(|(_, finding)| finding.to_owned()).collect()
    }
}

fn istio(cluster: &dyn Cluster, namespace: &str) -> Result<bool, Failure> {
    let maps =
        read::list(cluster, &format!("/api/v1/namespaces/{namespace}/configmaps?labelSelector=release%3Distio"))?;
    let single = read::object(cluster, &format!("/api/v1/namespaces/{namespace}/configmaps/istio"))?;
    let in_mesh = maps.iter().chain(&single).any(|map| writes_to_file(text(map, "/data/mesh")));
    let telemetries = read::list_if_served(cluster, "/apis/telemetry.istio.io/v1/telemetries")?.unwrap_or_default();
    let on = |rule: &Value| rule.get("disabled").and_then(Value::as_bool) != Some(true);
    Ok(in_mesh || telemetries.iter().any(|telemetry| items(telemetry, "/spec/accessLogging").iter().any(on)))
}

fn writes_to_file(mesh: &str) -> bool {
    let Ok(documents) = yaml::parse(&Arc::from("mesh"), mesh) else { return false };
    let file = documents.first().and_then(|document| document.root.get("accessLogFile").cloned());
    file.is_some_and(|file| file.as_str().is_some_and(|path| !path.is_empty()))
}

fn kgateway(cluster: &dyn Cluster) -> Result<bool, Failure> {
    // The kind has another name, and the list another place, since 2.2.
    let places =
        [("httplistenerpolicies", "/spec/accessLog"), ("listenerpolicies", "/spec/default/httpSettings/accessLog")];
    for (resource, pointer) in places {
        let policies = read::list_if_served(cluster, &format!("/apis/gateway.kgateway.dev/v1alpha1/{resource}"))?
            .unwrap_or_default();
        if policies.iter().any(|policy| !items(policy, pointer).is_empty()) {
            return Ok(true);
        }
    }
    Ok(false)
}
