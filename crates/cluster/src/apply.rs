//! Objects that are put on a cluster, all in one name.

use airtight_manifest::Failure;
use serde_json::Value;

use crate::{ApiAnswer, ApiCall, Cluster, Verb};

/// Whom the API server notes as the one who set the fields.
pub const MANAGER: &str = "airtight";

/// Server-side apply at an object's path, as the owner of its fields; it may safely be sent again (Kubernetes
/// `docs/reference/using-api/server-side-apply`).
///
/// # Errors
/// When no answer came.
pub fn apply(cluster: &dyn Cluster, path: &str, object: &Value) -> Result<ApiAnswer, Failure> {
    let path = format!("{path}?fieldManager={MANAGER}&force=true");
    cluster.send(&ApiCall { verb: Verb::Apply, path: &path, body: Some(object), user: None })
}

/// A creation in a collection: the one call that cannot overwrite what somebody else made.
///
/// # Errors
/// When no answer came; what was sent may have been stored all the same.
pub fn create(cluster: &dyn Cluster, collection: &str, object: &Value) -> Result<ApiAnswer, Failure> {
    let path = format!("{collection}?fieldManager={MANAGER}");
    cluster.send(&ApiCall { verb: Verb::Create, path: &path, body: Some(object), user: None })
}
