//! The text formats for machines and pages: JSON, JUnit, Markdown.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use airtight_manifest::Diagnostic;
use airtight_matrix::judge::Verdict;
use airtight_matrix::run::{ExitStatus, RunRecord};
use airtight_report::{Format, ReportError, json, junit, markdown, render};
use quick_junit::{Report, TestCaseStatus};

use crate::fixture;

/// The hand-made run with these cases only.
fn only(ids: &[&str]) -> RunRecord {
    let cases = fixture::mixed().cases.into_iter().filter(|case| ids.contains(&case.case.id.as_str()));
    fixture::build::record_of(cases.collect())
}

#[test]
fn json_is_the_same_each_time_and_reads_back() {
    let text = json::render(&fixture::mixed()).unwrap();
    assert_eq!(text, json::render(&json::read(&text).unwrap()).unwrap());
    assert!(text.ends_with("}\n"));
}

#[test]
fn json_of_another_schema_is_refused_with_both_names() {
    let text = json::render(&fixture::green()).unwrap().replace("airtight.dev/run/v1", "airtight.dev/run/v2");
    let error = json::read(&text).unwrap_err();
    assert_eq!(error.code(), "report-schema");
    assert_eq!(
        error.to_string(),
        "the run has the schema `airtight.dev/run/v2`, and this airtight reads `airtight.dev/run/v1`"
    );
    // Fields that another schema lacks do not matter: its name is read first.
    let foreign = json::read(r#"{"schema": "airtight.dev/run/v9"}"#).unwrap_err();
    assert!(matches!(foreign, ReportError::Schema { .. }));
}

#[test]
fn json_that_is_no_run_is_refused_with_its_place() {
    for text in ["", "[]", "{\"schema\": 7}", "{\"schema\": \"airtight.dev/run/v1\"}"] {
        let error = json::read(text).unwrap_err();
        assert_eq!(error.code(), "report-parse", "{text}");
        assert!(error.to_string().contains("line 1"), "{error}");
    }
}

#[test]
fn json_that_was_made_to_pass_is_refused() {
    let text = json::render(&fixture::mixed()).unwrap();
    let polished = [
        text.replace("\"failed\": 4", "\"failed\": 0"),
        text.replace("\"status\": \"failed\"", "\"status\": \"passed\""),
        text.replacen("\"verdict\": \"fail\"", "\"verdict\": \"pass\"", 1),
        text.replace("\"id\": \"MCP-02\"", "\"id\": \"MCP-01\""),
    ];
    for changed in polished {
        assert_ne!(changed, text);
        assert_eq!(json::read(&changed).unwrap_err().code(), "report-inconsistent");
    }
}

fn suites(record: &RunRecord) -> Report {
    Report::deserialize_from_str(&junit::render(record).unwrap()).unwrap()
}

#[test]
fn junit_names_the_way_in_which_a_case_failed() {
    let report = suites(&fixture::mixed());
    let types: Vec<(String, String)> = report
        .test_suites
        .iter()
        .flat_map(|suite| &suite.test_cases)
        .filter_map(|case| match &case.status {
            TestCaseStatus::NonSuccess { ty, message, description, .. } => {
                let (message, text) = (message.clone().unwrap(), description.clone().unwrap());
                assert!(text.starts_with(message.as_str()), "the text repeats the message, for GitLab");
                Some((case.name.split(' ').next().unwrap().to_owned(), ty.clone().unwrap().into_string()))
            }
            TestCaseStatus::Success { .. } | TestCaseStatus::Skipped { .. } => None,
        })
        .collect();
    let types: Vec<(&str, &str)> = types.iter().map(|(id, ty)| (id.as_str(), ty.as_str())).collect();
    assert_eq!(
        types,
        [
            ("MCP-03", "UnexpectedAllow"),
            ("MCP-04", "WrongLayer"),
            ("MCP-05", "Inconclusive"),
            ("IN-04", "UnexpectedDeny"),
            ("MD-02", "Inconclusive"),
            ("ISO-04", "Inconclusive"),
            ("ISO-05", "WrongOutcome"),
        ]
    );
    // Counts are those of the headline; what was refused is told beside them.
    let told: Vec<_> = report.test_suites.iter().filter_map(|suite| suite.system_err.as_ref()).collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].as_str().contains("error["), "{}", told[0].as_str());
}

