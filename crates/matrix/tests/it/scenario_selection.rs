//! Filters and suites: which cases a run takes.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::{Arc, LazyLock};

use airtight_manifest::yaml;
use airtight_matrix::scenario::{Catalogue, Filter, Plan, Selection, Strength, load, schema};
use proptest::prelude::*;

use crate::scenario_vectors::world;

const SCENARIOS: &str = r"
apiVersion: airtight.dev/v1alpha1
kind: Scenario
metadata: {name: mcp}
spec:
  title: tools
  suite: smoke
  controls: [nist-800-53/AC-4]
  cases:
  - {id: M-1, title: t, from: shop/web, to: {service: tools/mcp, port: 80}, request: {}, expect: {allow: {via: waypoint}}, claims: [S1-15]}
  - {id: M-2, title: t, from: shop/batch, to: {service: tools/mcp, port: 80}, request: {}, expect: {deny: {by: waypoint}}, twin: M-1, severity: critical, claims: [S1-16]}
  - {id: M-3, title: t, from: shop/web, to: {pod: tools/mcp, port: 8080}, expect: {deny: {by: cni}}, twin: M-1, severity: high, controls: [nist-800-53/AC-4(21), soc2/CC6.1]}
---
apiVersion: airtight.dev/v1alpha1
kind: Scenario
metadata: {name: egress}
spec:
  title: the Internet
  suite: full
  cases:
  - {id: E-1, title: t, from: shop/web, to: {host: api.openai.com, port: 443}, expect: {allow: {}}}
  - {id: E-2, title: t, from: shop/web, to: {host: evil.example.com, port: 443}, expect: {deny: {by: cni}}, twin: E-1, severity: critical}
";

fn plan() -> Plan {
    let scenarios = yaml::parse(&Arc::from("s.yaml"), SCENARIOS).unwrap();
    load(&scenarios, &world(), &Catalogue::embedded().unwrap(), jiff::civil::date(2026, 1, 15)).unwrap()
}

static PLAN: LazyLock<Plan> = LazyLock::new(plan);

/// Ids of the selected cases; those that only support another stand in parentheses.
fn ids(plan: &Plan, filters: &[&str], suites: &[&str]) -> String {
    let selection = Selection {
        filters: filters.iter().map(|text| text.parse().unwrap()).collect(),
        suites: suites.iter().map(|suite| (*suite).to_owned()).collect(),
        ids: None,
    };
    let ids = plan
        .select(&selection)
        .cases
        .into_iter()
        .map(|planned| if planned.support { format!("({})", planned.case.id) } else { planned.case.id });
    ids.collect::<Vec<_>>().join(" ")
}

#[test]
fn filters_select_cases_and_take_their_twins_along() {
    let plan = plan();
    for (filter, expected) in [
        ("m-2", "(M-1) M-2"),
        ("mcp", "M-1 M-2 M-3"),
        ("mcp::", "M-1 M-2 M-3"),
        ("mcp::M-?", "M-1 M-2 M-3"),
        ("M-?", ""),
        ("*M-?", "M-1 M-2 M-3"),
        ("egress::*", "E-1 E-2"),
        ("id=M-3", "(M-1) M-3"),
        ("id=m-*", "M-1 M-2 M-3"),
        ("scenario=egress", "E-1 E-2"),
        ("scenario=egr", ""),
        ("suite=smoke", "M-1 M-2 M-3"),
        ("severity=critical", "(M-1) M-2 (E-1) E-2"),
        ("SEVERITY=High", "(M-1) M-3"),
        ("expect=deny", "(M-1) M-2 M-3 (E-1) E-2"),
        ("expect=allow", "M-1 E-1"),
        ("layer=cni", "(M-1) M-3 (E-1) E-2"),
        ("layer=waypoint", "M-1 M-2"),
        ("control=nist-800-53/AC-4", "M-1 M-2"),
        ("control=nist-800-53/AC-4(21)", "(M-1) M-3"),
        ("control=nist-800-53/*", "M-1 M-2 M-3"),
        ("claim=S1-16", "(M-1) M-2"),
        ("from=shop/batch", "(M-1) M-2"),
        ("to=*.example.com", "(E-1) E-2"),
        ("to=\"pod tools/mcp\"", "(M-1) M-3"),
        ("expect=deny and severity=critical", "(M-1) M-2 (E-1) E-2"),
        ("expect=deny and not severity=critical", "(M-1) M-3"),
        ("M-1 or E-1", "M-1 E-1"),
        ("M-1 or E-1 and expect=deny", "M-1"),
        ("(M-1 or E-1) and expect=deny", ""),
        ("not (M-1 or E-1) and expect=allow", ""),
        ("not not M-1", "M-1"),
        ("NOT expect=deny AND mcp", "M-1"),
        ("(control=nist-800-53/AC-4(21))", "(M-1) M-3"),
        ("(layer=cni or layer=waypoint) and mcp", "M-1 M-2 M-3"),
        ("((((M-1))))", "M-1"),
        ("\"and\"", ""),
    ] {
        assert_eq!(ids(&plan, &[filter], &[]), expected, "{filter}");
    }
}

