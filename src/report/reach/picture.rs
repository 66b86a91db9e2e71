//! The matrix as a picture: sources down, destinations across, grouped by namespace.

use std::fmt::Write as _;

use super::tiles::{Line, Shape, Tile, Tiles};
use crate::path::reach::Reachability;
use crate::report::text::{clip, one_line};

/// Side of a tile in pixels.
const SIDE: usize = 16;
/// Gap between groups.
const GAP: usize = 6;
/// Width of a character of a label, and the longest label in characters.
const GLYPH: usize = 6;
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
    draw(&Tiles::of(reach))
}

/// Where each line begins, in pixels from the first.
struct Axis {
    at: Vec<usize>,
    length: usize,
    groups: usize,
    names: usize,
}

impl Axis {
    fn of(lines: &[Line]) -> Self {
        let mut at = Vec::new();
        let mut next = 0;
        for (index, line) in lines.iter().enumerate() {
            if index > 0 && !line.name.is_empty() && lines[index - 1].group != line.group {
                next += GAP;
            }
            at.push(next);
            next += SIDE;
        }
        let longest = |text: fn(&Line) -> &str| lines.iter().map(|line| text(line).chars().count()).max().unwrap_or(0);
        let width = |length: usize| if length == 0 { 0 } else { length.min(LONGEST) * GLYPH + 10 };
        Self { at, length: next, groups: width(longest(|line| &line.group)), names: width(longest(|line| &line.name)) }
    }

    fn labels(&self) -> usize {
        self.groups + self.names
    }
}

pub(super) fn draw(tiles: &Tiles) -> String {
    let (down, across) = (Axis::of(&tiles.rows), Axis::of(&tiles.columns));
    let (left, top) = (down.labels(), across.labels());
    let (width, height) = (left + across.length + 8, top + down.length + 8);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"Who reaches whom: sources down, destinations across\">\
         <style>{STYLE}</style>"
    );
    bands(&mut out, tiles, (&down, &across), (left, top));
    labels(&mut out, tiles, (&down, &across), (left, top));
    marks(&mut out, tiles, (&down, &across), (left, top));
    out.push_str("</svg>\n");
    out
}

/// Every other row is shaded, so that an eye keeps to its line.
fn bands(out: &mut String, tiles: &Tiles, (down, across): (&Axis, &Axis), (left, top): (usize, usize)) {
    for row in (0..tiles.rows.len()).step_by(2) {
        let y = top + down.at[row];
        let _ = write!(
            out,
            "<rect class=\"band\" x=\"0\" y=\"{y}\" width=\"{}\" height=\"{SIDE}\"/>",
            left + across.length
        );
    }
}

fn labels(out: &mut String, tiles: &Tiles, (down, across): (&Axis, &Axis), (left, top): (usize, usize)) {
    for (row, line) in tiles.rows.iter().enumerate() {
        let y = top + down.at[row] + 12;
        if is_first(&tiles.rows, row) {
            let _ = write!(out, "<text class=\"group\" x=\"2\" y=\"{y}\">{}</text>", label(&line.group));
        }
        let x = left - 6;
        let _ =
            write!(out, "<text class=\"name\" text-anchor=\"end\" x=\"{x}\" y=\"{y}\">{}</text>", label(&line.name));
    }
    for (column, line) in tiles.columns.iter().enumerate() {
        let x = left + across.at[column] + 12;
        if is_first(&tiles.columns, column) {
            let y = across.groups - 4;
            let _ = write!(
                out,
                "<text class=\"group\" transform=\"translate({x} {y}) rotate(-90)\">{}</text>",
                label(&line.group)
            );
        }
        let y = top - 6;
        let _ = write!(
            out,
            "<text class=\"name\" transform=\"translate({x} {y}) rotate(-90)\">{}</text>",
            label(&line.name)
        );
    }
}

fn is_first(lines: &[Line], index: usize) -> bool {
    index == 0 || lines[index - 1].group != lines[index].group
}

fn label(text: &str) -> String {
    escaped(&clip(&one_line(text), LONGEST))
}

/// Denied pairs are the many: one path for all of them. Each other mark says what it stands for.
fn marks(out: &mut String, tiles: &Tiles, (down, across): (&Axis, &Axis), (left, top): (usize, usize)) {
    let mut denied = String::new();
    for row in 0..tiles.rows.len() {
        for column in 0..tiles.columns.len() {
            let (x, y) = (left + across.at[column], top + down.at[row]);
            let tile = tiles.tile(row, column);
            match tile.shape() {
                Shape::Empty => {}
                Shape::Denied => {
                    let _ = write!(denied, "M{} {}h3v3h-3z", x + 6, y + 6);
                }
                shape @ (Shape::Allowed | Shape::Some | Shape::ByRequest | Shape::Unknown) => {
                    let title = title(&tiles.rows[row], &tiles.columns[column], tile);
                    let _ = write!(out, "<g><title>{title}</title>{}</g>", mark(shape, tile, x, y));
                }
            }
        }
    }
    let _ = write!(out, "<path class=\"denied\" d=\"{denied}\"/>");
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
