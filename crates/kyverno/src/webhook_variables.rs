//! What Kyverno's webhook refuses of variables (Kyverno `pkg/validation/policy/validate.go`, `background.go`).

use std::sync::LazyLock;

use airtight_manifest::kyverno::{
    AnyAll, ContextEntry, Generate, GenerateForEach, Mutate, MutateForEach, Rule, Validate, ValidateForEach,
};
use airtight_manifest::{Located, yaml};
use regex::Regex;
use serde_json::Value;

use super::policy::descriptions;
use super::webhook_contents::Refused;
use super::{version, wildcard};

/// So many characters of a variable are shown.
const MOST_SHOWN: usize = 100;

static VARIABLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{\{([^{}]*)\}\}").ok());
/// What needs no entry of the context (Kyverno `pkg/engine/context/context.go`, `ReservedKeys`).
static GIVEN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"request|element|@|image|target\.|serviceAccountName|([a-z_0-9]+\()[^{}]").ok());
/// The same where the policy is also asked in the background.
static GIVEN_IN_BACKGROUND: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"request\.|element|@|images|image\.|target\.|([a-z_0-9]+\()[^{}]").ok());
/// Who asks is not known in the background.
static OF_USERS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"[^\.](serviceAccountName|serviceAccountNamespace|request.userInfo|request.roles|request.clusterRoles)\b",
    )
    .ok()
});

const PREDEFINED: &[&str] =
    &["images", "request", "serviceAccountName", "serviceAccountNamespace", "element", "elementIndex"];

/// All that is refused of a rule for its variables; `background` if the policy is also asked there.
pub(super) fn faults(rule: &Rule, background: bool, behaviour: version::Behaviour) -> Vec<Refused> {
    let mut found = Vec::new();
    let cel = rule.validate.as_ref().is_some_and(|validate| validate.cel.is_some());
    if cel && behaviour.cel_without_context && rule.context.as_ref().is_some_and(|context| !context.is_empty()) {
        found.push(("context-and-cel", "context variables are not supported for CEL expressions".to_owned()));
    }
    found.extend(rule.context.iter().flatten().find_map(|written| entry(written)));
    found.extend(fixed_sections(rule));
    let texts = texts(rule);
    let variables: Vec<&str> = texts.iter().flat_map(|text| variables(text)).collect();
    found.extend(variables.iter().find_map(|variable| undefined(variable, rule, background)));
    let of_user = |variable: &&&str| OF_USERS.as_ref().is_some_and(|banned| banned.is_match(&format!("{{{variable}")));
    if background
        && rule.mutate.as_ref().is_none_or(|mutate| mutate.targets.is_none())
        && let Some(variable) = variables.iter().find(of_user)
    {
        found.push(("user-in-background", format!("variable {variable} is not allowed in background mode")));
    }
    found
}

fn variables(text: &str) -> impl Iterator<Item = &str> {
    let found = VARIABLE.as_ref().map(|pattern| pattern.captures_iter(text));
    found.into_iter().flatten().filter_map(|captures| captures.get(1)).map(|found| found.as_str())
}

