//! Kyverno: which objects come to be, how they are changed on the way, and which others are made of them.
//!
//! In the picture it stands between manifests and the model: Kyverno acts before any flow, and the world (in
//! `airtight-model`) asks it about every object. [`Kyverno::compile`] reads the policies and drops those that Kyverno's
//! own webhook refuses; [`Kyverno::review`] takes one request through mutation, validation and generation in the order
//! of the API server. What the engine cannot know ends up in [`Review::unknown`].
//!
//! ```
//! use airtight_kyverno::{AdmissionRequest, Existing, Kyverno, KyvernoOptions, Operation, Policies, User};
//! use airtight_manifest::stack::Stack;
//! use airtight_manifest::{Labels, Resource, decode_resource, yaml};
//!
//! let documents = yaml::parse(&"example.yaml".into(), "
//! apiVersion: airtight.dev/v1alpha1
//! kind: Stack
//! metadata: {name: example}
//! spec:
//!   versions: {kubernetes: 1.31.9, cilium: 1.17.5, istio: 1.26.2, gatewayApi: 1.2.1, kgateway: 2.0.3, kyverno: 1.14.4}
//! ---
//! apiVersion: kyverno.io/v1
//! kind: ClusterPolicy
//! metadata: {name: owned}
//! spec:
//!   rules:
//!   - name: label
//!     match: {any: [{resources: {kinds: [ConfigMap]}}]}
//!     validate:
//!       failureAction: Enforce
//!       message: say who owns it
//!       pattern: {metadata: {labels: {owner: '?*'}}}
//! ---
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: nobodys, namespace: shop}
//! ")?;
//! let stack = Stack::read(&documents[0]).map_err(|mut findings| findings.remove(0))?;
//! let policy = decode_resource(&documents[1]).map_err(|mut findings| findings.remove(0))?;
//! let Resource::ClusterPolicy(policy) = policy else { unreachable!() };
//! let policies = Policies { cluster: &[policy], ..Policies::default() };
//! let kyverno = Kyverno::compile(policies, KyvernoOptions::default(), &stack);
//! let review = kyverno.review(&AdmissionRequest {
//!     operation: Operation::Create,
//!     object: Some(&documents[2]),
//!     old: None,
//!     user: &User::admin(),
//!     namespace_labels: &Labels::new(),
//!     existing: &Existing::default(),
//! });
//! assert!(review.refused.unwrap().message.contains("say who owns it"));
//! # Ok::<(), airtight_manifest::Diagnostic>(())
//! ```

mod anchor;
mod api_call;
mod arithmetic;
mod cel;
mod cel_autogen;
mod cel_env;
mod cel_growth;
mod cel_policy;
mod cel_session;
mod condition;
mod context;
mod default;
mod downstream;
mod exception;
mod existing;
mod fault;
mod finding;
mod function;
mod generation;
mod growth;
mod image;
mod jmespath;
mod json_patch;
mod kind;
mod mutation;
mod pattern;
mod pattern_chance;
mod place;
mod pod;
mod policy;
mod quantity;
mod rbac;
mod request;
mod review;
mod scalar;
mod scope;
mod selection;
mod session;
mod shape;
mod strategic;
mod validate_cel;
mod validation;
mod version;
mod webhook;
mod webhook_contents;
mod webhook_variables;
mod wildcard;

pub use downstream::{DownstreamEvent, DownstreamFate};
pub use existing::Existing;
pub use request::{AdmissionRequest, Operation, User, completed};
pub use review::{Generated, Might, Refusal, Review, Unknown};
pub use scope::KyvernoOptions;

use airtight_manifest::kyverno::{
    CelPolicyException, ClusterPolicy, Evaluation, GeneratingPolicy, MutatingPolicy, PolicyException, Switch,
    ValidatingPolicy,
};
use airtight_manifest::stack::Stack;
use airtight_manifest::{Diagnostic, Document, Meta, Object, RuleRef};
use downstream::Lifecycle;
use exception::Exceptions;
use policy::Policy;
use rbac::Permissions;
use request::Subject;
use session::Session;
use version::Behaviour;

