//! What admission did to the manifests, before any flow.

use airtight_manifest::{Diagnostic, ObjectRef, RuleRef};
use serde::Serialize;

/// One thing that admission did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum AdmissionEvent {
    /// The API server's schema or a webhook refused the object: it does not exist.
    Rejected {
        /// Which object.
        object: ObjectRef,
        /// Every finding.
        findings: Vec<Diagnostic>,
        /// The Kyverno rule that refused it; none for the API server itself.
        rule: Option<RuleRef>,
    },
    /// A rule changed the object.
    Mutated {
        /// Which object.
        object: ObjectRef,
        /// The rule.
        rule: RuleRef,
    },
    /// A rule made the object.
    Generated {
        /// Which object.
        object: ObjectRef,
        /// The rule.
        rule: RuleRef,
        /// The object whose appearance triggered it.
        trigger: ObjectRef,
    },
}

impl AdmissionEvent {
    /// The object that was refused, changed or made.
    #[must_use]
    pub fn object(&self) -> &ObjectRef {
        match self {
            Self::Rejected { object, .. } | Self::Mutated { object, .. } | Self::Generated { object, .. } => object,
        }
    }

    /// Kyverno's rule; none where the API server itself refused.
    #[must_use]
    pub fn rule(&self) -> Option<&RuleRef> {
        match self {
            Self::Rejected { rule, .. } => rule.as_ref(),
            Self::Mutated { rule, .. } | Self::Generated { rule, .. } => Some(rule),
        }
    }

    /// The object because of which another was made.
    #[must_use]
    pub fn trigger(&self) -> Option<&ObjectRef> {
        match self {
            Self::Generated { trigger, .. } => Some(trigger),
            Self::Rejected { .. } | Self::Mutated { .. } => None,
        }
    }
}
