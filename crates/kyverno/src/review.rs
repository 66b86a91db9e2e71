//! What Kyverno does with a request.

use airtight_manifest::{Document, RuleRef};

/// What Kyverno does with a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Review {
    /// The refusal, if there is one: the object does not come to be, change or go.
    pub refused: Option<Refusal>,
    /// The object as the mutating rules left it, if they changed it; each changed node stands at the place
    /// of the node that it replaces.
    pub mutated: Option<Document>,
    /// Rules that changed the object, in the order of their work.
    pub mutations: Vec<RuleRef>,
    /// Objects that generating rules make of this request, some time after it was answered.
    pub generated: Vec<Generated>,
    /// Rules that failed without refusing: violations that are only reported, and rules that err where that does
    /// not refuse.
    pub audit: Vec<RuleRef>,
    /// Rules that might act and whose act is not known. While one of them might mutate, everything else here is
    /// judged on an object that may not be the final one.
    pub unknown: Vec<Unknown>,
    /// Generating rules whose trigger this request ends; what they made goes if they synchronize.
    pub released: Vec<RuleRef>,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The first rule that refuses, in the order of policy names and rules.
    pub rule: RuleRef,
    /// What the client reads.
    pub message: String,
    /// Every rule that refuses.
    pub rules: Vec<RuleRef>,
}

/// An object that a rule makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// The object; everything in it stands at the place of the rule's `generate`.
    pub document: Document,
    /// The rule.
    pub rule: RuleRef,
    /// Whether it follows the rule, its source and its trigger.
    pub synchronize: bool,
}

/// A rule that might act, and why nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The rule.
    pub rule: RuleRef,
    /// Why, in one sentence.
    pub why: String,
    /// What it might do.
    pub might: Might,
}

/// What a rule might do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Might {
    /// Refuse the request.
    Refuse,
    /// Change the object.
    Mutate,
    /// Make another object.
    Generate,
    /// Report a violation.
    Audit,
}

/// What one rule makes of an object (Kyverno `pkg/engine/api/rulestatus.go`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Status {
    /// It holds.
    Pass,
    /// It is violated.
    Fail(String),
    /// It does not apply.
    Skip,
    /// Kyverno fails to evaluate it.
    Error(String),
    /// The engine does not know.
    Unknown(String),
}

impl From<super::fault::Fault> for Status {
    fn from(fault: super::fault::Fault) -> Self {
        use super::fault::Fault;
        match fault {
            Fault::Unknown(why) => Self::Unknown(why),
            Fault::NotFound(_) | Fault::Error(_) => Self::Error(fault.to_string()),
        }
    }
}
