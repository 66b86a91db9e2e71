//! Diagnostics as a reader sees them: the line at fault, and what to do.

use std::io::{self, Write};
use std::ops::Range;

use airtight_manifest::{Diagnostic, Location, Severity, Sources};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// Writes findings one after the other, each with the line that it speaks of.
///
/// # Errors
/// When the stream cannot be written.
pub fn write(out: &mut dyn Write, findings: &[Diagnostic], sources: &Sources) -> io::Result<()> {
    for finding in findings {
        writeln!(out, "{}\n", render(finding, sources))?;
    }
    Ok(())
}

/// One finding with its line; colours are stripped by the stream where they do not belong.
#[must_use]
pub fn render(finding: &Diagnostic, sources: &Sources) -> String {
    let title = level(finding.severity).primary_title(&finding.message).id(&finding.code);
    let text = finding.location.as_ref().and_then(|location| source_line(location, sources));
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

/// Whether a line belongs to a Secret, whose values are for nobody's log. A document that cannot be parsed is told by
/// the words in it.
fn is_in_secret(text: &str, line: usize) -> bool {
    let separators = || text.lines().enumerate().filter(|(_, text)| text.starts_with("---")).map(|(index, _)| index);
    let begin = separators().take_while(|index| *index < line).last().unwrap_or(0);
    let end = separators().find(|index| *index >= line && *index > begin).unwrap_or(usize::MAX);
    let mut document = text.lines().take(end).skip(begin);
    document.any(|line| {
        let plain: String = line.chars().filter(|letter| !matches!(letter, ' ' | '"' | '\'' | '\t')).collect();
        plain.contains("kind:Secret") && !plain.contains("kind:SecretStore") && !plain.contains("kind:SecretProvider")
    })
}

/// The line of a location, and the word at its column; none of a Secret.
fn source_line(location: &Location, sources: &Sources) -> Option<Line> {
    let text = sources.text(&location.file)?;
    if is_in_secret(text, (location.position.line as usize).saturating_sub(1)) {
        return None;
    }
    let text = text.lines().nth((location.position.line as usize).checked_sub(1)?)?;
    let column = (location.position.column as usize).saturating_sub(1);
    let start = text.char_indices().nth(column).map_or(text.len(), |(index, _)| index);
    let word = text[start..].find([' ', ':', ',', ']', '}']).unwrap_or(text.len() - start);
    let end = (start + word.max(1)).min(text.len());
    Some(Line { text: text.to_owned(), span: start..end.max(start) })
}
