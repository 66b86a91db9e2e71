//! How the terminal is written to: colours, width, and whether lines can be rewritten.

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use anstyle::AnsiColor;
use unicode_width::UnicodeWidthStr;

/// How the terminal is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether colours are used.
    pub color: bool,
    /// How many columns there are.
    pub width: usize,
    /// Whether a line can be rewritten: progress shows as one counter.
    pub live: bool,
}

impl Style {
    /// No colours, 100 columns, nothing rewritten: for files and pipes.
    pub const PLAIN: Self = Self { color: false, width: 100, live: false };

    /// What suits a stream: colours only on a terminal, and not if `NO_COLOR` is set (<https://no-color.org>).
    pub fn of(stream: &impl RawStream) -> Self {
        let terminal = stream.is_terminal();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            color: !matches!(AutoStream::choice(stream), ColorChoice::Never),
            width: if terminal { columns() } else { Self::PLAIN.width },
            live: terminal && !dumb,
        }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint(anstyle::Style::new().bold(), text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.paint(anstyle::Style::new().dimmed(), text)
    }

    pub(super) fn red(self, text: &str) -> String {
        self.paint(AnsiColor::Red.on_default().bold(), text)
    }

    pub(super) fn green(self, text: &str) -> String {
        self.paint(AnsiColor::Green.on_default(), text)
    }

    pub(super) fn yellow(self, text: &str) -> String {
        self.paint(AnsiColor::Yellow.on_default(), text)
    }

    pub(super) fn cyan(self, text: &str) -> String {
        self.paint(AnsiColor::Cyan.on_default(), text)
    }

    fn paint(self, style: anstyle::Style, text: &str) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// Breaks `text` between words so that it fits behind `indent` columns, which further lines are indented by.
    /// A word that is too long stays whole, so that a path can be copied.
    pub(super) fn wrap(self, text: &str, indent: usize) -> String {
        let room = self.width.saturating_sub(indent).max(20);
        let mut out = String::new();
        let mut used = 0;
        for word in text.split(' ') {
            let width = word.width();
            if used > 0 && used + 1 + width > room {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', indent));
                used = 0;
            } else if used > 0 {
                out.push(' ');
                used += 1;
            }
            out.push_str(word);
            used += width;
        }
        out
    }

    /// The beginning of `text` that fits on one line.
    pub(super) fn fit(self, text: &str) -> String {
        let mut used = 0;
        text.chars()
            .take_while(|character| {
                used += unicode_width::UnicodeWidthChar::width(*character).unwrap_or(0);
                used < self.width
            })
            .collect()
    }
}

fn columns() -> usize {
    let terminal = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    terminal.filter(|width| *width > 0).unwrap_or(Style::PLAIN.width)
}
