//! Repairs: single lines of files, changed where there is no doubt what was meant, comments and all else left alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use airtight_manifest::{Diagnostic, Sources, yaml};

use crate::report::Report;

/// What becomes of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The line, from 1.
    pub line: u32,
    /// What stands in its place; nothing if it goes.
    pub new: Vec<String>,
}

/// A file with its repairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// The file's name as the user gave it.
    pub file: Arc<str>,
    /// The repairs, by line.
    pub edits: Vec<Edit>,
    /// The text afterwards.
    pub text: String,
    before: Vec<String>,
}

/// Every repair that can be made, file by file. A file that would no longer be YAML is left alone.
#[must_use]
pub fn mend(report: &Report, sources: &Sources) -> Vec<Mended> {
    let mut files: BTreeMap<Arc<str>, BTreeMap<u32, Edit>> = BTreeMap::new();
    for found in &report.findings {
        let Some(at) = &found.diagnostic.location else { continue };
        let lines = files.entry(Arc::clone(&at.file)).or_default();
        for edit in edits(&found.diagnostic, sources) {
            // Two repairs of one line: the next call makes the second.
            lines.entry(edit.line).or_insert(edit);
        }
    }
    files.into_iter().filter_map(|(file, edits)| mended(file, edits, sources)).collect()
}

fn mended(file: Arc<str>, edits: BTreeMap<u32, Edit>, sources: &Sources) -> Option<Mended> {
    let before = sources.text(&file)?;
    let mut text = String::with_capacity(before.len());
    for (number, line) in (1_u32..).zip(before.split_inclusive('\n')) {
        let Some(edit) = edits.get(&number) else {
            text.push_str(line);
            continue;
        };
        let ending = &line[line.trim_end_matches(['\r', '\n']).len()..];
        edit.new.iter().for_each(|new| text.extend([new.as_str(), ending]));
    }
    let edits: Vec<Edit> = edits.into_values().collect();
    let is_yaml = yaml::parse(&file, &text).is_ok();
    (is_yaml && !edits.is_empty()).then(|| Mended {
        before: before.lines().map(str::to_owned).collect(),
        file,
        edits,
        text,
    })
}

impl Mended {
    /// The repairs as a unified diff without context, which `patch` reads.
    #[must_use]
    pub fn diff(&self) -> String {
        let mut diff = format!("--- {0}\n+++ {0}\n", self.file);
        let mut moved = 0_i64;
        for edit in &self.edits {
            let line = i64::from(edit.line);
            let after = line + moved - i64::from(edit.new.is_empty());
            let _ = writeln!(diff, "@@ -{line} +{after},{} @@", edit.new.len());
            let _ = writeln!(diff, "-{}", self.before.get(edit.line as usize - 1).map_or("", String::as_str));
            for new in &edit.new {
                let _ = writeln!(diff, "+{new}");
            }
            moved += i64::try_from(edit.new.len()).unwrap_or(0) - 1;
        }
        diff
    }
}

/// The repairs of one finding; none where it is not certain what was meant.
#[must_use]
pub fn edits(finding: &Diagnostic, sources: &Sources) -> Vec<Edit> {
    let Some(at) = &finding.location else { return Vec::new() };
    let Some(text) = sources.text(&at.file).filter(|_| !at.file.ends_with("(rendered)")) else { return Vec::new() };
    let lines: Vec<&str> = text.lines().collect();
    let Some(first) = (at.position.line as usize).checked_sub(1).filter(|index| *index < lines.len()) else {
        return Vec::new();
    };
    let place = Place { lines: &lines, first, column: (at.position.column as usize).saturating_sub(1) };
    match finding.code.as_str() {
        "spiffe-prefix" => place.replaced_throughout("spiffe://", ""),
        "disable-is-permissive" => place.replaced_once("DISABLE", "PERMISSIVE"),
        "header-appended" => place.renamed("add", "set"),
        "host-without-port" => quoted(&finding.message).map(|host| place.listed_too(host)).unwrap_or_default(),
        "unknown-field" => place.meant(finding),
        "invalid-value" => place.quoted(finding),
        "annotation-without-effect" => place.without_line(),
        "suppression-unused" => place.without_comment(),
        _ => Vec::new(),
    }
}

/// The first text of a message in backticks.
fn quoted(message: &str) -> Option<&str> {
    message.split('`').nth(1)
}

/// Where a finding points.
struct Place<'a> {
    lines: &'a [&'a str],
    /// Index of the line.
    first: usize,
    /// Characters before it.
    column: usize,
}

