//! The matrix as a picture: sources down, destinations across, grouped by namespace.

use std::fmt::Write as _;

use airtight_model::path::reach::Reachability;

use super::tiles::{Line, Shape, Tile, Tiles};
use crate::text::{clip, one_line};

/// Side of a tile in pixels.
const SIDE: usize = 16;
/// Gap between groups.
const GAP: usize = 6;
/// Width of a character of a label, and the longest label in characters.
const GLYPH: usize = 7;
const LONGEST: usize = 26;

/// Colours by role, for light and dark.
const STYLE: &str = "\
svg{color-scheme:light dark;--ink:#1d2127;--soft:#5b626d;--line:#e2dfd6;--band:#f3f1eb;--open:#1c7a52;--ring:#7a3fb0;\
--shut:#b9b4a6;--gap:#8f5b00}\
@media(prefers-color-scheme:dark){svg{--ink:#e6e8ec;--soft:#9aa3b0;--line:#2e333c;--band:#1b1e24;--open:#58c794;\
--ring:#c79bf2;--shut:#565d69;--gap:#e5b04c}}\
text{font:11px ui-sans-serif,system-ui,'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',sans-serif;fill:var(--ink)}\
.group{font-weight:650}.name{fill:var(--soft)}.band{fill:var(--band)}.allowed,.some{fill:var(--open)}\
.frame{fill:none;stroke:var(--open);stroke-width:1.5}.by-request{fill:none;stroke:var(--ring);stroke-width:2}\
.denied{fill:var(--shut)}.unknown{fill:none;stroke:var(--gap);stroke-width:2}";

/// The picture as a file of its own.
#[must_use]
pub fn svg(reach: &Reachability<'_, '_>) -> String {
    Picture::of(&Tiles::of(reach)).whole()
}

/// Where each line begins, in pixels from the first.
struct Axis {
    at: Vec<usize>,
    length: usize,
    groups: usize,
    names: usize,
}

impl Axis {
    /// `between` is the room before each group of lines with names.
    fn of(lines: &[Line], between: usize) -> Self {
        let mut at = Vec::new();
        let mut next = 0;
        for (index, line) in lines.iter().enumerate() {
            if is_first(lines, index) && !line.name.is_empty() {
                next += between;
            }
            at.push(next);
            next += SIDE;
        }
        let longest = |text: fn(&Line) -> &str| lines.iter().map(|line| text(line).chars().count()).max().unwrap_or(0);
        let width = |length: usize| if length == 0 { 0 } else { length.min(LONGEST) * GLYPH + 10 };
        Self { at, length: next, groups: width(longest(|line| &line.group)), names: width(longest(|line| &line.name)) }
    }
}

/// A picture whose parts can stand alone: names of sources, and everything else.
pub(super) struct Picture<'a> {
    tiles: &'a Tiles,
    down: Axis,
    across: Axis,
    left: usize,
    top: usize,
}

impl<'a> Picture<'a> {
    pub(super) fn of(tiles: &'a Tiles) -> Self {
        let (down, across) = (Axis::of(&tiles.rows, SIDE + 4), Axis::of(&tiles.columns, GAP));
        // Names of groups stand above their rows.
        let left = down.groups.max(down.names);
        let top = across.groups + across.names;
        Self { tiles, down, across, left, top }
    }

    fn size(&self) -> (usize, usize) {
        (self.left + self.across.length + 8, self.top + self.down.length + 8)
    }

    pub(super) fn whole(&self) -> String {
        self.part(0, self.size().0, true, true)
    }

    /// The names of sources.
    pub(super) fn names(&self) -> String {
        self.part(0, self.left, true, false)
    }

    /// Everything but the names of sources.
    pub(super) fn grid(&self) -> String {
        self.part(self.left, self.size().0 - self.left, false, true)
    }

