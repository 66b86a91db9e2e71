//! Ports that scenarios name: whoever writes that a pod answers there knows that it listens.

use airtight_manifest::{Document, Node, NodeValue};
use airtight_model::world::{NamedPort, Protocol};

/// The ports of pods at which cases of these documents aim.
#[must_use]
pub fn named_ports(documents: &[Document]) -> Vec<NamedPort> {
    let cases = documents.iter().filter_map(|document| document.root.get("spec")?.get("cases")?.as_list());
    let targets = cases.flatten().filter_map(|case| case.get("to")).flat_map(one_or_many);
    let mut ports: Vec<NamedPort> = targets.filter_map(named).collect();
    ports.sort();
    ports.dedup();
    ports
}

fn named(target: &Node) -> Option<NamedPort> {
    let (namespace, workload) = target.get("pod")?.as_str()?.split_once('/')?;
    let port = match &target.get("port")?.value {
        NodeValue::Integer(number) => u16::try_from(*number).ok()?,
        _ => return None,
    };
    let protocol = match target.get("protocol").and_then(Node::as_str).map(str::to_ascii_lowercase).as_deref() {
        None | Some("tcp") => Protocol::Tcp,
        Some("udp") => Protocol::Udp,
        Some("sctp") => Protocol::Sctp,
        Some(_) => return None,
    };
    Some(NamedPort { namespace: namespace.to_owned(), workload: workload.to_owned(), protocol, port })
}

fn one_or_many(node: &Node) -> &[Node] {
    node.as_list().unwrap_or(std::slice::from_ref(node))
}