fn entry(entry: &Located<ContextEntry>) -> Option<Refused> {
    let fault = |message: String| Some(("invalid-context", message));
    let name = entry.name.as_str();
    if name.is_empty() {
        return fault("a name is required for context entries".to_owned());
    }
    let taken = PREDEFINED
        .iter()
        .find(|known| name.strip_prefix(**known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
    if let Some(known) = taken {
        return fault(format!("entry name {name} is invalid as it conflicts with a pre-defined variable {known}"));
    }
    let sources = [
        entry.config_map.is_some(),
        entry.api_call.is_some(),
        entry.global_reference.is_some(),
        entry.image_registry.is_some(),
        entry.variable.is_some(),
    ];
    if sources.iter().filter(|there| **there).count() != 1 {
        return fault(format!(
            "exactly one of configMap or apiCall or imageRegistry or variable is required in `{name}`"
        ));
    }
    if let Some(map) = &entry.config_map
        && (map.name.is_empty() || map.namespace.as_ref().is_none_or(String::is_empty))
    {
        return fault("a name and a namespace are required for configMap context entry".to_owned());
    }
    let variable = entry.variable.as_ref()?;
    let asks = variable.jmes_path.as_ref().is_some_and(|path| !path.is_empty());
    if variable.value.as_ref().is_none_or(|value| value.is_null()) && !asks {
        return fault("a variable must define a value or a jmesPath expression".to_owned());
    }
    if variable.default.as_ref().is_some_and(|value| !value.is_null()) && !asks {
        return fault("a variable must define a default value only when a jmesPath expression is defined".to_owned());
    }
    None
}

/// Variables where none may stand: in `match`, in `exclude`, and in the path of a JSON patch.
fn fixed_sections(rule: &Rule) -> Option<Refused> {
    let fault =
        |section: &str| Some(("variable-not-here", format!("there should be no variables in the {section} section")));
    let blocks = [("match", Some(&rule.matches)), ("exclude", rule.exclude.as_ref())];
    for (section, block) in blocks {
        let mut texts = Vec::new();
        for resources in block.into_iter().flat_map(|block| descriptions(block)) {
            texts.extend(resources.name.iter().map(|name| name.value.as_str()));
            let lists = [&resources.kinds, &resources.names, &resources.namespaces, &resources.operations];
            texts.extend(lists.into_iter().flatten().flatten().map(String::as_str));
            texts
                .extend(resources.annotations.iter().flatten().flat_map(|(key, value)| [key.as_str(), value.as_str()]));
            for selector in resources.selector.iter().chain(&resources.namespace_selector) {
                texts.extend(
                    selector.match_labels.iter().flatten().flat_map(|(key, value)| [key.as_str(), value.as_str()]),
                );
            }
        }
        if texts.iter().any(|text| variables(text).next().is_some()) {
            return fault(section);
        }
    }
    let patch = rule.mutate.as_ref().and_then(|mutate| mutate.patches_json6902.as_ref())?;
    let documents = yaml::parse(&"patchesJson6902".into(), patch).ok()?;
    let operations = documents.first()?.root.to_json();
    let mut paths = operations.as_array()?.iter().filter_map(|operation| operation["path"].as_str());
    paths.any(|path| variables(path).next().is_some()).then(|| fault("patchesJSON6902 path")).flatten()
}

/// A variable that neither Kyverno nor the context gives.
fn undefined(variable: &str, rule: &Rule, background: bool) -> Option<Refused> {
    let query = variable.trim().replace(['"', '\\'], "");
    let given = if background { &GIVEN_IN_BACKGROUND } else { &GIVEN };
    if query.is_empty() || given.as_ref().is_none_or(|given| given.is_match(&query)) {
        return None;
    }
    let defined = entries(rule).into_iter().any(|entry| {
        let name = &entry.name;
        let patterns = if entry.config_map.is_some() {
            vec![
                format!("{name}.data"),
                format!("{name}.metadata"),
                format!("{name}.data.*"),
                format!("{name}.metadata.*"),
            ]
        } else {
            vec![format!("{name}*")]
        };
        patterns.iter().any(|pattern| wildcard::matches(pattern, &query))
    });
    // A name that anybody could read in an error is short.
    let shown: String = query.chars().take(MOST_SHOWN).collect();
    let cut = if shown.len() < query.len() { "…" } else { "" };
    (!defined).then(|| ("undefined-variable", format!("variable {shown}{cut} is not defined")))
}

/// The entries of the rule and of all its loops.
fn entries(rule: &Rule) -> Vec<&ContextEntry> {
    let of_validation = rule.validate.iter().flat_map(|validate| validate.foreach.iter().flatten());
    let of_mutation = rule.mutate.iter().flat_map(|mutate| mutate.foreach.iter().flatten());
    let of_generation = rule.generate.iter().flat_map(|generate| generate.foreach.iter().flatten());
    let loops = of_validation
        .map(|each| &each.context)
        .chain(of_mutation.map(|each| &each.context))
        .chain(of_generation.map(|each| &each.context));
    std::iter::once(&rule.context).chain(loops).flatten().flatten().map(|entry| &entry.value).collect()
}

/// Every text of a rule in which variables are replaced.
#[derive(Default)]
struct Texts {
    found: Vec<String>,
}

fn texts(rule: &Rule) -> Vec<String> {
    let mut texts = Texts::default();
    texts.value(rule.preconditions.as_ref());
    texts.context(rule.context.as_deref());
    if let Some(validate) = &rule.validate {
        texts.validation(validate);
    }
    if let Some(mutate) = &rule.mutate {
        texts.mutation(mutate);
    }
    if let Some(generate) = &rule.generate {
        texts.generation(generate);
    }
    texts.found
}

impl Texts {
    fn text(&mut self, text: Option<&String>) {
        self.found.extend(text.cloned());
    }

    fn value(&mut self, value: Option<&Located<Value>>) {
        if let Some(value) = value {
            self.inner(value);
        }
    }

    fn inner(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.found.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| self.inner(item)),
            Value::Object(map) => {
                for (key, value) in map {
                    self.found.push(key.clone());
                    self.inner(value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn conditions(&mut self, conditions: Option<&AnyAll>) {
        for condition in conditions.into_iter().flat_map(|both| both.any.iter().chain(&both.all).flatten()) {
            self.value(condition.key.as_ref());
            self.value(condition.value.as_ref());
        }
    }

    fn context(&mut self, context: Option<&[Located<ContextEntry>]>) {
        for entry in context.unwrap_or_default() {
            if let Some(variable) = &entry.variable {
                self.text(variable.jmes_path.as_ref());
                self.value(variable.value.as_ref());
                self.value(variable.default.as_ref());
            }
            if let Some(call) = &entry.api_call {
                self.text(call.url_path.as_ref());
                self.text(call.jmes_path.as_ref());
            }
            if let Some(map) = &entry.config_map {
                self.text(Some(&map.name));
                self.text(map.namespace.as_ref());
            }
        }
    }

    fn validation(&mut self, validate: &Validate) {
        self.text(validate.message.as_ref());
        self.value(validate.pattern.as_ref());
        self.value(validate.any_pattern.as_ref());
        self.value(validate.deny.as_ref().and_then(|deny| deny.conditions.as_ref()));
        for each in validate.foreach.iter().flatten() {
            self.validating_loop(each);
        }
    }

    fn validating_loop(&mut self, each: &ValidateForEach) {
        self.context(each.context.as_deref());
        self.conditions(each.preconditions.as_ref());
        self.value(each.pattern.as_ref());
        self.value(each.any_pattern.as_ref());
        self.value(each.deny.as_ref().and_then(|deny| deny.conditions.as_ref()));
    }

    fn mutation(&mut self, mutate: &Mutate) {
        self.value(mutate.patch_strategic_merge.as_ref());
        self.text(mutate.patches_json6902.as_deref());
        for each in mutate.foreach.iter().flatten() {
            self.mutating_loop(each);
        }
    }

    fn mutating_loop(&mut self, each: &MutateForEach) {
        self.context(each.context.as_deref());
        self.conditions(each.preconditions.as_ref());
        self.value(each.patch_strategic_merge.as_ref());
        self.text(each.patches_json6902.as_deref());
    }

    fn generation(&mut self, generate: &Generate) {
        for text in [&generate.api_version, &generate.kind, &generate.name, &generate.namespace] {
            self.text(text.as_deref());
        }
        self.value(generate.data.as_ref());
        for each in generate.foreach.iter().flatten() {
            self.generating_loop(each);
        }
    }

    fn generating_loop(&mut self, each: &GenerateForEach) {
        self.context(each.context.as_deref());
        self.conditions(each.preconditions.as_ref());
        for text in [&each.api_version, &each.kind, &each.name, &each.namespace] {
            self.text(text.as_deref());
        }
        self.value(each.data.as_ref());
    }
}
