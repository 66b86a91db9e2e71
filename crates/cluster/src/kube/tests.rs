//! Answers of servers that mean no good: calls of them end, in time and in memory.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use super::{Access, KubeCluster, Limits};
use crate::{ApiCall, Cluster as _};

const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    call: Duration::from_mins(1),
    overall: Duration::from_mins(1),
    attempts: 4,
    pause: Duration::from_millis(10),
};

/// A cluster whose API server answers every request so.
fn answered(limits: Limits, answer: fn(&mut TcpStream) -> std::io::Result<()>) -> (KubeCluster, TempDir) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            if lines.any(|line| line.is_empty()) {
                // The client goes away in the middle.
                let _ = answer(&mut stream);
            }
        }
    });
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kubeconfig");
    let kubeconfig = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}], "users": [{"name": "c", "user": {}}]});
    std::fs::write(&path, kubeconfig.to_string()).unwrap();
    (KubeCluster::connect(&Access { kubeconfig: Some(path), context: None }, limits).unwrap(), folder)
}

/// What is said of a kubeconfig with this user, at this server.
fn refusal(server: &str, user: &str) -> String {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: \"{server}\"}}}}]\nusers:\n- name: u\n  user: {user}\n"
    );
    std::fs::write(&path, text).unwrap();
    let access = Access { kubeconfig: Some(path), context: None };
    let failure = match KubeCluster::connect(&access, LIMITS) {
        Ok(cluster) => cluster.is_ready().unwrap_err(),
        Err(failure) => failure,
    };
    format!("{} {} {}", failure.code, failure.message, failure.hint.unwrap_or_default())
}

#[test]
fn what_a_kubeconfig_keeps_secret_is_not_said() {
    let nowhere = "https://127.0.0.1:1";
    for (server, user, says) in [
        (nowhere, "{token: {hunter2: hunter2}}", "kubeconfig the kubeconfig cannot be used"),
        (nowhere, "{token: [hunter2]}", "kubeconfig the kubeconfig cannot be used"),
        (nowhere, "{token: \"hunter2\\r\\nx: y\"}", "that no header can carry"),
        (nowhere, "{token: \"hunter2\\0\"}", "that no header can carry"),
        (nowhere, "{client-key-data: hunter2, client-certificate-data: aGVsbG8=}", ""),
        ("https://user:hunter2@127.0.0.1:1", "{}", "127.0.0.1:1"),
        (nowhere, "{auth-provider: {name: gcp, config: {cmd-path: hunter2}}}", "auth provider `gcp`"),
        (
            nowhere,
            "{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, args: [-c, echo hunter2; exit 7], interactiveMode: Never}}",
            "credentials",
        ),
        (
            nowhere,
            "{exec: {apiVersion: client.authentication.k8s.io/v1, command: echo, args: [hunter2], interactiveMode: Never}}",
            "credentials",
        ),
    ] {
        let said = refusal(server, user);
        assert!(said.contains(says) && !said.contains("hunter2"), "{user}: {said}");
    }
}

#[test]
fn an_answer_that_does_not_end_is_not_read_to_its_end() {
    let (cluster, _folder) = answered(LIMITS, |stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n")?;
        let spaces = vec![b' '; 1 << 20];
        loop {
            stream.write_all(&spaces)?;
        }
    });
    let failure = cluster.send(&ApiCall::get("/api/v1/pods")).unwrap_err();
    assert_eq!(failure.code, "api-answer", "{failure}");
    assert!(failure.message.contains("larger than 64 MiB") && !failure.message.contains("attempts"), "{failure}");
}

#[test]
fn no_wait_that_a_server_asks_for_goes_beyond_the_call() {
    let busy = |stream: &mut TcpStream| {
        let words = "{\"message\": \"busy\"}";
        let length = words.len();
        write!(
            stream,
            "HTTP/1.1 429 Too Many Requests\r\nretry-after: 3600\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{words}"
        )
    };
    let limits = Limits { overall: Duration::from_secs(3), ..LIMITS };
    let (cluster, _folder) = answered(limits, busy);
    let begun = Instant::now();
    let answer = cluster.send(&ApiCall::get("/api/v1/pods")).unwrap();
    assert_eq!((answer.status, answer.message()), (429, "busy"));
    assert!(begun.elapsed() < limits.overall, "{:?}", begun.elapsed());
}

#[test]
fn the_program_that_is_run_for_credentials_is_said_without_its_arguments() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kubeconfig");
    let said = |user: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
             clusters: [{{name: c, cluster: {{server: \"https://127.0.0.1:1\"}}}}]\nusers:\n- name: u\n  user: {user}\n"
        );
        std::fs::write(&path, text).unwrap();
        Access { kubeconfig: Some(path.clone()), context: None }.credential_program().unwrap()
    };
    let plugin =
        "{exec: {apiVersion: client.authentication.k8s.io/v1, command: aws, args: [hunter2], interactiveMode: Never}}";
    assert_eq!(said(plugin).as_deref(), Some("the kubeconfig's user u has `aws` run for credentials"));
    assert_eq!(said("{token: x}"), None);
}