#[test]
fn several_filters_mean_any_and_a_suite_narrows_them() {
    let plan = plan();
    assert_eq!(ids(&plan, &[], &[]), "M-1 M-2 M-3 E-1 E-2");
    assert_eq!(ids(&plan, &["M-2", "E-1"], &[]), "(M-1) M-2 E-1");
    assert_eq!(ids(&plan, &["expect=deny"], &["full"]), "(E-1) E-2");
    assert_eq!(ids(&plan, &[], &["smoke", "full"]), "M-1 M-2 M-3 E-1 E-2");
    assert_eq!(ids(&plan, &[], &["none"]), "");
    assert_eq!(plan.suites().into_iter().collect::<Vec<_>>(), ["full", "smoke"]);
    assert_eq!(plan.case("E-2").unwrap().case.scenario, "egress");
    let some = plan.select(&Selection { filters: vec!["M-1".parse().unwrap()], ..Selection::default() });
    assert_eq!(some.titles().into_keys().collect::<Vec<_>>(), ["mcp"]);
}

#[test]
fn what_is_no_filter_is_refused_with_its_place_and_a_remedy() {
    for (filter, message, at, hint) in [
        ("", "a condition is missing", 1, "write a name or `key=value`, such as `severity=high`"),
        ("M-1 and", "a condition is missing", 8, "write a name or `key=value`, such as `severity=high`"),
        ("and M-1", "a condition is missing before `and`", 1, "write one on either side"),
        ("not", "a condition is missing", 4, "write a name or `key=value`, such as `severity=high`"),
        ("M-1 M-2", "two conditions without `and` or `or` between them", 5, "write `and` or `or`"),
        ("(M-1", "a parenthesis that does not close", 1, "close it with `)`"),
        ("M-1)", "a closing parenthesis without an opening one", 4, "remove it"),
        ("()", "a condition is missing before `)`", 2, "write one, or remove the parenthesis"),
        ("sevrity=high", "cases have no `sevrity`", 1, "did you mean `severity`?"),
        (
            "colour=red",
            "cases have no `colour`",
            1,
            "known are: id, scenario, suite, severity, expect, layer, control, claim, from, to",
        ),
        ("a and severity=hgih", "no case can have the value `hgih` here", 7, "did you mean `high`?"),
        (
            "layer=switch",
            "no case can have the value `switch` here",
            1,
            "known are: admission, cni, ztunnel, waypoint, gateway, application",
        ),
        ("expect=maybe", "no case can have the value `maybe` here", 1, "known are: allow, deny"),
        ("id=", "`id=` has no value", 1, "write one, such as `id=*`"),
        ("id=\"a", "a quote that does not end", 1, "close it with `\"`"),
        ("\"\"", "an empty name would select everything", 1, "leave the filter out instead"),
    ] {
        let error = filter.parse::<Filter>().expect_err(filter);
        assert_eq!((error.message.as_str(), error.at, error.hint.as_str()), (message, at, hint), "{filter}");
    }
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    let deep = format!("{}a{}", "(".repeat(100_000), ")".repeat(100_000));
    assert_eq!(deep.parse::<Filter>().unwrap_err().message, "the filter is nested too deeply");
    let nots = "not ".repeat(100_000) + "a";
    assert_eq!(nots.parse::<Filter>().unwrap_err().message, "the filter is nested too deeply");
}

fn expression() -> impl Strategy<Value = String> {
    let leaf =
        prop::sample::select(vec!["M-1", "mcp", "severity=high", "expect=deny", "layer=cni", "*E-?", "claim=S*"]);
    leaf.prop_map(str::to_owned).prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("not ({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and ({b})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("({a}) or ({b})")),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_parses_or_is_refused(text in ".{0,40}") {
        let _ = text.parse::<Filter>();
    }

    #[test]
    fn words_and_signs_parse_or_are_refused(words in prop::collection::vec(prop::sample::select(vec!["(", ")", "and", "or", "not", "a", "id=*", "\"", "="]), 0..12)) {
        let _ = words.join(" ").parse::<Filter>();
        let _ = words.concat().parse::<Filter>();
    }

    #[test]
    fn filters_obey_de_morgan(a in expression(), b in expression()) {
        let parse = |text: String| text.parse::<Filter>().unwrap();
        let (either, neither) = (parse(format!("not (({a}) or ({b}))")), parse(format!("not ({a}) and not ({b})")));
        for planned in &PLAN.cases {
            prop_assert_eq!(either.matches(planned), neither.matches(planned));
        }
    }
}

