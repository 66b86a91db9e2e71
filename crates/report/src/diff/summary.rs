//! The comparison as GitHub Markdown, for a step summary.

use super::Diff;
use super::list::{around, headline, kind_words, name};
use crate::markdown::LIMIT;
use crate::markdown::document::{Document, code, escape};
use crate::wording::severity_word;

/// The comparison as GitHub Markdown of at most [`LIMIT`] bytes.
#[must_use]
pub fn render(diff: &Diff) -> String {
    let mut document = Document::new(LIMIT);
    let mark = if diff.is_worse() || diff.compared == 0 { "❌" } else { "✅" };
    document.always(&format!("## {mark} {}\n\n", headline(diff)));
    document.always(&format!("{} compared with {}.\n\n", code(&name(&diff.current)), code(&name(&diff.baseline))));
    document.table("Worse as a whole", &["What"], diff.run.iter().map(|what| vec![escape(what)]));
    regressions(&mut document, diff);
    let shifts = diff.shifts.iter();
    document.table(
        "Passing in another way",
        &["Case", "What"],
        shifts.map(|shift| {
            vec![format!("{} {}", code(&shift.case), escape(&shift.title)), escape(&shift.what.join("; "))]
        }),
    );
    document.table(
        "Policy objects that no case notices any more",
        &["Object"],
        diff.unnoticed.iter().map(|object| vec![code(object)]),
    );
    let others = [("repaired", &diff.repaired), ("not passing as before", &diff.standing), ("new", &diff.added)];
    let others = others.into_iter().filter(|(_, cases)| !cases.is_empty());
    let others = others.map(|(title, cases)| vec![title.to_owned(), escape(&cases.join(", "))]);
    let rows =
        others.chain(around(&diff.around).into_iter().map(|(title, words)| vec![title.to_owned(), escape(&words)]));
    document.table("Around it", &["What", "Which"], rows);
    document.finish()
}

fn regressions(document: &mut Document, diff: &Diff) {
    let header = ["Case", "Severity", "Was", "Now", "Why", "Changed on its way"];
    let or_dash = |words: &Option<String>| words.as_deref().map_or_else(|| "–".to_owned(), escape);
    let rows = diff.regressions.iter().map(|each| {
        let suspects: Vec<String> = each.suspects.iter().map(|suspect| code(suspect)).collect();
        vec![
            format!("{} {}<br>{}", code(&each.case), kind_words(each.kind), escape(&each.title)),
            severity_word(each.severity).to_owned(),
            or_dash(&each.before),
            or_dash(&each.now),
            escape(&each.why),
            suspects.join("<br>"),
        ]
    });
    document.table("Regressions", &header, rows);
}
