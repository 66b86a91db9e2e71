//! Expression × request → truth.

use airtight_manifest::re2;

use super::parse::{Expression, Operator, parse};
use crate::policy::Request;

/// Whose attributes a request has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy::gateway) enum Dialect {
    /// Envoy's: `request.path` has the query, `request.url_path` has not
    /// (Envoy `docs/root/intro/arch_overview/advanced/attributes.rst`).
    Envoy,
    /// Agentgateway's: `request.path` has no query, `request.pathAndQuery` has (agentgateway `schema/cel.md`).
    Agentgateway,
}

/// What an expression comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy::gateway) enum Truth {
    True,
    False,
    /// The proxy cannot evaluate it: a header is absent, a value has another type.
    Error,
    /// The model cannot evaluate it.
    Unmodelled,
}

/// What the expression `text` comes to for `request`.
pub(in crate::policy::gateway) fn evaluate(text: &str, request: &Request, dialect: Dialect) -> Truth {
    let Ok(expression) = parse(text) else { return Truth::Unmodelled };
    match (Scope { request, dialect }).value(&expression) {
        Ok(Value::Bool(true)) => Truth::True,
        Ok(Value::Bool(false)) => Truth::False,
        Ok(Value::Int(_) | Value::Text(_) | Value::List(_) | Value::Headers) | Err(Failure::Error) => Truth::Error,
        Err(Failure::Unmodelled) => Truth::Unmodelled,
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Value>),
    Headers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    Error,
    Unmodelled,
}

struct Scope<'a> {
    request: &'a Request,
    dialect: Dialect,
}

type Result<T = Value> = std::result::Result<T, Failure>;

impl Scope<'_> {
    fn value(&self, expression: &Expression) -> Result {
        match expression {
            Expression::Bool(value) => Ok(Value::Bool(*value)),
            Expression::Int(value) => Ok(Value::Int(*value)),
            Expression::Text(value) => Ok(Value::Text(value.clone())),
            Expression::List(items) => {
                Ok(Value::List(items.iter().map(|item| self.value(item)).collect::<Result<_>>()?))
            }
            Expression::Name(_) => Err(Failure::Unmodelled),
            Expression::Select(target, name) => self.select(target, name),
            Expression::Index(target, index) => match (self.value(target)?, self.value(index)?) {
                (Value::Headers, Value::Text(name)) => self.header(&name),
                _ => Err(Failure::Unmodelled),
            },
            Expression::Call { target, name, arguments } => self.call(target.as_deref(), name, arguments),
            Expression::Not(inner) => match self.value(inner)? {
                Value::Bool(value) => Ok(Value::Bool(!value)),
                Value::Int(_) | Value::Text(_) | Value::List(_) | Value::Headers => Err(Failure::Error),
            },
            Expression::Binary(operator, left, right) => self.binary(*operator, left, right),
            Expression::Choice(condition, yes, no) => match self.value(condition)? {
                Value::Bool(true) => self.value(yes),
                Value::Bool(false) => self.value(no),
                Value::Int(_) | Value::Text(_) | Value::List(_) | Value::Headers => Err(Failure::Error),
            },
        }
    }

    fn select(&self, target: &Expression, name: &str) -> Result {
        if *target == Expression::Name("request".to_owned()) {
            return self.attribute(name);
        }
        match self.value(target)? {
            Value::Headers => self.header(name),
            Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::List(_) => Err(Failure::Unmodelled),
        }
    }

    fn attribute(&self, name: &str) -> Result {
        let request = self.request;
        let text = |value: &str| Ok(Value::Text(value.to_owned()));
        match (name, self.dialect) {
            ("method", _) => text(&request.method),
            ("headers", _) => Ok(Value::Headers),
            ("path", Dialect::Agentgateway) | ("url_path", Dialect::Envoy) => text(request.path_only()),
            ("path", Dialect::Envoy) | ("pathAndQuery", Dialect::Agentgateway) => text(&request.path),
            ("host", Dialect::Envoy) => text(&request.host),
            // Whether a port stays is the proxy's affair.
            ("host", Dialect::Agentgateway) if !request.host.contains(':') => text(&request.host),
            _ => Err(Failure::Unmodelled),
        }
    }

    fn header(&self, name: &str) -> Result {
        let mut values = self.request.header(name);
        match (values.next(), values.next()) {
            (None, _) => Err(Failure::Error),
            (Some(value), None) => Ok(Value::Text(value.to_owned())),
            // The proxies differ in what they make of several values.
            (Some(_), Some(_)) => Err(Failure::Unmodelled),
        }
    }

    fn call(&self, target: Option<&Expression>, name: &str, arguments: &[Expression]) -> Result {
        match (target, name, arguments) {
            (None, "has", [field]) => match self.value(field) {
                Ok(_) => Ok(Value::Bool(true)),
                Err(Failure::Error) => Ok(Value::Bool(false)),
                Err(Failure::Unmodelled) => Err(Failure::Unmodelled),
            },
            (None, "size", [value]) | (Some(value), "size", []) => size(&self.value(value)?),
            (Some(target), _, [argument]) => match (self.value(target)?, self.value(argument)?) {
                (Value::Text(subject), Value::Text(operand)) => text_function(name, &subject, &operand),
                _ => Err(Failure::Unmodelled),
            },
            _ => Err(Failure::Unmodelled),
        }
    }

    fn binary(&self, operator: Operator, left: &Expression, right: &Expression) -> Result {
        match operator {
            Operator::And => self.joined(left, right, false),
            Operator::Or => self.joined(left, right, true),
            Operator::Equal => equal(&self.value(left)?, &self.value(right)?).map(Value::Bool),
            Operator::NotEqual => equal(&self.value(left)?, &self.value(right)?).map(|same| Value::Bool(!same)),
            Operator::In => self.contained(&self.value(left)?, &self.value(right)?),
            Operator::Less => self.ordered(left, right, std::cmp::Ordering::is_lt),
            Operator::LessOrEqual => self.ordered(left, right, std::cmp::Ordering::is_le),
            Operator::Greater => self.ordered(left, right, std::cmp::Ordering::is_gt),
            Operator::GreaterOrEqual => self.ordered(left, right, std::cmp::Ordering::is_ge),
        }
    }

    /// CEL's `&&` (`decisive` false) and `||` (`decisive` true): a decisive side wins over an error of the other.
    fn joined(&self, left: &Expression, right: &Expression, decisive: bool) -> Result {
        let sides = [self.value(left), self.value(right)];
        if sides.contains(&Ok(Value::Bool(decisive))) {
            return Ok(Value::Bool(decisive));
        }
        if sides.contains(&Err(Failure::Unmodelled)) {
            return Err(Failure::Unmodelled);
        }
        let all = sides.iter().all(|side| *side == Ok(Value::Bool(!decisive)));
        if all { Ok(Value::Bool(!decisive)) } else { Err(Failure::Error) }
    }

    fn contained(&self, item: &Value, collection: &Value) -> Result {
        match (item, collection) {
            (_, Value::List(items)) => {
                let mut found = false;
                for other in items {
                    found |= equal(item, other)?;
                }
                Ok(Value::Bool(found))
            }
            (Value::Text(name), Value::Headers) => Ok(Value::Bool(self.request.header(name).next().is_some())),
            _ => Err(Failure::Unmodelled),
        }
    }

    fn ordered(&self, left: &Expression, right: &Expression, holds: fn(std::cmp::Ordering) -> bool) -> Result {
        match (self.value(left)?, self.value(right)?) {
            (Value::Int(a), Value::Int(b)) => Ok(Value::Bool(holds(a.cmp(&b)))),
            (Value::Text(a), Value::Text(b)) => Ok(Value::Bool(holds(a.cmp(&b)))),
            _ => Err(Failure::Unmodelled),
        }
    }
}

