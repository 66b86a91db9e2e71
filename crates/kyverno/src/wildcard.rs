//! Wildcards in names, labels and values.

/// Whether `text` matches `pattern`, in which `*` stands for any run of characters and `?` for exactly one
/// (Kyverno `ext/wildcard`).
///
/// Linear in space and at worst quadratic in time, so hostile patterns cost nothing.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            retry = Some((p, t));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| *c == '?' || *c == text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((star, from)) = retry {
            retry = Some((star, from + 1));
            (p, t) = (star + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Whether `text` has a wildcard in it.
pub(super) fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_and_question_mark() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("mcp-*", "mcp-teamalpha", true),
            ("mcp-*", "xmcp-teamalpha", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("?*", "", false),
            ("?*", "x", true),
            ("*a*b", "xaayb", true),
            ("*a*b", "xaaybc", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} ~ {text}");
        }
    }
}
