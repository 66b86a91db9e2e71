//! Patterns of policies → one text that they match.

use regex_syntax::hir::{Class, Hir, HirKind};

/// What stands for any text.
const ANY: &str = "x";

/// A text for `*`, `prefix*`, `*suffix`, a path template with `{*}` or `{**}`, or an exact value.
///
/// ```text
/// /api/*  → /api/x      *.example.com → x.example.com      /shops/{*}/items → /shops/x/items
/// ```
pub(super) fn of_glob(pattern: &str) -> String {
    let filled = pattern.replace("{**}", ANY).replace("{*}", ANY);
    match (filled.strip_prefix('*'), filled.strip_suffix('*')) {
        (Some(""), _) => ANY.to_owned(),
        (Some(suffix), _) => format!("{ANY}{suffix}"),
        (None, Some(prefix)) => format!("{prefix}{ANY}"),
        (None, None) => filled,
    }
}

/// The same for a path, which begins with `/`.
pub(super) fn of_path_glob(pattern: &str) -> String {
    let sample = of_glob(pattern);
    if sample.starts_with('/') { sample } else { format!("/{sample}") }
}

/// A DNS name for a pattern in which `*` stands for part of a label.
pub(super) fn of_name_pattern(pattern: &str) -> String {
    pattern.replace("**.", "x.").replace('*', ANY)
}

/// A short text that a regular expression matches in full; none if it cannot be read.
pub(super) fn of_regex(pattern: &str) -> Option<String> {
    let expression = regex_syntax::Parser::new().parse(pattern).ok()?;
    let mut text = String::new();
    append(&expression, &mut text)?;
    Some(text)
}

fn append(expression: &Hir, text: &mut String) -> Option<()> {
    match expression.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(()),
        HirKind::Literal(literal) => {
            text.push_str(std::str::from_utf8(&literal.0).ok()?);
            Some(())
        }
        HirKind::Class(class) => {
            text.push(member(class)?);
            Some(())
        }
        HirKind::Repetition(repetition) => (0..repetition.min).try_for_each(|_| append(&repetition.sub, text)),
        HirKind::Capture(capture) => append(&capture.sub, text),
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| append(part, text)),
        HirKind::Alternation(choices) => append(choices.first()?, text),
    }
}

/// A letter that the class has, or its first printable character.
fn member(class: &Class) -> Option<char> {
    let has = |wanted: char| match class {
        Class::Unicode(ranges) => ranges.iter().any(|range| (range.start()..=range.end()).contains(&wanted)),
        Class::Bytes(ranges) => u8::try_from(wanted)
            .is_ok_and(|wanted| ranges.iter().any(|range| (range.start()..=range.end()).contains(&wanted))),
    };
    ('a'..='z').rev().skip(2).chain('A'..='Z').chain('0'..='9').chain('!'..='~').find(|letter| has(*letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_give_texts_that_they_match() {
        assert_eq!(of_glob("*"), "x");
        assert_eq!(of_glob("/api/*"), "/api/x");
        assert_eq!(of_glob("*.example.com"), "x.example.com");
        assert_eq!(of_path_glob("*/info"), "/x/info");
        assert_eq!(of_path_glob("/shops/{*}/items/{**}"), "/shops/x/items/x");
        assert_eq!(of_name_pattern("*.api.example.com"), "x.api.example.com");
    }

    #[test]
    fn regular_expressions_give_texts_that_they_match() {
        for pattern in ["/api/v1/.*", "GET|POST", "^/items/[0-9]+$", "/a(/b)?/c{2}", r"[a-z0-9-]+\.example\.com"] {
            let sample = of_regex(pattern);
            let whole = regex::Regex::new(&format!("^(?:{pattern})$"));
            assert!(
                sample.as_ref().is_some_and(|text| whole.is_ok_and(|whole| whole.is_match(text))),
                "{pattern}: {sample:?}"
            );
        }
        assert_eq!(of_regex("(["), None);
    }
}
