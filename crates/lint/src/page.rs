//! The catalogue for readers: the page `docs/rules.md`, and one rule for the terminal.

use std::fmt::Write as _;

use airtight_manifest::Severity;

use crate::catalogue::{Area, Catalogue, Rule};

const HEAD: &str = "\
# The rules of `airtight lint`

Each finding names a rule; `airtight lint --explain RULE` prints it. This page is made from `crates/lint/rules.yaml`, and a \
test holds both equal.

What comes of it: **open**, what shall be stopped goes through; **too broad**, more is allowed or denied than is written; \
**closed**, what shall go through is stopped; **no effect**, what is written does nothing; **refused**, the object or file is \
not there; **unknown**, the model cannot tell; **remark**, it works and should be known.

A finding is allowed by a comment in the object's document, up to and including a day:

```yaml
# airtight:allow plaintext-passes until=2027-06-30 reason=the legacy batch job is not in the mesh yet
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
```

A comment without day or reason allows nothing and is a finding, as is one whose day is over, and one that nothing needs. An \
object that is refused (severity error) cannot be allowed. Rules marked *by version* depend on the stack: a comment for one of \
them may be unneeded on another stack.
";

/// The page of all rules, in Markdown.
#[must_use]
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for area in Area::ALL {
        let rules: Vec<&Rule> = Catalogue::embedded().rules().iter().filter(|rule| rule.area == area).collect();
        let _ = writeln!(page, "\n## {}\n", area.title());
        page.push_str("| rule | severity | what comes of it |\n|---|---|---|\n");
        for rule in &rules {
            let _ =
                writeln!(page, "| [{0}](#{0}) | {1} | {2} |", rule.id, severity(rule.severity), rule.effect.words());
        }
        for rule in rules {
            let _ = write!(page, "\n### {}\n\n{}\n", rule.id, body(rule));
        }
    }
    page
}

fn body(rule: &Rule) -> String {
    let mut marks = vec![severity(rule.severity), rule.effect.words()];
    marks.extend(rule.by_version.then_some("by version"));
    marks.extend(rule.fix.then_some("`--fix`"));
    format!(
        "**{}** ({})\n\n{}\n\n*Write:* {}\n\n*Source:* {}",
        capital(&rule.title),
        marks.join(", "),
        rule.happens.trim(),
        rule.write.trim(),
        rule.source.trim()
    )
}

/// One rule, for a terminal.
#[must_use]
pub fn explained(rule: &Rule) -> String {
    let mut told = format!("{}: {}\n\n", rule.id, rule.title);
    let _ =
        writeln!(told, "  severity  {}{}", severity(rule.severity), if rule.by_version { ", by version" } else { "" });
    let _ = writeln!(told, "  effect    {}", rule.effect.words());
    let _ = writeln!(told, "  about     {}", rule.area.title());
    let _ = writeln!(told, "  --fix     {}", if rule.fix { "mends it where it is sure" } else { "leaves it to you" });
    let _ = write!(
        told,
        "\nWhat happens: {}\n\nWrite: {}\n\nSource: {}\n",
        rule.happens.trim(),
        rule.write.trim(),
        rule.source.trim()
    );
    told
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A severity for a reader.
pub(crate) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}
