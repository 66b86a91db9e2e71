//! Functions of CEL beyond the standard: those of Kubernetes and of Kyverno that need no cluster
//! (Kubernetes `k8s.io/apiserver/pkg/cel/library`, cel-go `ext`, Kyverno `pkg/cel/libs/image`).

use airtight_manifest::re2;
use cel::common::types::{CelOptional, DYN_TYPE, INT_TYPE, LIST_TYPE, STRING_TYPE, Type};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use regex::Regex;
use serde_json::Value;

use super::cel::cel_value;
use super::image;
use super::jmespath::equal;

/// Registers the functions.
pub(super) fn extend(env: &mut Env) -> Result<(), DeclarationError> {
    cel::extensions::strings(env)?;
    let lists = || vec![LIST_TYPE, LIST_TYPE];
    env.add_overload("sets.contains", "sets_contains", lists(), over_json::<SetsContain>)?;
    env.add_overload("sets.equivalent", "sets_equivalent", lists(), over_json::<SetsEquivalent>)?;
    env.add_overload("sets.intersects", "sets_intersect", lists(), over_json::<SetsIntersect>)?;
    member::<ListSum>(env, "sum", LIST_TYPE, vec![])?;
    member::<ListMin>(env, "min", LIST_TYPE, vec![])?;
    member::<ListMax>(env, "max", LIST_TYPE, vec![])?;
    member::<ListIsSorted>(env, "isSorted", LIST_TYPE, vec![])?;
    member::<ListIndexOf>(env, "indexOf", LIST_TYPE, vec![DYN_TYPE])?;
    member::<ListLastIndexOf>(env, "lastIndexOf", LIST_TYPE, vec![DYN_TYPE])?;
    member::<Find>(env, "find", STRING_TYPE, vec![STRING_TYPE])?;
    member::<FindAll>(env, "findAll", STRING_TYPE, vec![STRING_TYPE])?;
    member::<FindAll>(env, "findAll", STRING_TYPE, vec![STRING_TYPE, INT_TYPE])?;
    env.add_overload("image", "image_string", vec![STRING_TYPE], over_json::<Image>)?;
    env.add_overload("isImage", "is_image_string", vec![STRING_TYPE], over_json::<IsImage>)?;
    member::<Registry>(env, "registry", DYN_TYPE, vec![])?;
    member::<Repository>(env, "repository", DYN_TYPE, vec![])?;
    member::<Identifier>(env, "identifier", DYN_TYPE, vec![])?;
    member::<Tag>(env, "tag", DYN_TYPE, vec![])?;
    member::<Digest>(env, "digest", DYN_TYPE, vec![])?;
    member::<ContainsDigest>(env, "containsDigest", DYN_TYPE, vec![])?;
    env.add_overload("jsonpatch.escapeKey", "jsonpatch_escape", vec![STRING_TYPE], over_json::<EscapeKey>)
}

/// What [`super::cel`] puts around everything that `orValue` is called on.
pub(super) const OPTIONAL: &str = "airtight.optional";

/// Lets `orValue` take optionals alone.
pub(super) fn take_optionals(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload(OPTIONAL, "itself", vec![DYN_TYPE], itself)
}

/// Lets `orValue` take what is no optional, and give it back: cel-go did so before 0.28, which came with Kyverno 1.19
/// (Kyverno `pkg/cel/compiler/env.go`, `OrValueCompatEnvOptions`).
pub(super) fn take_anything(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload(OPTIONAL, "as_optional", vec![DYN_TYPE], as_optional)
}

fn itself<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    args.into_iter().next().ok_or(ExecutionError::MissingArgumentOrTarget)
}

fn as_optional<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = itself(args)?;
    if value.downcast_ref::<CelOptional<'_>>().is_some() {
        return Ok(value);
    }
    Ok(CowVal::owned(CelOptional::of(value.as_ref().clone_as_boxed())))
}

/// A function over values that have a JSON form; the receiver is the first argument.
trait JsonFunction {
    fn call(args: &[Value]) -> Result<Value, String>;
}

fn member<F: JsonFunction>(env: &mut Env, name: &str, on: Type, args: Vec<Type>) -> Result<(), DeclarationError> {
    let id = format!("{}_{name}_{}", on.name(), args.len());
    env.add_member_overload(name, &id, on, args, over_json::<F>)
}

