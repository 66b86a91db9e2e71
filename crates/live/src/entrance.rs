//! How gateways are entered from outside the cluster.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

/// The Service of a gateway, as far as it leads in from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entrance {
    /// What a load balancer gave it: an address or a name.
    given: Option<String>,
    /// Its addresses within the cluster, which lead nowhere outside.
    within: Vec<String>,
    /// Ports of nodes, by the Service's own.
    node_ports: BTreeMap<u16, u16>,
}

impl Entrance {
    /// Reads a Service.
    pub(super) fn read(service: &Value) -> Self {
        let given = service.pointer("/status/loadBalancer/ingress/0");
        let given = given.and_then(|given| given.get("ip").or_else(|| given.get("hostname")));
        let list = |path: &str| service.pointer(path).and_then(Value::as_array).cloned().unwrap_or_default();
        let port = |port: &Value, key: &str| port[key].as_u64().and_then(|port| u16::try_from(port).ok());
        let node_ports = list("/spec/ports");
        Self {
            given: given.and_then(Value::as_str).map(str::to_owned),
            within: own(service).into_iter().chain(texts(&list("/spec/clusterIPs"))).collect(),
            node_ports: node_ports
                .iter()
                .filter_map(|each| Some((port(each, "port")?, port(each, "nodePort")?)))
                .collect(),
        }
    }

    /// Where a client outside dials: the address of the Gateway or of the load balancer, or the Service's port on a
    /// node. `published` is what the Gateway itself says, `node` a node on which its proxy runs: what arrives
    /// there need not be sent on in that node's name.
    pub(super) fn dialled(&self, published: Option<&str>, port: u16, node: Option<IpAddr>) -> Option<(String, u16)> {
        let published = published.filter(|address| !self.within.iter().any(|own| own == address));
        if let Some(host) = published.or(self.given.as_deref()) {
            return Some((host.to_owned(), port));
        }
        Some((node?.to_string(), *self.node_ports.get(&port)?))
    }
}

fn own(service: &Value) -> Option<String> {
    service.pointer("/spec/clusterIP").and_then(Value::as_str).map(str::to_owned)
}

fn texts(values: &[Value]) -> Vec<String> {
    values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_gateway_is_entered_where_a_client_outside_gets_to() {
        let ports = json!([{"port": 443}, {"port": 8080, "nodePort": 30080}]);
        let spec = json!({"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7", "fd00::7"], "ports": ports});
        let pending = Entrance::read(&json!({"spec": spec.clone()}));
        let status = json!({"loadBalancer": {"ingress": [{"hostname": "lb.example"}]}});
        let given = Entrance::read(&json!({"spec": spec, "status": status}));
        let node = Some("172.18.0.3".parse().unwrap());
        let to = |host: &str, port| Some((host.to_owned(), port));
        for (entrance, published, port, node, expected) in [
            (&pending, Some("203.0.113.9"), 443, node, to("203.0.113.9", 443)),
            (&pending, Some("10.96.0.7"), 8080, node, to("172.18.0.3", 30080)),
            (&pending, Some("fd00::7"), 8080, node, to("172.18.0.3", 30080)),
            (&pending, None, 8080, node, to("172.18.0.3", 30080)),
            (&pending, None, 443, node, None),
            (&pending, None, 8080, None, None),
            (&given, None, 443, node, to("lb.example", 443)),
        ] {
            assert_eq!(entrance.dialled(published, port, node), expected, "{published:?} {port}");
        }
    }
}
