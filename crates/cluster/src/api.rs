//! What a live testbed asks of a cluster.

use std::time::Duration;

use airtight_manifest::Failure;
use serde_json::Value;

/// A cluster, through its API server alone. Every call blocks, and every call ends in time.
pub trait Cluster: Sync {
    /// Sends one request.
    ///
    /// # Errors
    /// When no answer came. An answer of any status, such as 403 or 404, is no error.
    fn send(&self, request: &ApiCall<'_>) -> Result<ApiAnswer, Failure>;

    /// Runs a program in a container: writes `stdin`, closes it, and reads both outputs until the program ends.
    ///
    /// # Errors
    /// When the program was not started. One that was started and did not end is [`Execution::ended`] with a reason,
    /// with what it wrote until then.
    fn exec(&self, place: &Container, command: &[&str], stdin: &[u8], within: Duration) -> Result<Execution, Failure>;

    /// What a container wrote since a moment, one record a line, as the container wrote it.
    ///
    /// # Errors
    /// When it cannot be read.
    fn logs(&self, place: &Container, since: jiff::Timestamp) -> Result<String, Failure>;

    /// Whether every further call would be refused, so that there is nothing left to wait for.
    fn is_over(&self) -> bool {
        false
    }
}

/// A request to the API server.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiCall<'a> {
    /// What is asked.
    pub verb: Verb,
    /// Path and query, such as `/api/v1/namespaces/shop/pods?labelSelector=app%3Dweb`.
    pub path: &'a str,
    /// The object that is sent, if one is.
    pub body: Option<&'a Value>,
    /// Whom to act as; none for oneself.
    pub user: Option<&'a Impersonated>,
}

impl<'a> ApiCall<'a> {
    /// A `GET` as oneself.
    #[must_use]
    pub fn get(path: &'a str) -> Self {
        Self { verb: Verb::Get, path, body: None, user: None }
    }
}

/// HTTP methods, with the content type of Kubernetes' patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `GET`.
    Get,
    /// `POST`.
    Create,
    /// `PUT`.
    Replace,
    /// `PATCH` with `application/apply-patch+yaml`: server-side apply.
    Apply,
    /// `PATCH` with `application/merge-patch+json`.
    Merge,
    /// `PATCH` with `application/strategic-merge-patch+json`: lists are merged by name.
    Strategic,
    /// `DELETE`.
    Delete,
}

/// Another user than oneself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impersonated {
    /// The user's name, such as `system:serviceaccount:shop:deployer`.
    pub name: String,
    /// The user's groups.
    pub groups: Vec<String>,
}

/// What the API server answered.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The object, the list, or the `Status` that says what is wrong.
    pub body: Value,
}

impl ApiAnswer {
    /// Whether the request was accepted.
    #[must_use]
    pub fn accepted(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The API server's own words on what is wrong; empty if it has none.
    #[must_use]
    pub fn message(&self) -> &str {
        self.body.get("message").and_then(Value::as_str).unwrap_or_default()
    }

    /// The status, and those words.
    #[must_use]
    pub fn words(&self) -> String {
        format!("{} {}", self.status, self.message()).trim_end().to_owned()
    }
}

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Container {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
}

impl std::fmt::Display for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "container {} of pod {}/{}", self.container, self.namespace, self.pod)
    }
}

/// A program that was run in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: Vec<u8>,
    /// How it ended.
    pub ended: Ended,
}

/// How a program in a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this status.
    Status(i32),
    /// Nobody knows: the connection broke, or the time was up.
    Cut(String),
}
