//! A cluster's API server, reached as a kubeconfig says.

use std::time::Duration;

use airtight_manifest::Failure;
use http::Method;
use kube::Client;
use tokio::runtime::Runtime;

use super::access::Access;
use super::call::{self, Request};
use super::exec;
use super::limits::Limits;
use crate::{ApiAnswer, ApiCall, Cluster, Container, Execution};

/// A cluster's API server, reached as a kubeconfig says.
///
/// Its calls block, on a runtime of its own: they must not be made from within another one.
pub struct KubeCluster {
    client: Client,
    limits: Limits,
    /// What errors call the cluster: its API server's address.
    server: String,
    // Last, so that the client's connections end before what they run on.
    runtime: Runtime,
}

impl KubeCluster {
    /// Reads the kubeconfig (or the service account of the pod that this runs in). Nothing is sent yet.
    ///
    /// # Errors
    /// `no-kubeconfig`, `kubeconfig`, `no-such-context` or `client`, each with a hint.
    pub fn connect(access: &Access, limits: Limits) -> Result<Self, Failure> {
        let client = |error: &dyn std::fmt::Display| Failure {
            code: "client",
            message: format!("no client for the cluster can be made: {error}"),
            hint: Some("the kubeconfig's server, certificates and user must be complete".to_owned()),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("airtight-kube")
            .enable_all()
            .build()
            .map_err(|error| client(&error))?;
        let mut config = runtime.block_on(access.config())?;
        config.connect_timeout = Some(limits.connect);
        // A silent exec session is no broken one: every call is bounded as a whole instead.
        config.read_timeout = None;
        config.write_timeout = Some(limits.call);
        config.default_retry = false;
        let server = shown(&config.cluster_url);
        let guard = runtime.enter();
        let made = Client::try_from(config).map_err(|error| client(&error));
        drop(guard);
        Ok(Self { client: made?, limits, server, runtime })
    }

    /// Asks the API server whether it is ready.
    ///
    /// # Errors
    /// When it says that it is not, or does not answer.
    pub fn is_ready(&self) -> Result<(), Failure> {
        let request = Request::plain(Method::GET, "/readyz".to_owned(), &self.server);
        let response = self.runtime.block_on(call::with_retries(&self.client, &request, &self.limits))?;
        response.into_text(&request, "`get` on the path `/readyz`").map(drop)
    }

    /// The API server's address.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }
}

/// An address without the name and password that it may have.
fn shown(url: &http::Uri) -> String {
    let text = url.to_string();
    match (text.split_once("://"), url.authority()) {
        (Some((scheme, rest)), Some(authority)) if authority.as_str().contains('@') => {
            format!("{scheme}://{}", rest.split_once('@').map_or(rest, |(_, rest)| rest))
        }
        (Some(_) | None, _) => text,
    }
}

impl Cluster for KubeCluster {
    fn send(&self, request: &ApiCall<'_>) -> Result<ApiAnswer, Failure> {
        let request = Request::of(request, &self.server)?;
        let response = self.runtime.block_on(call::with_retries(&self.client, &request, &self.limits))?;
        response.into_answer(&request)
    }

    fn exec(&self, place: &Container, command: &[&str], stdin: &[u8], within: Duration) -> Result<Execution, Failure> {
        let request = exec::Exec { place, command, stdin, within, server: &self.server };
        self.runtime.block_on(exec::run(&self.client, &request, &self.limits))
    }

    fn logs(&self, place: &Container, since: jiff::Timestamp) -> Result<String, Failure> {
        // The API server takes whole seconds; what is older than asked for is harmless, what is missing is not.
        let since = since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().replace(':', "%3A");
        let Container { namespace, pod, container } = place;
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&sinceTime={since}");
        let request = Request::plain(Method::GET, path, &self.server);
        let response = self.runtime.block_on(call::with_retries(&self.client, &request, &self.limits))?;
        response.into_text(&request, "`get` on `pods/log`")
    }
}
