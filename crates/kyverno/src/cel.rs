//! CEL expressions of policies, over JSON.
//!
//! The crate `cel` parses and evaluates; [`cel_env`] adds what needs no cluster. Kyverno's other libraries
//! (`resource`, `http`, `globalContext`, …) and Kubernetes' (`quantity`, `url`, `authorizer`, …) are not modelled: an
//! expression that needs them has no known value.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, LiteralValue, MapEntryExpr, MapExpr};
use cel::{Context, DeclarationError, Env, ExecutionError, Program};
use serde_json::{Map, Value};

use super::fault::Fault;
use super::shape::Shape;
use super::{cel_env, cel_growth, default};

static STRICT: LazyLock<Arc<Env>> = LazyLock::new(|| environment(cel_env::take_optionals));
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| environment(cel_env::take_anything));

/// A function that cannot be declared is one that is not modelled.
fn environment(or_value: fn(&mut Env) -> Result<(), DeclarationError>) -> Arc<Env> {
    let mut env = Env::stdlib().with_optional_support(true);
    let _ = cel_env::extend(&mut env).and_then(|()| or_value(&mut env));
    Arc::new(env)
}

/// Longer expressions are refused unread; Kubernetes' own limit on their cost is far below.
const MAX_LENGTH: usize = 64 * 1024;

/// What expressions can name.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    known: Map<String, Value>,
    /// Variables that failed, by name.
    failed: Vec<(String, Fault)>,
    /// Whether `orValue` takes nothing but optionals.
    strict: bool,
}

/// A parsed expression.
#[derive(Debug)]
pub(super) struct Expression {
    root: IdedExpr,
    shape: Shape,
}

/// Parses an expression.
///
/// # Errors
/// When it is no CEL; Kyverno refuses the policy then.
pub(super) fn parse(source: &str) -> Result<Expression, Fault> {
    if source.len() > MAX_LENGTH {
        return Err(Fault::unknown("the expression is too long to be evaluated"));
    }
    let shape = Shape::of(source, &['"', '\'']);
    if shape.is_too_deep() {
        return Err(Fault::unknown("the expression nests too deep to be evaluated"));
    }
    let program: Program = ENVIRONMENT
        .compile(source)
        .map_err(|error| Fault::error(format!("the expression `{source}` cannot be parsed: {error}")))?;
    let mut root = program.expression().clone();
    rewrite(&mut root);
    Ok(Expression { root, shape })
}

/// The variables that an expression names; none of one with loops, which have variables of their own.
///
/// # Errors
/// When it is no CEL.
pub(super) fn names(source: &str) -> Result<Vec<String>, Fault> {
    const LOOPS: [&str; 5] = [".all(", ".exists(", ".exists_one(", ".map(", ".filter("];
    const TYPES: [&str; 11] =
        ["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type", "optional"];
    parse(source)?;
    if LOOPS.iter().any(|name| source.contains(name)) {
        return Ok(Vec::new());
    }
    let program = ENVIRONMENT.compile(source).map_err(|error| Fault::error(error.to_string()))?;
    let references = program.references();
    let named = references.variables().into_iter().filter(|name| !TYPES.contains(name) && !name.starts_with('@'));
    Ok(named.map(ToString::to_string).collect())
}

