//! JMESPath as Kyverno evaluates it: the grammar is the standard one, a missing key is an error.
//!
//! The crate `jmespath` parses; it does not evaluate, because Kyverno's fork fails on a key that does
//! not exist where the standard yields null (Kyverno `go-jmespath/interpreter.go`).

use std::borrow::Cow;

use jmespath::ast::{Ast, Comparator};
use jmespath::{ErrorReason, JmespathError};
use serde_json::{Map, Value};

use super::fault::Fault;
use super::function;
use super::growth::Allowance;
use super::shape::Shape;

/// More commas than this lack in no expression that somebody wrote.
const MOST_COMMAS: usize = 64;

/// Why a name at the root of the context has no value, for names that have none.
pub(super) type Opaque<'a> = &'a dyn Fn(&str) -> Option<Fault>;

type Found<'v> = Result<Cow<'v, Value>, Fault>;

/// Evaluates `expression` over `data`.
///
/// `opaque` says of a name at the root that it has no value, and why.
pub(super) fn search<'v>(expression: &str, data: &'v Value, opaque: Opaque<'_>) -> Found<'v> {
    if Shape::of(expression, &['\'', '"', '`']).is_too_deep() {
        return Err(Fault::unknown("the expression nests too deep to be evaluated"));
    }
    let (source, ast) = parse(expression)
        .map_err(|error| Fault::error(format!("incorrect query {expression}: {}", first_line(&error.to_string()))))?;
    Interpreter { source: &source, root: data, opaque, allowance: Allowance::new() }.eval(&ast, Cow::Borrowed(data))
}

/// The expression with its tree. Kyverno's parser does without a comma in `{a: x b: y}`
/// (`go-jmespath/parser.go`, `parseMultiSelectHash`), so commas that lack there are filled in.
fn parse(expression: &str) -> Result<(Cow<'_, str>, Ast), JmespathError> {
    let mut source = Cow::Borrowed(expression);
    loop {
        match jmespath::parse(&source) {
            Ok(ast) => return Ok((source, ast)),
            Err(error) => match with_comma(&source, &error) {
                Some(mended) if mended.len() <= expression.len() + MOST_COMMAS => source = Cow::Owned(mended),
                Some(_) | None => return Err(error),
            },
        }
    }
}

