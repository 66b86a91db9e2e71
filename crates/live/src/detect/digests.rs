//! Which images really run: a tag may be moved, a digest not.

use std::collections::{BTreeMap, BTreeSet};

use airtight_cluster::Cluster;
use airtight_cluster::pod::repository;
use airtight_cluster::read;
use airtight_cluster::read::{items, text};
use airtight_manifest::Failure;
use serde::Serialize;

/// An image as pods name it, and as nodes have it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningImage {
    /// As pods name it.
    pub image: String,
    /// Its digest by a container runtime's word, such as `quay.io/cilium/cilium@sha256:…`; empty if it does not tell.
    pub image_id: String,
    /// In how many containers it runs.
    pub containers: usize,
}

/// The images `wanted` and that of the probe, with the digests that run. Several digests of one image are several
/// entries.
///
/// # Errors
/// When pods cannot be listed.
pub fn running_images(
    cluster: &dyn Cluster,
    wanted: &BTreeSet<String>,
    probe: &str,
) -> Result<Vec<RunningImage>, Failure> {
    let mut found: BTreeMap<(String, String), usize> = BTreeMap::new();
    for pod in read::list(cluster, "/api/v1/pods")? {
        for (containers, statuses) in [
            ("/spec/containers", "/status/containerStatuses"),
            ("/spec/initContainers", "/status/initContainerStatuses"),
            ("/spec/ephemeralContainers", "/status/ephemeralContainerStatuses"),
        ] {
            for container in items(&pod, containers) {
                let image = text(container, "/image");
                if !wanted.contains(image) && repository(image) != repository(probe) {
                    continue;
                }
                let is_it = |status: &&serde_json::Value| text(status, "/name") == text(container, "/name");
                let status = items(&pod, statuses).iter().find(is_it);
                let id = status.map_or("", |status| text(status, "/imageID"));
                *found.entry((image.to_owned(), id.to_owned())).or_default() += 1;
            }
        }
    }
    Ok(found.into_iter().map(|((image, image_id), containers)| RunningImage { image, image_id, containers }).collect())
}