impl Names {
    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.known.insert(name.to_owned(), value);
    }

    /// From now on `orValue` takes nothing but optionals.
    pub(super) fn be_strict(&mut self) {
        self.strict = true;
    }

    /// Adds `variables.name`, which matters only where it is used.
    pub(super) fn set_variable(&mut self, name: &str, value: Result<Value, Fault>) {
        match value {
            Ok(value) => self.known.entry("variables").or_insert_with(|| Value::Object(Map::new()))[name] = value,
            Err(fault) => self.failed.push((name.to_owned(), fault)),
        }
    }

    /// The value of an expression.
    ///
    /// # Errors
    /// When it has none, or none that is known.
    pub(super) fn evaluate(&self, expression: &Expression) -> Result<Value, Fault> {
        self.afford(expression)?;
        self.evaluate_part(&expression.root)
    }

    /// Loops within loops multiply, and so do values; what would take longer than the API server's budget, or be larger
    /// than any object, has no known value.
    fn afford(&self, expression: &Expression) -> Result<(), Fault> {
        let (list, text) = self.known.values().fold((0, 0), |longest, value| longest_in(value, longest));
        if expression.shape.is_too_costly(list, text) {
            return Err(Fault::unknown("the expression's loops cost more than can be computed"));
        }
        if cel_growth::is_too_large(&expression.root, &self.known, list) {
            return Err(Fault::unknown("the expression makes values that are larger than any object"));
        }
        Ok(())
    }

    fn evaluate_part(&self, root: &IdedExpr) -> Result<Value, Fault> {
        let env = if self.strict { &STRICT } else { &ENVIRONMENT };
        let mut context = Context::with_env(Arc::clone(env));
        for (name, value) in &self.known {
            context.add_variable_from_value(name.as_str(), cel_value(value));
        }
        let value = context.resolve(root).map_err(|error| self.explained(root, &error))?;
        value.json().map_err(|error| Fault::unknown(format!("a value of CEL has no JSON form: {error}")))
    }

    /// Whether an expression is true.
    ///
    /// # Errors
    /// As for [`Self::evaluate`], and when it is no truth value.
    pub(super) fn holds(&self, source: &str) -> Result<bool, Fault> {
        match self.evaluate(&parse(source)?)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(Fault::error(format!("the expression `{source}` gives {other}, not true or false"))),
        }
    }

    /// The arguments of `generator.Apply(namespace, objects)`.
    ///
    /// # Errors
    /// As for [`Self::evaluate`], and for any other expression.
    pub(super) fn generator_arguments(&self, expression: &Expression) -> Result<(Value, Value), Fault> {
        let Expr::Call(call) = &expression.root.expr else { return Err(only_generator()) };
        let on_generator =
            call.target.as_ref().is_some_and(|target| target.expr == Expr::Ident("generator".to_owned()));
        self.afford(expression)?;
        match &call.args[..] {
            [namespace, objects] if on_generator && call.func_name == "Apply" => {
                Ok((self.evaluate_part(namespace)?, self.evaluate_part(objects)?))
            }
            _ => Err(only_generator()),
        }
    }

    /// What Kyverno would say, or why nobody knows.
    fn explained(&self, root: &IdedExpr, error: &ExecutionError) -> Fault {
        if let Some((name, fault)) = self.failed.iter().find(|(name, _)| uses_variable(root, name)) {
            return match fault {
                Fault::Unknown(why) => Fault::unknown(why.clone()),
                Fault::Error(why) => Fault::error(format!("variables.{name}: {why}")),
                Fault::NotFound(key) => Fault::error(format!("variables.{name}: no such key: {key}")),
            };
        }
        match error {
            ExecutionError::NoSuchKey(key) if default::is_set_by_server(key) => {
                Fault::unknown(format!("the API server sets `{key}`"))
            }
            ExecutionError::NoSuchKey(key) => Fault::error(format!("no such key: {key}")),
            ExecutionError::IndexOutOfBounds(_) | ExecutionError::DivisionByZero(_) => Fault::error(error.to_string()),
            // What is no truth value has no place beside `&&`, whatever the libraries.
            ExecutionError::NoSuchOverload(_) if is_of_logic(&error.to_string()) => Fault::error("no such overload"),
            // Anything else is a function, a type or a conversion that this engine lacks and Kyverno may have.
            other => Fault::unknown(format!("{other} is not modelled")),
        }
    }
}

