//! A Markdown text that stops growing at a limit, always between two rows.

use crate::text::{clip, count, one_line};

/// Room that is kept for saying how much is missing.
const RESERVE: usize = 1024;
/// The most characters of one input text in a cell.
const CELL: usize = 600;

/// A Markdown text of limited length.
pub(crate) struct Document {
    text: String,
    limit: usize,
    omitted: usize,
}

impl Document {
    /// An empty text of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { text: String::new(), limit: limit.saturating_sub(RESERVE), omitted: 0 }
    }

    /// Text that stands whatever the limit.
    pub(crate) fn always(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// A headed table, left out if it has no rows.
    pub(crate) fn table(&mut self, title: &str, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        let rows: Vec<Vec<String>> = rows.into_iter().collect();
        let head = format!("### {title} ({})\n\n", rows.len());
        self.section(&head, header, &rows, "\n");
    }

    /// The same, folded away until a reader opens it.
    pub(crate) fn folded(&mut self, title: &str, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        let rows: Vec<Vec<String>> = rows.into_iter().collect();
        let head = format!("<details><summary>{title} ({})</summary>\n\n", rows.len());
        self.section(&head, header, &rows, "\n</details>\n\n");
    }

    fn section(&mut self, head: &str, header: &[&str], rows: &[Vec<String>], tail: &str) {
        if rows.is_empty() {
            return;
        }
        let opening = format!("{head}{}{}", line(header), line(&vec!["---"; header.len()]));
        if !self.fits(opening.len() + tail.len()) {
            self.omitted += rows.len();
            return;
        }
        self.text.push_str(&opening);
        let written = self.rows(rows, tail.len());
        if written < rows.len() {
            let missing = rows.len() - written;
            self.omitted += missing;
            self.text += &["\n_", &count(missing, "row", "rows"), " omitted here_\n"].concat();
        }
        self.text.push_str(tail);
    }

    /// Writes rows while they fit, and says how many did.
    fn rows(&mut self, rows: &[Vec<String>], tail: usize) -> usize {
        for (index, cells) in rows.iter().enumerate() {
            let row = line(cells);
            if !self.fits(row.len() + tail + 40) {
                return index;
            }
            self.text.push_str(&row);
        }
        rows.len()
    }

    fn fits(&self, bytes: usize) -> bool {
        self.text.len() + bytes <= self.limit
    }

    /// The text, with a last line about what is missing.
    pub(crate) fn finish(mut self) -> String {
        if self.omitted > 0 {
            let rows = count(self.omitted, "row", "rows");
            self.text += &["**", &rows, " omitted** to keep within GitHub's limit; see the other reports.\n"].concat();
        }
        self.text
    }
}

fn line<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// Text on one line in which nothing is markup: every character that Markdown, HTML or GitHub gives a meaning is
/// written as a numeric character reference, which is never parsed as markup (CommonMark 0.31, section 2.5).
pub(crate) fn escape(text: &str) -> String {
    let line = one_line(text);
    let mut out = String::with_capacity(line.len());
    for character in clip(&line, CELL).chars() {
        if "&<>\"'|*_`[]\\~#@$!".contains(character) {
            out += &["&#", &u32::from(character).to_string(), ";"].concat();
        } else {
            out.push(character);
        }
    }
    out
}

/// Text in fixed width.
pub(crate) fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}
