//! `mutate` rules (Kyverno `pkg/engine/mutate/mutation.go`, `pkg/engine/handlers/mutation/common.go`).

use std::sync::Arc;

use airtight_manifest::Located;
use airtight_manifest::kyverno::{Mutate, MutateForEach};
use airtight_manifest::yaml;
use serde_json::Value;

use super::condition::Conditions;
use super::context::Context;
use super::existing::Existing;
use super::fault::Fault;
use super::function::to_string;
use super::policy::{CompiledRule, read_nested};
use super::version::Behaviour;
use super::{json_patch, strategic};

/// What a `mutate` rule sees.
pub(super) struct Mutator<'a> {
    pub(super) rule: &'a CompiledRule,
    pub(super) mutate: &'a Mutate,
    pub(super) existing: &'a Existing,
    pub(super) behaviour: Behaviour,
}

impl Mutator<'_> {
    /// The object as the rule leaves it; the same where it does not act.
    ///
    /// # Errors
    /// When the rule cannot be applied.
    pub(super) fn run(&self, context: &Context, object: &Value) -> Result<Value, Fault> {
        if let Some(loops) = &self.mutate.foreach {
            return self.foreach(loops, context, object.clone(), 0);
        }
        let overlay = self.mutate.patch_strategic_merge.as_deref();
        let patches = self.mutate.patches_json6902.as_deref();
        self.patch(overlay, patches.map(String::as_str), context, object)
    }

    fn patch(
        &self,
        overlay: Option<&Value>,
        patches: Option<&str>,
        context: &Context,
        object: &Value,
    ) -> Result<Value, Fault> {
        if let Some(overlay) = overlay {
            let overlay = context.substitute(&self.rule.over_object(overlay))?;
            return strategic::merge(object, &overlay);
        }
        match patches {
            Some(text) if !text.is_empty() => {
                let text = to_string(&context.substitute_text(text)?);
                json_patch::apply(object, &operations(&text)?)
            }
            Some(_) | None => Err(Fault::error("empty mutate rule")),
        }
    }

    fn foreach(
        &self,
        loops: &[Located<MutateForEach>],
        context: &Context,
        mut object: Value,
        nesting: usize,
    ) -> Result<Value, Fault> {
        let mut context = context.clone();
        for each in loops {
            let elements = context.elements(each.list.as_deref().unwrap_or_default()).map_err(evaluated)?;
            object = self.elements(each, &elements, &context, object, nesting)?;
            context.set_object(&object);
        }
        Ok(object)
    }

    /// Strategic merges go from the last element to the first, because each puts its own in front.
    fn elements(
        &self,
        each: &MutateForEach,
        elements: &[Value],
        context: &Context,
        object: Value,
        nesting: usize,
    ) -> Result<Value, Fault> {
        let descending = match each.order.as_deref() {
            Some(order) => order == "Descending",
            None => each.patch_strategic_merge.is_some(),
        };
        let mut numbered: Vec<(usize, &Value)> = elements.iter().enumerate().collect();
        if descending {
            numbered.reverse();
        }
        numbered
            .into_iter()
            .filter(|(_, element)| !element.is_null())
            .try_fold(object, |object, (index, element)| self.element(each, element, index, context, object, nesting))
    }

    fn element(
        &self,
        each: &MutateForEach,
        element: &Value,
        index: usize,
        context: &Context,
        object: Value,
        nesting: usize,
    ) -> Result<Value, Fault> {
        let mut context = context.clone();
        context.set_element(element, index, nesting);
        context.load(each.context.as_deref(), self.existing);
        let preconditions = each.preconditions.as_ref().map_or_else(Conditions::none, Conditions::from);
        let (holds, _) = preconditions.hold(&context, self.behaviour.strict_inequality).map_err(evaluated)?;
        if !holds {
            return Ok(object);
        }
        if let Some(inner) = &each.foreach {
            let loops: Vec<Located<MutateForEach>> = read_nested(inner)?;
            return self.foreach(&loops, &context, object, nesting + 1);
        }
        let overlay = each.patch_strategic_merge.as_deref();
        let patches = each.patches_json6902.as_deref();
        self.patch(overlay, patches.map(String::as_str), &context, &object)
    }
}

/// A missing key is an error of the rule here.
fn evaluated(fault: Fault) -> Fault {
    match fault {
        Fault::NotFound(_) => Fault::Error(fault.to_string()),
        Fault::Error(_) | Fault::Unknown(_) => fault,
    }
}

/// Operations of a JSON patch written as YAML or JSON text.
fn operations(text: &str) -> Result<Vec<Value>, Fault> {
    let documents = yaml::parse(&Arc::from("patchesJson6902"), text)
        .map_err(|finding| Fault::error(format!("failed to decode patches: {}", finding.message)))?;
    match documents.first().map(|document| document.root.to_json()) {
        Some(Value::Array(operations)) => Ok(operations),
        Some(_) | None => Err(Fault::error("failed to decode patches: not a list of operations")),
    }
}
