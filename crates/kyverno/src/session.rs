//! One request on its way: mutation, validation, generation.

use std::fmt::Write as _;

use airtight_manifest::{Document, Node, RuleRef};

use super::cel_policy::{conditions_hold, request_names};
use super::condition::Conditions;
use super::context::Context;
use super::existing::Existing;
use super::fault::Fault;
use super::generation::Generator;
use super::mutation::Mutator;
use super::policy::{Action, CompiledRule, Policy};
use super::request::{AdmissionRequest, Operation, Subject, User, text_map};
use super::review::{Generated, Might, Refusal, Review, Status, Unknown};
use super::selection::{Facts, Truth};
use super::validation::Validator;
use super::{Kyverno, default, place};

/// A violation that refuses the request, for the client's message.
pub(super) struct Violation {
    policy: String,
    rule: String,
    reference: RuleRef,
    message: String,
}

/// One request on its way.
pub(super) struct Session<'a> {
    pub(super) kyverno: &'a Kyverno,
    pub(super) request: AdmissionRequest<'a>,
    pub(super) subject: Subject,
    existing: &'a Existing,
    pub(super) review: Review,
}

impl<'a> Session<'a> {
    pub(super) fn new(kyverno: &'a Kyverno, request: &AdmissionRequest<'a>, subject: Subject) -> Self {
        Self { kyverno, request: *request, subject, existing: request.existing, review: Review::default() }
    }

    pub(super) fn run(mut self) -> Review {
        if let Some(refusal) = self.protection() {
            self.review.refused = Some(refusal);
            return self.review;
        }
        if !self.request.operation.is_delete() {
            self.mutate();
        }
        if self.review.refused.is_none() {
            self.validate();
        }
        if self.review.refused.is_none() {
            self.generate();
        }
        self.review
    }

