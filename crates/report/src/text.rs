//! Text from inputs, made harmless for a reader's eye: nothing invisible, nothing that moves a cursor.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The same text with invisible characters (controls, bidirectional overrides, non-characters) spelled out as
/// `\u{1b}`; line breaks and tabs stay.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    // Nearly every text is plain ASCII, and there are many.
    if text.bytes().all(|byte| matches!(byte, b'\t' | b'\n' | b' '..=b'~')) || !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_hidden(character) {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// [`visible`], on one line.
pub(super) fn one_line(text: &str) -> String {
    if is_one_line(text) {
        return text.to_owned();
    }
    visible(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether plain ASCII stands on one line as it is: words between single spaces.
fn is_one_line(text: &str) -> bool {
    let bytes = text.as_bytes();
    let plain = bytes.iter().all(|byte| matches!(byte, b' '..=b'~'));
    plain && !text.starts_with(' ') && !text.ends_with(' ') && !bytes.windows(2).any(|pair| pair == b"  ")
}

/// At most `limit` characters, the last of them an ellipsis if some were cut off.
pub(super) fn clip(text: &str, limit: usize) -> Cow<'_, str> {
    match text.char_indices().nth(limit) {
        None => Cow::Borrowed(text),
        Some(_) => Cow::Owned(text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()),
    }
}

/// Controls (but line feed and tab), bidirectional marks that reorder what is read, zero-width characters outside
/// of emoji sequences, and code points that XML 1.0 forbids (`Char` in the recommendation's section 2.2).
fn is_hidden(character: char) -> bool {
    matches!(character,
        '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
        || u32::from(character) & 0xfffe == 0xfffe
}

/// `1 case`, `2 cases`.
pub(super) fn count(number: usize, singular: &str, plural: &str) -> String {
    format!("{number} {}", if number == 1 { singular } else { plural })
}

/// A duration for a reader, such as `850 ms`, `3.4 s` or `12 min 5 s`.
pub(super) fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        _ => format!("{} min {} s", milliseconds / 60_000, milliseconds % 60_000 / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_spelled_out() {
        assert_eq!(visible("a\u{1b}[31mb\u{202e}c\u{ffff}\nd"), "a\\u{1b}[31mb\\u{202e}c\\u{ffff}\nd");
        assert_eq!(visible("żółć → 👩‍🚀 ok"), "żółć → 👩‍🚀 ok");
        assert_eq!(one_line(" a\n\tb\r"), "a b\\u{d}");
        assert_eq!([one_line("a  b"), one_line(" a"), one_line("a "), one_line("a b")], ["a b", "a", "a", "a b"]);
    }

    #[test]
    fn clipping_keeps_whole_characters() {
        assert_eq!(clip("abc", 3), "abc");
        assert_eq!(clip("żółw", 3), "żó…");
    }
}
