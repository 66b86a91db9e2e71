//! Functions of JMESPath: the standard ones and Kyverno's own (Kyverno `pkg/engine/jmespath/functions.go`).

use airtight_manifest::{re2, yaml};
use jmespath::ast::Ast;
use regex::Regex;
use semver::Version;
use serde_json::{Map, Number, Value, json};

use super::fault::Fault;
use super::jmespath::{Interpreter, equal};
use super::{arithmetic, wildcard};

/// Functions that Kyverno has and the engine does not: they read the clock, chance, the network, or
/// formats of no bearing on traffic.
const NOT_MODELLED: &[&str] = &[
    "random",
    "x509_decode",
    "time_since",
    "time_now",
    "time_now_utc",
    "time_to_cron",
    "time_add",
    "time_parse",
    "time_utc",
    "time_diff",
    "time_before",
    "time_after",
    "time_between",
    "time_truncate",
    "image_normalize",
    "is_external_url",
    "sha256",
    "sha1",
    "md5",
    "base64_decode",
    "base64_encode",
];

/// Calls function `name` on `args`, evaluated over `value`.
pub(super) fn call(interpreter: &Interpreter<'_>, name: &str, args: &[Ast], value: &Value) -> Result<Value, Fault> {
    if NOT_MODELLED.contains(&name) {
        return Err(Fault::unknown(format!("the function `{name}` is not modelled")));
    }
    if let Some(Ast::Expref { .. }) = args.iter().find(|arg| matches!(arg, Ast::Expref { .. })) {
        return by_expression(interpreter, name, args, value);
    }
    let values: Vec<Value> = args.iter().map(|arg| interpreter.argument(arg, value)).collect::<Result<_, _>>()?;
    arithmetic::call(name, &values)
        .or_else(|| standard(name, &values))
        .or_else(|| text_function(name, &values))
        .or_else(|| object_function(name, &values))
        .unwrap_or_else(|| Err(Fault::error(format!("Unknown function: {name}()"))))
}

type Called = Option<Result<Value, Fault>>;

fn standard(name: &str, values: &[Value]) -> Called {
    let first = values.first().unwrap_or(&Value::Null);
    Some(match name {
        "type" => Ok(Value::from(type_name(first))),
        "length" => length(first).ok_or_else(|| wrong_type(name)),
        "not_null" => Ok(values.iter().find(|value| !value.is_null()).cloned().unwrap_or_default()),
        "to_string" => Ok(Value::from(to_string(first))),
        "to_number" => Ok(to_number(first)),
        "to_array" => Ok(if first.is_array() { first.clone() } else { json!([first]) }),
        "contains" => contains(values),
        "reverse" => reverse(first),
        "sort" => sorted(first),
        "max" => extreme(first, true),
        "min" => extreme(first, false),
        "abs" => number(name, values, 0).map(|n| from_float(n.abs())),
        "ceil" => number(name, values, 0).map(|n| from_float(n.ceil())),
        "floor" => number(name, values, 0).map(|n| from_float(n.floor())),
        "avg" => Err(Fault::unknown("the function `avg` is not modelled")),
        _ => return None,
    })
}