/// The longest list (or object) and the longest text in a value, or those so far.
fn longest_in(value: &Value, (list, text): (usize, usize)) -> (usize, usize) {
    match value {
        Value::String(own) => (list, text.max(own.len())),
        Value::Array(items) => {
            items.iter().fold((list.max(items.len()), text), |longest, item| longest_in(item, longest))
        }
        Value::Object(fields) => {
            fields.values().fold((list.max(fields.len()), text), |longest, field| longest_in(field, longest))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => (list, text),
    }
}

/// JSON as CEL values; whole numbers are signed, as the API server's are.
pub(super) fn cel_value(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(b) => cel::Value::Bool(*b),
        Value::Number(n) => {
            n.as_i64().map_or_else(|| cel::Value::Float(n.as_f64().unwrap_or(f64::NAN)), cel::Value::Int)
        }
        Value::String(text) => cel::Value::from(text.as_str()),
        Value::Array(items) => cel::Value::from(items.iter().map(cel_value).collect::<Vec<_>>()),
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| (key.clone(), cel_value(value)));
            cel::Value::from(entries.collect::<HashMap<String, cel::Value>>())
        }
    }
}

fn is_of_logic(message: &str) -> bool {
    ["'_&&_'", "'_||_'", "'!_'"].iter().any(|operator| message.contains(operator))
}

fn only_generator() -> Fault {
    Fault::unknown("only `generator.Apply(namespace, objects)` is modelled")
}

/// Turns `Object{…}` and `JSONPatch{…}` into maps: their types have no meaning beyond their fields. Marks what `orValue`
/// is called on.
fn rewrite(node: &mut IdedExpr) {
    if let Expr::Struct(literal) = &mut node.expr
        && is_patch_type(&literal.type_name)
    {
        let entries = std::mem::take(&mut literal.entries).into_iter().map(map_entry).collect();
        node.expr = Expr::Map(MapExpr { entries });
    }
    for child in children(&mut node.expr) {
        rewrite(child);
    }
    if let Expr::Call(call) = &mut node.expr
        && call.func_name == "orValue"
        && let Some(target) = &mut call.target
    {
        let args = vec![std::mem::take(&mut **target)];
        target.expr = Expr::Call(CallExpr { func_name: cel_env::OPTIONAL.to_owned(), target: None, args });
    }
}

fn is_patch_type(name: &str) -> bool {
    name == "Object" || name.starts_with("Object.") || name == "JSONPatch"
}

fn map_entry(entry: IdedEntryExpr) -> IdedEntryExpr {
    let expr = match entry.expr {
        EntryExpr::StructField(field) => {
            let key = Expr::Literal(LiteralValue::String(field.field.into()));
            EntryExpr::MapEntry(MapEntryExpr {
                key: IdedExpr { id: entry.id, expr: key },
                value: field.value,
                optional: field.optional,
            })
        }
        other @ EntryExpr::MapEntry(_) => other,
    };
    IdedEntryExpr { id: entry.id, expr }
}

fn children(expr: &mut Expr) -> Vec<&mut IdedExpr> {
    match expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
        Expr::Call(call) => call.target.iter_mut().map(|target| &mut **target).chain(&mut call.args).collect(),
        Expr::Comprehension(loops) => {
            let loops = &mut **loops;
            vec![
                &mut loops.iter_range,
                &mut loops.accu_init,
                &mut loops.loop_cond,
                &mut loops.loop_step,
                &mut loops.result,
            ]
        }
        Expr::List(list) => list.elements.iter_mut().collect(),
        Expr::Map(map) => map.entries.iter_mut().flat_map(entry_children).collect(),
        Expr::Select(select) => vec![&mut *select.operand],
        Expr::Struct(literal) => literal.entries.iter_mut().flat_map(entry_children).collect(),
    }
}

fn entry_children(entry: &mut IdedEntryExpr) -> Vec<&mut IdedExpr> {
    match &mut entry.expr {
        EntryExpr::StructField(field) => vec![&mut field.value],
        EntryExpr::MapEntry(entry) => vec![&mut entry.key, &mut entry.value],
    }
}

