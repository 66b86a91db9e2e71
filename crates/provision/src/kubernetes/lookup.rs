//! What gates are judged by, as the API server has it.

use airtight_cluster::discovery::Kinds;
use airtight_cluster::{Cluster, read};
use airtight_manifest::Failure;
use serde_json::{Value, json};

use crate::gate::Lookup;

/// The object, or the list of objects; none if the object does not exist, or nobody serves its kind.
pub(super) fn look(cluster: &dyn Cluster, lookup: &Lookup) -> Result<Option<Value>, Failure> {
    let collection = Kinds::new(cluster).collection(&lookup.resource, lookup.namespace.as_deref())?;
    let Some(collection) = collection else { return Ok(None) };
    match &lookup.name {
        Some(name) => read::object(cluster, &format!("{collection}/{name}")),
        None => Ok(read::list_if_served(cluster, &collection)?.map(|items| json!({"items": items}))),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use airtight_cluster::{ApiAnswer, ApiCall, Container, Execution};

    use super::*;

    /// Always the same answer.
    struct Answering(u16, Value);

    impl Cluster for Answering {
        fn send(&self, _: &ApiCall<'_>) -> Result<ApiAnswer, Failure> {
            Ok(ApiAnswer { status: self.0, body: self.1.clone() })
        }

        fn exec(&self, _: &Container, _: &[&str], _: &[u8], _: Duration) -> Result<Execution, Failure> {
            unreachable!("nothing is run")
        }

        fn logs(&self, _: &Container, _: jiff::Timestamp) -> Result<String, Failure> {
            unreachable!("nothing is read")
        }
    }

    #[test]
    fn nodes_that_cannot_be_listed_are_not_no_nodes() {
        let nodes = Lookup { resource: "nodes".to_owned(), namespace: None, name: None };
        let look = |status, body| look(&Answering(status, body), &nodes);
        assert_eq!(look(200, json!({"items": []})), Ok(Some(json!({"items": []}))));
        assert_eq!(look(200, json!({"kind": "Status"})).unwrap_err().code, "api-answer");
        assert_eq!(look(200, json!({"items": [], "metadata": {"continue": "x"}})).unwrap_err().code, "api-answer");
        assert_eq!(look(403, json!({"message": "no"})).unwrap_err().code, "forbidden");
        assert_eq!(look(404, json!({})), Ok(None));
    }
}