fn text_function(name: &str, values: &[Value]) -> Called {
    let arg = |index: usize| text(name, values, index);
    Some(match name {
        "starts_with" => (|| Ok(Value::Bool(arg(0)?.starts_with(arg(1)?))))(),
        "ends_with" => (|| Ok(Value::Bool(arg(0)?.ends_with(arg(1)?))))(),
        "to_upper" => arg(0).map(|text| Value::from(text.to_uppercase())),
        "to_lower" => arg(0).map(|text| Value::from(text.to_lowercase())),
        "trim" => (|| {
            let cutset = arg(1)?;
            Ok(Value::from(arg(0)?.trim_matches(|c| cutset.contains(c))))
        })(),
        "trim_prefix" => (|| {
            let whole = arg(0)?;
            Ok(Value::from(whole.strip_prefix(arg(1)?).unwrap_or(whole)))
        })(),
        "split" => (|| Ok(arg(0)?.split(arg(1)?).map(Value::from).collect()))(),
        "join" => (|| {
            let items: Option<Vec<&str>> =
                values.get(1).and_then(Value::as_array).and_then(|items| items.iter().map(Value::as_str).collect());
            Ok(Value::from(items.ok_or_else(|| wrong_type(name))?.join(arg(0)?)))
        })(),
        "replace" => (|| Ok(replace(arg(0)?, arg(1)?, arg(2)?, number(name, values, 3)?)))(),
        "replace_all" => (|| Ok(Value::from(arg(0)?.replace(arg(1)?, arg(2)?))))(),
        "compare" => (|| Ok(Value::from(arg(0)?.cmp(arg(1)?) as i8)))(),
        "equal_fold" => (|| Ok(Value::Bool(arg(0)?.to_lowercase() == arg(1)?.to_lowercase())))(),
        "regex_match" => (|| Ok(Value::Bool(regex(arg(0)?)?.is_match(&scalar_text(name, values, 1)?))))(),
        "regex_replace_all" => (|| {
            let (source, with) = (scalar_text(name, values, 1)?, scalar_text(name, values, 2)?);
            Ok(Value::from(regex(arg(0)?)?.replace_all(&source, with.as_str()).into_owned()))
        })(),
        "regex_replace_all_literal" => (|| {
            let (source, with) = (scalar_text(name, values, 1)?, scalar_text(name, values, 2)?);
            Ok(Value::from(regex(arg(0)?)?.replace_all(&source, regex::NoExpand(&with)).into_owned()))
        })(),
        "pattern_match" => (|| Ok(Value::Bool(wildcard::matches(arg(0)?, &scalar_text(name, values, 1)?))))(),
        "to_boolean" => (|| match arg(0)?.to_lowercase().as_str() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            other => Err(Fault::error(format!("to_boolean: `{other}` is neither true nor false"))),
        })(),
        "truncate" => (|| {
            let length = number(name, values, 1)?.max(0.0);
            Ok(Value::from(arg(0)?.chars().take(whole(length)).collect::<String>()))
        })(),
        "path_canonicalize" => arg(0).map(|path| Value::from(canonical(path))),
        "semver_compare" => (|| in_range(arg(0)?, arg(1)?))(),
        "parse_yaml" => (|| {
            let documents = yaml::parse(&"parse_yaml".into(), arg(0)?).map_err(|error| Fault::error(error.message))?;
            Ok(documents.first().map(|document| document.root.to_json()).unwrap_or_default())
        })(),
        "parse_json" => (|| serde_json::from_str(arg(0)?).map_err(|error| Fault::error(error.to_string())))(),
        _ => return None,
    })
}

fn object_function(name: &str, values: &[Value]) -> Called {
    let first = values.first().unwrap_or(&Value::Null);
    let object = |index: usize| values.get(index).and_then(Value::as_object).ok_or_else(|| wrong_type(name));
    Some(match name {
        "keys" => object(0).map(|map| map.keys().map(|key| Value::from(key.as_str())).collect()),
        "values" => object(0).map(|map| map.values().cloned().collect()),
        "merge" => (0..values.len())
            .try_fold(Map::new(), |mut all, index| {
                all.extend(object(index)?.iter().map(|(key, value)| (key.clone(), value.clone())));
                Ok(all)
            })
            .map(Value::Object),
        "label_match" => (|| {
            let (wanted, actual) = (object(0)?, object(1)?);
            Ok(Value::Bool(wanted.iter().all(|(key, value)| actual.get(key) == Some(value))))
        })(),
        "lookup" => lookup(first, values.get(1).unwrap_or(&Value::Null)),
        "items" => items(first, name, values),
        "object_from_lists" => object_from_lists(name, values),
        _ => return None,
    })
}