    fn part(&self, x: usize, width: usize, names: bool, grid: bool) -> String {
        let height = self.size().1;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"{x} 0 {width} {height}\" role=\"img\" aria-label=\"{}\"><style>{STYLE}</style>",
            if grid { "Who reaches whom: sources down, destinations across" } else { "Sources" }
        );
        self.bands(&mut out);
        if names {
            self.row_names(&mut out);
        }
        if grid {
            self.column_names(&mut out);
            self.marks(&mut out);
        }
        out.push_str("</svg>\n");
        out
    }

    /// Every other row is shaded, so that an eye keeps to its line.
    fn bands(&self, out: &mut String) {
        let width = self.left + self.across.length;
        for row in (0..self.tiles.rows.len()).step_by(2) {
            let y = self.top + self.down.at[row];
            let _ = write!(out, "<rect class=\"band\" x=\"0\" y=\"{y}\" width=\"{width}\" height=\"{SIDE}\"/>");
        }
    }

    fn row_names(&self, out: &mut String) {
        for (row, line) in self.tiles.rows.iter().enumerate() {
            let y = self.top + self.down.at[row] + 12;
            if is_first(&self.tiles.rows, row) {
                let y = if line.name.is_empty() { y } else { y - SIDE };
                let _ = write!(out, "<text class=\"group\" x=\"2\" y=\"{y}\">{}</text>", label(&line.group));
            }
            if !line.name.is_empty() {
                let x = self.left - 6;
                let name = label(&line.name);
                let _ = write!(out, "<text class=\"name\" text-anchor=\"end\" x=\"{x}\" y=\"{y}\">{name}</text>");
            }
        }
    }

    fn column_names(&self, out: &mut String) {
        let mut upright = |class: &str, x: usize, y: usize, text: &str| {
            let text = label(text);
            let _ = write!(out, "<text class=\"{class}\" transform=\"translate({x} {y}) rotate(-90)\">{text}</text>");
        };
        for (column, line) in self.tiles.columns.iter().enumerate() {
            let x = self.left + self.across.at[column] + 12;
            if is_first(&self.tiles.columns, column) {
                upright("group", x, self.across.groups - 4, &line.group);
            }
            upright("name", x, self.top - 6, &line.name);
        }
    }

    /// Denied pairs are the many: one path for all of them. Each other mark says what it stands for.
    fn marks(&self, out: &mut String) {
        let tiles = self.tiles;
        let mut denied = String::new();
        for row in 0..tiles.rows.len() {
            for column in 0..tiles.columns.len() {
                let (x, y) = (self.left + self.across.at[column], self.top + self.down.at[row]);
                let tile = tiles.tile(row, column);
                match tile.shape() {
                    Shape::Empty => {}
                    Shape::Denied => {
                        let _ = write!(denied, "M{} {}h3v3h-3z", x + 6, y + 6);
                    }
                    shape @ (Shape::Allowed | Shape::Some | Shape::ByRequest | Shape::Unknown) => {
                        let told = title(&tiles.rows[row], &tiles.columns[column], tile);
                        let _ = write!(out, "<g><title>{told}</title>{}</g>", mark(shape, tile, x, y));
                    }
                }
            }
        }
        let _ = write!(out, "<path class=\"denied\" d=\"{denied}\"/>");
    }
}

fn is_first(lines: &[Line], index: usize) -> bool {
    index == 0 || lines[index - 1].group != lines[index].group
}

fn label(text: &str) -> String {
    escaped(&clip(&one_line(text), LONGEST))
}

/// A mark in the tile at `x`, `y`.
pub(super) fn mark(shape: Shape, tile: &Tile, x: usize, y: usize) -> String {
    match shape {
        Shape::Allowed => format!("<path class=\"allowed\" d=\"M{} {}h12v12h-12z\"/>", x + 2, y + 2),
        Shape::Some => {
            // The filled part is the share that is open, and never nothing.
            let filled = (tile.allowed * 12 / tile.total().max(1)).clamp(2, 10);
            format!(
                "<path class=\"some\" d=\"M{} {}h12v{filled}h-12z\"/><path class=\"frame\" d=\"M{} {}h11v11h-11z\"/>",
                x + 2,
                y + 14 - filled,
                x + 3,
                y + 3,
            )
        }
        Shape::ByRequest => format!("<circle class=\"by-request\" cx=\"{}\" cy=\"{}\" r=\"5\"/>", x + 8, y + 8),
        Shape::Unknown => {
            format!("<path class=\"unknown\" d=\"M{} {}l5 5-5 5-5-5z\"/>", x + 8, y + 3)
        }
        Shape::Denied => format!("<path class=\"denied\" d=\"M{} {}h3v3h-3z\"/>", x + 6, y + 6),
        Shape::Empty => String::new(),
    }
}

fn title(from: &Line, to: &Line, tile: &Tile) -> String {
    let name = |line: &Line| {
        if line.name.is_empty() { line.group.clone() } else { format!("{}/{}", line.group, line.name) }
    };
    let parts = [
        (tile.allowed, "allowed"),
        (tile.by_request, "by request"),
        (tile.denied, "denied"),
        (tile.unknown, "unknown"),
    ];
    let counts: Vec<String> =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")).collect();
    escaped(&one_line(&format!("{} → {}: {}", name(from), name(to), counts.join(", "))))
}

/// Text inside an element or attribute of XML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
