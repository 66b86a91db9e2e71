//! How a stack is installed: the `provision` part of a `Stack` document, checked against its versions.

use std::collections::BTreeSet;

use airtight_manifest::stack::{Stack, Versions};
use airtight_manifest::{Diagnostic, Document, Located, Position, closest, decode_object};
use semver::Version;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::component::Component;
use super::image::ImageRef;

/// A stack together with the way to install it.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Versions and options.
    pub stack: Stack,
    /// What runs the nodes, what is installed on them, and in which order.
    pub provision: Provision,
}

/// The `provision` part of a stack.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provision {
    /// Which releases of kind.
    pub kind: KindNeed,
    /// Which releases of helm.
    pub helm: HelmNeed,
    /// What the nodes run.
    pub node: NodeImage,
    /// What the host must have.
    pub host: HostNeed,
    /// What is installed.
    pub components: Vec<Located<Component>>,
}

/// Releases of kind that work.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KindNeed {
    /// The oldest that can start the node image.
    pub minimum: Version,
    /// The one that the node image was built for; kind promises nothing about others.
    pub release: Version,
}

/// Releases of helm that work.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HelmNeed {
    /// The oldest that the charts accept.
    pub minimum: Version,
}

/// What the nodes run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeImage {
    /// The image; its tag is `v` and the Kubernetes version.
    pub image: Located<ImageRef>,
}

/// What the host must have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostNeed {
    /// The oldest Linux kernel.
    pub kernel: Version,
    /// Memory in GiB.
    pub memory_gib: u64,
    /// Free disk space where Docker keeps its images, in GiB.
    pub disk_gib: u64,
    /// `fs.inotify.max_user_instances`, which all nodes share.
    pub inotify_instances: u64,
    /// `fs.inotify.max_user_watches`, which all nodes share.
    pub inotify_watches: u64,
}

/// A `Stack` document whose other parts [`Stack::read`] has read.
#[derive(Debug, Deserialize)]
struct RecipeDocument {
    spec: RecipeSpec,
}

#[derive(Debug, Deserialize)]
struct RecipeSpec {
    #[serde(rename = "versions")]
    _versions: IgnoredAny,
    #[serde(default, rename = "cilium")]
    _cilium: Option<IgnoredAny>,
    #[serde(default, rename = "istio")]
    _istio: Option<IgnoredAny>,
    #[serde(default, rename = "kyverno")]
    _kyverno: Option<IgnoredAny>,
    provision: Option<Provision>,
}

impl Recipe {
    /// Reads a `kind: Stack` document.
    ///
    /// # Errors
    /// Unknown fields, values of a wrong type, a stack without `provision`, components that follow each other in a
    /// circle or follow one that is not there, and a node image of another Kubernetes version; each with its place.
    pub fn read(document: &Document) -> Result<Self, Vec<Diagnostic>> {
        let stack = Stack::read(document)?;
        let object = decode_object::<RecipeDocument>(document)?;
        let provision = object.body.spec.provision.clone().ok_or_else(|| vec![without(document, &stack)])?;
        let recipe = Self { stack, provision };
        let findings = recipe.check(document);
        if findings.is_empty() { Ok(recipe) } else { Err(findings) }
    }

    /// Every image of the stack: the nodes' first, then each component's in order, none twice.
    #[must_use]
    pub fn images(&self) -> Vec<(&str, &ImageRef)> {
        let node = ("node", &self.provision.node.image.value);
        let components = self.provision.components.iter();
        let rest =
            components.flat_map(|component| component.images.iter().map(|image| (&*component.name, &image.value)));
        let mut seen = BTreeSet::new();
        std::iter::once(node).chain(rest).filter(|(_, image)| seen.insert(image.to_string())).collect()
    }

    fn check(&self, document: &Document) -> Vec<Diagnostic> {
        let at = |position: Position| document.location(position);
        let mut findings = Vec::new();
        let image = &self.provision.node.image;
        let wanted = format!("v{}", self.stack.versions.kubernetes);
        if image.tag.as_deref() != Some(wanted.as_str()) {
            findings.push(
                Diagnostic::error("node-image", format!("the node image is not tagged `{wanted}`"))
                    .at(at(image.at))
                    .hint("kind tags its node images with the Kubernetes version that they run"),
            );
        }
        let names: Vec<&str> = self.provision.components.iter().map(|component| component.name.as_str()).collect();
        let mut seen = BTreeSet::new();
        for component in &self.provision.components {
            if !seen.insert(&component.name) {
                let message = format!("there are two components `{}`", component.name);
                findings.push(Diagnostic::error("duplicate-component", message).at(at(component.at)));
            }
            if version_of(&self.stack.versions, component.of).is_none() {
                let message = format!("the stack has no version of {}", component.of);
                findings
                    .push(Diagnostic::error("no-version", message).at(at(component.at)).hint("add it to `versions`"));
            }
            for after in component.after.iter().filter(|after| !names.contains(&after.as_str())) {
                findings.push(unknown_component(after, &names).at(at(after.at)));
            }
        }
        if findings.is_empty() {
            findings.extend(self.circle().map(|component| circular(component).at(at(component.at))));
        }
        findings
    }

    /// A component that follows itself.
    fn circle(&self) -> Option<&Located<Component>> {
        let mut open: Vec<&Located<Component>> = self.provision.components.iter().collect();
        loop {
            let names: BTreeSet<&str> = open.iter().map(|component| component.name.as_str()).collect();
            let before = open.len();
            open.retain(|component| component.after.iter().any(|after| names.contains(after.as_str())));
            if open.len() == before {
                return open.first().copied();
            }
        }
    }
}

/// The version of a product in a stack.
#[must_use]
pub fn version_of(versions: &Versions, product: super::component::Product) -> Option<&Version> {
    use super::component::Product;
    match product {
        Product::Kubernetes => Some(&versions.kubernetes),
        Product::Cilium => Some(&versions.cilium),
        Product::Istio => Some(&versions.istio),
        Product::GatewayApi => Some(&versions.gateway_api),
        Product::Kgateway => Some(&versions.kgateway),
        Product::Agentgateway => versions.agentgateway.as_ref(),
        Product::Kyverno => Some(&versions.kyverno),
    }
}

fn without(document: &Document, stack: &Stack) -> Diagnostic {
    Diagnostic::error("no-provision", format!("the stack `{}` does not say how it is installed", stack.name))
        .at(document.location(document.root.at))
        .hint("add `spec.provision`, as the built-in stacks have it (kind/stacks/reference.yaml)")
}

fn unknown_component(name: &str, names: &[&str]) -> Diagnostic {
    let finding = Diagnostic::error("unknown-component", format!("there is no component `{name}`"));
    match closest(name, names.iter().copied()) {
        Some(meant) => finding.hint(format!("did you mean `{meant}`?")),
        None => finding.hint(format!("components are {}", names.join(", "))),
    }
}

fn circular(component: &Component) -> Diagnostic {
    Diagnostic::error("circular-order", format!("`{}` comes after itself", component.name))
        .hint("one of the `after` lists that lead from it back to it must go")
}
