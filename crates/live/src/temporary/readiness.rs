//! When the pods of stand-ins are ready.

use airtight_cluster::pod::{Pod, is_hopeless};
use airtight_cluster::wait::{Look, Patience, until};
use airtight_cluster::{ApiCall, Cluster};
use airtight_manifest::Failure;

/// Waits until pods (namespace and name) are ready, all of them.
pub(super) fn wait_for(
    cluster: &dyn Cluster,
    patience: Patience,
    pods: &[(String, String)],
    image: &str,
) -> Result<(), Failure> {
    let mut open: Vec<&(String, String)> = pods.iter().collect();
    let waited = until(patience, &|| cluster.is_over(), || {
        let (mut why, mut still) = (None, Vec::new());
        for name in &open {
            let Some(reason) = unready(cluster, name, image)? else { continue };
            let what = format!("{}/{}: {reason}", name.0, name.1);
            if is_hopeless(&reason) {
                return Err(never_ready(&what, image));
            }
            why = Some(what);
            still.push(*name);
        }
        open = still;
        Ok(why.map_or(Look::Done(()), Look::Open))
    })?;
    waited.map_err(|late| never_ready(&late.last, image))
}

fn unready(
    cluster: &dyn Cluster,
    (namespace, name): &(String, String),
    image: &str,
) -> Result<Option<String>, Failure> {
    let answer = cluster.send(&ApiCall::get(&format!("/api/v1/namespaces/{namespace}/pods/{name}")))?;
    let pod = Pod::read(&answer.body, image).filter(|_| answer.accepted());
    Ok(match pod {
        Some(pod) if pod.unready.is_none() && pod.address.is_none() => Some("it has no address".to_owned()),
        Some(pod) => pod.unready,
        None => Some(format!("it cannot be read ({}): {}", answer.status, answer.message())),
    })
}

fn never_ready(why: &str, image: &str) -> Failure {
    Failure::new("stand-ins", format!("stand-ins do not become ready; {why}"))
        .hint(format!("can every node pull {image}? --probe-image names another, --wait gives more time"))
}
