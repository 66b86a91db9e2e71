//! Filters: which cases of the matrix to run.
//!
//! ```text
//! filter := both ("or" both)*
//! both   := one ("and" one)*
//! one    := "not" one | "(" filter ")" | KEY "=" GLOB | NAME
//! ```
//!
//! A `NAME` is looked for in `scenario::id`: as part of it, or as the whole where it has `*` (any text) or `?`
//! (any character). A `GLOB` is compared with the whole value; letters of either case match. A value with spaces
//! or parentheses stands in double quotes. The keys are
//!
//! | key | value |
//! |---|---|
//! | `id`, `scenario`, `suite` | of the case |
//! | `severity` | `low`, `medium`, `high`, `critical` |
//! | `expect` | `allow`, `deny` |
//! | `layer` | the layer that must deny, or one that an allowed flow must pass |
//! | `control`, `claim` | any of the case's |
//! | `from`, `to` | source and target as reports show them |

use std::fmt;
use std::str::FromStr;

use airtight_manifest::closest;
use airtight_model::policy::Layer;

use super::case::{Expectation, Severity};
use super::plan::PlannedCase;

/// A condition on cases.
///
/// ```
/// use airtight_matrix::scenario::Filter;
/// let filter: Filter = "severity=critical and not (layer=cni or mcp-*)".parse().unwrap();
/// assert_eq!(filter.to_string(), "severity=critical and not (layer=cni or mcp-*)");
/// assert!("severity=hgih".parse::<Filter>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    text: String,
    condition: Condition,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Name(String),
    Value(Key, String),
    Not(Box<Condition>),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Id,
    Scenario,
    Suite,
    Severity,
    Expect,
    Layer,
    Control,
    Claim,
    From,
    To,
}

const KEYS: &[(&str, Key)] = &[
    ("id", Key::Id),
    ("scenario", Key::Scenario),
    ("suite", Key::Suite),
    ("severity", Key::Severity),
    ("expect", Key::Expect),
    ("layer", Key::Layer),
    ("control", Key::Control),
    ("claim", Key::Claim),
    ("from", Key::From),
    ("to", Key::To),
];

/// Why a text is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at character {at})")]
pub struct FilterError {
    /// What is wrong: one sentence, lower case, without a final stop.
    pub message: String,
    /// Which character of the filter, from 1.
    pub at: usize,
    /// What to do about it.
    pub hint: String,
}

