//! Regular expressions as RE2 reads them, which Envoy and Go's `regexp` do (`github.com/google/re2`, `doc/syntax.txt`).
//!
//! The engine below is Rust's, which is as fast and knows the same language but for details: what letters, digits and
//! word boundaries are is ASCII in RE2 and Unicode in Rust, and brackets nest in Rust alone.

use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

/// Why an expression is none, in a few words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

/// An expression that is found anywhere in a text, as Go's `regexp.MatchString` and CEL's `matches` do.
///
/// # Errors
/// When RE2 takes no such expression, or this engine cannot.
///
/// ```
/// let number = airtight_manifest::re2::search(r"\d+")?;
/// assert!(number.is_match("port 80") && !number.is_match("port ٨"));
/// # Ok::<(), airtight_manifest::re2::Error>(())
/// ```
pub fn search(pattern: &str) -> Result<Regex, Error> {
    refuse_foreign_flags(pattern)?;
    // Whoever made a slip is told of what was written, not of what became of it.
    Regex::new(&translated(pattern)).map_err(|error| match Regex::new(pattern) {
        Ok(_) => Error(last_line(&error)),
        Err(plain) => Error(last_line(&plain)),
    })
}

/// An expression that takes a whole text, as Envoy's `safe_regex` does.
///
/// # Errors
/// As for [`search`].
///
/// ```
/// let path = airtight_manifest::re2::full_match("/v1|/v2")?;
/// assert!(path.is_match("/v2") && !path.is_match("/v2/"));
/// # Ok::<(), airtight_manifest::re2::Error>(())
/// ```
pub fn full_match(pattern: &str) -> Result<Regex, Error> {
    search(pattern)?;
    Regex::new(&format!("^(?:{})$", translated(pattern))).map_err(|error| Error(last_line(&error)))
}

fn last_line(error: &regex::Error) -> String {
    let message = error.to_string();
    message.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned()
}

/// `x`, `u` and `R` are flags of Rust's alone.
fn refuse_foreign_flags(pattern: &str) -> Result<(), Error> {
    for (at, _) in pattern.match_indices("(?") {
        let flags: String = pattern[at + 2..].chars().take_while(|c| c.is_ascii_alphabetic() || *c == '-').collect();
        let ends = matches!(pattern[at + 2 + flags.len()..].chars().next(), Some(':' | ')'));
        if ends && flags.contains(['x', 'u', 'R']) && !pattern[..at].ends_with('\\') {
            return Err(Error(format!("invalid or unsupported Perl syntax: `(?{flags}`")));
        }
    }
    Ok(())
}

/// The same expression in Rust's words.
fn translated(pattern: &str) -> String {
    let mut translation = Translation { rest: pattern.chars().peekable(), text: String::with_capacity(pattern.len()) };
    while let Some(one) = translation.rest.next() {
        match one {
            '\\' => translation.escape(false),
            '[' => translation.class(),
            _ => translation.text.push(one),
        }
    }
    translation.text
}

struct Translation<'p> {
    rest: Peekable<Chars<'p>>,
    text: String,
}

impl Translation<'_> {
    /// What follows a backslash.
    fn escape(&mut self, in_class: bool) {
        let meant = match self.rest.next() {
            Some('d') => "[0-9]",
            Some('D') => "[^0-9]",
            Some('w') => "[0-9A-Za-z_]",
            Some('W') => "[^0-9A-Za-z_]",
            Some('s') => r"[\t\n\f\r ]",
            Some('S') => r"[^\t\n\f\r ]",
            Some('b') if !in_class => r"(?-u:\b)",
            Some('Q') if !in_class => return self.quoted(),
            Some(other) => {
                self.text.extend(['\\', other]);
                return;
            }
            None => "\\",
        };
        self.text.push_str(meant);
    }

    /// `\Q…\E`: text as it is written.
    fn quoted(&mut self) {
        let mut literal: String = self.rest.by_ref().collect();
        let rest = literal.find(r"\E").map(|end| literal.split_off(end));
        self.text.push_str(&regex::escape(&literal));
        let rest = rest.unwrap_or_default();
        self.text.push_str(&translated(rest.strip_prefix(r"\E").unwrap_or_default()));
    }

    /// The inside of brackets, in which an opening one, `&&` and `~~` mean nothing.
    fn class(&mut self) {
        self.text.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.text.push('^');
        }
        if self.rest.next_if_eq(&']').is_some() {
            self.text.push_str(r"\]");
        }
        while let Some(one) = self.rest.next() {
            match one {
                ']' => return self.text.push(']'),
                '\\' => self.escape(true),
                '[' if self.rest.peek() == Some(&':') => self.named(),
                '[' | '&' | '~' => self.text.extend(['\\', one]),
                _ => self.text.push(one),
            }
        }
    }

    /// `[:alpha:]` and its like, which are ASCII in both.
    fn named(&mut self) {
        self.text.push('[');
        for one in self.rest.by_ref() {
            self.text.push(one);
            if one == ']' {
                return;
            }
        }
    }
}
