//! Anchors: `(key)`, `=(key)`, `X(key)`, `^(key)`, `<(key)`, `+(key)` (Kyverno `pkg/engine/anchor`).

/// What an anchor does to the key in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    /// `(key)`: if it matches, the siblings must match too.
    Condition,
    /// `<(key)`: if it matches, the whole pattern must match.
    Global,
    /// `=(key)`: if it exists, it must match.
    Equality,
    /// `X(key)`: it must not exist.
    Negation,
    /// `^(key)`: at least one element of the list must match.
    Existence,
    /// `+(key)`: added if it does not exist.
    AddIfAbsent,
}

/// The anchor of a key and the key in it; none for a plain key.
pub(super) fn parse(key: &str) -> Option<(Anchor, &str)> {
    let key = key.trim();
    let (anchor, rest) = match key.chars().next()? {
        '(' => (Anchor::Condition, key),
        '<' => (Anchor::Global, &key[1..]),
        '=' => (Anchor::Equality, &key[1..]),
        'X' => (Anchor::Negation, &key[1..]),
        '^' => (Anchor::Existence, &key[1..]),
        '+' => (Anchor::AddIfAbsent, &key[1..]),
        _ => return None,
    };
    let inner = rest.strip_prefix('(')?.strip_suffix(')')?;
    (!inner.is_empty()).then_some((anchor, inner))
}

/// The key without its anchor.
pub(super) fn bare(key: &str) -> &str {
    parse(key).map_or(key, |(_, inner)| inner)
}

/// Whether the anchor makes a pattern conditional.
pub(super) fn is_conditional(key: &str) -> bool {
    matches!(parse(key), Some((Anchor::Condition | Anchor::Global, _)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_and_plain_keys() {
        assert_eq!(parse("(image)"), Some((Anchor::Condition, "image")));
        assert_eq!(parse("=(securityContext)"), Some((Anchor::Equality, "securityContext")));
        assert_eq!(parse("X(hostPath)"), Some((Anchor::Negation, "hostPath")));
        assert_eq!(parse("^(containers)"), Some((Anchor::Existence, "containers")));
        assert_eq!(parse("<(image)"), Some((Anchor::Global, "image")));
        assert_eq!(parse("+(app)"), Some((Anchor::AddIfAbsent, "app")));
        assert_eq!(parse("image"), None);
        assert_eq!(parse("Xray"), None);
        assert_eq!(parse("()"), None);
    }
}
