//! Documents of other formats, built as JSON.

use serde_json::Value;

use super::error::ReportError;

/// The same without members that say nothing: nulls, empty texts, empty lists and empty objects, from the inside out.
/// OSCAL, for one, refuses an empty list where it takes none.
pub(super) fn lean(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, lean(value))).filter(says_something).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(lean).filter(is_something).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn says_something((_, value): &(String, Value)) -> bool {
    is_something(value)
}

fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// Indented JSON with a line break at the end.
///
/// # Errors
/// [`ReportError::Render`]; no document is known for which it happens.
pub(super) fn json(value: &Value, format: &'static str) -> Result<String, ReportError> {
    let mut text =
        serde_json::to_string_pretty(value).map_err(|error| ReportError::Render { format, why: error.to_string() })?;
    text.push('\n');
    Ok(text)
}

/// A stream of YAML documents, as `kubectl apply` takes it, each in the form of JSON, which YAML contains: of texts that
/// somebody else chose, the serializer for YAML's own forms writes some that no reader takes back.
///
/// # Errors
/// [`ReportError::Render`]; no document is known for which it happens.
pub(super) fn yaml_stream(values: &[Value], format: &'static str) -> Result<String, ReportError> {
    let texts: Vec<String> = values.iter().map(|value| json(value, format)).collect::<Result<_, _>>()?;
    Ok(texts.iter().flat_map(|text| ["---\n", text]).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_says_nothing_goes_from_the_inside_out() {
        let value = json!({"a": [], "b": {"c": null, "d": [""]}, "e": 0, "f": false, "g": ["x", {}]});
        assert_eq!(lean(value), json!({"e": 0, "f": false, "g": ["x"]}));
    }
}
