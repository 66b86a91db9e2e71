//! Broken and hostile YAML: each a clear error with its place, never a panic, a full memory or a full stack.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
#![expect(clippy::format_push_string, clippy::format_collect, reason = "short texts, made once")]

use std::fs;
use std::sync::Arc;

use airtight_manifest::{Diagnostic, decode_resource, load, yaml};
use proptest::prelude::*;

fn finding(text: &str) -> Diagnostic {
    yaml::parse(&Arc::from("t.yaml"), text).unwrap_err()
}

fn placed(finding: &Diagnostic) -> (u32, u32) {
    let at = finding.location.as_ref().expect("a place").position;
    (at.line, at.column)
}

#[test]
fn duplicate_keys_are_refused_where_the_second_stands() {
    let finding = finding("kind: Pod\nmetadata:\n  name: a\n  name: b\n");
    assert_eq!((finding.code.as_str(), placed(&finding).0), ("duplicate-key", 4), "{finding}");
}

#[test]
fn tabs_are_refused_with_advice() {
    let finding = finding("a:\n\tb: 1\n");
    assert_eq!(finding.code, "yaml-syntax", "{finding}");
    assert!(finding.hint.as_deref().unwrap_or_default().contains("tabs"), "{finding:?}");
}

#[test]
fn nul_is_refused_at_its_place() {
    let finding = finding("a: 1\nb: \u{0}x\n");
    assert_eq!((finding.code.as_str(), placed(&finding)), ("control-character", (2, 4)), "{finding}");
}

#[test]
fn bytes_that_are_not_utf8_are_refused_at_their_place() {
    let finding = yaml::decode_utf8(&Arc::from("t.yaml"), b"a: 1\nb: \xff\n").unwrap_err();
    assert_eq!((finding.code.as_str(), placed(&finding)), ("invalid-utf8", (2, 4)));
}

#[test]
fn an_alias_bomb_is_refused_before_it_expands() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let aliases = vec![format!("*a{}", n - 1); 9].join(", ");
        text.push_str(&format!("a{n}: &a{n} [{aliases}]\n"));
    }
    assert_eq!(finding(&text).code, "yaml-limit", "{}", finding(&text));
}

#[test]
fn nesting_a_hundred_thousand_deep_is_refused() {
    for text in ["[".repeat(100_000), format!("{}x", "- ".repeat(100_000)), "{a: ".repeat(100_000)] {
        assert!(finding(&text).is_error());
    }
    let block: String = (0..5_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert_eq!(finding(&block).code, "yaml-limit", "{}", finding(&block));
}

#[test]
fn a_file_of_100_megabytes_is_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    let file = fs::File::create(folder.path().join("big.yaml")).unwrap();
    file.set_len(100 * 1024 * 1024).unwrap();
    let findings = load(folder.path()).unwrap_err();
    assert!(findings[0].message.contains("more than"), "{}", findings[0]);
}

#[test]
fn an_empty_folder_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let findings = load(folder.path()).unwrap_err();
    assert_eq!(findings[0].code, "no-manifests");
}

#[test]
fn links_that_lead_in_a_circle_end() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n").unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).unwrap();
    assert_eq!(load(folder.path()).unwrap().documents.len(), 1);
}

#[test]
fn five_thousand_documents_are_an_honest_file() {
    let text = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n".repeat(5_000);
    assert_eq!(yaml::parse(&Arc::from("t.yaml"), &text).unwrap().len(), 5_000);
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}|[ \\n\\t:{}\\[\\]&*!|>'\"%@`#,?a-z0-9-]{0,200}") {
        if let Ok(documents) = yaml::parse(&Arc::from("t.yaml"), &text) {
            for document in documents {
                let _ = decode_resource(&document);
            }
        }
    }

    #[test]
    fn every_refusal_has_a_place(text in "[ \\n:{}\\[\\]&*a-z0-9-]{0,120}") {
        if let Err(finding) = yaml::parse(&Arc::from("t.yaml"), &text) {
            prop_assert!(finding.location.is_some());
            prop_assert!(finding.is_error());
        }
    }
}

/// Blocks that somebody commented out are long in real repositories.
#[test]
fn comments_may_be_as_long_as_they_like() {
    let comment = "  # replicas: 2\n".repeat(2_000);
    let places = [
        format!("{comment}a: 1\nb: 2\n"),
        format!("a: 1\n{comment}b: 2\n"),
        format!("a:\n{comment}  1\nb: 2\n"),
        format!("b: 2\na: 1\n{comment}"),
        format!("list:\n- 1\n{comment}- 2\na: 1\nb: 2\n"),
    ];
    for text in places {
        let root = Arc::clone(&yaml::parse(&Arc::from("a.yaml"), &text).unwrap()[0].root);
        assert!(root.get("a").is_some() && root.get("b").is_some());
    }
}