/// The policies of Kyverno, by kind.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policies<'a> {
    /// ClusterPolicies.
    pub cluster: &'a [Object<ClusterPolicy>],
    /// Policies, which act in their own namespace.
    pub namespaced: &'a [Object<ClusterPolicy>],
    /// ValidatingPolicies.
    pub validating: &'a [Object<ValidatingPolicy>],
    /// MutatingPolicies.
    pub mutating: &'a [Object<MutatingPolicy>],
    /// GeneratingPolicies.
    pub generating: &'a [Object<GeneratingPolicy>],
    /// PolicyExceptions of `kyverno.io`.
    pub exceptions: &'a [Object<PolicyException>],
    /// PolicyExceptions of `policies.kyverno.io`.
    pub cel_exceptions: &'a [Object<CelPolicyException>],
    /// Documents among which ClusterRoles and ClusterRoleBindings say what the background controller may do.
    pub roles: &'a [Document],
}

/// Kyverno with its policies.
#[derive(Debug, Clone)]
pub struct Kyverno {
    policies: Vec<Policy>,
    validating: Vec<Object<ValidatingPolicy>>,
    mutating: Vec<Object<MutatingPolicy>>,
    generating: Vec<Object<GeneratingPolicy>>,
    exceptions: Exceptions,
    cel_exceptions: Vec<Object<CelPolicyException>>,
    behaviour: Behaviour,
    options: KyvernoOptions,
    permissions: Permissions,
    findings: Vec<Diagnostic>,
}

impl Kyverno {
    /// Compiles the policies for a stack; those that Kyverno refuses have no effect and are among the findings.
    #[must_use]
    pub fn compile(policies: Policies<'_>, options: KyvernoOptions, stack: &Stack) -> Self {
        let version = &stack.versions.kyverno;
        let behaviour = Behaviour::of(version);
        let permissions = Permissions::read(policies.roles, &options);
        let mut findings = Vec::new();
        let mut accepted = Vec::new();
        for object in policies.cluster.iter().chain(policies.namespaced) {
            let policy = Policy::compile(object.clone());
            let mut found = unserved(&object.meta, version);
            found.extend(finding::cluster_policy(&policy, &permissions, behaviour));
            found.extend(webhook::refusals(&policy, behaviour));
            if !found.iter().any(Diagnostic::is_error) {
                accepted.push(policy);
            }
            findings.extend(found);
        }
        accepted.sort_by_key(Policy::key);
        let exceptions = Exceptions::new(policies.exceptions, &options);
        let cel_exceptions =
            policies.cel_exceptions.iter().filter(|object| options.accepts_exception(&object.meta)).cloned();
        let validating = accepted_by(policies.validating, version, &mut findings, |object| {
            finding::validating_policy(object, behaviour)
        });
        let mutating = accepted_by(policies.mutating, version, &mut findings, finding::mutating_policy);
        Self {
            policies: accepted,
            validating: validating.iter().flat_map(|policy| cel_autogen::validating(policy, behaviour)).collect(),
            mutating: if behaviour.autogen_mutations_known {
                mutating.iter().flat_map(|policy| cel_autogen::mutating(policy, behaviour)).collect()
            } else {
                mutating
            },
            generating: accepted_by(policies.generating, version, &mut findings, |object| {
                finding::generating_policy(object, behaviour)
            }),
            exceptions,
            cel_exceptions: cel_exceptions.collect(),
            behaviour,
            options,
            permissions,
            findings,
        }
    }

    /// Policies that Kyverno refuses, and policies that do not mean what they seem to.
    #[must_use]
    pub fn findings(&self) -> &[Diagnostic] {
        &self.findings
    }

    /// What Kyverno does with a request.
    #[must_use]
    pub fn review(&self, request: &AdmissionRequest<'_>) -> Review {
        match Subject::of(request) {
            Some(subject) if self.options.admits(request, &subject) => Session::new(self, request, subject).run(),
            Some(_) | None => Review::default(),
        }
    }

    /// What becomes of an object that `rule` made; none for a rule that makes nothing, or that no policy has.
    #[must_use]
    pub fn after(&self, rule: &RuleRef, event: DownstreamEvent) -> Option<DownstreamFate> {
        self.lifecycle(rule).map(|lifecycle| lifecycle.after(event))
    }