#[test]
fn junit_tells_what_a_waived_case_would_have_come_to() {
    insta::assert_snapshot!(junit::render(&only(&["IN-05", "LLM-01"])).unwrap(), @r#"
<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="airtight" tests="2" skipped="1" failures="0" errors="0" timestamp="2026-11-21T06:20:00.000+00:00" time="3.412">
    <testsuite name="llm-egress" tests="1" skipped="0" errors="0" failures="0" timestamp="2026-11-21T06:20:00.000+00:00" time="0.000" hostname="model">
        <properties>
            <property name="title" value="About llm-egress"/>
            <property name="run" value="2026-11-21T06-20-00Z-7f3a"/>
            <property name="testbed" value="model"/>
            <property name="stack" value="reference"/>
            <property name="airtight" value="0.1.0"/>
            <property name="Kubernetes" value="1.33.1"/>
            <property name="Cilium" value="1.17.5"/>
            <property name="Istio" value="1.26.2"/>
            <property name="Kgateway" value="2.0.3"/>
            <property name="Kyverno" value="1.14.4"/>
        </properties>
        <testcase name="LLM-01 the gateway reaches the model provider" classname="airtight.llm-egress" time="0.000" file="scenarios/llm-egress.yaml" line="12">
            <properties>
                <property name="id" value="LLM-01"/>
                <property name="verdict" value="pass"/>
                <property name="severity" value="medium"/>
                <property name="control" value="nist-800-53/AC-4"/>
                <property name="claim" value="S1-16"/>
                <property name="flaky" value="true"/>
            </properties>
            <flakyFailure message="an earlier attempt did not pass" type="Flaky">connected, 3 attempts</flakyFailure>
        </testcase>
    </testsuite>
    <testsuite name="user-ingress" tests="1" skipped="1" errors="0" failures="0" timestamp="2026-11-21T06:20:00.000+00:00" time="0.000" hostname="model">
        <properties>
            <property name="title" value="About user-ingress"/>
            <property name="run" value="2026-11-21T06-20-00Z-7f3a"/>
            <property name="testbed" value="model"/>
            <property name="stack" value="reference"/>
            <property name="airtight" value="0.1.0"/>
            <property name="Kubernetes" value="1.33.1"/>
            <property name="Cilium" value="1.17.5"/>
            <property name="Istio" value="1.26.2"/>
            <property name="Kgateway" value="2.0.3"/>
            <property name="Kyverno" value="1.14.4"/>
        </properties>
        <testcase name="IN-05 the legacy page is not served" classname="airtight.user-ingress" time="0.000" file="scenarios/user-ingress.yaml" line="12">
            <properties>
                <property name="id" value="IN-05"/>
                <property name="verdict" value="waived"/>
                <property name="severity" value="medium"/>
                <property name="twin" value="IN-01"/>
                <property name="control" value="nist-800-53/AC-4"/>
                <property name="claim" value="S1-16"/>
            </properties>
            <skipped message="waived until 2027-01-31: WVR-2026-004, Dana: goes with the old client (would fail: unexpectedly allowed)">waived until 2027-01-31: WVR-2026-004, Dana: goes with the old client (would fail: unexpectedly allowed)
flow: outside → gateway gateway-system/public:443 GET /legacy
expected: deny by gateway: http(404)
observed: http(200)
why: expected a denial, and the page was served
written at scenarios/user-ingress.yaml:12:5</skipped>
            <system-out>outside → gateway gateway-system/public:443 GET /legacy
  hop 1  outside → gateway gateway-system/public  plain TCP 443
    ✓ cni-egress allows  allow-rule
        nothing stands in the way here
    ✓ cni-ingress allows  no-policy
        nothing stands in the way here
  end    the client sees http(200)
</system-out>
        </testcase>
    </testsuite>
</testsuites>
"#);
}

#[test]
fn junit_never_looks_green_over_a_run_that_is_not() {
    let mut idle = fixture::green();
    idle.canary.enforces = false;
    idle.summary.status = ExitStatus::NoTestbed;
    let mut refused = fixture::green();
    refused.findings = vec![Diagnostic::error("unknown-kind", "no such kind")];
    refused.summary.status = ExitStatus::Failed;
    let mut odd = fixture::green();
    odd.summary.status = ExitStatus::InputError;
    for record in [idle, refused, odd, fixture::build::record_of(Vec::new())] {
        let report = suites(&record);
        assert_eq!(report.failures + report.errors, 1, "{:?}", record.summary.status);
    }
    assert_eq!(suites(&fixture::green()).test_suites.len(), 5);
}

#[test]
fn junit_names_are_unique_within_a_class() {
    let mut record = fixture::green();
    for (index, case) in record.cases.iter_mut().enumerate() {
        case.case.scenario = "one".to_owned();
        // Ids differ, and look alike once their invisible parts are collapsed.
        case.case.id = format!("A{}", " ".repeat(index));
        case.case.title = "the same".to_owned();
    }
    let report = suites(&record);
    let names: std::collections::BTreeSet<_> =
        report.test_suites[0].test_cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), record.cases.len());
}

