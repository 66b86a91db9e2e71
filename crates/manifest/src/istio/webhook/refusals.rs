//! The reasons to refuse an object, collected, and the checks that several kinds share.

use crate::istio::{TargetRef, WorkloadSelector};
use crate::located::Located;
use crate::{Diagnostic, Labels, Location, Meta, Position};

pub(super) const DRY_RUN: &str = "istio.io/dry-run";
const MAX_TARGET_REFS: usize = 16;

/// Collects the reasons to refuse one object.
pub(super) struct Refusals<'a> {
    pub(super) meta: &'a Meta,
    pub(super) found: Vec<Diagnostic>,
}

impl<'a> Refusals<'a> {
    pub(super) fn of(meta: &'a Meta) -> Self {
        Self { meta, found: Vec::new() }
    }

    fn finding(&self, at: Position, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error("istio-webhook", format!("{}: {}", self.meta.object, message.into()))
            .at(Location::new(&self.meta.at.file, at))
    }

    pub(super) fn add(&mut self, at: Position, message: impl Into<String>) {
        self.found.push(self.finding(at, message));
    }

    pub(super) fn add_with_hint(&mut self, at: Position, message: impl Into<String>, hint: &str) {
        self.found.push(self.finding(at, message).hint(hint));
    }

    pub(super) fn add_if(&mut self, refused: bool, at: Position, message: &str) {
        if refused {
            self.add(at, message);
        }
    }

    pub(super) fn take(&mut self, at: Position, check: Result<(), String>) {
        if let Err(message) = check {
            self.add(at, message);
        }
    }

    pub(super) fn start(&self) -> Position {
        self.meta.at.position
    }

    /// Only an AuthorizationPolicy may be run dry.
    pub(super) fn no_dry_run(&mut self) {
        if self.meta.annotations.contains_key(DRY_RUN) {
            self.add(self.start(), "only an AuthorizationPolicy can have the annotation `istio.io/dry-run`");
        }
    }

    /// At most one of `selector`, `targetRef` and `targetRefs`; every reference to a kind that Istio knows.
    pub(super) fn attachment(
        &mut self,
        selector: Option<&Located<WorkloadSelector>>,
        one: Option<&Located<TargetRef>>,
        many: &[Located<TargetRef>],
    ) {
        let written = usize::from(selector.is_some()) + usize::from(one.is_some()) + usize::from(!many.is_empty());
        let at = many.first().or(one).map_or_else(|| self.start(), |reference| reference.at);
        self.add_if(written > 1, at, "only one of `selector`, `targetRef` and `targetRefs` can be set");
        self.add_if(many.len() > MAX_TARGET_REFS, at, "`targetRefs` can have 16 entries at most");
        if let Some(selector) = selector {
            self.selector(selector.at, selector.match_labels.as_ref());
        }
        for reference in one.into_iter().chain(many) {
            self.target_ref(reference);
        }
    }

    fn target_ref(&mut self, reference: &Located<TargetRef>) {
        let at = reference.at;
        self.add_if(reference.name.is_empty(), at, "a target reference needs a name");
        self.add_if(!reference.namespace.is_empty(), at, "a target reference cannot have a namespace");
        if reference.target().is_some() {
            return;
        }
        let message = format!("a policy cannot target kind `{}` of group `{}`", reference.kind, reference.group);
        let hint = match reference.kind.as_str() {
            "Gateway" | "GatewayClass" => "add `group: gateway.networking.k8s.io`",
            "ServiceEntry" => "add `group: networking.istio.io`",
            "Service" => "a Service belongs to the core group: use `group: \"\"`",
            _ => "targets are Service, ServiceEntry, Gateway and GatewayClass",
        };
        self.add_with_hint(at, message, hint);
    }

    pub(super) fn selector(&mut self, at: Position, labels: Option<&Labels>) {
        for (key, value) in labels.into_iter().flatten() {
            self.add_if(key.is_empty(), at, "a selector cannot have an empty key");
            if key.contains('*') || value.contains('*') {
                self.add(at, format!("a selector cannot have wildcards, found `{key}: {value}`"));
            }
            self.add_if(value.len() > 63, at, "a label's value has 63 characters at most");
        }
    }
}
