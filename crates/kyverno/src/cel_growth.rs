//! How large the values of a CEL expression can become, told before it is evaluated: texts that are replaced over and
//! over and lists of lists grow by powers, which the length of an expression and the number of its loops do not tell.
//!
//! The API server estimates costs by the sizes of values too (Kubernetes `staging/src/k8s.io/apiserver/pkg/cel/library/cost.go`).

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, LiteralValue};
use serde_json::{Map, Value};

use super::growth::size;

/// The most bytes that a value may have on the way: more than any object that a cluster takes.
const LARGEST: u64 = 8 << 20;

/// What a number or a truth value takes.
const WORD: u64 = 8;

/// An upper bound of a value.
#[derive(Debug, Clone, Copy, Default)]
struct Bound {
    bytes: u64,
    /// Entries of a list or map.
    items: u64,
    /// Whether it is a part of what was given, whose longest list is known.
    given: bool,
}

/// What an expression can name, and the largest value so far.
struct Sizes<'a> {
    known: &'a Map<String, Value>,
    /// The longest list or object of all that is known.
    longest: u64,
    locals: Vec<(&'a str, Bound)>,
    peak: u64,
}

/// Whether an expression could make a value that is too large to be computed; `longest` is the length of the longest list
/// (or object) of what is `known`.
pub(super) fn is_too_large(root: &IdedExpr, known: &Map<String, Value>, longest: usize) -> bool {
    let mut sizes = Sizes { known, longest: longest as u64, locals: Vec::new(), peak: 0 };
    sizes.of(root);
    sizes.peak > LARGEST
}

impl<'a> Sizes<'a> {
    fn of(&mut self, node: &'a IdedExpr) -> Bound {
        let bound = match &node.expr {
            Expr::Unspecified => Bound::scalar(),
            Expr::Literal(literal) => Bound { bytes: WORD + length(literal), ..Bound::default() },
            Expr::Ident(name) => self.named(name),
            Expr::Select(select) if select.test => Bound::scalar(),
            Expr::Select(select) => {
                let whole = self.of(&select.operand);
                self.part(whole)
            }
            Expr::List(list) => {
                let all = self.sum(&list.elements);
                Bound { bytes: WORD + all.bytes, items: list.elements.len() as u64, given: false }
            }
            Expr::Map(map) => self.entries(&map.entries),
            Expr::Struct(object) => self.entries(&object.entries),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Call(call) => self.call(call),
        };
        self.peak = self.peak.max(bound.bytes);
        bound
    }

    fn named(&self, name: &str) -> Bound {
        let local = self.locals.iter().rev().find(|(own, _)| *own == name).map(|(_, bound)| *bound);
        let known = || self.known.get(name).map(|value| self.given(size(value) as u64));
        local.or_else(known).unwrap_or(Bound::scalar())
    }

    fn given(&self, bytes: u64) -> Bound {
        Bound { bytes, items: self.longest.min(bytes), given: true }
    }

    /// Something within a value: none of its lists is longer than the longest that was given, or than it is large.
    fn part(&self, whole: Bound) -> Bound {
        if whole.given { self.given(whole.bytes) } else { Bound { items: whole.bytes, ..whole } }
    }

    fn sum(&mut self, nodes: &'a [IdedExpr]) -> Bound {
        let mut all = Bound { given: true, ..Bound::default() };
        for node in nodes {
            all = all.and(self.of(node));
        }
        all
    }

    fn entries(&mut self, entries: &'a [IdedEntryExpr]) -> Bound {
        let mut bytes = WORD;
        for entry in entries {
            let (key, value) = match &entry.expr {
                EntryExpr::StructField(field) => (field.field.len() as u64, &field.value),
                EntryExpr::MapEntry(entry) => (self.of(&entry.key).bytes, &entry.value),
            };
            bytes = bytes.saturating_add(key).saturating_add(self.of(value).bytes);
        }
        Bound { bytes, items: entries.len() as u64, given: false }
    }

    /// A loop: what each turn adds to the result, as often as the list is long.
    fn comprehension(&mut self, node: &'a ComprehensionExpr) -> Bound {
        let range = self.of(&node.iter_range);
        let start = self.of(&node.accu_init);
        let element = self.part(range);
        let depth = self.locals.len();
        self.locals.push((&node.iter_var, element));
        self.locals.extend(node.iter_var2.as_deref().map(|name| (name, element)));
        self.locals.push((&node.accu_var, Bound::default()));
        self.of(&node.loop_cond);
        let turn = self.of(&node.loop_step);
        let times = |each: u64| range.items.saturating_mul(each);
        let whole = Bound {
            bytes: start.bytes.saturating_add(times(turn.bytes)),
            items: start.items.saturating_add(times(turn.items)),
            given: false,
        };
        self.locals.truncate(depth);
        self.locals.push((&node.accu_var, whole));
        let result = self.of(&node.result);
        self.locals.truncate(depth);
        result
    }

    fn call(&mut self, call: &'a CallExpr) -> Bound {
        let target = call.target.as_deref().map(|target| self.of(target));
        let arguments: Vec<Bound> = call.args.iter().map(|argument| self.of(argument)).collect();
        let all = arguments
            .iter()
            .fold(target.unwrap_or(Bound { given: true, ..Bound::default() }), |all, one| all.and(*one));
        let last = arguments.last().copied().unwrap_or_default();
        match (call.func_name.as_str(), arguments.as_slice()) {
            ("_?_:_", [_, yes, no]) => yes.or(*no),
            ("_[_]", [whole, _]) => self.part(*whole),
            ("_+_", _) => Bound { given: false, ..all },
            ("replace", [_, new, ..]) => {
                let target = target.unwrap_or_default();
                Bound { bytes: target.bytes.saturating_mul(new.bytes.max(1)), ..Bound::default() }
            }
            ("join", _) => {
                let joined = target.unwrap_or_default();
                let between = joined.items.saturating_mul(last.bytes);
                Bound { bytes: joined.bytes.saturating_add(between), ..Bound::default() }
            }
            (name, _) if TELLS.contains(&name) => Bound::scalar(),
            // Whatever else there is makes at most an encoding of what it gets.
            (_, _) => {
                let bytes = all.bytes.saturating_mul(2).max(WORD);
                Bound { bytes, items: if all.given { self.longest.min(bytes) } else { bytes }, given: all.given }
            }
        }
    }
}

/// Functions and operators that give a truth value or a number.
const TELLS: &[&str] = &[
    "_==_",
    "_!=_",
    "_<_",
    "_<=_",
    "_>_",
    "_>=_",
    "_&&_",
    "_||_",
    "!_",
    "@in",
    "_in_",
    "_-_",
    "_*_",
    "_/_",
    "_%_",
    "-_",
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "indexOf",
    "lastIndexOf",
    "isSorted",
    "has",
    "int",
    "uint",
    "double",
    "bool",
    "hasValue",
    "isImage",
    "containsDigest",
];

impl Bound {
    fn scalar() -> Self {
        Self { bytes: WORD, ..Self::default() }
    }

    fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            items: self.items.saturating_add(other.items),
            given: self.given && other.given,
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.max(other.bytes),
            items: self.items.max(other.items),
            given: self.given && other.given,
        }
    }
}

fn length(literal: &LiteralValue) -> u64 {
    let length = match literal {
        LiteralValue::String(text) => text.inner().len(),
        LiteralValue::Bytes(bytes) => bytes.inner().len(),
        LiteralValue::Boolean(_)
        | LiteralValue::Double(_)
        | LiteralValue::Int(_)
        | LiteralValue::Null
        | LiteralValue::UInt(_) => 0,
    };
    length as u64
}
