//! Each component of a stack against the versions that its makers tested it with.

use semver::{Version, VersionReq};
use serde::Serialize;

use super::component::{Component, Product};
use super::recipe::{Recipe, version_of};

/// One component against one product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// The component.
    pub component: String,
    /// The product that its makers name versions of.
    pub with: Product,
    /// The versions that they tested.
    pub supported: String,
    /// The version that the stack pins.
    pub pinned: Version,
    /// How the two compare.
    pub fit: Fit,
    /// Why a version outside is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// How a pinned version compares with the supported ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// It is one of them.
    Inside,
    /// It is not, and the stack says why it is used all the same.
    Accepted,
    /// It is not.
    Outside,
}

/// Every window that the stack states.
#[must_use]
pub fn windows(recipe: &Recipe) -> Vec<Window> {
    recipe.provision.components.iter().flat_map(|component| of(component, recipe)).collect()
}

fn of(component: &Component, recipe: &Recipe) -> Vec<Window> {
    let supported = &component.supported;
    let stated = [
        (Product::Kubernetes, &supported.kubernetes),
        (Product::GatewayApi, &supported.gateway_api),
        (Product::Istio, &supported.istio),
    ];
    let stated = stated.into_iter().filter_map(|(with, range)| Some((with, range.as_ref()?)));
    stated
        .filter_map(|(with, range)| Some(window(component, with, range, version_of(&recipe.stack.versions, with)?)))
        .collect()
}

fn window(component: &Component, with: Product, range: &VersionReq, pinned: &Version) -> Window {
    let because =
        component.accepted.iter().find(|accepted| accepted.with == with).map(|accepted| accepted.because.clone());
    let fit = match (range.matches(pinned), &because) {
        (true, _) => Fit::Inside,
        (false, Some(_)) => Fit::Accepted,
        (false, None) => Fit::Outside,
    };
    Window {
        component: component.name.clone(),
        with,
        supported: range.to_string(),
        pinned: pinned.clone(),
        because: because.filter(|_| fit == Fit::Accepted),
        fit,
    }
}
