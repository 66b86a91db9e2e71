//! The matrix as text, data and picture says the same of every cell.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use airtight_matrix::run::draft::PassingRequests;
use airtight_model::path::Engine;
use airtight_model::path::reach::{CellVerdict, Reachability, Scope, View};
use airtight_report::{Style, reach};
use airtight_testkit::worlds;
use serde_json::{Value, json};

fn text(matrix: &Reachability<'_, '_>, all: bool) -> String {
    let mut out = Vec::new();
    reach::list(&mut out, matrix, &PassingRequests::default(), all, Style::PLAIN).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn every_format_has_every_cell() {
    let world = worlds::reference("reference");
    let engine = Engine::compile(&world);
    let matrix = Reachability::compute(&engine, &Scope::default());
    let cells = matrix.cells().count();

    let mut csv = Vec::new();
    reach::csv(&mut csv, &matrix).unwrap();
    assert_eq!(String::from_utf8(csv).unwrap().lines().count(), cells + 1);

    let document = serde_json::to_value(reach::Document::of(&matrix, &PassingRequests::default())).unwrap();
    assert_eq!(document["cells"].as_array().unwrap().len(), cells);
    assert_eq!(document["summary"]["cells"], cells);
    let rules = document["rules"].as_array().unwrap().len();
    let named = document["cells"].as_array().unwrap().iter().flat_map(|cell| cell["rules"].as_array().unwrap());
    assert!(named.map(|rule| rule.as_u64().unwrap()).all(|rule| usize::try_from(rule).unwrap() < rules));

    let listed = text(&matrix, true);
    assert_eq!(listed.lines().filter(|line| line.starts_with("  ")).count(), cells);
    let open = matrix.cells().filter(|cell| !matches!(cell.verdict, CellVerdict::Denied(_))).count();
    assert_eq!(text(&matrix, false).lines().filter(|line| line.starts_with("  ")).count(), open);
}

/// The indices within ranges, each a pair of the first and the last.
fn indices(ranges: &Value) -> Vec<usize> {
    let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    let ranges = ranges.as_array().unwrap();
    ranges.iter().flat_map(|range| number(&range[0])..=number(&range[1])).collect()
}

#[test]
fn groups_hold_every_cell_once_as_it_is() {
    let world = worlds::reference("reference");
    let engine = Engine::compile(&world);
    let matrix = Reachability::compute(&engine, &Scope::default()).folded();
    let requests = PassingRequests::of(&engine, &matrix);
    let cells = serde_json::to_value(reach::Document::of(&matrix, &requests)).unwrap();
    let grouped = serde_json::to_value(reach::Grouped::of(&matrix, &requests)).unwrap();
    let end = |cell: &Value, rules: &Value| {
        let by = cell["rules"].as_array().unwrap();
        let by: BTreeSet<String> =
            by.iter().map(|id| rules[usize::try_from(id.as_u64().unwrap()).unwrap()].to_string()).collect();
        (cell["verdict"].clone(), cell.get("layer").cloned(), by, cell.get("requests").cloned())
    };
    let mut found = BTreeMap::new();
    for group in grouped["groups"].as_array().unwrap() {
        for (from, to) in indices(&group["from"])
            .into_iter()
            .flat_map(|from| indices(&group["to"]).into_iter().map(move |to| (from, to)))
        {
            let key = (grouped["sources"][from].to_string(), grouped["targets"][to].to_string());
            assert_eq!(found.insert(key, end(group, &grouped["rules"])), None);
        }
    }
    let cells = cells["cells"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cell| ((cell["from"].to_string(), cell["to"].to_string()), end(cell, &cells["rules"])));
    assert_eq!(cells.collect::<BTreeMap<_, _>>(), found);
    let validator = jsonschema::validator_for(&reach::grouped_schema()).unwrap();
    assert!(validator.is_valid(&grouped), "{:?}", validator.iter_errors(&grouped).next());
}

#[test]
fn a_scope_shows_the_same_cells() {
    let world = worlds::reference("reference");
    let engine = Engine::compile(&world);
    let whole = Reachability::compute(&engine, &Scope::default());
    let scope = Scope {
        from: vec!["app-travelexample".to_owned()],
        to: vec!["app-travelexample/travel-db".to_owned()],
        port: Some(5432),
        ..Scope::default()
    };
    let part = Reachability::compute(&engine, &scope);
    let said = |matrix: &Reachability<'_, '_>| -> Vec<(String, String, CellVerdict)> {
        let cells = matrix.cells();
        cells.map(|cell| (matrix.row_name(cell.row), matrix.target_name(cell.target), cell.verdict)).collect()
    };
    let expected: Vec<_> = said(&whole)
        .into_iter()
        .filter(|(from, to, _)| from.starts_with("app-travelexample/") && to == "app-travelexample/travel-db:5432")
        .collect();
    assert!(expected.len() > 3);
    assert_eq!(said(&part), expected);
}

#[test]
fn a_namespace_is_one_end_at_least() {
    let world = worlds::reference("reference");
    let engine = Engine::compile(&world);
    let scope = Scope { namespace: Some("monitoring".to_owned()), ..Scope::default() };
    let matrix = Reachability::compute(&engine, &scope);
    let ends = |row, target| [matrix.row_name(row), matrix.target_name(target)];
    assert!(matrix.cells().count() > 10);
    assert!(matrix.cells().all(|cell| ends(cell.row, cell.target).iter().any(|end| end.starts_with("monitoring/"))));
}

/// The reference architecture lets users of the API in through its waypoint only.
#[test]
fn the_waypoint_is_on_the_way_to_a_service_only() {
    let world = worlds::reference("reference");
    let engine = Engine::compile(&world);
    let verdict = |view, from: &str, to: &str| {
        let scope =
            Scope { view, from: vec![from.to_owned()], to: vec![to.to_owned()], port: Some(8080), ..Scope::default() };
        let matrix = Reachability::compute(&engine, &scope);
        let verdicts: Vec<CellVerdict> = matrix.cells().map(|cell| cell.verdict).collect();
        assert_eq!(verdicts.len(), 1, "{from} → {to}");
        verdicts[0]
    };
    let (client, api) = ("app-travelexample/travel-web-ui", "app-travelexample/travel-api");
    assert!(matches!(verdict(View::Pod, client, api), CellVerdict::Denied(_)));
    assert_eq!(verdict(View::Service, client, api), CellVerdict::ByRequest);
}

#[test]
fn pictures_stand_alone() {
    let world = worlds::reference("reference");
    let engine = Engine::compile(&world);
    let matrix = Reachability::compute(&engine, &Scope::default());
    for picture in [reach::svg(&matrix), reach::page(&matrix).unwrap()] {
        let outside = picture.replace("http://www.w3.org/2000/svg", "");
        assert!(!outside.contains("http://") && !outside.contains("https://") && !outside.contains("<script"));
        assert!(picture.contains("travel-api"));
    }
}

/// Flows go to Services where there are some, and past them to nobody that they lead to.
#[test]
fn the_usual_view_aims_at_services_first() {
    let world = worlds::reference("reference");
    let engine = Engine::compile(&world);
    let names = |scope: &Scope| -> Vec<String> {
        let matrix = Reachability::compute(&engine, scope);
        (0..matrix.targets().len()).map(|target| matrix.target_name(target)).collect()
    };
    let usual = names(&Scope { view: View::Usual, named_hosts: true, ..Scope::default() });
    let served = "app-travelexample/travel-api:8080".to_owned();
    assert_eq!(usual.iter().filter(|name| **name == served).count(), 1);
    assert!(!usual.iter().any(|name| name.contains("waypoint")), "{usual:?}");
    assert!(usual.iter().any(|name| name == "api.openai.com:80"));
    let hosts = world.hosts.len();
    assert!(hosts > usual.iter().filter(|name| !name.contains('/')).count(), "{usual:?}");
    let asked = names(&Scope {
        view: View::Usual,
        named_hosts: true,
        to: vec!["exfil.example".to_owned()],
        ..Scope::default()
    });
    assert!(!asked.is_empty() && asked.iter().all(|name| name.starts_with("exfil.example:")), "{asked:?}");
}

#[test]
fn requests_that_pass_are_named_and_what_is_exposed_has_a_section() {
    let world = worlds::reference("reference");
    let engine = Engine::compile(&world);
    let matrix = Reachability::compute(&engine, &Scope { view: View::Usual, ..Scope::default() });
    let requests = PassingRequests::of(&engine, &matrix);
    let document = serde_json::to_value(reach::Document::of(&matrix, &requests)).unwrap();
    let find = |from: &str, to: &str| {
        let cells = document["cells"].as_array().unwrap();
        cells.iter().find(|cell| cell["from"] == from && cell["to"] == to).unwrap().clone()
    };
    let asked = find("app-travelexample/travel-api", "mcp-teamalpha/mcp-server:8080");
    assert_eq!((&asked["verdict"], &asked["requests"][0]), (&"by request".into(), &"GET /mcp/teamalpha/x".into()));
    // No rule of the waypoint names this workload, whatever it asks for.
    let shut = find("app-travelexample/travel-web-ui", "mcp-teamalpha/mcp-server:8080");
    assert_eq!(shut["verdict"], "denied", "{shut}");
    let outside = document["exposure"]["fromOutside"].as_array().unwrap();
    assert!(outside.iter().any(|name| name == "gateway kgateway-system/default-gateway:8080"), "{outside:?}");
    let mut out = Vec::new();
    reach::list(&mut out, &matrix, &requests, false, Style::PLAIN).unwrap();
    let listed = String::from_utf8(out).unwrap();
    assert!(listed.contains("by request, such as GET /mcp/teamalpha/x"), "{listed}");
    // NodePorts as well as gateways.
    let outside = "azure-auth-gateway/azure-auth-gateway-nginx-external:443, uat-beta/report:8080, \
                   gateway infrastructure/platform-gateway:8443, ";
    assert!(listed.contains(&format!("\nexposed\n- from outside: {outside}")), "{listed}");
}

/// Where it makes no difference whether both ends are on one node, there is one row, and it says what both said.
#[test]
fn folded_rows_say_what_each_of_them_said() {
    let world = worlds::reference("reference");
    let engine = Engine::compile(&world);
    let scope = Scope { view: View::Usual, ..Scope::default() };
    let whole = Reachability::compute(&engine, &scope);
    let folded = Reachability::compute(&engine, &scope).folded();
    let bare = |name: String| name.replace(" (same node)", "").replace(" (other node)", "");
    let said: HashMap<(String, String), HashSet<CellVerdict>> =
        folded.cells().fold(HashMap::new(), |mut said, cell| {
            let ends = (bare(folded.row_name(cell.row)), bare(folded.target_name(cell.target)));
            said.entry(ends).or_default().insert(cell.verdict);
            said
        });
    for cell in whole.cells() {
        let ends = (bare(whole.row_name(cell.row)), bare(whole.target_name(cell.target)));
        assert!(said.get(&ends).is_some_and(|said| said.contains(&cell.verdict)), "{ends:?}: {:?}", cell.verdict);
    }
    assert!(folded.cells().filter(|cell| cell.bases().next().is_some()).count() > 100);
}

/// Nodes are told apart where policies name them, and come together again where what is named is both.
#[test]
fn nodes_are_one_row_where_it_makes_no_difference_which() {
    let nodes_of = |entities: &[&str]| {
        let container = json!({"name": "api", "image": "api", "ports": [{"containerPort": 8080}]});
        let objects = [
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "app"}}),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "api", "namespace": "app"},
                   "spec": {"containers": [container]}}),
            json!({"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy",
                   "metadata": {"name": "nodes", "namespace": "app"},
                   "spec": {"endpointSelector": {}, "ingress": [{"fromEntities": entities}]}}),
        ];
        let world = worlds::of(&worlds::documents(&objects), "reference");
        let engine = Engine::compile(&world);
        let matrix = Reachability::compute(&engine, &Scope { view: View::Usual, ..Scope::default() }).folded();
        let names = (0..matrix.rows().len()).map(|row| matrix.row_name(row));
        names.filter(|name| name.starts_with("node")).collect::<Vec<_>>()
    };
    assert_eq!(nodes_of(&["remote-node"]), ["node (same node)", "node (other node)"]);
    assert_eq!(nodes_of(&["host", "remote-node"]), ["node"]);
}