#[test]
fn markdown_leads_with_the_verdict() {
    let mut record = only(&["MCP-01", "MCP-03", "MCP-05", "IN-05"]);
    record.policies = fixture::mixed().policies;
    insta::assert_snapshot!(markdown::render(&record), @r#"
## ❌ 1 of 4 cases failed

**4 cases: 1 passed (1 allowed, 0 denied), 1 failed, 1 inconclusive, 1 waived, 0 skipped, 0 flaky** in 3.4 s, on <code>model</code> with stack <code>reference</code>.

### What did not pass, by cause (2)

| Cases | Cause | Such as |
| --- | --- | --- |
| 1 case fails | AuthorizationPolicy mcp-teamalpha/travel-only lets it through, where waypoint was to deny<br><code>manifests/policies/30-mesh/waypoint.yaml:18:5</code> | <code>MCP-03</code> team beta cannot call team alpha&#39;s tools |
| 1 case is inconclusive | EnvoyFilter istio-system/tweak leaves it open<br><code>manifests/policies/30-mesh/waypoint.yaml:70:5</code><br>an EnvoyFilter could change what the waypoint does | <code>MCP-05</code> an unlisted method is denied |

### Failed (1)

| Case | Severity | Expected | Observed | Why |
| --- | --- | --- | --- | --- |
| <code>MCP-03</code> team beta cannot call team alpha&#39;s tools<br><code>mcp-teambeta/mcp-client → mcp-teamalpha/mcp-server:8080 POST /mcp/teamalpha/tools</code> | critical | deny by waypoint: http(403) | http(200) | **unexpectedly allowed**: expected a denial by the waypoint, and the request got through<br><code>AuthorizationPolicy mcp-teamalpha/travel-only spec.rules&#91;0&#93; (manifests/policies/30-mesh/waypoint.yaml:18:5)</code><br><code>CiliumNetworkPolicy mcp-teamalpha/only-waypoint spec.ingress&#91;0&#93; (manifests/policies/20-cni/mcp.yaml:14:5)</code> |

### Inconclusive (1)

| Case | Severity | Expected | Observed | Why |
| --- | --- | --- | --- | --- |
| <code>MCP-05</code> an unlisted method is denied<br><code>app-travelexample/travel-api → mcp-teamalpha/mcp-server:8080 DELETE /mcp/teamalpha/tools</code> | medium | deny by waypoint: http(403) | no outcome: an EnvoyFilter bears on the waypoint and is not modelled | the engine cannot tell: EnvoyFilter istio-system/tweak is not modelled |

### Waived (1)

| Case | Severity | Expected | Observed | Why |
| --- | --- | --- | --- | --- |
| <code>IN-05</code> the legacy page is not served<br><code>outside → gateway gateway-system/public:443 GET /legacy</code> | medium | deny by gateway: http(404) | http(200) | until 2027-01-31: WVR-2026-004, Dana: goes with the old client; unexpectedly allowed: expected a denial, and the page was served |

### Policy objects that no case notices (2)

| Object | Layer | Written at | Why |
| --- | --- | --- | --- |
| <code>AuthorizationPolicy mcp-teambeta/unused</code> | waypoint | <code>manifests/policies/20-cni/mcp.yaml:60:5</code> | no case reaches it |
| <code>CiliumNetworkPolicy team-new/default-deny</code> | cni | <code>manifests/policies/20-cni/mcp.yaml:90:5</code> | decides in 2 cases, and none notices its removal |

### Versions (6)

| Component | Version |
| --- | --- |
| Kubernetes | <code>1.33.1</code> |
| Cilium | <code>1.17.5</code> |
| Istio | <code>1.26.2</code> |
| Kgateway | <code>2.0.3</code> |
| Kyverno | <code>1.14.4</code> |
| airtight | <code>0.1.0</code> |

<details><summary>Every case (4)</summary>

| Case | Result | Title | Observed |
| --- | --- | --- | --- |
| <code>MCP-01</code> | ✓ allowed | the travel app calls team alpha&#39;s MCP server through its waypoint | http(200), answered by mcp-teamalpha/mcp-server |
| <code>MCP-03</code> | ✗ failed | team beta cannot call team alpha&#39;s tools | http(200) |
| <code>MCP-05</code> | ? inconclusive | an unlisted method is denied | no outcome: an EnvoyFilter bears on the waypoint and is not modelled |
| <code>IN-05</code> | ~ waived | the legacy page is not served | http(200) |

</details>
"#);
}

#[test]
fn markdown_stops_between_two_rows_and_says_what_is_missing() {
    let base = fixture::mixed().cases;
    let cases = (0..9000).map(|number| {
        let mut case = base[number % base.len()].clone();
        case.case.id = format!("N-{number:04}");
        case.judgement.why = "x".repeat(300);
        case
    });
    let record = fixture::build::record_of(cases.collect());
    let text = markdown::render(&record);
    assert!(text.len() <= markdown::LIMIT, "{} bytes", text.len());
    assert!(text.len() > markdown::LIMIT / 2);
    let rows = text.lines().filter(|line| line.starts_with('|') && line.ends_with(" |")).count();
    assert_eq!(rows, text.lines().filter(|line| line.starts_with('|')).count(), "a row is cut");
    let omitted: usize =
        text.lines().last().unwrap().trim_start_matches("**").split(' ').next().unwrap().parse().unwrap();
    let wanted = record.cases.iter().map(|case| match case.judgement.verdict {
        Verdict::Pass if case.judgement.flaky => 2,
        // Those that were skipped share a row for each reason, of which there is one.
        Verdict::Pass | Verdict::Skipped { .. } => 1,
        Verdict::Fail | Verdict::Inconclusive | Verdict::Waived { .. } => 2,
    });
    let reasons = 1;
    let heads = 2 * text.lines().filter(|line| line.starts_with("| --- |")).count();
    let told = text.split("### What did not pass, by cause").nth(1).unwrap().split("\n### ").next().unwrap();
    let groups = told.lines().filter(|line| line.starts_with('|')).count() - 2;
    assert_eq!(omitted + rows - heads, wanted.sum::<usize>() + record.stack.versions.len() + 1 + groups + reasons);
    assert!(text.starts_with("## ❌"));
}

#[test]
fn every_format_starts_as_its_readers_expect() {
    let begins = |format| {
        String::from_utf8(render(format, &fixture::mixed()).unwrap()).unwrap().chars().take(15).collect::<String>()
    };
    assert_eq!(
        Format::USUAL.map(begins),
        ["{\n  \"schema\": \"", "<?xml version=\"", "## ❌ 4 of 26 ca", "<!doctype html>"]
    );
}
