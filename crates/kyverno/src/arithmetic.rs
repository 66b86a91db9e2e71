//! Arithmetic of JMESPath, on numbers, quantities and durations (Kyverno `pkg/engine/jmespath/arithmetic.go`).
//!
//! What gives a number is computed; how Go would write a quantity or a duration that comes out is not modelled.

use serde_json::Value;

use super::fault::Fault;
use super::function::from_float;
use super::quantity;

/// One side of an operation; quantities in billionths, durations in nanoseconds.
#[derive(Debug, Clone, Copy)]
enum Operand {
    Scalar(f64),
    Quantity(i128),
    Duration(i128),
}

/// Calls one of the arithmetic functions; none for another name.
pub(super) fn call(name: &str, values: &[Value]) -> Option<Result<Value, Fault>> {
    match name {
        "add" | "subtract" | "multiply" | "divide" | "modulo" => Some(binary(name, values)),
        "sum" => Some(sum(values)),
        "round" => Some(round(values)),
        _ => None,
    }
}

fn operand(name: &str, values: &[Value], index: usize) -> Result<Operand, Fault> {
    let invalid = || Fault::error(format!("JMESPath function '{name}': invalid operand"));
    match values.get(index) {
        Some(Value::Number(number)) => number.as_f64().map(Operand::Scalar).ok_or_else(invalid),
        Some(Value::String(text)) => quantity::quantity(text)
            .map(Operand::Quantity)
            .or_else(|| quantity::duration(text).map(Operand::Duration))
            .ok_or_else(invalid),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => Err(invalid()),
    }
}

fn binary(name: &str, values: &[Value]) -> Result<Value, Fault> {
    let (left, right) = (operand(name, values, 0)?, operand(name, values, 1)?);
    let mismatch = || Err(Fault::error(format!("JMESPath function '{name}': types mismatch")));
    match (left, right) {
        (Operand::Scalar(a), Operand::Scalar(b)) => scalars(name, a, b).map(from_float),
        (Operand::Quantity(a), Operand::Quantity(b)) | (Operand::Duration(a), Operand::Duration(b)) => match name {
            "divide" if b == 0 => Err(by_zero(name)),
            "divide" => Ok(from_float(ratio(a, b))),
            "multiply" => mismatch(),
            _ => Err(unwritten(name)),
        },
        (Operand::Quantity(_) | Operand::Duration(_), Operand::Scalar(by)) => match name {
            "divide" if by == 0.0 => Err(by_zero(name)),
            "divide" | "multiply" => Err(unwritten(name)),
            _ => mismatch(),
        },
        (Operand::Scalar(_), Operand::Quantity(_) | Operand::Duration(_)) if name == "multiply" => Err(unwritten(name)),
        (Operand::Scalar(_) | Operand::Quantity(_) | Operand::Duration(_), _) => mismatch(),
    }
}

fn scalars(name: &str, a: f64, b: f64) -> Result<f64, Fault> {
    let whole = |number: f64| number.fract() == 0.0;
    match name {
        "add" => Ok(a + b),
        "subtract" => Ok(a - b),
        "multiply" => Ok(a * b),
        "divide" | "modulo" if b == 0.0 => Err(by_zero(name)),
        "divide" => Ok(a / b),
        _ if whole(a) && whole(b) => Ok(a % b),
        _ => Err(Fault::error(format!("JMESPath function '{name}': non-integer argument(s) passed for modulo"))),
    }
}

#[expect(clippy::cast_precision_loss, reason = "Go divides them as floating point numbers as well")]
fn ratio(a: i128, b: i128) -> f64 {
    a as f64 / b as f64
}

fn by_zero(name: &str) -> Fault {
    Fault::error(format!("JMESPath function '{name}': Zero divisor passed"))
}

fn unwritten(name: &str) -> Fault {
    Fault::unknown(format!("how `{name}` writes a quantity or a duration is not modelled"))
}

fn sum(values: &[Value]) -> Result<Value, Fault> {
    let invalid = || Fault::error("JMESPath function 'sum': types mismatch");
    let items = values.first().and_then(Value::as_array).ok_or_else(invalid)?;
    let (first, rest) = items
        .split_first()
        .ok_or_else(|| Fault::error("JMESPath function 'sum': at least one element in the array is required"))?;
    rest.iter().try_fold(first.clone(), |total, item| binary("add", &[total, item.clone()]))
}

fn round(values: &[Value]) -> Result<Value, Fault> {
    let number = |index: usize| {
        values.get(index).and_then(Value::as_f64).ok_or_else(|| Fault::error("Invalid argument type for round()"))
    };
    let (value, digits) = (number(0)?, number(1)?);
    if digits.fract() != 0.0 || digits < 0.0 {
        return Err(Fault::error("JMESPath function 'round': a number of digits is whole and not negative"));
    }
    let shift = 10_f64.powf(digits);
    Ok(from_float((value * shift).round() / shift))
}
