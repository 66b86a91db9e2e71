//! A machine with a cluster: its programs pretend, its API server answers for real.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Deref;
use std::path::PathBuf;
use std::thread;

use airtight_testkit::api_server::ApiServer;
use airtight_testkit::stack::SMALL;
use serde_json::{Value, json};

use crate::PROBE;
use crate::machine::Machine;

/// Where the manifests of the Gateway API are, in the small stack.
const PUBLISHED: &str = "https://example.com";

/// What is there.
const GATEWAY_API: &str = include_str!("gateway-api.yaml");

/// A machine with a cluster.
pub(crate) struct Stage {
    machine: Machine,
    pub(crate) server: ApiServer,
    web: SocketAddr,
}

impl Deref for Stage {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        let (machine, server) = (Machine::new(), ApiServer::start(&PROBE));
        std::fs::copy(server.kubeconfig(), machine.path("world/kubeconfig")).unwrap();
        let web = serve(machine.path("world/log"));
        let stage = Self { machine, server, web };
        stage.write("stack.yaml", SMALL);
        // What the charts, which only pretend, would have brought.
        stage.workload("daemonsets", "kube-system", "cilium", &json!({"numberAvailable": 3}));
        stage.workload("deployments", "kube-system", "coredns", &json!({}));
        let corefile = ".:53 {\n    errors\n    forward . /etc/resolv.conf\n}\n";
        stage.server.put(
            "/api/v1/namespaces/kube-system/configmaps/coredns",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"Corefile": corefile}}),
        );
        stage
    }

    /// A workload that is ready, but for what `status` says.
    pub(crate) fn workload(&self, resource: &str, namespace: &str, name: &str, status: &Value) {
        let mut ready = json!({
            "observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": 1, "readyReplicas": 1,
            "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3,
        });
        ready.as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
        self.server.put(
            &format!("/apis/apps/v1/namespaces/{namespace}/{resource}/{name}"),
            json!({"metadata": {"generation": 1}, "spec": {"replicas": 1}, "status": ready}),
        );
    }

    /// Writes a file; what a stack finds in the web is on this machine.
    pub(crate) fn write(&self, name: &str, text: &str) {
        self.machine.write(name, &text.replace(PUBLISHED, &format!("http://{}", self.web)));
    }

    /// Paths of what was applied so far.
    pub(crate) fn applied(&self) -> Vec<String> {
        let seen = self.server.state().seen();
        let paths = seen.iter().filter_map(|seen| seen.what.strip_prefix("PATCH ")?.split('?').next());
        paths.map(str::to_owned).collect()
    }
}

/// A web server that has moved: it points to a second place, where the file is.
fn serve(log: PathBuf) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away is no failure of the server's.
            let _ = answer(stream, &log);
        }
    });
    address
}

fn answer(mut stream: TcpStream, log: &PathBuf) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let _head: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let path = request.split(' ').nth(1).unwrap_or_default();
    match path {
        "/gateway-api.yaml" => write!(
            stream,
            "HTTP/1.1 302 Found\r\nLocation: /moved/gateway-api.yaml\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ),
        "/moved/gateway-api.yaml" => {
            let mut log = std::fs::File::options().append(true).open(log)?;
            writeln!(log, "fetched gateway-api.yaml")?;
            let length = GATEWAY_API.len();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{GATEWAY_API}")
        }
        _ => write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    }
}