fn uses_variable(root: &IdedExpr, name: &str) -> bool {
    reads_variable(&mut root.clone(), name)
}

fn reads_variable(node: &mut IdedExpr, name: &str) -> bool {
    if let Expr::Select(select) = &node.expr
        && select.field == name
        && select.operand.expr == Expr::Ident("variables".to_owned())
    {
        return true;
    }
    children(&mut node.expr).into_iter().any(|child| reads_variable(child, name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn evaluate(source: &str) -> Result<Value, Fault> {
        let mut names = Names::default();
        names.set("object", json!({"metadata": {"name": "a"}, "spec": {"n": 3}}));
        names.set("oldObject", Value::Null);
        names.set_variable("good", Ok(json!(1)));
        names.set_variable("bad", Err(Fault::error("no such key: x")));
        names.set_variable("far", Err(Fault::unknown("resource.Get is not modelled")));
        names.evaluate(&parse(source)?)
    }

    #[test]
    fn what_grows_beyond_any_object_is_not_known() {
        let tens = |times: usize| format!("'a'{}", ".replace('a', 'aaaaaaaaaa')".repeat(times));
        let lists = |times: usize| format!("[0]{}", ".map(x, [x, x, x, x, x, x, x, x, x, x])".repeat(times));
        assert_eq!(evaluate(&format!("{} == 'b'", tens(3))), Ok(json!(false)));
        assert!(matches!(evaluate(&format!("{} == 'b'", tens(12))), Err(Fault::Unknown(_))));
        assert_eq!(evaluate(&format!("size({}) == 1", lists(3))), Ok(json!(true)));
        assert!(matches!(evaluate(&format!("size({}) == 1", lists(12))), Err(Fault::Unknown(_))));
        let usual = "[object].map(o, o.metadata).filter(m, m.name != '').all(m, m.name.replace('a', 'b') == 'b')";
        assert_eq!(evaluate(usual), Ok(json!(true)));
    }

    #[test]
    fn values_errors_and_what_is_not_known() {
        assert_eq!(evaluate("object.metadata.name == 'a' && oldObject == null"), Ok(json!(true)));
        assert_eq!(evaluate("object.spec.?missing.orValue(7)"), Ok(json!(7)));
        assert_eq!(evaluate("object.spec.orValue({}) == object.spec && [1].orValue([]) == [1]"), Ok(json!(true)));
        assert_eq!(evaluate("variables.good + 1"), Ok(json!(2)));
        assert!(matches!(evaluate("object.spec.missing == 1"), Err(Fault::Error(_))));
        assert!(matches!(evaluate("variables.bad == 1"), Err(Fault::Error(_))));
        assert!(matches!(evaluate("variables.far == 1"), Err(Fault::Unknown(_))));
        assert_eq!(evaluate("true || variables.far == 1"), Ok(json!(true)));
        assert!(matches!(evaluate("object.metadata.uid == ''"), Err(Fault::Unknown(_))));
        assert!(matches!(evaluate("resource.Get('v1', 'pods', 'a', 'b') == null"), Err(Fault::Unknown(_))));
        assert!(matches!(evaluate("object ==="), Err(Fault::Error(_))));
        assert!(matches!(evaluate("object.spec && true"), Err(Fault::Error(_))));
    }

    #[test]
    fn patch_types_are_maps() {
        let source = "Object{metadata: Object.metadata{labels: Object.metadata.labels{app: 'x'}}}";
        assert_eq!(evaluate(source), Ok(json!({"metadata": {"labels": {"app": "x"}}})));
        let source = "[JSONPatch{op: 'add', path: '/a', value: object.metadata.name}]";
        assert_eq!(evaluate(source), Ok(json!([{"op": "add", "path": "/a", "value": "a"}])));
    }
}