fn by_expression(interpreter: &Interpreter<'_>, name: &str, args: &[Ast], value: &Value) -> Result<Value, Fault> {
    let (("map", [Ast::Expref { ast, .. }, list]) | ("sort_by" | "max_by" | "min_by", [list, Ast::Expref { ast, .. }])) =
        (name, args)
    else {
        return Err(Fault::error(format!("{name}() does not take an expression there")));
    };
    let Value::Array(items) = interpreter.argument(list, value)? else { return Err(wrong_type(name)) };
    let keys: Vec<Value> = items.iter().map(|item| interpreter.argument(ast, item)).collect::<Result<_, _>>()?;
    if name == "map" {
        return Ok(Value::Array(keys));
    }
    let mut pairs: Vec<_> = keys.into_iter().zip(items).collect();
    if !pairs.windows(2).all(|pair| order(&pair[0].0, &pair[1].0).is_some()) {
        return Err(wrong_type(name));
    }
    pairs.sort_by(|a, b| order(&a.0, &b.0).unwrap_or(std::cmp::Ordering::Equal));
    let mut sorted: Vec<Value> = pairs.into_iter().map(|(_, item)| item).collect();
    Ok(match name {
        "sort_by" => Value::Array(sorted),
        "max_by" => sorted.pop().unwrap_or_default(),
        _ => sorted.into_iter().next().unwrap_or_default(),
    })
}

fn wrong_type(name: &str) -> Fault {
    Fault::error(format!("Invalid argument type for {name}()"))
}

fn text<'v>(name: &str, values: &'v [Value], index: usize) -> Result<&'v str, Fault> {
    values.get(index).and_then(Value::as_str).ok_or_else(|| wrong_type(name))
}

fn number(name: &str, values: &[Value], index: usize) -> Result<f64, Fault> {
    values.get(index).and_then(Value::as_f64).ok_or_else(|| wrong_type(name))
}

fn scalar_text(name: &str, values: &[Value], index: usize) -> Result<String, Fault> {
    match values.get(index) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        _ => Err(wrong_type(name)),
    }
}

fn regex(pattern: &str) -> Result<Regex, Fault> {
    re2::search(pattern).map_err(|error| Fault::error(error.to_string()))
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn length(value: &Value) -> Option<Value> {
    Some(Value::from(match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        Value::Object(map) => map.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) => return None,
    }))
}

/// Text as it is, anything else as JSON.
pub(super) fn to_string(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn to_number(value: &Value) -> Value {
    match value {
        Value::Number(_) => value.clone(),
        Value::String(text) => {
            text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<f64>().map(from_float)).unwrap_or_default()
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Value::Null,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "only whole numbers far inside the range are cast")]
pub(super) fn from_float(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9e15 {
        Value::from(number as i64)
    } else {
        Number::from_f64(number).map_or(Value::Null, Value::Number)
    }
}

fn contains(values: &[Value]) -> Result<Value, Fault> {
    let wanted = values.get(1).unwrap_or(&Value::Null);
    match values.first() {
        Some(Value::String(text)) => Ok(Value::Bool(wanted.as_str().is_some_and(|part| text.contains(part)))),
        Some(Value::Array(items)) => Ok(Value::Bool(items.iter().any(|item| equal(item, wanted)))),
        _ => Err(wrong_type("contains")),
    }
}

fn reverse(value: &Value) -> Result<Value, Fault> {
    match value {
        Value::String(text) => Ok(Value::from(text.chars().rev().collect::<String>())),
        Value::Array(items) => Ok(items.iter().rev().cloned().collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Err(wrong_type("reverse")),
    }
}

fn order(a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        _ => None,
    }
}

fn sorted(value: &Value) -> Result<Value, Fault> {
    let Value::Array(items) = value else { return Err(wrong_type("sort")) };
    if !items.windows(2).all(|pair| order(&pair[0], &pair[1]).is_some()) {
        return Err(wrong_type("sort"));
    }
    let mut items = items.clone();
    items.sort_by(|a, b| order(a, b).unwrap_or(std::cmp::Ordering::Equal));
    Ok(Value::Array(items))
}

fn extreme(value: &Value, greatest: bool) -> Result<Value, Fault> {
    let Value::Array(items) = sorted(value)? else { return Ok(Value::Null) };
    Ok(if greatest { items.last() } else { items.first() }.cloned().unwrap_or_default())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "negative means all, and is handled first")]
