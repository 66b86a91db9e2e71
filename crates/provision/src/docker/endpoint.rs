//! Where Docker's daemon listens, as the docker command finds it.

use std::fs;
use std::path::{Path, PathBuf};

use bollard::{API_DEFAULT_VERSION, Docker};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::failure::StepFailure;

/// Seconds that a request may take where nothing else ends it.
const TIMEOUT: u64 = 30 * 60;

/// Where a daemon listens, and the folder with `ca.pem`, `cert.pem` and `key.pem`, if it wants TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Endpoint {
    host: String,
    tls: Option<PathBuf>,
}

/// A client for the daemon that the docker command would talk to. Nothing is sent yet.
pub(super) fn connect() -> Result<Docker, StepFailure> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let home = std::env::home_dir().unwrap_or_default();
    let folder = set("DOCKER_CONFIG").map_or_else(|| home.join(".docker"), PathBuf::from);
    let tls = set("DOCKER_TLS_VERIFY").map(|_| set("DOCKER_CERT_PATH").map_or_else(|| folder.clone(), PathBuf::from));
    client(&endpoint(set("DOCKER_HOST"), tls, set("DOCKER_CONTEXT"), &folder)?)
}

/// `DOCKER_HOST`, else `DOCKER_CONTEXT`, else the current context of the configuration, else the usual socket (Docker
/// CLI `cli/command/cli.go`, `resolveContextName`).
fn endpoint(
    host: Option<String>,
    tls: Option<PathBuf>,
    context: Option<String>,
    folder: &Path,
) -> Result<Endpoint, StepFailure> {
    if let Some(host) = host {
        return Ok(Endpoint { host, tls });
    }
    match context.or_else(|| current_context(folder)).filter(|context| context != "default") {
        Some(context) => of_context(&context, folder),
        None => Ok(Endpoint { host: "unix:///var/run/docker.sock".to_owned(), tls: None }),
    }
}

fn current_context(folder: &Path) -> Option<String> {
    let config: Value = serde_json::from_slice(&fs::read(folder.join("config.json")).ok()?).ok()?;
    config["currentContext"].as_str().filter(|context| !context.is_empty()).map(str::to_owned)
}

/// A context's folder is named by the digest of its name (Docker CLI `cli/context/store`).
fn of_context(context: &str, folder: &Path) -> Result<Endpoint, StepFailure> {
    let id = hexadecimal(&Sha256::digest(context));
    let path = folder.join("contexts/meta").join(&id).join("meta.json");
    let unknown = |why: &dyn std::fmt::Display| {
        let message = format!("Docker's context `{context}` cannot be used: {}: {why}", path.display());
        StepFailure::new(
            "docker-context",
            message,
            "`docker context ls` shows what there is; `docker context use` chooses",
        )
    };
    let text = fs::read(&path).map_err(|error| unknown(&error))?;
    let meta: Value = serde_json::from_slice(&text).map_err(|error| unknown(&error))?;
    let host = meta["Endpoints"]["docker"]["Host"].as_str().ok_or_else(|| unknown(&"it names no host"))?;
    let tls = folder.join("contexts/tls").join(&id).join("docker");
    Ok(Endpoint { host: host.to_owned(), tls: tls.exists().then_some(tls) })
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn client(Endpoint { host, tls }: &Endpoint) -> Result<Docker, StepFailure> {
    let made = match (host.split_once("://").map_or("", |(scheme, _)| scheme), tls) {
        ("unix", _) => Docker::connect_with_unix(host, TIMEOUT, API_DEFAULT_VERSION),
        ("tcp" | "http" | "https", Some(tls)) => {
            let file = |name: &str| tls.join(name);
            let (key, certificate, ca) = (file("key.pem"), file("cert.pem"), file("ca.pem"));
            Docker::connect_with_ssl(host, &key, &certificate, &ca, TIMEOUT, API_DEFAULT_VERSION)
        }
        ("tcp" | "http", None) => Docker::connect_with_http(host, TIMEOUT, API_DEFAULT_VERSION),
        _ => {
            let message = format!("Docker is at {host}, which is no address that airtight reaches");
            let remedy = "forward its socket (`ssh -L /tmp/docker.sock:/var/run/docker.sock HOST`), and point DOCKER_HOST at that";
            return Err(StepFailure::new("docker-endpoint", message, remedy));
        }
    };
    made.map_err(|error| super::refusal::of(&error, "docker version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.json"), r#"{"currentContext": "lab"}"#).unwrap();
        // What `printf lab | sha256sum` says.
        let meta = folder.path().join("contexts/meta/a51146d38077ff992eba84cf1d5e9b249073503eb74868699016153b031a38f7");
        fs::create_dir_all(&meta).unwrap();
        let text =
            r#"{"Name": "lab", "Endpoints": {"docker": {"Host": "unix:///run/lab.sock", "SkipTLSVerify": false}}}"#;
        fs::write(meta.join("meta.json"), text).unwrap();
        folder
    }

    fn host(host: Option<&str>, context: Option<&str>, folder: &Path) -> String {
        endpoint(host.map(str::to_owned), None, context.map(str::to_owned), folder).unwrap().host
    }

    #[test]
    fn the_daemon_is_the_one_of_the_docker_command() {
        let folder = folder();
        assert_eq!(host(Some("tcp://a:2375"), Some("lab"), folder.path()), "tcp://a:2375");
        assert_eq!(host(None, None, folder.path()), "unix:///run/lab.sock");
        assert_eq!(host(None, Some("default"), folder.path()), "unix:///var/run/docker.sock");
        assert_eq!(host(None, None, Path::new("/nowhere")), "unix:///var/run/docker.sock");
        let failure = endpoint(None, None, Some("gone".to_owned()), folder.path()).unwrap_err();
        assert_eq!(failure.code, "docker-context");
    }

    #[test]
    fn what_cannot_be_reached_says_how_it_could() {
        let failure = client(&Endpoint { host: "ssh://lab".to_owned(), tls: None }).unwrap_err();
        assert_eq!(failure.code, "docker-endpoint");
        assert!(failure.hint.contains("ssh -L"), "{}", failure.hint);
        let tls = Some(PathBuf::from("/nowhere"));
        let failure = client(&Endpoint { host: "tcp://127.0.0.1:2376".to_owned(), tls }).unwrap_err();
        assert_eq!(failure.code, "docker-endpoint");
        assert!(failure.message.contains("/nowhere/"), "{}", failure.message);
    }
}
