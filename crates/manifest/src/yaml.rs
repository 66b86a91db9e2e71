//! Text → documents: the only module that names the YAML parser.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use serde_saphyr::options::DuplicateKeyPolicy;

use super::diagnostic::Diagnostic;
use super::node::{Key, Node, NodeValue};
use super::source::{Location, Position};

/// Files larger than this are refused unread: 32 MiB, twenty times a 5,000-policy set.
pub const MAX_FILE_BYTES: u64 = 32 * 1024 * 1024;

/// Nesting deeper than this is refused; the deepest real CRD object stays under 40.
const MAX_DEPTH: usize = 100;

/// The parser recurses once for each level, with frames of up to 50 KiB in a debug build.
const STACK_BYTES: usize = 32 * 1024 * 1024;

/// One document of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The file it came from.
    pub file: Arc<str>,
    /// Its content.
    pub root: Arc<Node>,
}

impl Document {
    /// The location of a position in this document's file.
    #[must_use]
    pub fn location(&self, at: Position) -> Location {
        Location::new(&self.file, at)
    }

    /// The same document with `metadata.namespace` set: what a client or an API server puts it into.
    #[must_use]
    pub fn in_namespace(self, namespace: &str) -> Self {
        let mut root = Arc::unwrap_or_clone(self.root);
        if let NodeValue::Map(entries) = &mut root.value
            && let Some((_, metadata)) = entries.iter_mut().find(|(key, _)| key.name == "metadata")
            && let NodeValue::Map(fields) = &mut metadata.value
        {
            let at = metadata.at;
            fields.retain(|(key, _)| key.name != "namespace");
            let value = Node { value: NodeValue::String(namespace.to_owned()), at };
            fields.push((Key { name: "namespace".to_owned(), at }, value));
        }
        Self { root: Arc::new(root), ..self }
    }
}

/// Parses every document of `text`; empty documents are left out.
///
/// Semantics are kubectl's: YAML 1.1 booleans and octals, merge keys applied, duplicate keys refused.
///
/// # Errors
/// A diagnostic with its place when the text is not YAML or breaks a limit
/// (nesting, aliases, size), so that hostile input costs neither memory nor stack.
pub fn parse(file: &Arc<str>, text: &str) -> Result<Vec<Document>, Diagnostic> {
    if let Some(finding) = control_character(file, text) {
        return Err(finding);
    }
    let parsed = std::thread::scope(|scope| {
        let parser = std::thread::Builder::new().stack_size(STACK_BYTES);
        let nodes = || parse_nodes(text).map_err(|error| syntax_error(file, &error));
        match parser.spawn_scoped(scope, nodes).map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(parsed)) => parsed,
            // A panic in the parser is this file's fault as far as the user is concerned.
            Ok(Err(_)) => Err(unparsed(file, "the YAML parser gave up on this file")),
            Err(error) => Err(unparsed(file, &format!("no thread could be started to parse this file: {error}"))),
        }
    });
    let documents = parsed?.into_iter().map(|root| Document { file: Arc::clone(file), root: Arc::new(root) });
    Ok(documents.filter(|document| !document.root.is_null()).collect())
}

fn parse_nodes(text: &str) -> Result<Vec<Node>, Box<serde_saphyr::Error>> {
    let raw: Vec<Spanned<Raw>> = serde_saphyr::from_multiple_with_options(text, options(text.len()))?;
    Ok(raw.into_iter().map(node).collect())
}

fn unparsed(file: &Arc<str>, message: &str) -> Diagnostic {
    Diagnostic::error("yaml-syntax", message).at(Location::new(file, Position { line: 1, column: 1 }))
}

/// Decodes a file's bytes, naming the place of the first that is not UTF-8.
///
/// # Errors
/// A diagnostic when the bytes are not UTF-8.
pub fn decode_utf8<'a>(file: &Arc<str>, bytes: &'a [u8]) -> Result<&'a str, Diagnostic> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        Diagnostic::error("invalid-utf8", "the file is not UTF-8 text")
            .at(Location::new(file, end_of(&valid)))
            .hint("save the file as UTF-8 without other encodings")
    })
}

/// A value as YAML text, which a reader takes back as the same value: where the serializer writes a text in a form that
/// none does (one that begins with a sign of YAML's, folded; `*` as a key), the value is written as JSON, which is YAML too.
///
/// ```
/// use airtight_manifest::yaml;
///
/// assert_eq!(yaml::to_string(&serde_json::json!({"name": "shop"}))?, "name: shop\n");
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// What the serializer says, when the value has no YAML form.
pub fn to_string<T: serde::Serialize>(value: &T) -> Result<String, String> {
    // Through JSON, so that both formats say the same of every type.
    let json = serde_json::to_value(value).map_err(|error| error.to_string())?;
    let text = serde_saphyr::to_string(&json).map_err(|error| error.to_string())?;
    if is_read_as(&text, &json) {
        return Ok(text);
    }
    serde_json::to_string_pretty(&json).map(|text| format!("{text}\n")).map_err(|error| error.to_string())
}