fn with_comma(source: &str, error: &JmespathError) -> Option<String> {
    let lacks = matches!(&error.reason, ErrorReason::Parse(why) if why.contains("Expected '}' or ','"));
    let (before, after) = source.split_at_checked(error.offset).filter(|_| lacks)?;
    let key = after.starts_with(|c: char| c == '_' || c == '"' || c.is_ascii_alphabetic());
    key.then(|| format!("{before},{after}"))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// What JMESPath takes for false: null, false, and anything empty.
pub(super) fn is_false(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

pub(super) struct Interpreter<'e> {
    source: &'e str,
    root: &'e Value,
    opaque: Opaque<'e>,
    allowance: Allowance,
}

impl Interpreter<'_> {
    /// The same as `eval`, with null for a key that does not exist.
    fn lenient<'v>(&self, ast: &Ast, value: Cow<'v, Value>) -> Found<'v> {
        match self.eval(ast, value) {
            Err(Fault::NotFound(_)) => Ok(Cow::Owned(Value::Null)),
            other => other,
        }
    }

    fn eval<'v>(&self, ast: &Ast, value: Cow<'v, Value>) -> Found<'v> {
        let found = self.step(ast, value)?;
        match ast {
            // Whatever else there is makes nothing larger than what it is given.
            Ast::Literal { .. }
            | Ast::Projection { .. }
            | Ast::Flatten { .. }
            | Ast::ObjectValues { .. }
            | Ast::MultiList { .. }
            | Ast::MultiHash { .. }
            | Ast::Slice { .. }
            | Ast::Function { .. } => self.allowance.spend(&found)?,
            Ast::Identity { .. }
            | Ast::Field { .. }
            | Ast::Index { .. }
            | Ast::Subexpr { .. }
            | Ast::Comparison { .. }
            | Ast::Or { .. }
            | Ast::And { .. }
            | Ast::Not { .. }
            | Ast::Condition { .. }
            | Ast::Expref { .. } => {}
        }
        Ok(found)
    }

    fn step<'v>(&self, ast: &Ast, value: Cow<'v, Value>) -> Found<'v> {
        match ast {
            Ast::Identity { .. } => Ok(value),
            Ast::Literal { value: literal, .. } => Ok(Cow::Owned(literal_value(literal)?)),
            Ast::Field { name, .. } => self.field(name, value),
            Ast::Index { idx, .. } => Ok(index(value, *idx)),
            Ast::Slice { start, stop, step, .. } => slice(&value, *start, *stop, *step).map(Cow::Owned),
            Ast::Subexpr { offset, lhs, rhs } => {
                let left = if self.is_pipe(*offset) { self.lenient(lhs, value)? } else { self.eval(lhs, value)? };
                self.eval(rhs, left)
            }
            Ast::Comparison { comparator, lhs, rhs, .. } => {
                let left = self.lenient(lhs, Cow::Borrowed(&*value))?.into_owned();
                let right = self.lenient(rhs, value)?;
                Ok(Cow::Owned(compare(comparator, &left, &right)))
            }
            Ast::Or { lhs, rhs, .. } => {
                let left = self.lenient(lhs, value.clone())?;
                if is_false(&left) { self.lenient(rhs, value) } else { Ok(left) }
            }
            Ast::And { lhs, rhs, .. } => {
                let left = self.lenient(lhs, value.clone())?;
                if is_false(&left) { Ok(left) } else { self.eval(rhs, value) }
            }
            Ast::Not { node, .. } => {
                let inner = self.lenient(node, value)?;
                Ok(Cow::Owned(Value::Bool(is_false(&inner))))
            }
            Ast::Condition { predicate, then, .. } => {
                let holds = self.lenient(predicate, value.clone())?;
                if is_false(&holds) { Ok(Cow::Owned(Value::Null)) } else { self.eval(then, value) }
            }
            Ast::Projection { lhs, rhs, .. } => self.projection(lhs, rhs, value),
            Ast::Flatten { node, .. } => {
                let inner = self.lenient(node, value)?;
                Ok(Cow::Owned(flatten(&inner)))
            }
            Ast::ObjectValues { node, .. } => {
                let inner = self.lenient(node, value)?;
                Ok(Cow::Owned(inner.as_object().map_or(Value::Null, |map| map.values().cloned().collect())))
            }
            Ast::MultiList { elements, .. } => self.multi_list(elements, value),
            Ast::MultiHash { elements, .. } => {
                if value.is_null() {
                    return Ok(value);
                }
                let mut map = Map::new();
                for pair in elements {
                    let element = self.lenient(&pair.value, Cow::Borrowed(&*value))?.into_owned();
                    map.insert(pair.key.clone(), element);
                }
                Ok(Cow::Owned(Value::Object(map)))
            }
            Ast::Function { name, args, .. } => function::call(self, name, args, &value).map(Cow::Owned),
            Ast::Expref { .. } => Err(Fault::error("an expression reference outside of a function")),
        }
    }

    /// An argument of a function; a missing key counts as null.
    pub(super) fn argument(&self, ast: &Ast, value: &Value) -> Result<Value, Fault> {
        self.lenient(ast, Cow::Borrowed(value)).map(Cow::into_owned)
    }

    fn field<'v>(&self, name: &str, value: Cow<'v, Value>) -> Found<'v> {
        if std::ptr::eq(&raw const *value, self.root)
            && let Some(fault) = (self.opaque)(name)
        {
            return Err(fault);
        }
        let missing = || Fault::NotFound(name.to_owned());
        match value {
            Cow::Borrowed(Value::Object(map)) => map.get(name).map(Cow::Borrowed).ok_or_else(missing),
            Cow::Owned(Value::Object(mut map)) => map.swap_remove(name).map(Cow::Owned).ok_or_else(missing),
            Cow::Borrowed(_) | Cow::Owned(_) => Ok(Cow::Owned(Value::Null)),
        }
    }

    fn projection<'v>(&self, lhs: &Ast, rhs: &Ast, value: Cow<'v, Value>) -> Found<'v> {
        let left = self.lenient(lhs, value)?;
        let Value::Array(items) = &*left else { return Ok(Cow::Owned(Value::Null)) };
        let mut collected = Vec::new();
        for item in items {
            let element = self.lenient(rhs, Cow::Borrowed(item))?.into_owned();
            if !element.is_null() {
                collected.push(element);
            }
        }
        Ok(Cow::Owned(Value::Array(collected)))
    }

    fn multi_list<'v>(&self, elements: &[Ast], value: Cow<'v, Value>) -> Found<'v> {
        if value.is_null() {
            return Ok(value);
        }
        let items: Result<Vec<_>, _> = elements.iter().map(|ast| self.argument(ast, &value)).collect();
        items.map(|items| Cow::Owned(Value::Array(items)))
    }

    /// The parser makes the same node of `a.b` and `a | b`; only the text at its offset tells them apart.
    fn is_pipe(&self, offset: usize) -> bool {
        self.source.as_bytes().get(offset) == Some(&b'|')
    }
}