#[test]
fn every_selected_denial_comes_with_its_twin() {
    let plan = plan();
    for filter in ["expect=deny", "severity=critical", "M-3", "layer=cni"] {
        let chosen = plan.select(&Selection { filters: vec![filter.parse().unwrap()], ..Selection::default() });
        for planned in &chosen.cases {
            let twin = planned.case.twin.as_ref();
            assert!(twin.is_none_or(|twin| chosen.case(twin).is_some()), "{filter}: {}", planned.case.id);
        }
    }
}

#[test]
fn the_schema_takes_what_the_loader_takes() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for document in yaml::parse(&Arc::from("s.yaml"), SCENARIOS).unwrap() {
        let value = document.root.to_json();
        let errors: Vec<_> =
            validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}

#[test]
fn the_schema_refuses_what_the_loader_refuses() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for (from, to) in [
        ("kind: Scenario", "kind: Scenarios"),
        ("v1alpha1", "v2"),
        ("name: mcp}", "name: MCP tools}"),
        ("title: tools", "titel: tools"),
        ("{service: tools/mcp", "{serivce: tools/mcp"),
        ("by: cni", "by: cnni"),
        ("severity: critical", "severity: worst"),
        ("port: 8080", "port: 808080"),
        ("from: shop/web", "from: []"),
        ("id: M-1", "id: M.1"),
    ] {
        let text = SCENARIOS.replacen(from, to, 1);
        let document = yaml::parse(&Arc::from("s.yaml"), &text).unwrap().remove(0);
        assert!(!validator.is_valid(&document.root.to_json()), "{from} → {to}");
    }
}

#[test]
fn the_catalogue_has_every_framework_and_finds_controls_by_alias() {
    let catalogue = Catalogue::embedded().unwrap();
    let names: Vec<_> = catalogue.frameworks.iter().map(|framework| framework.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "nist-800-207",
            "nist-800-53",
            "nsa-k8s",
            "cis-k8s",
            "cisa-ztmm",
            "soc2",
            "iso-27001",
            "gdpr",
            "nis2",
            "pci-dss",
            "owasp-llm",
            "owasp-mcp",
            "owasp-asi",
            "mitre-attack"
        ]
    );
    let (framework, control) = catalogue.control("iso-27001/A.13.1.3").unwrap();
    assert_eq!((framework.version.as_str(), control.id.as_str()), ("2022", "A.8.22"));
    assert_eq!(catalogue.control("nist-800-53/AC-4").unwrap().1.strength(), Strength::Direct);
    assert_eq!(catalogue.control("soc2/CC6.8").unwrap().1.strength(), Strength::Supporting);
    for id in ["nist-800-53/AC-999", "AC-4", "nist-800-207/zta-t9", "/", ""] {
        assert!(catalogue.control(id).is_none(), "{id}");
    }
    assert!(catalogue.controls().count() > 150);
    for (id, framework, control) in catalogue.controls() {
        assert!(!control.title.is_empty() && control.title.len() < 110, "{id}");
        assert!(!framework.gaps.is_empty() && !framework.source.is_empty(), "{id}");
    }
}

#[test]
fn a_catalogue_with_slips_is_refused_with_their_places() {
    let text = "apiVersion: airtight.dev/v1alpha1\nkind: ControlFramework\nmetadata: {name: x}\nspec:\n  title: t\n  version: '1'\n  source: s\n  gaps: g\n  controls:\n";
    let findings = |controls: &str| {
        let documents = yaml::parse(&Arc::from("c.yaml"), &format!("{text}{controls}")).unwrap();
        let findings = Catalogue::load(&documents).unwrap_err();
        findings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        findings("  - {id: A, title: a, direct: [dns]}\n  - {id: A, title: a, direct: [dns]}\n  - {id: B, title: b}\n"),
        [
            "c.yaml:11:5: error[control-catalogue]: control id `A` is written twice",
            "c.yaml:12:5: error[control-catalogue]: no flow gives evidence for `B`"
        ]
    );
    assert_eq!(
        findings("  - {id: A, title: a, dircet: [dns]}\n"),
        ["c.yaml:10:23: error[unknown-field]: ControlFramework has no field `spec.controls[0].dircet`"]
    );
    assert!(findings("  - {id: A, title: a, direct: [dsn]}\n")[0].starts_with("c.yaml:10:"));
}