fn is_read_as(text: &str, value: &serde_json::Value) -> bool {
    let documents = parse(&Arc::from("written"), text).unwrap_or_default();
    match documents.as_slice() {
        // An empty document is none.
        [] => value.is_null(),
        [one] => one.root.to_json() == *value,
        [_, _, ..] => false,
    }
}

fn end_of(text: &str) -> Position {
    let line = text.matches('\n').count() + 1;
    let column = text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Position { line: saturate(line), column: saturate(column) }
}

fn saturate(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn control_character(file: &Arc<str>, text: &str) -> Option<Diagnostic> {
    let index = text.find(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{85}'))?;
    let code = text[index..].chars().next().map_or(0, u32::from);
    Some(
        Diagnostic::error("control-character", format!("control character U+{code:04X} in YAML"))
            .at(Location::new(file, end_of(&text[..index])))
            .hint("remove the character, or write it as an escape inside double quotes"),
    )
}

fn options(bytes: usize) -> serde_saphyr::Options {
    // A node is at least two bytes of text, so an honest file never meets this bound; an alias bomb does.
    let nodes = (bytes / 2).max(10_000);
    serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        legacy_octal_numbers: true,
        with_snippet: false,
        // Nobody reads them here, and more than 96 of them in a row would be refused.
        emit_comments: false,
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_documents: 200_000,
            max_nodes: nodes,
            max_events: nodes.saturating_mul(3),
        },
    }
}

fn syntax_error(file: &Arc<str>, error: &serde_saphyr::Error) -> Diagnostic {
    let text = error.without_snippet().to_string();
    let message = text.lines().next().unwrap_or_default().trim();
    let (code, hint) = classify(message);
    let words = match code {
        "yaml-limit" => "the document is nested or aliased beyond what is read".to_owned(),
        _ => in_own_words(&strip_place(message)),
    };
    let finding = Diagnostic::error(code, words).hint(hint);
    match error.location() {
        Some(place) => finding.at(Location::new(file, position(place))),
        None => finding.at(Location::new(file, Position { line: 1, column: 1 })),
    }
}

fn classify(message: &str) -> (&'static str, &'static str) {
    let lower = message.to_lowercase();
    if lower.contains("duplicate") {
        ("duplicate-key", "keep one of the two keys; the API server would silently keep the last")
    } else if lower.contains("budget")
        || lower.contains("alias")
        || lower.contains("nest")
        || lower.contains("depth")
        || lower.contains("recursion")
    {
        ("yaml-limit", "split the file, or write the value out instead of nesting or aliasing it")
    } else if lower.contains("tab") {
        ("yaml-syntax", "YAML is indented with spaces, never with tabs")
    } else {
        ("yaml-syntax", "check the indentation and the quotes around this place")
    }
}

/// The parser's text repeats the place, which the diagnostic carries already.
fn strip_place(message: &str) -> String {
    let cut = message.find(" at line ").or_else(|| message.find(" (line ")).unwrap_or(message.len());
    message[..cut].trim_start_matches("error: ").to_owned()
}

/// What the parser says to programmers is left out.
fn in_own_words(message: &str) -> String {
    let kept = message.split(", set DuplicateKeyPolicy").next().unwrap_or(message);
    kept.split(" in Options").next().unwrap_or(kept).to_owned()
}

fn position(place: serde_saphyr::Location) -> Position {
    let number = |n: u64| u32::try_from(n.max(1)).unwrap_or(u32::MAX);
    Position { line: number(place.line()), column: number(place.column()) }
}

enum Raw {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    String(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn node(raw: Spanned<Raw>) -> Node {
    let at = position(raw.referenced);
    let value = match raw.value {
        Raw::Null => NodeValue::Null,
        Raw::Bool(b) => NodeValue::Bool(b),
        Raw::Integer(i) => NodeValue::Integer(i),
        Raw::Float(f) => NodeValue::Float(f),
        Raw::String(s) => NodeValue::String(s),
        Raw::List(items) => NodeValue::List(items.into_iter().map(node).collect()),
        Raw::Map(entries) => NodeValue::Map(
            entries.into_iter().map(|(k, v)| (Key { at: position(k.referenced), name: k.value }, node(v))).collect(),
        ),
    };
    Node { value, at }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Raw, E> {
        Ok(Raw::Integer(v))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Raw, E> {
        #[expect(clippy::cast_precision_loss, reason = "JSON numbers beyond i64 are floats to the API server too")]
        Ok(i64::try_from(v).map_or(Raw::Float(v as f64), Raw::Integer))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Raw, E> {
        Ok(Raw::Float(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Raw, E> {
        Ok(Raw::String(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Raw, E> {
        Ok(Raw::String(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}
