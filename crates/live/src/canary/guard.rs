//! The canary's namespace, which ends with it.

use std::hash::{BuildHasher, RandomState};

use airtight_cluster::{ApiCall, Cluster, Verb};

/// Deletes a namespace, at the latest when it is dropped.
pub(super) struct Guard<'c> {
    cluster: &'c dyn Cluster,
    namespace: String,
    deleted: bool,
}

impl<'c> Guard<'c> {
    /// A namespace that nobody else has; it is not made here.
    pub(super) fn new(cluster: &'c dyn Cluster) -> Self {
        let suffix = RandomState::new().hash_one(0_u8) >> 32;
        Self { cluster, namespace: format!("airtight-canary-{suffix:08x}"), deleted: false }
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Deletes it, once; why it is still there, if it is.
    pub(super) fn delete(&mut self) -> Option<String> {
        if std::mem::replace(&mut self.deleted, true) {
            return None;
        }
        let path = format!("/api/v1/namespaces/{}", self.namespace);
        match self.cluster.send(&ApiCall { verb: Verb::Delete, path: &path, body: None, user: None }) {
            Ok(answer) if answer.accepted() || answer.status == 404 => None,
            Ok(answer) => Some(answer.words()),
            Err(error) => Some(error.message),
        }
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        // Only a panic comes here with something left to delete, and it has its own message.
        let _ = self.delete();
    }
}