fn literal_value(literal: &jmespath::Variable) -> Result<Value, Fault> {
    serde_json::to_value(literal).map_err(|error| Fault::error(error.to_string()))
}

fn index(value: Cow<'_, Value>, index: i32) -> Cow<'_, Value> {
    let Value::Array(items) = &*value else { return Cow::Owned(Value::Null) };
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let at = if index < 0 { length + i64::from(index) } else { i64::from(index) };
    let found = usize::try_from(at).ok().filter(|at| *at < items.len());
    match (value, found) {
        (_, None) => Cow::Owned(Value::Null),
        (Cow::Borrowed(value), Some(at)) => Cow::Borrowed(&value[at]),
        (Cow::Owned(mut value), Some(at)) => Cow::Owned(value[at].take()),
    }
}

fn slice(value: &Value, start: Option<i32>, end: Option<i32>, step: i32) -> Result<Value, Fault> {
    let Value::Array(items) = value else { return Ok(Value::Null) };
    if step == 0 {
        return Err(Fault::error("a slice needs a step other than 0"));
    }
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let bound = |at: i32| {
        let at = i64::from(at);
        (if at < 0 { at + length } else { at }).clamp(low, high)
    };
    let mut at = start.map_or(if step > 0 { 0 } else { length - 1 }, bound);
    let end = end.map_or(if step > 0 { length } else { -1 }, bound);
    let mut taken = Vec::new();
    while (step > 0 && at < end) || (step < 0 && at > end) {
        taken.extend(usize::try_from(at).ok().and_then(|at| items.get(at)).cloned());
        at += i64::from(step);
    }
    Ok(Value::Array(taken))
}

fn flatten(value: &Value) -> Value {
    let Value::Array(items) = value else { return Value::Null };
    let mut flat = Vec::new();
    for item in items {
        match item {
            Value::Array(inner) => flat.extend(inner.iter().cloned()),
            other => flat.push(other.clone()),
        }
    }
    Value::Array(flat)
}

fn compare(comparator: &Comparator, left: &Value, right: &Value) -> Value {
    let numbers = || Some((left.as_f64()?, right.as_f64()?));
    let ordered = |holds: fn(&f64, &f64) -> bool| numbers().map_or(Value::Null, |(a, b)| Value::Bool(holds(&a, &b)));
    match comparator {
        Comparator::Equal => Value::Bool(equal(left, right)),
        Comparator::NotEqual => Value::Bool(!equal(left, right)),
        Comparator::LessThan => ordered(f64::lt),
        Comparator::LessThanEqual => ordered(f64::le),
        Comparator::GreaterThan => ordered(f64::gt),
        Comparator::GreaterThanEqual => ordered(f64::ge),
    }
}

/// Deep equality in which `1` and `1.0` are the same number.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn eval(expression: &str) -> Result<Value, Fault> {
        let data = json!({
            "request": {"object": {"metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "x"}},
                "spec": {"list": [{"n": 1, "v": "p"}, {"n": 2}], "nested": [[1], [2, 3]]}}},
        });
        search(expression, &data, &|name| (name == "images").then(|| Fault::unknown("images are not modelled")))
            .map(Cow::into_owned)
    }

    #[test]
    fn a_missing_key_is_an_error_unless_something_takes_it_for_null() {
        assert_eq!(eval("request.object.metadata.annotations"), Err(Fault::NotFound("annotations".into())));
        assert_eq!(eval("request.object.metadata.annotations || 'none'"), Ok(json!("none")));
        assert_eq!(eval("request.object.nothing.deeper || ''"), Ok(json!("")));
        assert_eq!(eval("request.object.nothing == `null`"), Ok(json!(true)));
        assert_eq!(eval("request.object.nothing | type(@)"), Ok(json!("null")));
        assert_eq!(eval("!(request.object.nothing)"), Ok(json!(true)));
    }

    #[test]
    fn projections_filters_and_functions() {
        assert_eq!(eval("request.object.spec.list[*].v"), Ok(json!(["p"])));
        assert_eq!(eval("request.object.spec.list[?n > `1`].n"), Ok(json!([2])));
        assert_eq!(eval("request.object.spec.nested[] | length(@)"), Ok(json!(3)));
        assert_eq!(eval("length(request.object.spec.list[?v == 'p'])"), Ok(json!(1)));
        assert_eq!(eval("request.object.metadata.labels.\"app.kubernetes.io/name\""), Ok(json!("x")));
        assert_eq!(eval("to_upper(request.object.metadata.name)"), Ok(json!("A")));
        assert_eq!(eval("request.object.spec.list[-1].n"), Ok(json!(2)));
        assert_eq!(eval("request.object.{a: metadata.name b: spec.list[0].n}"), Ok(json!({"a": "a", "b": 1})));
        assert!(matches!(eval("request.object.{a: metadata.name b}"), Err(Fault::Error(_))));
        assert_eq!(eval("divide('1Gi', '512Mi')"), Ok(json!(2)));
        assert_eq!(
            eval("add(`1`, `2`) == `3` && sum([`1`, `2`, `3`]) == `6` && round(`2.345`, `1`) == `2.3`"),
            Ok(json!(true))
        );
        assert_eq!(eval("truncate('abcdef', `3`)"), Ok(json!("abc")));
        assert_eq!(eval("path_canonicalize('/a/./b/../../c')"), Ok(json!("/c")));
        assert_eq!(eval("semver_compare('1.2.3', '>=1.0.0 <2.0.0 || 3.0.0')"), Ok(json!(true)));
        assert_eq!(eval("parse_yaml('{a: [1]}').a[0]"), Ok(json!(1)));
        assert_eq!(eval("keys(request.object.metadata.labels)"), Ok(json!(["app.kubernetes.io/name"])));
    }

    #[test]
    fn what_is_not_known_is_said_so() {
        assert!(matches!(eval("images.containers"), Err(Fault::Unknown(_))));
        assert!(matches!(eval("time_now()"), Err(Fault::Unknown(_))));
        assert!(matches!(eval("add('1Gi', '1Gi')"), Err(Fault::Unknown(_))));
        assert!(matches!(eval("nonsense("), Err(Fault::Error(_))));
    }
}
