//! Which objects of the manifests are waited for, and what the cluster lacks of their kinds.

use std::collections::BTreeMap;

use airtight_cluster::discovery::Kinds;
use airtight_cluster::read::{object, text};
use airtight_cluster::wait::{Awaited, NotInForce};
use airtight_cluster::{Cluster, retry};
use airtight_manifest::{Diagnostic, Failure};
use serde_json::Value;

use crate::drift::is_compared;
use crate::temporary::reference;

/// What to wait for, and findings about kinds that the cluster does not serve.
pub(crate) fn awaited(
    cluster: &dyn Cluster,
    objects: &[Value],
    predicted: &[Diagnostic],
) -> Result<(Vec<Awaited>, Vec<Diagnostic>), Failure> {
    let objects = objects.iter().filter(|object| !stays_unresolved(object, predicted));
    let (mut served, mut unserved) = (Vec::new(), BTreeMap::<&str, usize>::new());
    let mut known = BTreeMap::new();
    for (object, awaited) in objects.filter_map(|object| Some((object, Awaited::of_object(object)?))) {
        let (version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
        let is_served = match known.get(&(version, kind)) {
            Some(is_served) => *is_served,
            None => serves(cluster, version, kind)?,
        };
        known.insert((version, kind), is_served);
        if !is_served {
            *unserved.entry(kind).or_default() += 1;
        } else if !(is_compared(object) && is_missing(cluster, &awaited)) {
            // No patience brings a missing one: it is named with whatever else differs from the manifests.
            served.push(awaited);
        }
    }
    let finding = |(kind, count): (&str, usize)| {
        let message = format!("the cluster does not serve {kind}, of which the manifests have {count}");
        Diagnostic::warning("not-served", message)
    };
    Ok((served, unserved.into_iter().map(finding).collect()))
}

/// Whether an object is certainly not there. Where nobody tells, it is waited for.
fn is_missing(cluster: &dyn Cluster, awaited: &Awaited) -> bool {
    match awaited {
        Awaited::Object { path, .. } => matches!(object(cluster, path), Ok(None)),
        Awaited::CiliumRevision { .. } => false,
    }
}

/// Whether the model predicts that a route's references are never resolved, so that its controller will never say so.
fn stays_unresolved(object: &Value, predicted: &[Diagnostic]) -> bool {
    let about = format!("{} ", reference(object));
    predicted.iter().any(|finding| finding.code == "backend-unresolved" && finding.message.starts_with(&about))
}

/// What the API server refuses to tell is waited for, and then named.
fn serves(cluster: &dyn Cluster, version: &str, kind: &str) -> Result<bool, Failure> {
    match Kinds::new(cluster).find(version, kind) {
        Ok(found) => Ok(found.is_some()),
        Err(failure) if retry::silent(failure.code) || cluster.is_over() => Err(failure),
        Err(_) => Ok(true),
    }
}

/// Why flows cannot be tried, with what to do about it.
pub(crate) fn not_in_force(error: &NotInForce) -> Failure {
    let hint = match error {
        NotInForce::Rejected(_) => "correct the object, apply it again, and run again",
        NotInForce::Deadline { .. } => "look at its controller; --wait gives it more time",
    };
    Failure::new("not-in-force", error.to_string()).hint(hint)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scripted::Scripted;

    #[test]
    fn a_route_that_is_meant_to_stay_unresolved_is_not_waited_for() {
        let route = json!({"kind": "HTTPRoute", "metadata": {"namespace": "shop", "name": "web"}});
        let finding = |message: &str| [Diagnostic::warning("backend-unresolved", message)];
        assert!(stays_unresolved(&route, &finding("HTTPRoute shop/web cannot use Service bank/api port 80")));
        assert!(!stays_unresolved(&route, &finding("HTTPRoute shop/web-2 cannot use Service bank/api port 80")));
        assert!(!stays_unresolved(&route, &[Diagnostic::warning("other", "HTTPRoute shop/web cannot")]));
    }

    #[test]
    fn a_kind_of_which_nobody_tells_is_waited_for() {
        let policy = json!({"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "a"}});
        let of = |status, body: Value| {
            let cluster = Scripted(|_: &str| (status, body.clone()));
            let (awaited, findings) = awaited(&cluster, std::slice::from_ref(&policy), &[]).unwrap();
            (awaited.len(), findings.len())
        };
        assert_eq!(of(404, json!({})), (0, 1));
        assert_eq!(of(200, json!({"resources": []})), (0, 1));
        assert_eq!(of(403, json!({})), (1, 0));
        assert_eq!(of(200, json!({})), (1, 0));
    }

    #[test]
    fn what_is_certainly_missing_is_not_waited_for() {
        let policy = json!({"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "a"}});
        let kinds = json!({"kind": "APIResourceList", "groupVersion": "kyverno.io/v1", "resources": [
            {"name": "clusterpolicies", "singularName": "", "namespaced": false, "kind": "ClusterPolicy", "verbs": []}]});
        let of =
            |status| {
                let cluster = Scripted(|path: &str| {
                    if path.ends_with("/clusterpolicies/a") { (status, json!({})) } else { (200, kinds.clone()) }
                });
                awaited(&cluster, std::slice::from_ref(&policy), &[]).unwrap().0.len()
            };
        assert_eq!([of(404), of(403), of(200)], [0, 1, 1]);
    }
}
