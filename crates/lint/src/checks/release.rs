//! Admission that releases more than it says: a webhook that may be away, and exceptions for everybody.

use airtight_manifest::Node;

use super::Checks;

impl Checks<'_, '_> {
    pub(super) fn releases(&mut self) {
        self.ignored_failures();
        self.wide_exceptions();
    }

    /// `failurePolicy: Ignore`: while Kyverno does not answer, everything is let through
    /// (Kubernetes `staging/src/k8s.io/api/admissionregistration/v1/types.go`, `FailurePolicyType`).
    fn ignored_failures(&mut self) {
        let policies: Vec<_> = self
            .documents
            .iter()
            .filter(|(object, _)| ["ClusterPolicy", "Policy", "ValidatingPolicy"].contains(&&*object.kind))
            .map(|(object, document)| (object.clone(), *document))
            .collect();
        for (object, document) in policies {
            let Some(spec) = document.root.get("spec") else { continue };
            let places = [Some(spec), spec.get("webhookConfiguration")];
            let ignore = places
                .into_iter()
                .flatten()
                .filter_map(|node| node.entry("failurePolicy"))
                .find(|(_, value)| value.as_str() == Some("Ignore"));
            if let Some((key, _)) = ignore.filter(|_| refuses(spec)) {
                let message = "it lets everything through while Kyverno does not answer";
                let hint = "write `failurePolicy: Fail`, and leave out what Kyverno itself needs to start";
                self.tell("ignored-when-down", &object, document.location(key.at), message, hint);
            }
        }
    }

    /// An exception that names no namespace, name or label releases every object of its kinds.
    fn wide_exceptions(&mut self) {
        let exceptions: Vec<_> = self
            .documents
            .iter()
            .filter(|(object, _)| &*object.kind == "PolicyException")
            .map(|(object, document)| (object.clone(), *document))
            .collect();
        for (object, document) in exceptions {
            let Some(spec) = document.root.get("spec") else { continue };
            let conditions = ["conditions", "matchConditions"].iter().any(|key| spec.get(key).is_some());
            let Some((key, block)) = spec.entry("match").filter(|_| !conditions) else { continue };
            if filters(block).any(is_open) {
                self.wide(&object, document.location(key.at));
            }
        }
    }

    fn wide(&mut self, object: &airtight_manifest::ObjectRef, at: airtight_manifest::Location) {
        let message = "it releases every object of its kinds, in every namespace and for everybody";
        let hint = "name the namespaces, names or labels that need it";
        self.tell("exception-for-all", object, at, message, hint);
    }
}

/// Whether a policy refuses anything, so that its absence is felt.
fn refuses(spec: &Node) -> bool {
    let enforce =
        |node: Option<&Node>| node.and_then(Node::as_str).is_some_and(|text| text.eq_ignore_ascii_case("Enforce"));
    let rules = spec.get("rules").and_then(Node::as_list).unwrap_or_default();
    let by_rule = |rule: &Node| enforce(rule.get("validate").and_then(|validate| validate.get("failureAction")));
    let actions = spec.get("validationActions").and_then(Node::as_list).unwrap_or_default();
    enforce(spec.get("validationFailureAction"))
        || rules.iter().any(by_rule)
        || actions.iter().any(|action| action.as_str() == Some("Deny"))
}

/// The filters of a match, in either form.
fn filters(block: &Node) -> impl Iterator<Item = &Node> {
    let listed = ["any", "all"].into_iter().filter_map(|key| block.get(key)).filter_map(Node::as_list).flatten();
    listed.chain(Some(block).filter(|block| block.get("resources").is_some()))
}

/// Whether a filter narrows by nothing but kinds and operations.
fn is_open(filter: &Node) -> bool {
    let narrows =
        |node: &Node, keys: &[&str]| keys.iter().any(|key| node.get(key).is_some_and(|value| !is_star(value)));
    let by_user = narrows(filter, &["subjects", "roles", "clusterRoles"]);
    let keys = ["names", "name", "namespaces", "annotations", "selector", "namespaceSelector"];
    !by_user && filter.get("resources").is_some_and(|resources| !narrows(resources, &keys))
}

/// Whether a list or text is a star and nothing else.
fn is_star(node: &Node) -> bool {
    node.as_str() == Some("*") || node.as_list().is_some_and(|list| list.iter().any(|one| one.as_str() == Some("*")))
}
