//! What the API server refuses of the objects of its own kinds, path by path. The same vectors are held against a real
//! one in `tests/it/refusals_real_api.rs` of the command.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use airtight_manifest::{Node, Position, api_server_findings, decode_resource, network, yaml};
use airtight_testkit::refusals;

/// The paths that are refused, as messages begin with the object.
fn refused(object: &serde_json::Value) -> Vec<String> {
    let root = Node::from_json(object, Position { line: 1, column: 1 });
    let document = yaml::Document { file: Arc::from("object.yaml"), root: Arc::new(root) };
    let resource = decode_resource(&document).unwrap();
    let mut findings = api_server_findings(&resource, &document);
    if let airtight_manifest::Resource::NetworkPolicy(policy) = &resource {
        findings.extend(network::network_policy_findings(policy));
    }
    let paths = findings.iter().map(|finding| finding.message.split(": ").nth(1).unwrap().to_owned());
    let mut paths: Vec<String> = paths.collect();
    paths.sort();
    paths.dedup();
    paths
}

#[test]
fn each_object_is_refused_where_the_api_server_refuses_it() {
    let wrong: Vec<String> = refusals::all()
        .iter()
        .filter_map(|vector| {
            let refused = refused(&vector.object);
            (refused != vector.refused).then(|| format!("{}: {refused:?}, not {:?}", vector.title, vector.refused))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
