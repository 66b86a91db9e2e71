//! Whether a cluster looks like one that people depend on.

/// Words that say so, in the name of a context, a server or a namespace.
const WORDS: &[&str] = &["prod", "prd", "production", "live"];

/// Words before them that say the contrary, as in `pre-prod`.
const DENIALS: &[&str] = &["non", "not", "pre", "no", "pseudo", "fake"];

/// More namespaces than a cluster for trying things has.
const MANY: usize = 100;

/// Why a cluster looks like production; none if it does not. Only whole words count: `products` is none.
///
/// ```
/// use airtight_live::detect::looks_like_production;
/// assert!(looks_like_production("admin@eu-prod-1", "https://10.0.0.1:6443", &[]).is_some());
/// assert!(looks_like_production("kind-products", "https://127.0.0.1:6443", &["pre-prod"]).is_none());
/// ```
#[must_use]
pub fn looks_like_production(context: &str, server: &str, namespaces: &[&str]) -> Option<String> {
    if let Some(word) = word_of_production(context) {
        return Some(format!("the name of context {context} contains `{word}`"));
    }
    if let Some(word) = word_of_production(host(server)) {
        return Some(format!("the name of server {server} contains `{word}`"));
    }
    if let Some((namespace, word)) = namespaces.iter().find_map(|name| Some((name, word_of_production(name)?))) {
        return Some(format!("the name of namespace {namespace} contains `{word}`"));
    }
    (namespaces.len() > MANY).then(|| format!("there are {} namespaces, more than {MANY}", namespaces.len()))
}

/// The host of a URL: `/live` is a common path.
fn host(server: &str) -> &str {
    let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

fn word_of_production(name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).collect();
    let denied = |index: usize| {
        index.checked_sub(1).and_then(|before| words.get(before)).is_some_and(|word| DENIALS.contains(word))
    };
    let mut found = words.iter().enumerate().filter(|(index, _)| !denied(*index));
    found.find_map(|(_, word)| WORDS.iter().find(|known| *known == word).copied())
}
