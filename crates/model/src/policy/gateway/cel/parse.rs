//! Text → expression.

use std::iter::Peekable;
use std::vec::IntoIter;

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expression {
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<Self>),
    Name(String),
    Select(Box<Self>, String),
    Index(Box<Self>, Box<Self>),
    Call { target: Option<Box<Self>>, name: String, arguments: Vec<Self> },
    Not(Box<Self>),
    Binary(Operator, Box<Self>, Box<Self>),
    Choice(Box<Self>, Box<Self>, Box<Self>),
}

/// An operator between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

/// Text that is no expression of the part of the language that is read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the expression uses more of CEL than the model reads")]
pub(super) struct Unread;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name(String),
    Int(i64),
    Text(String),
    Sign(&'static str),
}

/// The longest expression that is read.
const MOST_TOKENS: usize = 600;

/// Reads an expression.
pub(super) fn parse(text: &str) -> Result<Expression, Unread> {
    let tokens = tokens(text)?;
    // The parser, the evaluation and even the end of an expression go as deep as it nests.
    if tokens.len() > MOST_TOKENS {
        return Err(Unread);
    }
    let mut parser = Parser { tokens: tokens.into_iter().peekable() };
    let expression = parser.choice()?;
    if parser.tokens.next().is_none() { Ok(expression) } else { Err(Unread) }
}

const SIGNS: &[&str] = &["==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "(", ")", "[", "]", ",", ".", "?", ":"];

fn tokens(text: &str) -> Result<Vec<Token>, Unread> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, tail) = if first == '"' || first == '\'' {
            quoted(rest, first)?
        } else if first.is_ascii_digit() {
            number(rest)?
        } else if first.is_ascii_alphabetic() || first == '_' {
            word(rest)
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign)).ok_or(Unread)?;
            (Token::Sign(sign), rest.get(sign.len()..).unwrap_or_default())
        };
        tokens.push(token);
        rest = tail.trim_start();
    }
    Ok(tokens)
}

fn word(text: &str) -> (Token, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (head, tail) = text.split_at(end);
    (Token::Name(head.to_owned()), tail)
}

fn number(text: &str) -> Result<(Token, &str), Unread> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (head, tail) = text.split_at(end);
    let fraction_follows = tail.starts_with('.') || tail.starts_with(|c: char| c.is_ascii_alphabetic());
    let value = head.parse().map_err(|_| Unread)?;
    if fraction_follows { Err(Unread) } else { Ok((Token::Int(value), tail)) }
}

/// A string of one quote; raw and triple-quoted ones are not read.
fn quoted(text: &str, quote: char) -> Result<(Token, &str), Unread> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => {
                let tail = text.get(at + 1..).unwrap_or_default();
                let glued = tail.starts_with(['"', '\'']);
                return if glued { Err(Unread) } else { Ok((Token::Text(value), tail)) };
            }
            '\\' => value.push(match chars.next() {
                Some((_, escaped @ ('\\' | '"' | '\''))) => escaped,
                Some((_, 'n')) => '\n',
                Some((_, 't')) => '\t',
                _ => return Err(Unread),
            }),
            c => value.push(c),
        }
    }
    Err(Unread)
}

struct Parser {
    tokens: Peekable<IntoIter<Token>>,
}

impl Parser {
    fn takes(&mut self, sign: &'static str) -> bool {
        self.tokens.next_if_eq(&Token::Sign(sign)).is_some()
    }

    fn needs(&mut self, sign: &'static str) -> Result<(), Unread> {
        if self.takes(sign) { Ok(()) } else { Err(Unread) }
    }

    fn choice(&mut self) -> Result<Expression, Unread> {
        let condition = self.or()?;
        if !self.takes("?") {
            return Ok(condition);
        }
        let yes = self.or()?;
        self.needs(":")?;
        let no = self.choice()?;
        Ok(Expression::Choice(Box::new(condition), Box::new(yes), Box::new(no)))
    }

    fn or(&mut self) -> Result<Expression, Unread> {
        let mut left = self.and()?;
        while self.takes("||") {
            left = Expression::Binary(Operator::Or, Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, Unread> {
        let mut left = self.relation()?;
        while self.takes("&&") {
            left = Expression::Binary(Operator::And, Box::new(left), Box::new(self.relation()?));
        }
        Ok(left)
    }

    fn relation(&mut self) -> Result<Expression, Unread> {
        let mut left = self.unary()?;
        while let Some(operator) = self.relation_sign() {
            left = Expression::Binary(operator, Box::new(left), Box::new(self.unary()?));
        }
        Ok(left)
    }

    fn relation_sign(&mut self) -> Option<Operator> {
        if self.tokens.next_if(|token| matches!(token, Token::Name(name) if name == "in")).is_some() {
            return Some(Operator::In);
        }
        [
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ]
        .into_iter()
        .find_map(|(sign, operator)| self.takes(sign).then_some(operator))
    }

    fn unary(&mut self) -> Result<Expression, Unread> {
        if self.takes("!") { Ok(Expression::Not(Box::new(self.unary()?))) } else { self.member() }
    }

    fn member(&mut self) -> Result<Expression, Unread> {
        let mut value = self.primary()?;
        loop {
            if self.takes(".") {
                let Some(Token::Name(name)) = self.tokens.next() else { return Err(Unread) };
                value = if self.takes("(") {
                    Expression::Call { target: Some(Box::new(value)), name, arguments: self.list(")")? }
                } else {
                    Expression::Select(Box::new(value), name)
                };
            } else if self.takes("[") {
                let index = self.choice()?;
                self.needs("]")?;
                value = Expression::Index(Box::new(value), Box::new(index));
            } else {
                return Ok(value);
            }
        }
    }

    fn primary(&mut self) -> Result<Expression, Unread> {
        match self.tokens.next().ok_or(Unread)? {
            Token::Int(value) => Ok(Expression::Int(value)),
            Token::Text(value) => Ok(Expression::Text(value)),
            Token::Name(name) => self.named(name),
            Token::Sign("(") => {
                let inner = self.choice()?;
                self.needs(")")?;
                Ok(inner)
            }
            Token::Sign("[") => Ok(Expression::List(self.list("]")?)),
            Token::Sign(_) => Err(Unread),
        }
    }

    fn named(&mut self, name: String) -> Result<Expression, Unread> {
        match name.as_str() {
            "true" => Ok(Expression::Bool(true)),
            "false" => Ok(Expression::Bool(false)),
            "null" | "in" => Err(Unread),
            _ if self.takes("(") => Ok(Expression::Call { target: None, name, arguments: self.list(")")? }),
            _ => Ok(Expression::Name(name)),
        }
    }

    fn list(&mut self, end: &'static str) -> Result<Vec<Expression>, Unread> {
        let mut items = Vec::new();
        while !self.takes(end) {
            items.push(self.choice()?);
            if !self.takes(",") {
                self.needs(end)?;
                break;
            }
        }
        Ok(items)
    }
}