impl Place<'_> {
    fn line(&self) -> &str {
        self.lines[self.first]
    }

    /// The byte at which the finding points.
    fn start(&self) -> usize {
        let line = self.line();
        line.char_indices().nth(self.column).map_or(line.len(), |(index, _)| index)
    }

    /// The line and those that belong to the same value: they are indented at least as far.
    fn block(&self) -> impl Iterator<Item = (usize, &str)> {
        let inside = |line: &str| line.trim().is_empty() || line.len() - line.trim_start().len() >= self.column;
        let rest = self.lines[self.first + 1..].iter().take_while(move |line| inside(line));
        std::iter::once(self.line())
            .chain(rest.copied())
            .enumerate()
            .map(move |(index, line)| (self.first + index, line))
    }

    fn edit(index: usize, new: Vec<String>) -> Edit {
        Edit { line: u32::try_from(index + 1).unwrap_or(u32::MAX), new }
    }

    fn replaced_throughout(&self, old: &str, new: &str) -> Vec<Edit> {
        let hit = self.block().filter(|(_, line)| content(line).contains(old));
        hit.map(|(index, line)| {
            let (content, comment) = line.split_at(content(line).len());
            Self::edit(index, vec![content.replace(old, new) + comment])
        })
        .collect()
    }

    /// Of one place alone: where the word stands twice nobody knows which is meant.
    fn replaced_once(&self, old: &str, new: &str) -> Vec<Edit> {
        let hits: Vec<(usize, &str)> = self.block().filter(|(_, line)| content(line).contains(old)).collect();
        match hits.as_slice() {
            [(index, line)] if content(line).matches(old).count() == 1 => {
                vec![Self::edit(*index, vec![line.replacen(old, new, 1)])]
            }
            _ => Vec::new(),
        }
    }

    /// The key at the very place.
    fn renamed(&self, old: &str, new: &str) -> Vec<Edit> {
        let (before, here) = self.line().split_at(self.start());
        let Some(rest) = here.strip_prefix(old).filter(|rest| rest.starts_with(':')) else { return Vec::new() };
        vec![Self::edit(self.first, vec![format!("{before}{new}{rest}")])]
    }

    /// A host of a list, beside which the same with any port shall stand.
    fn listed_too(&self, host: &str) -> Vec<Edit> {
        let item = |line: &str| line.trim_start().strip_prefix("- ").map(|text| text.trim().to_owned());
        let is_host = |text: &str| text.trim_matches(['"', '\'']) == host;
        let hits: Vec<(usize, &str)> =
            self.block().filter(|(_, line)| item(content(line)).is_some_and(|text| is_host(&text))).collect();
        let [(index, line)] = hits.as_slice() else { return Vec::new() };
        let indent = &line[..line.len() - line.trim_start().len()];
        vec![Self::edit(*index, vec![(*line).to_owned(), format!("{indent}- \"{host}:*\"")])]
    }

    fn meant(&self, finding: &Diagnostic) -> Vec<Edit> {
        let hint = finding.hint.as_deref().and_then(|hint| hint.strip_prefix("did you mean `"));
        let Some(meant) = hint.and_then(|hint| hint.strip_suffix("`?")) else { return Vec::new() };
        let field = quoted(&finding.message).and_then(|path| path.rsplit('.').next());
        field.map(|field| self.renamed(field, meant)).unwrap_or_default()
    }

    /// A text that YAML reads as a number or a truth value.
    fn quoted(&self, finding: &Diagnostic) -> Vec<Edit> {
        if !finding.hint.as_deref().is_some_and(|hint| hint.starts_with("quote the value")) {
            return Vec::new();
        }
        let (before, here) = self.line().split_at(self.start());
        let length = content(here).find([',', ']', '}', '{', '[', '"', '\'', '&', '*', '!']);
        let word = here[..length.unwrap_or(content(here).len())].trim_end();
        if word.is_empty() || before.trim_end().ends_with(['"', '\'']) {
            return Vec::new();
        }
        vec![Self::edit(self.first, vec![format!("{before}\"{word}\"{}", &here[word.len()..])])]
    }

    /// Without the line, where it holds the key and a plain value and nothing else.
    fn without_line(&self) -> Vec<Edit> {
        let (before, here) = self.line().split_at(self.start());
        let value = content(here).split_once(": ").map_or("", |(_, value)| value.trim());
        let whole = before.trim().is_empty() && !value.is_empty() && !value.starts_with(['|', '>', '&', '{', '[']);
        if whole { vec![Self::edit(self.first, Vec::new())] } else { Vec::new() }
    }

    fn without_comment(&self) -> Vec<Edit> {
        let before = self.line()[..self.start()].trim_end();
        vec![Self::edit(self.first, if before.is_empty() { Vec::new() } else { vec![before.to_owned()] })]
    }
}

/// A line without the comment at its end; a `#` within quotes is none.
fn content(line: &str) -> &str {
    let mut quote: Option<char> = None;
    let mut before = ' ';
    for (index, letter) in line.char_indices() {
        match quote {
            Some(open) if letter == open => quote = None,
            None if matches!(letter, '"' | '\'') => quote = Some(letter),
            None if letter == '#' && before.is_whitespace() => return line[..index].trim_end(),
            Some(_) | None => {}
        }
        before = letter;
    }
    line.trim_end()
}