fn over_json<'b, 'v, F: JsonFunction>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let failed = |message: String| ExecutionError::FunctionError { function: "library".to_owned(), message };
    let json =
        |arg: CowVal<'b, 'v>| cel::Value::try_from(arg.as_ref())?.json().map_err(|error| failed(error.to_string()));
    let values = args.into_iter().map(json).collect::<Result<Vec<_>, _>>()?;
    let result = F::call(&values).map_err(failed)?;
    let boxed: Box<dyn Val + 'v> = cel_value(&result).try_into()?;
    Ok(CowVal::Owned(boxed))
}

fn items(args: &[Value], index: usize) -> &[Value] {
    args.get(index).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn has(items: &[Value], wanted: &Value) -> bool {
    items.iter().any(|item| equal(item, wanted))
}

struct SetsContain;
impl JsonFunction for SetsContain {
    fn call(args: &[Value]) -> Result<Value, String> {
        let (list, sub) = (items(args, 0), items(args, 1));
        Ok(Value::Bool(sub.iter().all(|item| has(list, item))))
    }
}

struct SetsEquivalent;
impl JsonFunction for SetsEquivalent {
    fn call(args: &[Value]) -> Result<Value, String> {
        let (a, b) = (items(args, 0), items(args, 1));
        Ok(Value::Bool(a.iter().all(|item| has(b, item)) && b.iter().all(|item| has(a, item))))
    }
}

struct SetsIntersect;
impl JsonFunction for SetsIntersect {
    fn call(args: &[Value]) -> Result<Value, String> {
        let (a, b) = (items(args, 0), items(args, 1));
        Ok(Value::Bool(a.iter().any(|item| has(b, item))))
    }
}

struct ListSum;
impl JsonFunction for ListSum {
    fn call(args: &[Value]) -> Result<Value, String> {
        let items = items(args, 0);
        if let Some(whole) = items.iter().map(Value::as_i64).collect::<Option<Vec<_>>>() {
            return whole
                .into_iter()
                .try_fold(0_i64, i64::checked_add)
                .map(Value::from)
                .ok_or_else(|| "integer overflow".to_owned());
        }
        let numbers = items.iter().map(Value::as_f64).collect::<Option<Vec<_>>>();
        numbers.map(|numbers| Value::from(numbers.iter().sum::<f64>())).ok_or_else(|| "sum of no numbers".to_owned())
    }
}

/// Numbers and texts in order; none for a mixture.
fn ordered(items: &[Value]) -> Result<Vec<&Value>, String> {
    let mut sorted: Vec<&Value> = items.iter().collect();
    let texts = items.iter().all(Value::is_string);
    if !texts && !items.iter().all(Value::is_number) {
        return Err("values that have no order".to_owned());
    }
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    sorted.sort_by(|a, b| if texts { a.as_str().cmp(&b.as_str()) } else { number(a).total_cmp(&number(b)) });
    Ok(sorted)
}

struct ListMin;
impl JsonFunction for ListMin {
    fn call(args: &[Value]) -> Result<Value, String> {
        let sorted = ordered(items(args, 0))?;
        sorted.first().map(|value| (*value).clone()).ok_or_else(|| "min called on empty list".to_owned())
    }
}

struct ListMax;
impl JsonFunction for ListMax {
    fn call(args: &[Value]) -> Result<Value, String> {
        let sorted = ordered(items(args, 0))?;
        sorted.last().map(|value| (*value).clone()).ok_or_else(|| "max called on empty list".to_owned())
    }
}

struct ListIsSorted;
impl JsonFunction for ListIsSorted {
    fn call(args: &[Value]) -> Result<Value, String> {
        let list = items(args, 0);
        Ok(Value::Bool(ordered(list)?.into_iter().zip(list).all(|(a, b)| a == b)))
    }
}

struct ListIndexOf;
impl JsonFunction for ListIndexOf {
    fn call(args: &[Value]) -> Result<Value, String> {
        let wanted = args.get(1).unwrap_or(&Value::Null);
        Ok(place(items(args, 0).iter().position(|item| equal(item, wanted))))
    }
}

struct ListLastIndexOf;
impl JsonFunction for ListLastIndexOf {
    fn call(args: &[Value]) -> Result<Value, String> {
        let wanted = args.get(1).unwrap_or(&Value::Null);
        Ok(place(items(args, 0).iter().rposition(|item| equal(item, wanted))))
    }
}

fn place(index: Option<usize>) -> Value {
    index.map_or_else(|| Value::from(-1), Value::from)
}

fn text(args: &[Value], index: usize) -> &str {
    args.get(index).and_then(Value::as_str).unwrap_or_default()
}

fn regex(args: &[Value]) -> Result<Regex, String> {
    re2::search(text(args, 1)).map_err(|error| error.to_string())
}

struct EscapeKey;
impl JsonFunction for EscapeKey {
    fn call(args: &[Value]) -> Result<Value, String> {
        Ok(Value::from(text(args, 0).replace('~', "~0").replace('/', "~1")))
    }
}

struct Find;
impl JsonFunction for Find {
    fn call(args: &[Value]) -> Result<Value, String> {
        Ok(Value::from(regex(args)?.find(text(args, 0)).map_or("", |found| found.as_str())))
    }
}

struct FindAll;
impl JsonFunction for FindAll {
    fn call(args: &[Value]) -> Result<Value, String> {
        let limit = args.get(2).and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok());
        let regex = regex(args)?;
        let all = regex.find_iter(text(args, 0)).map(|found| Value::from(found.as_str()));
        Ok(all.take(limit.unwrap_or(usize::MAX)).collect())
    }
}