    /// A rule for whose sake a webhook looks at objects of this kind, if there is one: a rule that matches or
    /// generates the kind (Kyverno `pkg/controllers/webhook/controller.go`).
    fn webhook_rule_for(&self, subject: &Subject) -> Option<RuleRef> {
        let rules = self.policies.iter().flat_map(|policy| &policy.rules);
        let covering = rules.filter(|rule| {
            let generated =
                rule.rule.generate.as_ref().and_then(|made| Some((made.api_version.as_ref()?, made.kind.as_ref()?)));
            generated.is_some_and(|(version, kind)| {
                kind.value == subject.kind && kind::group_version(version).0 == subject.group
            }) || rule
                .kinds()
                .any(|kind| kind::KindPattern::parse(kind).matches(&subject.group, &subject.version, &subject.kind))
        });
        covering.map(|rule| rule.reference.clone()).next()
    }

    fn lifecycle(&self, reference: &RuleRef) -> Option<Lifecycle> {
        let rules = self.policies.iter().flat_map(|policy| policy.rules.iter().map(move |rule| (policy, rule)));
        let of_cluster_policy = rules.filter(|(_, rule)| rule.reference == *reference).find_map(|(policy, rule)| {
            let generate = rule.rule.generate.as_ref()?;
            let existing = policy.spec().generate_existing.as_ref().is_some_and(|existing| existing.value);
            Some(Lifecycle {
                synchronize: generate.synchronize == Some(true),
                generate_existing: generate.generate_existing.unwrap_or(existing) && !rule.names_operations(),
                orphan: generate.orphan_downstream_on_policy_delete == Some(true),
                clone: generate.data.is_none()
                    && generate.foreach.as_ref().is_none_or(|loops| loops.iter().all(|each| each.data.is_none())),
                wants_deletions: rule.wants_deletions(),
                sees_deletions: rule.sees_deletions(),
                watches: false,
                releases: true,
            })
        });
        of_cluster_policy.or_else(|| self.generating_lifecycle(reference))
    }

    fn generating_lifecycle(&self, reference: &RuleRef) -> Option<Lifecycle> {
        let policy = self.generating.iter().find(|policy| policy.meta.object == reference.object)?;
        let spec = &policy.body.spec;
        let on = |switch: fn(&Evaluation) -> Option<Switch>| {
            cel_policy::is_on(spec.evaluation.as_ref().and_then(switch), false)
        };
        Some(Lifecycle {
            synchronize: on(|evaluation| evaluation.synchronize),
            generate_existing: on(|evaluation| evaluation.generate_existing),
            orphan: on(|evaluation| evaluation.orphan_downstream_on_policy_delete),
            clone: false,
            wants_deletions: cel_policy::wants_deletions(spec.match_constraints.as_deref()),
            sees_deletions: true,
            watches: true,
            releases: self.behaviour.generating_policies_release,
        })
    }
}

/// The objects that Kyverno accepts, by name; what it says of any of them goes to the findings.
fn accepted_by<T: Clone>(
    objects: &[Object<T>],
    version: &semver::Version,
    findings: &mut Vec<Diagnostic>,
    check: impl Fn(&Object<T>) -> Vec<Diagnostic>,
) -> Vec<Object<T>> {
    let mut accepted = Vec::new();
    for object in objects {
        let mut found = unserved(&object.meta, version);
        found.extend(check(object));
        if !found.iter().any(Diagnostic::is_error) {
            accepted.push(object.clone());
        }
        findings.extend(found);
    }
    accepted.sort_by(|a, b| a.meta.name().cmp(b.meta.name()));
    accepted
}

/// An error where the stack's Kyverno does not serve the API version of a policy.
fn unserved(meta: &Meta, version: &semver::Version) -> Vec<Diagnostic> {
    let served = version::served(&meta.object.kind, version);
    let (_, written) = kind::group_version(&meta.api_version);
    if served.contains(&written) {
        return Vec::new();
    }
    let hint = if served.is_empty() {
        format!("Kyverno {version} does not have {}", meta.object.kind)
    } else {
        format!("Kyverno {version} serves {}", served.join(", "))
    };
    let message = format!("Kyverno {version} does not serve {} in version `{written}`", meta.object.kind);
    vec![Diagnostic::error("unserved-version", message).at(meta.at.clone()).hint(hint)]
}
