//! `validate.cel`: expressions of a ClusterPolicy's rule
//! (Kyverno `pkg/engine/handlers/validation/validate_cel.go`; Kubernetes `pkg/admission/plugin/policy/validating`).

use std::sync::Arc;

use airtight_manifest::Located;
use airtight_manifest::kyverno::{MatchCondition, ParamRef, ValidateCel, Validation};
use serde_json::Value;

use super::cel::{Names, parse};
use super::cel_policy::{conditions_hold, request_names};
use super::fault::Fault;
use super::kind;
use super::policy::CompiledRule;
use super::request::text_map;
use super::review::Status;
use super::selection::labelled;
use super::session::Session;

impl Session<'_> {
    /// What the rule's expressions make of the request; context, match and preconditions are known to hold.
    pub(super) fn validate_cel(&self, rule: &CompiledRule, cel: &ValidateCel, message: Option<&str>) -> Status {
        if cel.generate == Some(true) && self.kyverno.behaviour.makes_admission_policies {
            let why = "Kyverno may make a ValidatingAdmissionPolicy of the rule, which is not modelled";
            return Status::Unknown(why.to_owned());
        }
        let mut names = request_names(&self.request, &self.subject);
        if self.kyverno.behaviour.strict_or_value {
            names.be_strict();
        }
        let checker = Checker { rule, cel, message };
        match self.params(cel) {
            Ok(None) => checker.check(names),
            Ok(Some(params)) => {
                for param in params {
                    let mut names = names.clone();
                    names.set("params", param);
                    match checker.check(names) {
                        Status::Pass => {}
                        other => return other,
                    }
                }
                Status::Pass
            }
            Err(fault) => Status::from(fault),
        }
    }

    /// The objects that expressions call `params`, one after the other; none where the rule has no parameters.
    fn params(&self, cel: &ValidateCel) -> Result<Option<Vec<Value>>, Fault> {
        let (Some(of), Some(which)) = (&cel.param_kind, &cel.param_ref) else { return Ok(None) };
        let (api_version, kind) =
            (of.api_version.as_deref().unwrap_or_default(), of.kind.as_deref().unwrap_or_default());
        let namespace = self.param_namespace(api_version, kind, which)?;
        let objects = self.request.existing.iter().filter(|object| {
            object["apiVersion"] == api_version
                && object["kind"] == kind
                && (namespace.is_empty() || object["metadata"]["namespace"].as_str().unwrap_or("default") == namespace)
        });
        if let Some(name) = which.name.as_deref().filter(|name| !name.is_empty()) {
            let found = objects.into_iter().find(|object| object["metadata"]["name"] == name);
            let missing =
                || Fault::unknown(format!("the parameters {kind} {namespace}/{name} are not among the manifests"));
            return found.map(|object| Some(vec![Value::clone(object)])).ok_or_else(missing);
        }
        let chosen: Vec<Value> =
            objects.filter(|object| is_chosen(object, which)).map(|object| Value::clone(object)).collect();
        if chosen.is_empty() && which.parameter_not_found_action.as_deref() == Some("Deny") {
            return Err(Fault::error("error in parameterized resource: no params found"));
        }
        Ok(Some(chosen))
    }

    /// The namespace of parameters, by default the object's; empty for kinds that are in none.
    fn param_namespace(&self, api_version: &str, kind: &str, which: &ParamRef) -> Result<String, Fault> {
        let (group, _) = kind::group_version(api_version);
        let written = which.namespace.as_deref().filter(|namespace| !namespace.is_empty());
        let own = self.subject.namespace.as_deref();
        match (kind::is_namespaced(group, kind), written.or(own)) {
            (true, Some(namespace)) => Ok(namespace.to_owned()),
            (true, None) => Err(Fault::error("can't use namespaced paramRef to match cluster-scoped resources")),
            (false, _) if written.is_some() => {
                Err(Fault::error("paramRef.namespace must not be provided for a cluster-scoped `paramKind`"))
            }
            (false, _) => Ok(String::new()),
        }
    }
}

fn is_chosen(object: &Arc<Value>, which: &ParamRef) -> bool {
    which.selector.as_ref().is_some_and(|selector| labelled(selector, &text_map(object, "labels")))
}

/// One evaluation of a rule's expressions.
struct Checker<'a> {
    rule: &'a CompiledRule,
    cel: &'a ValidateCel,
    message: Option<&'a str>,
}

impl Checker<'_> {
    /// An expression that fails to evaluate refuses as one that is false does.
    fn check(&self, mut names: Names) -> Status {
        for variable in self.cel.variables.iter().flatten() {
            let value = parse(&self.shifted(&variable.expression)).and_then(|expression| names.evaluate(&expression));
            names.set_variable(&variable.name, value);
        }
        match conditions_hold(Some(&self.conditions()), &names) {
            Ok(true) => {}
            Ok(false) => return Status::Skip,
            Err(Fault::Unknown(why)) => return Status::Unknown(why),
            Err(Fault::NotFound(why) | Fault::Error(why)) => return Status::Fail(why),
        }
        let mut unknown = None;
        for validation in self.cel.expressions.iter().flatten() {
            match names.holds(&self.shifted(&validation.expression)) {
                Ok(true) => {}
                Ok(false) => return Status::Fail(self.said(validation, &names)),
                Err(Fault::Unknown(why)) => unknown = unknown.or(Some(why)),
                Err(Fault::NotFound(why) | Fault::Error(why)) => return Status::Fail(why),
            }
        }
        unknown.map_or(Status::Pass, Status::Unknown)
    }

    fn shifted(&self, expression: &str) -> String {
        self.rule.shift.cel(expression, false)
    }

    fn conditions(&self) -> Vec<Located<MatchCondition>> {
        let mut conditions = self.rule.rule.cel_preconditions.clone().unwrap_or_default();
        for condition in &mut conditions {
            condition.value.expression = self.shifted(&condition.expression);
        }
        conditions
    }

    fn said(&self, validation: &Validation, names: &Names) -> String {
        let computed = validation
            .message_expression
            .as_deref()
            .and_then(|source| names.evaluate(&parse(&self.shifted(source)).ok()?).ok())
            .and_then(|value| value.as_str().map(str::to_owned));
        let written = || validation.message.as_deref().filter(|text| !text.is_empty()).or(self.message);
        computed
            .or_else(|| written().map(str::to_owned))
            .unwrap_or_else(|| format!("failed expression: {}", validation.expression.trim()))
    }
}
