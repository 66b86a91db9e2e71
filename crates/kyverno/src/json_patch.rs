//! JSON patches (RFC 6902) with the liberties that Kyverno takes (Kyverno `pkg/engine/mutate/patch/patchJSON6902.go`):
//! `add` makes the path to its place, `remove` of what is not there does nothing, negative indices count from the end.

use serde_json::{Map, Value};

use super::fault::Fault;
use super::jmespath::equal;

/// `document` with the operations applied in order.
///
/// # Errors
/// The first operation that cannot be applied.
pub(super) fn apply(document: &Value, operations: &[Value]) -> Result<Value, Fault> {
    let mut document = document.clone();
    for operation in operations {
        apply_one(&mut document, operation)?;
    }
    Ok(document)
}

fn apply_one(document: &mut Value, operation: &Value) -> Result<(), Fault> {
    let path = pointer(&operation["path"])?;
    let name = operation["op"].as_str().unwrap_or_default();
    let value = || operation.get("value").cloned().unwrap_or_default();
    match name {
        "add" => add(document, &path, value()),
        "replace" => {
            *find(document, &path).ok_or_else(|| missing(&path))? = value();
            Ok(())
        }
        "remove" => {
            remove(document, &path);
            Ok(())
        }
        "move" => {
            let from = pointer(&operation["from"])?;
            let moved = remove(document, &from).ok_or_else(|| missing(&from))?;
            add(document, &path, moved)
        }
        "copy" => {
            let from = pointer(&operation["from"])?;
            let copied = find(document, &from).ok_or_else(|| missing(&from))?.clone();
            add(document, &path, copied)
        }
        "test" => match find(document, &path) {
            Some(actual) if equal(actual, &value()) => Ok(()),
            Some(_) | None => Err(Fault::error(format!("testing path /{} failed", path.join("/")))),
        },
        other => Err(Fault::error(format!("unexpected operation `{other}` in a JSON patch"))),
    }
}

fn missing(path: &[String]) -> Fault {
    Fault::error(format!("the path /{} does not exist", path.join("/")))
}

fn pointer(value: &Value) -> Result<Vec<String>, Fault> {
    let text = value.as_str().unwrap_or_default();
    let Some(rest) = text.strip_prefix('/') else {
        return if text.is_empty() && value.is_string() {
            Ok(Vec::new())
        } else {
            Err(Fault::error("a path of a JSON patch begins with `/`"))
        };
    };
    Ok(rest.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect())
}

/// Index of a list of `length`; negative ones count from the end.
fn index(part: &str, length: usize) -> Option<usize> {
    if let Some(back) = part.strip_prefix('-').filter(|back| !back.is_empty()) {
        return length.checked_sub(back.parse().ok()?);
    }
    part.parse().ok()
}

fn find<'d>(document: &'d mut Value, path: &[String]) -> Option<&'d mut Value> {
    path.iter().try_fold(document, |place, part| match place {
        Value::Object(map) => map.get_mut(part),
        Value::Array(items) => {
            let at = index(part, items.len())?;
            items.get_mut(at)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    })
}

