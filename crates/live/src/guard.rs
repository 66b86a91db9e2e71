//! Clusters that people may depend on are left alone, unless they were named twice.

use airtight_cluster::{Cluster, read};
use airtight_manifest::Failure;

use crate::detect::looks_like_production;

/// Refuses a cluster that looks like production, or of which nobody can tell, unless its context was named twice.
///
/// # Errors
/// `production`, with what speaks for it or the permission that is missing; and when the API server does not answer,
/// or with what is no list of namespaces.
pub fn guard(cluster: &dyn Cluster, context: &str, server: &str, confirmed: Option<&str>) -> Result<(), Failure> {
    let is_meant = confirmed == Some(context);
    let namespaces = match read::list(cluster, "/api/v1/namespaces") {
        Ok(namespaces) => namespaces,
        Err(refused) if refused.code == "forbidden" && is_meant => return Ok(()),
        Err(refused) if refused.code == "forbidden" => return Err(untold(&refused, context)),
        Err(failure) => return Err(failure),
    };
    let names: Vec<&str> = namespaces.iter().map(|each| read::text(each, "/metadata/name")).collect();
    match looks_like_production(context, server, &names) {
        Some(why) if !is_meant => {
            let message = format!("the cluster looks like production: {why}; nothing was made");
            Err(Failure::new("production", message).hint(format!("if it is meant, say so: --in-production {context}")))
        }
        Some(_) | None => Ok(()),
    }
}

/// Namespaces that cannot be listed do not speak against production.
fn untold(refused: &Failure, context: &str) -> Failure {
    let message = format!("nobody can tell whether the cluster is production: {refused}; nothing was made");
    let grant = refused.hint.as_deref().unwrap_or("grant `list` on `namespaces`");
    Failure::new("production", message)
        .hint(format!("{grant}; or, if the cluster is meant, say so: --in-production {context}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::scripted::Scripted;

    const SERVER: &str = "https://10.0.0.1:6443";

    fn guarded(status: u16, body: &Value, confirmed: Option<&str>) -> Result<(), Failure> {
        guard(&Scripted(|_: &str| (status, body.clone())), "eu-1", SERVER, confirmed)
    }

    #[test]
    fn a_token_that_may_not_list_namespaces_does_not_silence_the_signs_of_production() {
        let body = json!({"message": "namespaces is forbidden"});
        let failure = guarded(403, &body, None).unwrap_err();
        assert_eq!(failure.code, "production");
        assert!(failure.message.contains("403 namespaces is forbidden"), "{failure}");
        let hint = failure.hint.unwrap();
        assert!(hint.contains("`list` on `namespaces`") && hint.contains("--in-production eu-1"), "{hint}");
        assert!(guarded(403, &body, Some("eu-2")).is_err());
        assert_eq!(guarded(403, &body, Some("eu-1")), Ok(()));
    }

    #[test]
    fn an_answer_without_items_is_not_taken_for_a_cluster_without_namespaces() {
        for (status, body) in [(200, json!({})), (200, json!({"items": null})), (500, json!({})), (404, json!({}))] {
            assert!(guarded(status, &body, None).is_err(), "{status} {body}");
        }
    }

    #[test]
    fn namespaces_of_further_pages_count() {
        let pages = |path: &str| {
            let more = json!({"items": [{"metadata": {"name": "shop"}}], "metadata": {"continue": "next"}});
            let last = json!({"items": [{"metadata": {"name": "payments-prod"}}]});
            (200, if path.contains("continue") { last } else { more })
        };
        let failure = guard(&Scripted(pages), "eu-1", SERVER, None).unwrap_err();
        assert!(failure.message.contains("payments-prod"), "{failure}");
        assert_eq!(guard(&Scripted(pages), "eu-1", SERVER, Some("eu-1")), Ok(()));
    }
}