fn replace(whole: &str, old: &str, new: &str, times: f64) -> Value {
    Value::from(if times < 0.0 { whole.replace(old, new) } else { whole.replacen(old, new, times as usize) })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a negative number is none by then")]
fn whole(length: f64) -> usize {
    length as usize
}

/// A path without empty parts, `.` and `..` (Go `path/filepath`, `Clean`).
fn canonical(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match (part, parts.last()) {
            ("..", Some(last)) if *last != ".." => {
                parts.pop();
            }
            ("..", None) if rooted => {}
            _ => parts.push(part),
        }
    }
    match (path.is_empty(), rooted, parts.is_empty()) {
        (true, _, _) => String::new(),
        (false, true, _) => format!("/{}", parts.join("/")),
        (false, false, true) => ".".to_owned(),
        (false, false, false) => parts.join("/"),
    }
}

/// Whether a version is in a range: alternatives between `||`, and comparisons that must all hold between spaces
/// (`github.com/blang/semver`). A version that is none counts as 0.0.0.
fn in_range(version: &str, range: &str) -> Result<Value, Fault> {
    let version = Version::parse(version).unwrap_or(Version::new(0, 0, 0));
    let mut any = false;
    for alternative in range.split("||") {
        let mut all = true;
        for comparison in alternative.split_whitespace() {
            all &= compared(&version, comparison)?;
        }
        any |= all;
    }
    Ok(Value::Bool(any))
}

fn compared(version: &Version, comparison: &str) -> Result<bool, Fault> {
    let at = comparison.find(|c: char| c.is_ascii_alphanumeric()).unwrap_or(comparison.len());
    let (operator, bound) = comparison.split_at(at);
    let bound = Version::parse(bound)
        .map_err(|_| Fault::unknown(format!("the range of versions `{comparison}` is not modelled")))?;
    let order = version.cmp_precedence(&bound);
    Ok(match operator {
        "" | "=" | "==" => order.is_eq(),
        "!" | "!=" => order.is_ne(),
        ">" => order.is_gt(),
        ">=" => order.is_ge(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        _ => return Err(Fault::unknown(format!("the range of versions `{comparison}` is not modelled"))),
    })
}

fn lookup(collection: &Value, key: &Value) -> Result<Value, Fault> {
    match (collection, key) {
        (Value::Object(map), Value::String(key)) => Ok(map.get(key).cloned().unwrap_or_default()),
        (Value::Array(items), Value::Number(index)) => {
            let at = index.as_u64().and_then(|index| usize::try_from(index).ok());
            Ok(at.and_then(|at| items.get(at)).cloned().unwrap_or_default())
        }
        _ => Err(wrong_type("lookup")),
    }
}

fn items(collection: &Value, name: &str, values: &[Value]) -> Result<Value, Fault> {
    let (key_name, value_name) = (text(name, values, 1)?, text(name, values, 2)?);
    let pair = |key: Value, value: &Value| json!({key_name: key, value_name: value});
    match collection {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.keys().collect();
            keys.sort();
            Ok(keys.into_iter().map(|key| pair(Value::from(key.as_str()), &map[key])).collect())
        }
        Value::Array(items) => {
            Ok(items.iter().enumerate().map(|(index, item)| pair(Value::from(index), item)).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Err(wrong_type(name)),
    }
}

fn object_from_lists(name: &str, values: &[Value]) -> Result<Value, Fault> {
    let list = |index: usize| values.get(index).and_then(Value::as_array).ok_or_else(|| wrong_type(name));
    let (keys, elements) = (list(0)?, list(1)?);
    let mut map = Map::new();
    for (index, key) in keys.iter().enumerate() {
        map.insert(to_string(key), elements.get(index).cloned().unwrap_or_default());
    }
    Ok(Value::Object(map))
}
