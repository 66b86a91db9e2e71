//! Cilium's settings on a cluster, and those that do not go with Istio's ambient mode.

use serde::Serialize;
use serde_json::Value;

/// Enough for a round of some hundred flows on one node, packet by packet.
const ENOUGH_FLOWS: u64 = 16_383;

/// Settings of the ConfigMap `cilium-config` that change verdicts; none where the key is not there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CiliumSettings {
    /// `enable-bpf-masquerade`.
    pub bpf_masquerade: Option<bool>,
    /// `cni-exclusive`.
    pub cni_exclusive: Option<bool>,
    /// `bpf-lb-sock-hostns-only`.
    pub socket_lb_host_namespace_only: Option<bool>,
    /// `bpf-lb-sock`.
    pub socket_lb: Option<bool>,
    /// `kube-proxy-replacement`.
    pub kube_proxy_replacement: Option<bool>,
    /// `policy-deny-response` is `icmp`.
    pub deny_with_icmp: bool,
    /// `enable-hubble`.
    pub hubble: Option<bool>,
    /// `hubble-event-buffer-capacity`: how many flows an agent keeps.
    pub hubble_capacity: Option<u64>,
    /// `policy-audit-mode`: what policies deny passes.
    pub audit_mode: bool,
    /// `enable-policy`: `default`, `always` or `never`.
    pub enable_policy: Option<String>,
    /// `enable-l7-proxy`.
    pub l7_proxy: Option<bool>,
}

impl CiliumSettings {
    /// Reads the ConfigMap.
    #[must_use]
    pub fn read(config_map: &Value) -> Self {
        let value = |key: &str| config_map.get("data").and_then(|data| data.get(key)).and_then(Value::as_str);
        let truth = |key: &str| value(key).and_then(truth);
        Self {
            bpf_masquerade: truth("enable-bpf-masquerade"),
            cni_exclusive: truth("cni-exclusive"),
            socket_lb_host_namespace_only: truth("bpf-lb-sock-hostns-only"),
            socket_lb: truth("bpf-lb-sock"),
            kube_proxy_replacement: truth("kube-proxy-replacement"),
            deny_with_icmp: value("policy-deny-response") == Some("icmp"),
            hubble: truth("enable-hubble"),
            hubble_capacity: value("hubble-event-buffer-capacity").and_then(|text| text.parse().ok()),
            audit_mode: truth("policy-audit-mode") == Some(true),
            enable_policy: value("enable-policy").map(str::to_owned),
            l7_proxy: truth("enable-l7-proxy"),
        }
    }

    /// What makes verdicts on this cluster worthless or different, one sentence each: settings that let denied
    /// traffic pass, and those that Istio's ambient mode cannot live with (Istio, Ambient platform prerequisites;
    /// Cilium `Documentation/network/servicemesh/istio.rst`).
    #[must_use]
    pub fn findings(&self, ambient: bool) -> Vec<String> {
        let socket_lb = self.socket_lb == Some(true) || self.kube_proxy_replacement == Some(true);
        let known = [
            (self.audit_mode, "policy-audit-mode is on: what policies deny passes"),
            (self.enable_policy.as_deref() == Some("never"), "enable-policy is `never`: no policy is enforced"),
            (self.hubble == Some(false), "enable-hubble is off: no denial of Cilium can be attributed"),
            (
                self.hubble != Some(false) && self.hubble_capacity.is_some_and(|capacity| capacity < ENOUGH_FLOWS),
                "hubble-event-buffer-capacity is small: flows of a busy round are overwritten before they are read; set \
                 hubble.eventBufferCapacity=65535",
            ),
            (
                ambient && self.bpf_masquerade == Some(true),
                "enable-bpf-masquerade is on: kubelet probes of pods in the mesh fail; set bpf.masquerade=false",
            ),
            (
                ambient && self.cni_exclusive != Some(false),
                "cni-exclusive is not off: Cilium removes the configuration of istio-cni; set cni.exclusive=false",
            ),
            (
                ambient && socket_lb && self.socket_lb_host_namespace_only != Some(true),
                "the socket load balancer works in pods: ztunnel never sees a service, and waypoints are passed by; \
                 set socketLB.hostNamespaceOnly=true",
            ),
            (
                ambient && self.kube_proxy_replacement == Some(true),
                "kube-proxy-replacement is on, which Cilium advises against next to Istio",
            ),
        ];
        known.into_iter().filter(|(applies, _)| *applies).map(|(_, finding)| finding.to_owned()).collect()
    }
}

/// `strict` and `partial` are older words for kube-proxy replacement, `disabled` one for its absence.
fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "strict" | "partial" => Some(true),
        "false" | "disabled" => Some(false),
        _ => None,
    }
}
