//! What a stand-in speaks on a port, by what manifests say of it.

/// Which of the probe's listeners stands on a port; none for a protocol that it does not speak.
///
/// Istio reads a port's protocol from `appProtocol`, else from its name up to the first dash (Istio "Protocol
/// Selection"); where neither tells, the registered number does, and any other port is HTTP's, whose server also
/// answers who does not speak it.
pub(super) fn listener(
    protocol: &str,
    app_protocol: Option<&str>,
    name: Option<&str>,
    number: u64,
) -> Option<&'static str> {
    match protocol {
        "TCP" => {}
        "UDP" => return Some("udp"),
        _ => return None,
    }
    let said = app_protocol.and_then(named).or_else(|| name.and_then(by_name));
    Some(said.unwrap_or(match number {
        443 | 8443 => "https",
        5432 => "postgres",
        5672 => "amqp",
        6379 => "redis",
        _ => "http",
    }))
}

fn by_name(name: &str) -> Option<&'static str> {
    let prefix = name.split('-').next().unwrap_or(name);
    // `tcp-postgres` says more behind the dash than before it.
    match named(prefix) {
        Some("tcp") => name.split('-').skip(1).find_map(named).or(Some("tcp")),
        said => said.or_else(|| name.split('-').skip(1).find_map(named)),
    }
}

fn named(word: &str) -> Option<&'static str> {
    let word = word.to_lowercase();
    // `kubernetes.io/h2c`, `kubernetes.io/ws`.
    match word.rsplit('/').next().unwrap_or(&word) {
        "http" | "http2" | "h2c" | "grpc" | "web" | "ws" | "mcp" => Some("http"),
        "https" | "tls" | "wss" => Some("https"),
        "postgres" | "postgresql" => Some("postgres"),
        "redis" => Some("redis"),
        "amqp" | "rabbitmq" => Some("amqp"),
        "tcp" | "mongo" | "mysql" | "kafka" => Some("tcp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_speaks_what_manifests_say() {
        for (protocol, app, name, number, expected) in [
            ("TCP", None, None, 8080, Some("http")),
            ("TCP", None, Some("http-metrics"), 9000, Some("http")),
            ("TCP", None, Some("tcp-postgres"), 5432, Some("postgres")),
            ("TCP", None, Some("tcp-gossip"), 7946, Some("tcp")),
            ("TCP", Some("kubernetes.io/h2c"), Some("tcp"), 8080, Some("http")),
            ("TCP", Some("https"), None, 8080, Some("https")),
            ("TCP", None, None, 6379, Some("redis")),
            ("UDP", None, Some("dns"), 53, Some("udp")),
            ("SCTP", None, None, 36412, None),
        ] {
            assert_eq!(listener(protocol, app, name, number), expected, "{protocol} {app:?} {name:?} {number}");
        }
    }
}
