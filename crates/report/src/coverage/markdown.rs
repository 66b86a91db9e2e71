//! Coverage as GitHub Markdown, for a step summary or a comment.

use std::fmt::Write as _;

use airtight_matrix::run::coverage::{CoverageRecord, MutantRecord};

use super::Extent;
use super::words::{aside, effect, headline, removal, risks, share};
use crate::text::one_line;

/// The measurement as Markdown.
#[must_use]
pub fn render(record: &CoverageRecord, extent: Extent) -> String {
    let mut text = format!("## Coverage\n\n**{}**\n\n{}\n", headline(record), aside(record));
    text.push_str("\n| layer | noticed |\n|---|---|\n");
    for (layer, counts) in &record.shares.layers {
        let _ = writeln!(text, "| {layer} | {} |", share(counts));
    }
    let survivors =
        record.survivors.iter().map(|mutant| [code(&mutant.at.to_string()), what(mutant), cell(&effect(mutant))]);
    table(&mut text, "No case notices", ["where", "what", "effect"], survivors, extent);
    let open = record.unasserted.iter().map(|flow| [code(&flow.from), code(&flow.to), risks(flow)]);
    table(&mut text, "Allowed, and no case asserts it", ["from", "to", "why it matters"], open, extent);
    let excess = record.excess.iter().map(|mutant| [code(&mutant.at.to_string()), what(mutant), String::new()]);
    table(&mut text, "Excess: without it no flow changes", ["where", "what", ""], excess, extent);
    let objects = record.objects.iter().map(|object| {
        let rules = format!(
            "{} killed, {} survived, {} equivalent",
            object.rules.killed + object.rules.named,
            object.rules.survived,
            object.rules.equivalent
        );
        [code(&object.object.to_string()), removal(object), rules]
    });
    table(&mut text, "Objects", ["object", "removal", "rules"], objects, extent.all());
    text
}

fn what(mutant: &MutantRecord) -> String {
    cell(&format!("{}: {}", mutant.object, mutant.what))
}

fn table(
    text: &mut String,
    title: &str,
    head: [&str; 3],
    rows: impl ExactSizeIterator<Item = [String; 3]>,
    extent: Extent,
) {
    let number = rows.len();
    if number == 0 {
        return;
    }
    let _ =
        write!(text, "\n<details><summary>{title} ({number})</summary>\n\n| {} |\n|---|---|---|\n", head.join(" | "));
    for row in rows.take(extent.lines) {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    if number > extent.lines {
        let _ = writeln!(text, "\n… {} more", number - extent.lines);
    }
    text.push_str("\n</details>\n");
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", cell(text))
}

/// Text that cannot end a cell or begin markup.
fn cell(text: &str) -> String {
    let text = one_line(text);
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.replace('|', "\\|").replace('`', "&#96;")
}