fn remove(document: &mut Value, path: &[String]) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    match find(document, parents)? {
        Value::Object(map) => map.shift_remove(last),
        Value::Array(items) => {
            let at = index(last, items.len()).filter(|at| *at < items.len())?;
            Some(items.remove(at))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// What is made where the parent of `part` is missing: a list for an index, with nulls up to it (evanphx/json-patch 5.9.11
/// `patch.go`, `ensurePathExists`); none where there can be no such item.
fn parent_of(part: &str) -> Option<Value> {
    match part.parse::<i64>() {
        Ok(-1) => Some(Value::Array(Vec::new())),
        Ok(index) => Some(Value::Array(vec![Value::Null; usize::try_from(index).ok().filter(|index| *index < 1024)?])),
        Err(_) if part == "-" => Some(Value::Array(Vec::new())),
        Err(_) => Some(Value::Object(Map::new())),
    }
}

fn add(document: &mut Value, path: &[String], value: Value) -> Result<(), Fault> {
    let Some((last, parents)) = path.split_last() else {
        *document = value;
        return Ok(());
    };
    let mut place = document;
    for (depth, part) in parents.iter().enumerate() {
        let next = &path[depth + 1];
        place = match place {
            Value::Object(map) => {
                let below = map.entry(part.clone()).or_insert(Value::Null);
                if below.is_null() {
                    *below = parent_of(next).ok_or_else(|| missing(path))?;
                }
                below
            }
            Value::Array(items) => item(items, part, next).ok_or_else(|| missing(path))?,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Err(missing(path)),
        };
    }
    match place {
        Value::Object(map) => {
            map.insert(last.clone(), value);
        }
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => {
            // A negative index counts from behind the new item: -1 appends.
            let at = index(last, items.len() + 1).filter(|at| *at <= items.len()).ok_or_else(|| missing(path))?;
            items.insert(at, value);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Err(missing(path)),
    }
    Ok(())
}

/// The item of a list on the way to a new place. One that is missing is made, behind nulls if need be; one that is null gets
/// a new one in front of it (evanphx/json-patch 5.9.11 `patch.go`, `ensurePathExists`).
fn item<'i>(items: &'i mut Vec<Value>, part: &str, next: &str) -> Option<&'i mut Value> {
    let there = index(part, items.len()).filter(|at| items.get(*at).is_some_and(|item| !item.is_null()));
    if let Some(at) = there {
        return items.get_mut(at);
    }
    let wanted = part.parse::<usize>().ok().filter(|at| *at < 1024).unwrap_or_default();
    while items.len() < wanted {
        items.push(Value::Null);
    }
    let at = index(part, items.len() + 1).filter(|at| *at <= items.len())?;
    items.insert(at, parent_of(next)?);
    items.get_mut(at)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operations() {
        let document = json!({"metadata": {"labels": {"a": "1"}}, "list": [1, 2]});
        let patched = apply(
            &document,
            &[
                json!({"op": "add", "path": "/metadata/annotations/x.io~1y", "value": "z"}),
                json!({"op": "replace", "path": "/metadata/labels/a", "value": "2"}),
                json!({"op": "add", "path": "/list/-", "value": 3}),
                json!({"op": "add", "path": "/list/0", "value": 0}),
                json!({"op": "remove", "path": "/nowhere/at/all"}),
                json!({"op": "remove", "path": "/list/-1"}),
                json!({"op": "copy", "from": "/metadata/labels/a", "path": "/copied"}),
                json!({"op": "test", "path": "/copied", "value": "2"}),
            ],
        );
        let expected = json!({"metadata": {"labels": {"a": "2"}, "annotations": {"x.io/y": "z"}}, "list": [0, 1, 2], "copied": "2"});
        assert_eq!(patched, Ok(expected));
        let appended = apply(
            &document,
            &[
                json!({"op": "add", "path": "/list/-1", "value": 3}),
                json!({"op": "add", "path": "/list/-2", "value": 9}),
                json!({"op": "add", "path": "/made/-1", "value": "a"}),
                json!({"op": "add", "path": "/padded/1", "value": "b"}),
            ],
        );
        let expected =
            json!({"metadata": {"labels": {"a": "1"}}, "list": [1, 2, 9, 3], "made": ["a"], "padded": [null, "b"]});
        assert_eq!(appended, Ok(expected));
        let below = apply(&json!({}), &[json!({"op": "add", "path": "/containers/0/args/-1", "value": "x"})]);
        assert_eq!(below, Ok(json!({"containers": [{"args": ["x"]}]})));
        assert!(apply(&document, &[json!({"op": "add", "path": "/made/-2", "value": 1})]).is_err());
        assert!(apply(&document, &[json!({"op": "test", "path": "/list", "value": []})]).is_err());
        assert!(apply(&document, &[json!({"op": "replace", "path": "/none", "value": 1})]).is_err());
    }
}