struct Image;
impl JsonFunction for Image {
    fn call(args: &[Value]) -> Result<Value, String> {
        image::reference(text(args, 0)).ok_or_else(|| "could not parse reference".to_owned())
    }
}

struct IsImage;
impl JsonFunction for IsImage {
    fn call(args: &[Value]) -> Result<Value, String> {
        Ok(Value::Bool(image::reference(text(args, 0)).is_some()))
    }
}

/// A part of an image; any other map has no such function.
fn part(args: &[Value], key: &str) -> Result<Value, String> {
    let image = args.first().filter(|value| value.get("containsDigest").is_some());
    image.map(|image| image[key].clone()).ok_or_else(|| format!("no such overload: {key}()"))
}

struct Registry;
impl JsonFunction for Registry {
    fn call(args: &[Value]) -> Result<Value, String> {
        part(args, "registry")
    }
}

struct Repository;
impl JsonFunction for Repository {
    fn call(args: &[Value]) -> Result<Value, String> {
        part(args, "repository")
    }
}

struct Identifier;
impl JsonFunction for Identifier {
    fn call(args: &[Value]) -> Result<Value, String> {
        part(args, "identifier")
    }
}

struct Tag;
impl JsonFunction for Tag {
    fn call(args: &[Value]) -> Result<Value, String> {
        part(args, "tag")
    }
}

struct Digest;
impl JsonFunction for Digest {
    fn call(args: &[Value]) -> Result<Value, String> {
        part(args, "digest")
    }
}

struct ContainsDigest;
impl JsonFunction for ContainsDigest {
    fn call(args: &[Value]) -> Result<Value, String> {
        part(args, "containsDigest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_can_be_declared() {
        let mut env = Env::stdlib().with_optional_support(true);
        assert_eq!(extend(&mut env), Ok(()));
        assert_eq!(take_anything(&mut env), Ok(()));
    }

    #[test]
    fn functions_give_what_kubernetes_gives() {
        let mut env = Env::stdlib().with_optional_support(true);
        assert_eq!(extend(&mut env), Ok(()));
        let env = std::sync::Arc::new(env);
        for (expression, expected) in [
            ("sets.contains([1, 2], [2])", true),
            ("sets.equivalent([1, 2], [2, 1, 1])", true),
            ("sets.intersects([1], [2])", false),
            ("[1, 2, 3].sum() == 6", true),
            ("['b', 'a'].max() == 'b' && [3, 1].min() == 1", true),
            ("[1, 2].isSorted() && ![2, 1].isSorted()", true),
            ("['a', 'b'].indexOf('b') == 1 && 'ab'.indexOf('b') == 1", true),
            ("'a-1-2'.find('[0-9]+') == '1' && 'a-1-2'.findAll('[0-9]+') == ['1', '2']", true),
            ("image('nginx').registry() == 'index.docker.io' && image('a/b:c').tag() == 'c'", true),
            ("isImage('a/b:c') && !isImage('A b')", true),
            ("jsonpatch.escapeKey('a/b~c') == 'a~1b~0c'", true),
            ("optional.of(1).orValue(2) == 1", true),
            ("'a,b'.split(',').join('-') == 'a-b'", true),
        ] {
            let program = env.compile(expression).map_err(|error| error.to_string());
            let context = cel::Context::with_env(std::sync::Arc::clone(&env));
            let value = program.and_then(|program| program.execute(&context).map_err(|error| error.to_string()));
            assert_eq!(value, Ok(cel::Value::Bool(expected)), "{expression}");
        }
    }
}
