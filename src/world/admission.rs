//! What admission did to the manifests, before any flow.

use serde::Serialize;

use crate::manifest::{Diagnostic, ObjectRef, RuleRef};

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