impl Filter {
    /// Whether a case satisfies it.
    #[must_use]
    pub fn matches(&self, case: &PlannedCase) -> bool {
        self.condition.holds(case)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Condition {
    fn holds(&self, planned: &PlannedCase) -> bool {
        match self {
            Self::Name(pattern) => named(pattern, &format!("{}::{}", planned.case.scenario, planned.case.id)),
            Self::Value(key, pattern) => values(*key, planned).iter().any(|value| glob(pattern, value)),
            Self::Not(inner) => !inner.holds(planned),
            Self::All(inner) => inner.iter().all(|condition| condition.holds(planned)),
            Self::Any(inner) => inner.iter().any(|condition| condition.holds(planned)),
        }
    }
}

fn values(key: Key, planned: &PlannedCase) -> Vec<String> {
    let case = &planned.case;
    match key {
        Key::Id => vec![case.id.clone()],
        Key::Scenario => vec![case.scenario.clone()],
        Key::Suite => planned.suite.iter().cloned().collect(),
        Key::Severity => vec![severity_name(case.severity).to_owned()],
        Key::Control => case.controls.clone(),
        Key::Claim => case.claims.clone(),
        Key::From => vec![case.flow.from.to_string()],
        Key::To => vec![case.flow.to.to_string()],
        Key::Expect => match case.expect {
            Expectation::Allow(_) => vec!["allow".to_owned()],
            Expectation::Deny(_) => vec!["deny".to_owned()],
        },
        Key::Layer => match &case.expect {
            Expectation::Allow(allow) => allow.via.iter().map(ToString::to_string).collect(),
            Expectation::Deny(deny) => vec![deny.by.to_string()],
        },
    }
}

fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

fn named(pattern: &str, name: &str) -> bool {
    if pattern.contains(['*', '?']) {
        glob(pattern, name)
    } else {
        name.to_lowercase().contains(&pattern.to_lowercase())
    }
}

/// `*` is any text, `?` any character; letters of either case match.
fn glob(pattern: &str, text: &str) -> bool {
    let fold = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
    let (pattern, text) = (fold(pattern), fold(text));
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((back, taken)) = star {
            p = back + 1;
            t = taken + 1;
            star = Some((back, taken + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    /// A word; `quoted` if it can be no keyword.
    Word {
        text: String,
        quoted: bool,
    },
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    end: usize,
    depth: usize,
}

/// Deeper parentheses than any reader can follow are refused.
const MAX_DEPTH: usize = 50;

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens, next: 0, end: text.chars().count() + 1, depth: 0 };
        let condition = parser.any()?;
        match parser.tokens.get(parser.next) {
            None => Ok(Self { text: text.to_owned(), condition }),
            Some((at, Token::Close)) => Err(error(*at, "a closing parenthesis without an opening one", "remove it")),
            Some((at, _)) => {
                Err(error(*at, "two conditions without `and` or `or` between them", "write `and` or `or`"))
            }
        }
    }
}

fn error(at: usize, message: impl Into<String>, hint: impl Into<String>) -> FilterError {
    FilterError { message: message.into(), at, hint: hint.into() }
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, FilterError> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().enumerate().peekable();
    while let Some(&(index, c)) = chars.peek() {
        match c {
            '(' | ')' => {
                chars.next();
                tokens.push((index + 1, if c == '(' { Token::Open } else { Token::Close }));
            }
            c if c.is_whitespace() => _ = chars.next(),
            _ => tokens.push((index + 1, word(&mut chars, index + 1)?)),
        }
    }
    Ok(tokens)
}

fn word(chars: &mut std::iter::Peekable<impl Iterator<Item = (usize, char)>>, at: usize) -> Result<Token, FilterError> {
    let (mut text, mut quoted, mut open) = (String::new(), false, false);
    while let Some(&(_, c)) = chars.peek() {
        match c {
            '"' => {
                quoted = true;
                open = !open;
            }
            '(' | ')' if !open && !balanced(&text, c) => break,
            c if c.is_whitespace() && !open => break,
            c => text.push(c),
        }
        chars.next();
    }
    if open {
        return Err(error(at, "a quote that does not end", "close it with `\"`"));
    }
    Ok(Token::Word { text, quoted })
}

/// Control ids have parentheses inside (`AC-4(21)`): one that opens within a word belongs to it, and so does its match.
fn balanced(word: &str, c: char) -> bool {
    let open = word.matches('(').count();
    let closed = word.matches(')').count();
    if c == '(' { word.contains('=') } else { open > closed }
}

impl Parser {
    fn keyword(&mut self, wanted: &str) -> bool {
        let found = matches!(
            self.tokens.get(self.next),
            Some((_, Token::Word { text, quoted: false })) if text.eq_ignore_ascii_case(wanted)
        );
        self.next += usize::from(found);
        found
    }

    fn any(&mut self) -> Result<Condition, FilterError> {
        let mut conditions = vec![self.all()?];
        while self.keyword("or") {
            conditions.push(self.all()?);
        }
        Ok(single(conditions, Condition::Any))
    }

    fn all(&mut self) -> Result<Condition, FilterError> {
        let mut conditions = vec![self.one()?];
        while self.keyword("and") {
            conditions.push(self.one()?);
        }
        Ok(single(conditions, Condition::All))
    }

    fn one(&mut self) -> Result<Condition, FilterError> {
        self.depth += 1;
        let condition = if self.depth > MAX_DEPTH {
            Err(error(self.place(), "the filter is nested too deeply", "write it with fewer parentheses"))
        } else if self.keyword("not") {
            self.one().map(|inner| Condition::Not(Box::new(inner)))
        } else {
            self.term()
        };
        self.depth -= 1;
        condition
    }

    fn place(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(at, _)| *at)
    }

    fn term(&mut self) -> Result<Condition, FilterError> {
        let Some((at, token)) = self.tokens.get(self.next).cloned() else {
            return Err(error(
                self.end,
                "a condition is missing",
                "write a name or `key=value`, such as `severity=high`",
            ));
        };
        self.next += 1;
        match token {
            Token::Open => {
                let inner = self.any()?;
                match self.tokens.get(self.next) {
                    Some((_, Token::Close)) => {
                        self.next += 1;
                        Ok(inner)
                    }
                    Some(_) | None => Err(error(at, "a parenthesis that does not close", "close it with `)`")),
                }
            }
            Token::Close => Err(error(at, "a condition is missing before `)`", "write one, or remove the parenthesis")),
            Token::Word { text, quoted: false } if matches!(text.to_lowercase().as_str(), "and" | "or") => {
                Err(error(at, format!("a condition is missing before `{text}`"), "write one on either side"))
            }
            Token::Word { text, .. } => condition(at, &text),
        }
    }
}

fn single(mut conditions: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    match conditions.pop() {
        Some(only) if conditions.is_empty() => only,
        Some(last) => {
            conditions.push(last);
            join(conditions)
        }
        None => join(conditions),
    }
}

fn condition(at: usize, text: &str) -> Result<Condition, FilterError> {
    let Some((name, value)) = text.split_once('=') else {
        return if text.is_empty() {
            Err(error(at, "an empty name would select everything", "leave the filter out instead"))
        } else {
            Ok(Condition::Name(text.to_owned()))
        };
    };
    let Some((_, key)) = KEYS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
        let known = KEYS.iter().map(|(known, _)| *known);
        return Err(error(at, format!("cases have no `{name}`"), suggestion(name, known)));
    };
    if value.is_empty() {
        return Err(error(at, format!("`{name}=` has no value"), format!("write one, such as `{name}=*`")));
    }
    check_value(at, *key, value)?;
    Ok(Condition::Value(*key, value.to_owned()))
}

/// A value from a closed set is checked, so that a slip of the pen does not select nothing.
fn check_value(at: usize, key: Key, value: &str) -> Result<(), FilterError> {
    let layers = [Layer::Admission, Layer::Cni, Layer::Ztunnel, Layer::Waypoint, Layer::Gateway, Layer::Application];
    let known: Vec<String> = match key {
        Key::Severity => ["low", "medium", "high", "critical"].map(str::to_owned).into(),
        Key::Expect => ["allow", "deny"].map(str::to_owned).into(),
        Key::Layer => layers.map(|layer| layer.to_string()).into(),
        Key::Id | Key::Scenario | Key::Suite | Key::Control | Key::Claim | Key::From | Key::To => return Ok(()),
    };
    if known.iter().any(|known| glob(value, known)) {
        return Ok(());
    }
    Err(error(
        at,
        format!("no case can have the value `{value}` here"),
        suggestion(value, known.iter().map(String::as_str)),
    ))
}

fn suggestion<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match closest(word, known.clone()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known are: {}", known.collect::<Vec<_>>().join(", ")),
    }
}
