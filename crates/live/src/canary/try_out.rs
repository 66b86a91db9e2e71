//! A flow between two pods of a throw-away namespace, without a policy that denies it, with it, and
//! without it again.

use std::convert::Infallible;
use std::net::IpAddr;

use airtight_cluster::apply::apply;
use airtight_cluster::pod::{Pod, is_hopeless};
use airtight_cluster::wait::{Look, Patience, until};
use airtight_cluster::{ApiCall, Cluster, Container, Verb, retry};
use airtight_manifest::Failure;
use airtight_matrix::scenario::got_through;
use airtight_matrix::testbed::Canary;
use airtight_model::policy::Outcome;
use airtight_probe::wire;
use serde_json::Value;

use super::guard::Guard;
use super::objects;
use crate::answer;
use crate::options::Options;
use crate::origin::Origin;
use crate::session::{Job, Jobs, round};

/// How many outcomes in a row must agree.
const STABLE: usize = 2;

/// Tries the flow out. The namespace is deleted whatever happens.
pub(crate) fn try_out(cluster: &dyn Cluster, options: &Options) -> Result<Canary, Failure> {
    let mut guard = Guard::new(cluster);
    let stage = Stage { cluster, options, namespace: guard.namespace().to_owned() };
    let result = stage.play();
    let left = guard.delete();
    let mut canary = result?;
    if let Some(why) = left {
        canary.detail = format!("{}; namespace {} is left behind: {why}", canary.detail, stage.namespace);
    }
    Ok(canary)
}

struct Stage<'a> {
    cluster: &'a dyn Cluster,
    options: &'a Options,
    namespace: String,
}

impl Stage<'_> {
    fn play(&self) -> Result<Canary, Failure> {
        let namespace = &self.namespace;
        self.apply("/api/v1/namespaces", &objects::namespace(namespace, &self.options.canary_labels))?;
        let pods = format!("/api/v1/namespaces/{namespace}/pods");
        let Options { image, program, .. } = self.options;
        for pod in [objects::server(namespace, image, program), objects::client(namespace, image, program)] {
            self.apply(&pods, &pod)?;
        }
        let server = self.ready("server")?;
        let client = self.ready("client")?;
        let (Some(address), Some(client)) = (server.address, client.probe) else {
            return Err(Failure::new("canary", format!("the canary's pods in {namespace} have no address")));
        };
        let before = self.settled(&client, address, got_through);
        let policies = format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies");
        self.apply(&policies, &objects::deny_all(namespace))?;
        let with_policy = self.settled(&client, address, |outcome| !got_through(outcome));
        self.remove(&format!("{policies}/{}", objects::DENY_ALL))?;
        // A server that died meanwhile would look like a policy that bites.
        let after = self.settled(&client, address, got_through);
        let without_policy = if got_through(&before) { after } else { before };
        let detail =
            format!("{namespace}/client dials server:{} under a NetworkPolicy that allows nothing", objects::PORT);
        Ok(Canary { with_policy, without_policy, detail })
    }

    fn apply(&self, collection: &str, object: &Value) -> Result<(), Failure> {
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let path = format!("{collection}/{name}");
        let applied = until(self.patience(), &|| self.cluster.is_over(), || {
            let answer = apply(self.cluster, &path, object)?;
            // A webhook may not have heard of the namespace yet.
            let passes = !answer.accepted() && retry::application(&answer);
            Ok::<_, Failure>(if passes { Look::Open(answer) } else { Look::Done(answer) })
        })?;
        let answer = applied.unwrap_or_else(|late| late.last);
        if answer.accepted() {
            return Ok(());
        }
        let resource = collection.rsplit('/').next().unwrap_or(collection);
        let message =
            format!("the canary cannot be set up: {collection}/{name} ({}): {}", answer.status, answer.message());
        let error = Failure::new("canary", message);
        Err(match answer.status {
            403 => error.hint(format!(
                "grant `create`, `patch` and `delete` on `{resource}`, or let admission accept namespaces airtight-canary-*"
            )),
            _ => error.hint("the API server's words say what it did not like"),
        })
    }

    fn remove(&self, path: &str) -> Result<(), Failure> {
        let answer = self.cluster.send(&ApiCall { verb: Verb::Delete, path, body: None, user: None })?;
        if answer.accepted() || answer.status == 404 {
            return Ok(());
        }
        let message = format!("{path} cannot be deleted ({}): {}", answer.status, answer.message());
        Err(Failure::new("canary", message).hint("grant `delete` on `networkpolicies`"))
    }

    /// Waits until a pod is ready. What never heals by itself ends the wait.
    fn ready(&self, name: &str) -> Result<Pod, Failure> {
        let path = format!("/api/v1/namespaces/{}/pods/{name}", self.namespace);
        let ready = until(self.patience(), &|| self.cluster.is_over(), || {
            let answer = self.cluster.send(&ApiCall::get(&path))?;
            let pod = Pod::read(&answer.body, &self.options.image).filter(|_| answer.accepted());
            let why = match pod {
                Some(pod) if pod.unready.is_none() && pod.address.is_some() && pod.probe.is_some() => {
                    return Ok(Look::Done(pod));
                }
                Some(pod) => pod.unready.unwrap_or_else(|| "it has no address".to_owned()),
                None => format!("it cannot be read ({}): {}", answer.status, answer.message()),
            };
            if is_hopeless(&why) { Err(self.unready(name, &why)) } else { Ok(Look::Open(why)) }
        })?;
        ready.map_err(|late| self.unready(name, &late.last))
    }

    fn unready(&self, name: &str, why: &str) -> Failure {
        let message = format!("pod {}/{name} of the canary does not become ready: {why}", self.namespace);
        Failure::new("canary", message).hint(format!("is the image {} on every node?", self.options.image))
    }

    fn patience(&self) -> Patience {
        Patience::steady(self.options.patience, self.options.pause)
    }

    /// Dials until the outcome is as wanted and stays so, or patience is at its end; the last outcome. A policy takes
    /// a moment to arrive at the datapath.
    fn settled(&self, client: &Container, server: IpAddr, wanted: fn(&Outcome) -> bool) -> Outcome {
        let (mut same, mut last) = (0, None);
        let settled = until(self.patience(), &|| self.cluster.is_over(), || {
            let outcome = self.dial(client, server);
            same = if last.as_ref() == Some(&outcome) { same + 1 } else { 1 };
            last = Some(outcome.clone());
            let failed = matches!(outcome, Outcome::ProbeError(_));
            let settled = same >= STABLE && wanted(&outcome) && !failed;
            Ok::<_, Infallible>(if settled { Look::Done(outcome) } else { Look::Open(outcome) })
        });
        match settled {
            Ok(outcome) => outcome.unwrap_or_else(|late| late.last),
        }
    }

    fn dial(&self, client: &Container, server: IpAddr) -> Outcome {
        let attempt = get(server);
        let jobs = Jobs::from([(Origin::Pod(client.clone()), vec![Job::plain(0, attempt)])]);
        match round(self.cluster, self.options, &jobs).remove(&0) {
            Some(Ok(answered)) => answer::outcome(&answered.answer),
            Some(Err(why)) => Outcome::ProbeError(why),
            None => Outcome::ProbeError("the session answered nothing".to_owned()),
        }
    }
}

/// What is asked for: nothing but the way to the port matters.
fn get(server: IpAddr) -> wire::Attempt {
    let to = wire::Target { host: server.to_string(), port: objects::PORT, family: wire::Family::Any };
    wire::Attempt::Http(wire::HttpExchange { to, tls: None, request: wire::Request::default() })
}
