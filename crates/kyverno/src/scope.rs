//! Which requests reach Kyverno at all: its webhooks' selectors, resource filters and excluded groups.

use airtight_manifest::{Labels, Meta};

use super::kind::KindPattern;
use super::request::{AdmissionRequest, Subject};
use super::wildcard;

/// How Kyverno is installed, as far as admission depends on it; the defaults are the chart's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KyvernoOptions {
    /// Kyverno's own namespace; it is outside of the webhooks.
    pub namespace: String,
    /// Namespaces outside of the webhooks (`config.webhooks.namespaceSelector`).
    pub excluded_namespaces: Vec<String>,
    /// Further `config.resourceFilters`, each `[kind,namespace,name]`.
    pub resource_filters: Vec<String>,
    /// `config.excludeGroups`.
    pub excluded_groups: Vec<String>,
    /// `config.excludeUsernames`.
    pub excluded_usernames: Vec<String>,
    /// Where PolicyExceptions count: none if they are off (the default), `*` for every namespace
    /// (`features.policyExceptions`).
    pub exception_namespace: Option<String>,
    /// `features.protectManagedResources.enabled`.
    pub protect_managed_resources: bool,
}

impl Default for KyvernoOptions {
    fn default() -> Self {
        Self {
            namespace: "kyverno".to_owned(),
            excluded_namespaces: vec!["kube-system".to_owned()],
            resource_filters: Vec::new(),
            excluded_groups: vec!["system:nodes".to_owned()],
            excluded_usernames: Vec::new(),
            exception_namespace: None,
            protect_managed_resources: false,
        }
    }
}

/// Kinds and namespaces that the chart filters (`config.resourceFilters`), Kyverno's own objects aside.
const FILTERED_KINDS: &[&str] = &[
    "Event",
    "Node",
    "APIService",
    "TokenReview",
    "SubjectAccessReview",
    "SelfSubjectAccessReview",
    "Binding",
    "ReplicaSet",
    "EphemeralReport",
    "ClusterEphemeralReport",
];
const FILTERED_NAMESPACES: &[&str] = &["kube-system", "kube-public", "kube-node-lease"];

impl KyvernoOptions {
    /// Whether an exception stands where exceptions count.
    pub(super) fn accepts_exception(&self, meta: &Meta) -> bool {
        let namespace = meta.object.namespace.as_deref().unwrap_or("default");
        self.exception_namespace.as_deref().is_some_and(|allowed| allowed == "*" || allowed == namespace)
    }

    /// User name of the background controller.
    pub(super) fn background_controller(&self) -> String {
        format!("system:serviceaccount:{}:kyverno-background-controller", self.namespace)
    }

    /// Whether a request is evaluated at all.
    pub(super) fn admits(&self, request: &AdmissionRequest<'_>, subject: &Subject) -> bool {
        self.webhook_selects(request.namespace_labels, subject) && !self.filters(subject) && !self.excludes(request)
    }

    /// The webhooks' namespace selector, on the labels of the object's namespace or of the Namespace itself;
    /// other cluster-scoped objects always pass.
    fn webhook_selects(&self, labels: &Labels, subject: &Subject) -> bool {
        let name = if subject.is_namespace() {
            Some(subject.name.as_str())
        } else {
            let labelled = labels.get("kubernetes.io/metadata.name").map(String::as_str);
            subject.namespace.as_deref().map(|namespace| labelled.unwrap_or(namespace))
        };
        name.is_none_or(|name| name != self.namespace && !self.excluded_namespaces.iter().any(|other| other == name))
    }

    /// Resource filters (Kyverno `pkg/config/config.go`, `ToFilter`): a Namespace is filtered by its own name as well.
    fn filters(&self, subject: &Subject) -> bool {
        let namespace = subject.namespace_or_own_name();
        FILTERED_KINDS.contains(&subject.kind.as_str())
            || FILTERED_NAMESPACES.contains(&namespace)
            || namespace == self.namespace
            || self.resource_filters.iter().any(|filter| is_filtered(filter, subject))
    }

    fn excludes(&self, request: &AdmissionRequest<'_>) -> bool {
        let user = request.user;
        user.groups.iter().any(|group| self.excluded_groups.iter().any(|pattern| wildcard::matches(pattern, group)))
            || self.excluded_usernames.iter().any(|pattern| wildcard::matches(pattern, &user.name))
    }
}

/// `[kind,namespace,name]` with wildcards.
fn is_filtered(filter: &str, subject: &Subject) -> bool {
    let mut parts = filter.trim().trim_start_matches('[').trim_end_matches(']').split(',').map(str::trim);
    let (kind, namespace, name) =
        (parts.next().unwrap_or("*"), parts.next().unwrap_or("*"), parts.next().unwrap_or("*"));
    KindPattern::parse(kind).matches(&subject.group, &subject.version, &subject.kind)
        && wildcard::matches(namespace, subject.namespace.as_deref().unwrap_or_default())
        && wildcard::matches(name, &subject.name)
        || subject.is_namespace()
            && KindPattern::parse(kind).matches("", "v1", "Namespace")
            && wildcard::matches(namespace, &subject.name)
}
