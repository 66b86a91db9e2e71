//! The terminal: what people see while a run goes on and after it.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{self, Write};

use airtight_matrix::run::RunRecord;
use airtight_report::{Style, Terminal, render_trace, replay};

use crate::fixture;

fn told(record: &RunRecord, style: Style) -> String {
    let mut terminal = Terminal::new(Vec::new(), style);
    replay(record, &mut terminal).unwrap();
    terminal.written(&["report/report.html".into()]).unwrap();
    String::from_utf8(terminal.into_inner()).unwrap()
}

/// The hand-made run with these cases only.
fn only(ids: &[&str]) -> RunRecord {
    let cases = fixture::mixed().cases.into_iter().filter(|case| ids.contains(&case.case.id.as_str()));
    fixture::build::record_of(cases.collect())
}

fn trace_of(id: &str) -> airtight_model::path::Trace {
    let record = only(&[id]);
    record.cases[0].observation.clone().unwrap().evidence.trace.unwrap()
}

#[test]
fn a_green_run_is_short() {
    insta::assert_snapshot!(told(&fixture::green(), Style::PLAIN), @r#"
airtight: 15 cases on model
  stack   reference: Kubernetes 1.33.1, Cilium 1.17.5, Istio 1.26.2, Kgateway 2.0.3, Kyverno 1.14.4
  loaded  2 input files
  canary  the testbed enforces: a deny bit in a throw-away namespace, and stopped biting without its
          policy
  ✓ mcp-cross-namespace: 1 denied, 1 allowed
  ✓ llm-egress: 4 denied
  ✓ user-ingress: 2 denied, 1 allowed
  ✓ metadata-block: 2 denied, 1 allowed
  ✓ tenant-isolation: 2 denied, 1 allowed

All 15 cases passed (passed, exit code 0)
15 cases: 15 passed (4 allowed, 11 denied), 0 failed, 0 inconclusive, 0 waived, 0 skipped, 0 flaky in 3.4 s
report report/report.html
"#);
}

#[test]
fn a_run_with_everything_is_told_whole() {
    let mut record = only(&["MCP-01", "MCP-04", "MCP-05", "LLM-01", "IN-05", "ISO-03"]);
    record.findings = fixture::mixed().findings;
    record.policies = fixture::mixed().policies;
    insta::assert_snapshot!(told(&record, Style::PLAIN), @r#"
airtight: 6 cases on model
  stack   reference: Kubernetes 1.33.1, Cilium 1.17.5, Istio 1.26.2, Kgateway 2.0.3, Kyverno 1.14.4
  loaded  2 input files
warning[shadowed-rule] rule 2 can never decide: rule 1 allows all that it allows
  at manifests/policies/30-mesh/waypoint.yaml:31:7
  hint    remove the rule, or narrow rule 1
error[unknown-field] unknown field `podSelector`
  at manifests/policies/20-cni/mcp.yaml:8:3
  hint    a CiliumNetworkPolicy selects its pods with `endpointSelector`
note[inert] a ConfigMap has no bearing on traffic
  canary  the testbed enforces: a deny bit in a throw-away namespace, and stopped biting without its
          policy
  ✗ mcp-cross-namespace: 1 failed, 1 inconclusive, 1 allowed
  ✓ llm-egress: 1 allowed
  ~ user-ingress: 1 waived
  - tenant-isolation: 1 skipped

skipped, by reason (1)
  1 case: the stack has no SCTP (sctp.enabled is false)
    cases    ISO-03

waived (1)
  ~ IN-05 the legacy page is not served [medium]
    until    2027-01-31
    why      WVR-2026-004, Dana: goes with the old client
    seen     unexpectedly allowed: http(200)

flaky (1)
  LLM-01 the gateway reaches the model provider: passed at attempt 3

policy objects that no case notices (2)
  AuthorizationPolicy mcp-teambeta/unused (manifests/policies/20-cni/mcp.yaml:60:5): no case
    reaches it
  CiliumNetworkPolicy team-new/default-deny (manifests/policies/20-cni/mcp.yaml:90:5): decides in
    2 cases, and none notices its removal

what did not pass, by cause (2)
  1 case fails: CiliumNetworkPolicy mcp-teamalpha/only-waypoint isolates it, and no rule allows it, where
    waypoint was to deny
    written  manifests/policies/20-cni/mcp.yaml:4:5
  ✗ MCP-04 an identity without rights is denied by the waypoint, not only by the CNI [high]
    flow     argo/argo-workflow → mcp-teamalpha/mcp-server:8080 POST /mcp/teamalpha/tools
    expected deny by waypoint: http(403)
    observed timeout, denied by cni (default-deny), each alone would deny: cni, ztunnel
    so       wrong layer
    why      expected a denial by the waypoint, and the CNI denied
    twin     MCP-01
    written  scenarios/mcp-cross-namespace.yaml:12:5
    hop 1  argo/argo-workflow → mcp-teamalpha/mcp-server  HBONE TCP 15008 (inside: TCP 8080)
      ✓ passed ztunnel-outbound, cni-egress
      ✗ cni-ingress denies  default-deny
          mcp-server is isolated for ingress, and no rule lets app-travelexample/travel-api in on
          TCP 15008
          CiliumNetworkPolicy mcp-teamalpha/only-waypoint  manifests/policies/20-cni/mcp.yaml:4:5
    end    the client sees timeout, denied by cni at cni-ingress
           each of these layers alone would deny: cni, ztunnel

  1 case is inconclusive: EnvoyFilter istio-system/tweak leaves it open
    written  manifests/policies/30-mesh/waypoint.yaml:70:5
    hint     an EnvoyFilter could change what the waypoint does
  ? MCP-05 an unlisted method is denied [medium]
    flow     app-travelexample/travel-api → mcp-teamalpha/mcp-server:8080 DELETE
             /mcp/teamalpha/tools
    expected deny by waypoint: http(403)
    observed no outcome: an EnvoyFilter bears on the waypoint and is not modelled
    why      the engine cannot tell: EnvoyFilter istio-system/tweak is not modelled
    twin     MCP-01
    written  scenarios/mcp-cross-namespace.yaml:12:5
    hop 1  app-travelexample/travel-api → mcp-teamalpha/mcp-server  plain TCP 8080
      ? waypoint unknown  unmodelled
          an EnvoyFilter could change what the waypoint does
          EnvoyFilter istio-system/tweak  manifests/policies/30-mesh/waypoint.yaml:70:5
    end    unknown: an EnvoyFilter bears on the waypoint and is not modelled

1 of 6 cases failed (failed, exit code 1)
6 cases: 2 passed (2 allowed, 0 denied), 1 failed, 1 inconclusive, 1 waived, 1 skipped, 1 flaky in 3.4 s
report report/report.html
"#);
}

#[test]
fn a_trace_is_told_hop_by_hop() {
    insta::assert_snapshot!(render_trace(&trace_of("MCP-01"), Style::PLAIN), @r#"
app-travelexample/travel-api → mcp-teamalpha/mcp-server:8080 POST /mcp/teamalpha/tools
  hop 1  app-travelexample/travel-api → mcp-teamalpha/mcp-waypoint  HBONE TCP 15008 (inside: TCP 8080)
    ✓ ztunnel-outbound allows  via-waypoint
        the service mcp-teamalpha/mcp-server names the waypoint mcp-waypoint
    ✓ cni-egress allows  allow-rule
        nothing stands in the way here
    ✓ cni-ingress allows  no-policy
        nothing stands in the way here
    ✓ waypoint allows  l7-allowed
        POST /mcp/teamalpha/tools matches rule 0 of travel-only
        AuthorizationPolicy mcp-teamalpha/travel-only spec.rules[0]  manifests/policies/30-mesh/waypoint.yaml:18:5
  hop 2  mcp-teamalpha/mcp-waypoint → mcp-teamalpha/mcp-server  HBONE TCP 15008 (inside: TCP 8080)
    ✓ cni-egress allows  no-policy
        nothing stands in the way here
    ✓ cni-ingress allows  allow-rule
        the waypoint's identity may open TCP 15008
        CiliumNetworkPolicy mcp-teamalpha/only-waypoint spec.ingress[0]  manifests/policies/20-cni/mcp.yaml:14:5
        log: mcp-waypoint:51234 -> mcp-server:15008 policy-verdict:L3-L4 INGRESS ALLOWED (TCP Flags:
        SYN)
    ✓ ztunnel-inbound allows  allow-rule
        nothing stands in the way here
    ✓ application allows  listening
        nothing stands in the way here
  end    the client sees http(200)
"#);
}

#[test]
fn a_denied_trace_tells_what_lies_behind_the_denial() {
    insta::assert_snapshot!(render_trace(&trace_of("MCP-02"), Style { width: 72, ..Style::PLAIN }), @r#"
app-travelexample/travel-api → pod mcp-teamalpha/mcp-server:8080
  hop 1  app-travelexample/travel-api → pod mcp-teamalpha/mcp-server  HBONE TCP 15008 (inside: TCP 8080)
    ✓ ztunnel-outbound allows  direct
        nothing stands in the way here
    ✓ cni-egress allows  allow-rule
        nothing stands in the way here
    ✗ cni-ingress denies  default-deny
        mcp-server is isolated for ingress, and no rule lets
        app-travelexample/travel-api in on TCP 15008
        CiliumNetworkPolicy mcp-teamalpha/only-waypoint  manifests/policies/20-cni/mcp.yaml:4:5
        the client sees timeout
        log: travel-api:40112 <> mcp-server:15008 Policy denied DROPPED
        (TCP Flags: SYN)
    ✗ ztunnel-inbound would deny too  no-allow-matched
        ALLOW policies exist and none names travel-api
        AuthorizationPolicy mcp-teamalpha/ztunnel-l4 spec.rules[0]  manifests/policies/30-mesh/waypoint.yaml:44:5
  end    the client sees timeout, denied by cni at cni-ingress
         each of these layers alone would deny: cni, ztunnel
"#);
}

#[test]
fn colours_and_counter_only_where_they_belong() {
    let plain = told(&fixture::mixed(), Style::PLAIN);
    assert!(!plain.contains(['\u{1b}', '\r']));
    let live = told(&fixture::mixed(), Style { color: true, width: 60, live: true });
    assert!(live.contains("\u{1b}[31m") || live.contains("\u{1b}[1m\u{1b}[31m"));
    assert!(live.contains("26/26 tenant-isolation") && live.contains("\r\u{1b}[2K"));
    let color_only = told(&fixture::mixed(), Style { color: true, ..Style::PLAIN });
    assert!(color_only.contains('\u{1b}') && !color_only.contains('\r'));
}

/// A pipe whose reader has gone.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_pipe_is_an_error_of_its_kind() {
    let error = replay(&fixture::green(), &mut Terminal::new(Closed, Style::PLAIN)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}
