//! Kubernetes label selectors (apimachinery `labels.Selector`).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::object::Labels;

/// Whether `labels` satisfy `selector`; an empty selector matches everything.
///
/// `NotIn` and `DoesNotExist` hold for an absent key, as in apimachinery's `Requirement.Matches`.
/// An operator that the API does not have matches nothing (the API server would have refused it).
#[must_use]
pub fn selects(selector: &LabelSelector, labels: &Labels) -> bool {
    let exact = selector
        .match_labels
        .as_ref()
        .is_none_or(|wanted| wanted.iter().all(|(key, value)| labels.get(key) == Some(value)));
    exact && selector.match_expressions.iter().flatten().all(|requirement| holds(requirement, labels))
}

fn holds(requirement: &LabelSelectorRequirement, labels: &Labels) -> bool {
    let listed = |value: &String| requirement.values.as_ref().is_some_and(|values| values.contains(value));
    let value = labels.get(&requirement.key);
    match requirement.operator.as_str() {
        "In" => value.is_some_and(listed),
        "NotIn" => !value.is_some_and(listed),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}