/// Implementations differ on values of different types.
fn equal(left: &Value, right: &Value) -> Result<bool> {
    match (left, right) {
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Int(a), Value::Int(b)) => Ok(a == b),
        (Value::Text(a), Value::Text(b)) => Ok(a == b),
        _ => Err(Failure::Unmodelled),
    }
}

fn size(value: &Value) -> Result {
    let length = match value {
        Value::Text(text) => text.chars().count(),
        Value::List(items) => items.len(),
        Value::Bool(_) | Value::Int(_) | Value::Headers => return Err(Failure::Unmodelled),
    };
    i64::try_from(length).map(Value::Int).map_err(|_| Failure::Unmodelled)
}

fn text_function(name: &str, subject: &str, operand: &str) -> Result {
    match name {
        "startsWith" => Ok(Value::Bool(subject.starts_with(operand))),
        "endsWith" => Ok(Value::Bool(subject.ends_with(operand))),
        "contains" => Ok(Value::Bool(subject.contains(operand))),
        // CEL searches; it does not demand that the whole text match.
        "matches" => {
            re2::search(operand).map(|regex| Value::Bool(regex.is_match(subject))).map_err(|_| Failure::Unmodelled)
        }
        _ => Err(Failure::Unmodelled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(text: &str) -> Truth {
        let request = Request {
            method: "POST".to_owned(),
            path: "/v1/messages?beta=true".to_owned(),
            host: "llm.example.com".to_owned(),
            headers: vec![("X-Team".to_owned(), "alpha".to_owned())],
            token: None,
        };
        evaluate(text, &request, Dialect::Agentgateway)
    }

    #[test]
    fn expressions_come_to_what_cel_says() {
        for (text, expected) in [
            (r#"request.method == "POST" && request.path in ["/v1/chat/completions", "/v1/messages"]"#, Truth::True),
            ("request.method == 'GET'", Truth::False),
            ("request.path.startsWith('/v1/') && !request.path.endsWith('/embeddings')", Truth::True),
            ("request.path.matches('^/v[0-9]/')", Truth::True),
            ("request.headers['x-team'] == 'alpha'", Truth::True),
            ("request.headers['x-other'] == 'alpha'", Truth::Error),
            ("'x-other' in request.headers", Truth::False),
            ("has(request.headers.host)", Truth::False),
            ("request.headers['x-other'] == 'a' || request.method == 'POST'", Truth::True),
            ("request.headers['x-other'] == 'a' && request.method == 'GET'", Truth::False),
            ("request.pathAndQuery.contains('beta')", Truth::True),
            ("size(request.method) == 4", Truth::True),
            ("request.method == 'POST' ? true : false", Truth::True),
            ("request.method", Truth::Error),
        ] {
            assert_eq!(truth(text), expected, "{text}");
        }
    }

    #[test]
    fn what_the_model_does_not_know_is_never_guessed() {
        for text in [
            "source.identity.namespace == 'a'",
            "jwt.sub == 'a'",
            "[1, 2].exists(x, x == 1)",
            "request.method + 'x' == 'POSTx'",
            "request.body == ''",
            "request.method == 1",
            "source.port > 1 && request.method == 'POST'",
            "((",
        ] {
            assert_eq!(truth(text), Truth::Unmodelled, "{text}");
        }
        assert_eq!(truth("jwt.sub == 'a' && request.method == 'GET'"), Truth::False);
    }
}
