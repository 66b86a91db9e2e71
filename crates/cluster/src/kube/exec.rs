//! Programs in containers: `pods/exec` over websockets.

use std::time::Duration;

use airtight_manifest::Failure;
use kube::Client;
use kube::client::Connection;
use tokio::time::{Instant, sleep, timeout};

use super::backoff::wait;
use super::error;
use super::limits::Limits;
use super::session::Session;
use crate::read::escaped;
use crate::{Container, Execution, retry};

/// What is run, where, and for how long.
pub(super) struct Exec<'a> {
    pub(super) place: &'a Container,
    pub(super) command: &'a [&'a str],
    pub(super) stdin: &'a [u8],
    pub(super) within: Duration,
    pub(super) server: &'a str,
}

impl Exec<'_> {
    fn what(&self) -> String {
        format!("`{}` in {}", self.command.join(" "), self.place)
    }

    /// `stdin` is asked for only if there is something to say: a program without it finds its end at once, also where
    /// the protocol cannot tell it.
    fn path(&self) -> String {
        let Container { namespace, pod, container } = self.place;
        let stdin = !self.stdin.is_empty();
        let words = self.command.iter().map(|word| format!("command={}", escaped(word)));
        let command = words.collect::<Vec<_>>().join("&");
        format!(
            "/api/v1/namespaces/{namespace}/pods/{pod}/exec?container={container}&stdin={stdin}&stdout=true&stderr=true&{command}"
        )
    }
}

/// Runs a program until it ends, or the time is up; what it wrote until then is kept.
pub(super) async fn run(client: &Client, exec: &Exec<'_>, limits: &Limits) -> Result<Execution, Failure> {
    let end = Instant::now() + exec.within;
    let connection = open(client, exec, limits, end).await?;
    Ok(Session::new(connection).run(exec.stdin, end, exec.within).await)
}

/// Opens the session. Until it is open nothing was run, so that it may be tried again.
async fn open(client: &Client, exec: &Exec<'_>, limits: &Limits, end: Instant) -> Result<Connection, Failure> {
    let end = end.min(Instant::now() + limits.overall);
    let mut attempt = 1;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let error = match once(client, exec, limits.connect.min(left)).await {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        let pause = wait(attempt, limits.pause, None);
        if !retry::code(error.code) || attempt >= limits.attempts || Instant::now() + pause >= end {
            return Err(error::counted(error, attempt));
        }
        sleep(pause).await;
        attempt += 1;
    }
}

async fn once(client: &Client, exec: &Exec<'_>, within: Duration) -> Result<Connection, Failure> {
    let request = http::Request::get(exec.path()).body(Vec::new()).map_err(|error| Failure {
        code: "api-request",
        message: format!("{} is no request: {error}", exec.what()),
        hint: None,
    })?;
    match timeout(within, client.connect(request)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(not_opened(&error, exec)),
        Err(_) => Err(error::late(&exec.what(), exec.server, within)),
    }
}

/// A websocket's exec is a `get`; from Kubernetes 1.35 on the API server asks for `create` too
/// (`AuthorizePodWebsocketUpgradeCreatePermission`).
fn not_opened(error: &kube::Error, exec: &Exec<'_>) -> Failure {
    match error {
        kube::Error::Api(status) => {
            error::refused(status.code, &status.message, &exec.what(), "`get` and `create` on `pods/exec`")
        }
        kube::Error::UpgradeConnection(why) => Failure {
            code: "exec-upgrade",
            message: format!("{} at {}: no websocket: {why}", exec.what(), exec.server),
            hint: Some("a proxy before the API server may not let websockets through".to_owned()),
        },
        other => error::of_client(other, &exec.what(), exec.server),
    }
}
