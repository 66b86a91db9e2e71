//! Diagnostics as a reader sees them: the line at fault, and what to do.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::ops::Range;

use airtight_manifest::{Diagnostic, Location, ObjectRef, Severity, Sources};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// How many findings of one kind about one object are shown before the rest is counted; errors are shown all.
const SHOWN: usize = 8;

/// Writes findings one after the other, each with the line that it speaks of.
///
/// # Errors
/// When the stream cannot be written.
pub fn write(out: &mut dyn Write, findings: &[Diagnostic], sources: &Sources) -> io::Result<()> {
    let mut lines = Lines::of(sources);
    let mut alike: BTreeMap<(&str, &[ObjectRef]), usize> = BTreeMap::new();
    for finding in findings {
        let number = alike.entry((&finding.code, &finding.about)).or_default();
        *number += usize::from(!finding.is_error());
        if *number <= SHOWN {
            writeln!(out, "{}\n", render(finding, &mut lines))?;
        }
    }
    for ((code, about), number) in alike.into_iter().filter(|(_, number)| *number > SHOWN) {
        let objects: Vec<String> = about.iter().take(2).map(ToString::to_string).collect();
        let about = if objects.is_empty() { String::new() } else { format!(" about {}", objects.join(", ")) };
        let more = number - SHOWN;
        let rest = Diagnostic::new(Severity::Note, code, format!("and {more} more{about}"));
        writeln!(out, "{}\n", render(&rest, &mut lines))?;
    }
    Ok(())
}

/// One finding with its line; colours are stripped by the stream where they do not belong.
fn render(finding: &Diagnostic, lines: &mut Lines<'_>) -> String {
    let title = level(finding.severity).primary_title(&finding.message).id(&finding.code);
    let text = finding.location.as_ref().and_then(|location| lines.at(location));
    let group = match (&text, &finding.location) {
        (Some(line), Some(location)) => Group::with_title(title).element(
            Snippet::source(line.text.as_str())
                .line_start(location.position.line as usize)
                .path(location.file.as_ref())
                .annotation(AnnotationKind::Primary.span(line.span.clone())),
        ),
        (None, Some(location)) => Group::with_title(title).element(
            annotate_snippets::Origin::path(location.file.as_ref())
                .line(location.position.line as usize)
                .char_column(location.position.column as usize),
        ),
        (_, None) => Group::with_title(title),
    };
    let group = match &finding.hint {
        Some(hint) => group.element(Level::HELP.message(&**hint)),
        None => group,
    };
    Renderer::styled().render(&[group])
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    }
}

struct Line {
    text: String,
    span: Range<usize>,
}

/// The lines of the files that findings speak of, each file looked through once.
struct Lines<'a> {
    sources: &'a Sources,
    files: HashMap<String, Vec<Option<&'a str>>>,
}

impl<'a> Lines<'a> {
    fn of(sources: &'a Sources) -> Self {
        Self { sources, files: HashMap::new() }
    }

    /// The line of a location, and the word at its column; none of a Secret.
    fn at(&mut self, location: &Location) -> Option<Line> {
        if !self.files.contains_key(&*location.file) {
            let lines = shown(self.sources.text(&location.file)?);
            self.files.insert(location.file.to_string(), lines);
        }
        let number = (location.position.line as usize).checked_sub(1)?;
        let text = (*self.files.get(&*location.file)?.get(number)?)?;
        let column = (location.position.column as usize).saturating_sub(1);
        let start = text.char_indices().nth(column).map_or(text.len(), |(index, _)| index);
        let word = text[start..].find([' ', ':', ',', ']', '}']).unwrap_or(text.len() - start);
        let end = (start + word.max(1)).min(text.len());
        Some(Line { text: text.to_owned(), span: start..end.max(start) })
    }
}

/// The lines of a text, but for those of Secrets, whose values are for nobody's log.
fn shown(text: &str) -> Vec<Option<&str>> {
    let lines: Vec<&str> = text.lines().collect();
    let documents = lines.chunk_by(|_, next| !next.starts_with("---"));
    let shown = documents.flat_map(|document| {
        let hidden = document.iter().any(|line| names_a_secret(line));
        document.iter().map(move |line| (!hidden).then_some(*line))
    });
    shown.collect()
}

/// Whether a line says that its document is a Secret. One that cannot be parsed is told by the words in it.
fn names_a_secret(line: &str) -> bool {
    let plain: String = line.chars().filter(|letter| !matches!(letter, ' ' | '"' | '\'' | '\t')).collect();
    plain.contains("kind:Secret") && !plain.contains("kind:SecretStore") && !plain.contains("kind:SecretProvider")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(findings: &[Diagnostic], sources: &Sources) -> String {
        let mut out = Vec::new();
        assert!(write(&mut out, findings, sources).is_ok());
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn of_many_alike_some_are_shown_and_of_errors_all() {
        let about = ObjectRef::new("NetworkPolicy", Some("shop"), "a");
        let warning = |number: usize| Diagnostic::warning("odd", format!("rule {number} is odd")).about(&about);
        let other = Diagnostic::warning("odd", "of another").about(&ObjectRef::new("NetworkPolicy", Some("shop"), "b"));
        let error = |number: usize| Diagnostic::error("bad", format!("rule {number} is bad")).about(&about);
        let findings: Vec<Diagnostic> = (0..30).map(warning).chain([other]).chain((0..30).map(error)).collect();
        let told = told(&findings, &Sources::default());
        assert_eq!(told.matches("is odd").count(), SHOWN);
        assert_eq!(told.matches("is bad").count(), 30);
        assert!(told.contains("of another"));
        assert!(told.contains("and 22 more about NetworkPolicy shop/a"));
    }

    #[test]
    fn lines_of_secrets_are_not_shown_and_those_beside_them_are() {
        let mut sources = Sources::default();
        let file = sources.insert("all.yaml", "a: first\n---\nkind: Secret\ndata: hidden\n---\nb: last\n");
        let at = |line| Location::new(&file, airtight_manifest::Position { line, column: 1 });
        let findings = [1, 4, 6].map(|line| Diagnostic::error("x", format!("line {line}")).at(at(line)));
        let told = told(&findings, &sources);
        assert!(told.contains("a: first") && told.contains("b: last") && !told.contains("hidden"), "{told}");
    }
}
