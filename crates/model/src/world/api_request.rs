//! Requests to the API server: who wants to change which object.

use std::fmt;

use airtight_kyverno::User;
use airtight_manifest::{Document, Node, ObjectRef, Position};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Somebody who is known to the API server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ApiUser {
    /// User name, such as `tenant-admin` or `system:serviceaccount:kube-system:namespace-controller`.
    pub name: String,
    /// Groups, those included that everybody or every service account has.
    pub groups: Vec<String>,
}

/// The group that kubeadm binds to the role `cluster-admin` (kubeadm `app/constants/constants.go`).
const CLUSTER_ADMINS: &str = "kubeadm:cluster-admins";

impl ApiUser {
    /// A person or a program with a certificate or token of this name.
    #[must_use]
    pub fn new(name: &str, groups: impl IntoIterator<Item = String>) -> Self {
        let mut groups: Vec<String> = groups.into_iter().collect();
        let everybody = "system:authenticated";
        if !groups.iter().any(|group| group == everybody) {
            groups.push(everybody.to_owned());
        }
        Self { name: name.to_owned(), groups }
    }

    /// A service account with the groups that it has by nature.
    #[must_use]
    pub fn service_account(namespace: &str, name: &str) -> Self {
        let User { name, groups, .. } = User::service_account(namespace, name);
        Self { name, groups }
    }

    /// The administrator that kubeadm makes: `kubernetes-admin`, who holds the role `cluster-admin`.
    #[must_use]
    pub fn cluster_admin() -> Self {
        let User { name, groups, .. } = User::admin();
        Self { name, groups }
    }

    /// The user as Kyverno sees it. Which roles anybody else than the cluster administrator holds is not known.
    pub(super) fn as_user(&self) -> User {
        let groups: Vec<&str> = self.groups.iter().map(String::as_str).collect();
        let user = User::new(&self.name, &groups);
        if groups.contains(&CLUSTER_ADMINS) {
            User { roles: User::admin().roles, cluster_roles: User::admin().cluster_roles, ..user }
        } else {
            user
        }
    }
}

impl fmt::Display for ApiUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account = self.name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
        if let Some((namespace, name)) = account {
            return write!(f, "service account {namespace}/{name}");
        }
        write!(f, "user {}", self.name)?;
        let own: Vec<_> = self.groups.iter().filter(|group| !group.starts_with("system:")).collect();
        for (index, group) in own.into_iter().enumerate() {
            write!(f, "{} {group}", if index == 0 { " of" } else { "," })?;
        }
        Ok(())
    }
}

/// What shall be done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// It is made; one that is there already is replaced.
    Apply,
    /// It is replaced, and must be there.
    Update,
    /// It is deleted.
    Delete,
}

/// A change to one object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// What is done.
    pub act: Act,
    /// To which object.
    pub target: ObjectRef,
    /// The object as it shall be, in JSON with sorted keys; none for a deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

/// Where objects stand that no file holds.
pub(super) const UNWRITTEN: &str = "(object of a case)";

impl Change {
    /// The object as it shall be; none for a deletion, or where the text is no JSON.
    #[must_use]
    pub fn value(&self) -> Option<Value> {
        self.object.as_deref().and_then(|text| serde_json::from_str(text).ok())
    }

    pub(super) fn document(&self) -> Option<Document> {
        let root = Node::from_json(&self.value()?, Position { line: 1, column: 1 });
        Some(Document { file: UNWRITTEN.into(), root: root.into() })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let act = match self.act {
            Act::Apply => "apply",
            Act::Update => "update",
            Act::Delete => "delete",
        };
        write!(f, "{act} {}", self.target)
    }
}

/// One request to the API server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ApiRequest {
    /// Who asks.
    pub by: ApiUser,
    /// For what.
    pub change: Change,
}

impl fmt::Display for ApiRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.by, self.change)
    }
}