    fn facts(&self) -> Facts<'_> {
        Facts::new(&self.request, &self.subject)
    }

    fn reached(&self) -> Vec<&'a Policy> {
        let facts = self.facts();
        self.kyverno.policies.iter().filter(|policy| policy.reaches(&facts)).collect()
    }

    fn strict(&self) -> bool {
        self.kyverno.behaviour.strict_inequality
    }

    pub(super) fn unknown(&mut self, rule: &RuleRef, might: Might, why: impl Into<String>) {
        self.review.unknown.push(Unknown { rule: rule.clone(), why: why.into(), might });
    }

    /// Objects that Kyverno manages, where it protects them (Kyverno `pkg/webhooks/handlers/protect.go`): only it
    /// changes them, and the namespace controller deletes them with their namespace.
    fn protection(&self) -> Option<Refusal> {
        let kyverno = self.kyverno;
        let user = &self.request.user.name;
        let prefix = format!("system:serviceaccount:{}:", kyverno.options.namespace);
        let namespace_controller = "system:serviceaccount:kube-system:namespace-controller";
        if !kyverno.options.protect_managed_resources
            || user.starts_with(&prefix)
            || self.request.operation.is_delete() && user == namespace_controller
        {
            return None;
        }
        let managed = [&self.subject.object, &self.subject.old].into_iter().flatten().any(|object| {
            text_map(object, "labels").get("app.kubernetes.io/managed-by").is_some_and(|manager| manager == "kyverno")
        });
        let rule = kyverno.webhook_rule_for(&self.subject).filter(|_| managed)?;
        let message = "admission webhook \"validate.kyverno.svc-fail\" denied the request: A kyverno managed resource can only be modified by kyverno";
        Some(Refusal { rules: vec![rule.clone()], rule, message: message.to_owned() })
    }

    /// Whether a rule acts, context and preconditions included.
    ///
    /// # Errors
    /// The status of a rule that does not: skipped, failed to evaluate, or not known.
    fn applies(&self, policy: &Policy, rule: &CompiledRule, selected: Truth) -> Result<Context, Status> {
        let facts = self.facts();
        let mut context = Context::new(&self.request, &self.subject, rule.shift);
        context.load(rule.rule.context.as_deref(), self.existing);
        match self.match_conditions(policy).min(selected) {
            Truth::Yes => {}
            Truth::No => return Err(Status::Skip),
            Truth::Unknown => {
                return Err(Status::Unknown("whether the rule selects the request is not known".to_owned()));
            }
        }
        self.preconditions(rule, &context)?;
        match self.kyverno.exceptions.lift(policy, rule, &facts, &context, self.kyverno.behaviour) {
            Truth::No => Ok(context),
            Truth::Yes => Err(Status::Skip),
            Truth::Unknown => Err(Status::Unknown("whether an exception lifts the rule is not known".to_owned())),
        }
    }

    fn preconditions(&self, rule: &CompiledRule, context: &Context) -> Result<(), Status> {
        let Some(written) = &rule.rule.preconditions else { return Ok(()) };
        match Conditions::read(written).and_then(|conditions| conditions.hold(context, self.strict())) {
            Ok((true, _)) => Ok(()),
            Ok((false, _)) => Err(Status::Skip),
            Err(Fault::Unknown(why)) => Err(Status::Unknown(why)),
            Err(fault) => Err(Status::Error(format!("failed to evaluate preconditions: {fault}"))),
        }
    }

    /// CEL conditions of the policy's webhook (Kyverno `pkg/engine/internal/match.go`).
    fn match_conditions(&self, policy: &Policy) -> Truth {
        let webhook = policy.spec().webhook_configuration.as_ref();
        let conditions = webhook.and_then(|webhook| webhook.match_conditions.as_deref());
        match conditions_hold(conditions, &request_names(&self.request, &self.subject)) {
            Ok(holds) => holds.into(),
            Err(_) => Truth::Unknown,
        }
    }

    // Mutation.

    fn mutate(&mut self) {
        let before = self.subject.object.clone();
        for policy in self.reached() {
            self.mutate_by(policy);
            if self.review.refused.is_some() {
                return;
            }
        }
        self.mutate_by_cel();
        if let (Some(document), Some(object)) = (self.request.object, &self.subject.object)
            && before.as_ref() != Some(object)
        {
            let filled = before.unwrap_or_default();
            let root = place::onto(&document.root, &default::without_filled(object, &filled, &document.root.to_json()));
            self.review.mutated = Some(Document { file: document.file.clone(), root: root.into() });
        }
    }

    fn mutate_by(&mut self, policy: &'a Policy) {
        let start = self.subject.object.clone();
        let mut done = Vec::new();
        for rule in &policy.rules {
            let Some(mutate) = &rule.rule.mutate else { continue };
            let selected = rule.selects(&self.facts());
            if selected == Truth::No {
                continue;
            }
            if mutate.targets.is_some() {
                self.unknown(
                    &rule.reference,
                    Might::Mutate,
                    "the rule changes other objects in the background, which is not modelled",
                );
                continue;
            }
            let object = self.subject.object.clone().unwrap_or_default();
            let changed = self.applies(policy, rule, selected).and_then(|context| {
                let mutator = Mutator { rule, mutate, existing: self.existing, behaviour: self.kyverno.behaviour };
                mutator.run(&context, &object).map_err(Status::from)
            });
            match changed {
                Ok(new) if new != object => {
                    self.subject.object = Some(new);
                    done.push(rule.reference.clone());
                }
                Ok(_) | Err(Status::Skip | Status::Pass | Status::Fail(_)) => continue,
                Err(Status::Unknown(why)) => self.unknown(&rule.reference, Might::Mutate, why),
                Err(Status::Error(message)) => {
                    // The patches of a policy are applied together or not at all.
                    self.subject.object = start;
                    if policy.fails_closed() {
                        self.refuse_mutation(policy, rule, &message);
                    }
                    return;
                }
            }
            if policy.applies_one_rule() {
                break;
            }
        }
        self.review.mutations.extend(done);
    }

    fn refuse_mutation(&mut self, policy: &Policy, rule: &CompiledRule, message: &str) {
        let (name, rule_name) = (policy.key(), rule.name());
        let message = format!(
            "admission webhook \"mutate.kyverno.svc-fail\" denied the request: mutation policy {name} error: failed to apply policy {name} rules [{rule_name}: {message}]"
        );
        self.review.refused =
            Some(Refusal { rule: rule.reference.clone(), message, rules: vec![rule.reference.clone()] });
    }

    // Validation.

    fn validate(&mut self) {
        let mut violations = Vec::new();
        for policy in self.reached() {
            violations.extend(self.validate_by(policy));
        }
        self.refuse(violations);
        self.validate_by_cel();
    }

    /// Violations that refuse; what does not refuse is noted in the review.
    fn validate_by(&mut self, policy: &'a Policy) -> Vec<Violation> {
        let mut violations = Vec::new();
        // Where one rule is enough, it is so for those that are asked first and for the others.
        let mut settled = [false; 2];
        for rule in &policy.rules {
            let images = rule.rule.verify_images.is_some();
            let first = policy.asks_first(&rule.rule, &self.facts(), self.kyverno.behaviour);
            if rule.rule.validate.is_none() && !images || settled[usize::from(first)] {
                continue;
            }
            let selected = rule.selects(&self.facts());
            if selected == Truth::No {
                continue;
            }
            let status = if images {
                Status::Unknown("image verification is not modelled".to_owned())
            } else {
                self.validate_rule(policy, rule, selected)
            };
            let applied = matches!(status, Status::Pass | Status::Fail(_) | Status::Error(_));
            violations.extend(self.settle(policy, rule, status));
            settled[usize::from(first)] = applied && policy.applies_one_rule();
        }
        violations
    }

    fn validate_rule(&self, policy: &Policy, rule: &CompiledRule, selected: Truth) -> Status {
        let Some(validate) = &rule.rule.validate else { return Status::Skip };
        let context = match self.applies(policy, rule, selected) {
            Ok(context) => context,
            Err(status) => return status,
        };
        if let Some(cel) = &validate.cel
            && validate.manifests.is_none()
            && validate.pod_security.is_none()
            && validate.assert.is_none()
        {
            return self.validate_cel(rule, cel, validate.message.as_deref());
        }
        let validator =
            |object| Validator { rule, validate, object, existing: self.existing, behaviour: self.kyverno.behaviour };
        let status = validator(self.subject.object.as_ref()).run(&context);
        let tolerant = self.request.operation == Operation::Update
            && validate.allow_existing_violations != Some(false)
            && policy.plain_action(&rule.rule) == Action::Enforce;
        if matches!(status, Status::Fail(_)) && tolerant {
            return self.tolerated(rule, &context, status, &validator(self.subject.old.as_ref()));
        }
        status
    }

    /// An update is let through where the old object, had it been created by an unknown user, violates the rule as
    /// well (Kyverno `validate_resource.go`, `validateOldObject`).
    fn tolerated(&self, rule: &CompiledRule, context: &Context, status: Status, validator: &Validator<'_>) -> Status {
        let before = Subject { object: self.subject.old.clone(), old: None, ..self.subject.clone() };
        let nobody = nobody();
        let facts = Facts { operation: Operation::Create, user: &nobody, subject: &before, ..self.facts() };
        if rule.selects(&facts) != Truth::Yes {
            return status;
        }
        let mut context = context.before_update();
        context.load(rule.rule.context.as_deref(), self.existing);
        if self.preconditions(rule, &context).is_err() {
            return status;
        }
        match validator.run(&context) {
            Status::Fail(_) => Status::Skip,
            Status::Unknown(why) => Status::Unknown(why),
            Status::Pass | Status::Skip | Status::Error(_) => status,
        }
    }

    fn settle(&mut self, policy: &Policy, rule: &CompiledRule, status: Status) -> Option<Violation> {
        let behaviour = self.kyverno.behaviour;
        let first = policy.asks_first(&rule.rule, &self.facts(), behaviour);
        let enforced = first && policy.action(&rule.rule, &self.facts(), behaviour) == Action::Enforce;
        let violation =
            |message| Violation { policy: policy.key(), rule: rule.name(), reference: rule.reference.clone(), message };
        match status {
            Status::Pass | Status::Skip => None,
            Status::Unknown(why) => {
                let may_refuse = enforced || first && policy.fails_closed();
                self.unknown(&rule.reference, if may_refuse { Might::Refuse } else { Might::Audit }, why);
                None
            }
            Status::Fail(message) if enforced => Some(violation(message)),
            Status::Error(message) if first && policy.fails_closed() => Some(violation(message)),
            Status::Fail(_) | Status::Error(_) => {
                self.review.audit.push(rule.reference.clone());
                None
            }
        }
    }

    fn refuse(&mut self, violations: Vec<Violation>) {
        let Some(first) = violations.first() else { return };
        let resource = format!(
            "{}/{}/{}",
            self.subject.kind,
            self.subject.namespace.as_deref().unwrap_or_default(),
            self.subject.name
        );
        let mut message = format!(
            "admission webhook \"validate.kyverno.svc-fail\" denied the request: \n\nresource {resource} was blocked due to the following policies \n"
        );
        let mut policy = "";
        for violation in &violations {
            if violation.policy != policy {
                policy = &violation.policy;
                let _ = write!(message, "\n{policy}:");
            }
            let _ = write!(message, "\n  {}: {}", violation.rule, violation.message);
        }
        let rule = first.reference.clone();
        let rules = violations.into_iter().map(|violation| violation.reference).collect();
        self.review.refused = Some(Refusal { rule, message, rules });
    }

    // Generation.

    fn generate(&mut self) {
        let kyverno = self.kyverno;
        let background = self.request.user.name == kyverno.options.background_controller();
        for policy in self.reached() {
            for rule in &policy.rules {
                if background && rule.rule.skip_background_requests != Some(false) {
                    continue;
                }
                let made = self.generate_by(policy, rule);
                if made && policy.applies_one_rule() {
                    break;
                }
            }
        }
        self.generate_by_cel();
    }

    fn generate_by(&mut self, policy: &Policy, rule: &CompiledRule) -> bool {
        let Some(generate) = &rule.rule.generate else { return false };
        let synchronize = generate.synchronize == Some(true);
        let before = self.triggered_before(rule);
        let selected = rule.selects(&self.facts());
        if selected == Truth::No {
            if before && synchronize {
                self.review.released.push(rule.reference.clone());
            }
            return false;
        }
        if self.request.operation.is_delete() && !rule.wants_deletions() {
            // The trigger goes, and what follows it goes with it.
            if synchronize {
                self.review.released.push(rule.reference.clone());
            }
            return false;
        }
        let made = self.applies(policy, rule, selected).and_then(|context| {
            let generator = Generator {
                policy,
                rule,
                trigger: &self.subject,
                existing: self.existing,
                behaviour: self.kyverno.behaviour,
            };
            generator.run(generate, &context).map_err(Status::from)
        });
        match made {
            Ok(objects) => {
                let any = !objects.is_empty();
                self.review.generated.extend(objects.iter().map(|object| Generated {
                    document: Document {
                        file: rule.reference.at.file.clone(),
                        root: Node::from_json(object, generate.at).into(),
                    },
                    rule: rule.reference.clone(),
                    synchronize,
                }));
                any
            }
            Err(Status::Skip) if before && synchronize && self.request.operation == Operation::Update => {
                self.review.released.push(rule.reference.clone());
                false
            }
            // A rule that cannot be evaluated makes nothing, and says so in an event only.
            Err(Status::Error(_)) => {
                self.review.audit.push(rule.reference.clone());
                false
            }
            Err(Status::Unknown(why)) => {
                self.unknown(&rule.reference, Might::Generate, why);
                false
            }
            Err(Status::Skip | Status::Pass | Status::Fail(_)) => false,
        }
    }

    /// Whether the object triggered the rule before this update: its match held, and its preconditions.
    fn triggered_before(&self, rule: &CompiledRule) -> bool {
        let Some(old) = &self.subject.old else { return false };
        let before = Subject { object: Some(old.clone()), ..self.subject.clone() };
        let facts = Facts { subject: &before, ..self.facts() };
        if rule.selects(&facts) != Truth::Yes {
            return false;
        }
        let mut context = Context::new(&self.request, &self.subject, rule.shift);
        context.set_object(old);
        context.load(rule.rule.context.as_deref(), self.existing);
        self.preconditions(rule, &context).is_ok()
    }
}

/// The user that old objects are judged with (Kyverno `pkg/engine/handlers/validation/utils.go`, `matchResource`).
fn nobody() -> User {
    User {
        name: "kyverno:kyverno-invalid-controller".to_owned(),
        groups: vec!["kyverno:invalidgroup".to_owned()],
        roles: Some(vec!["kyverno:invalidrole".to_owned()]),
        cluster_roles: Some(vec!["kyverno:invalidrole".to_owned()]),
    }
}
