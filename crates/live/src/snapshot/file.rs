//! Objects as files: one each, whose name says which object it is.

use airtight_manifest::{Failure, File, digest, yaml};
use serde_json::Value;

/// Longest part of a path that every file system takes, the ending aside.
const LONGEST: usize = 200;

/// Names under which a folder would be another program's.
const TAKEN: &[&str] = &["kustomization", "Kustomization", "Chart"];

/// A document as a file below `folders`.
///
/// # Errors
/// When it has no form in YAML.
pub(super) fn file(folders: &[&str], name: &str, document: &Value) -> Result<File, Failure> {
    let parts: Vec<String> = folders.iter().map(|part| safe(part)).collect();
    let name = if TAKEN.contains(&name) { format!("_{name}") } else { safe(name) };
    let path = parts.into_iter().chain([format!("{name}.yaml")]).collect::<Vec<_>>().join("/");
    Ok(File { bytes: text(document, &path)?.into_bytes(), name: path })
}

/// YAML for people; JSON, which is YAML too, where that would be read otherwise than it was meant.
fn text(document: &Value, path: &str) -> Result<String, Failure> {
    let text =
        yaml::to_string(document).map_err(|why| Failure::new("yaml", format!("{path} cannot be written: {why}")));
    let text = text?;
    let same = yaml::parse(&path.into(), &text)
        .is_ok_and(|documents| matches!(documents.as_slice(), [only] if only.root.to_json() == *document));
    Ok(if same { text } else { format!("{document:#}\n") })
}

/// A part of a path that leads nowhere else and that every file system takes.
fn safe(part: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let mut safe: String = part.chars().map(|letter| if plain(letter) { letter } else { '_' }).collect();
    let lost = safe != part || safe.len() > LONGEST || safe.starts_with('.');
    if lost {
        safe.truncate(LONGEST);
        let hash = digest(&Value::String(part.to_owned()));
        safe = format!("{}-{}", safe.trim_start_matches('.'), hash.get(..8).unwrap_or_default());
    }
    safe
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn name(folders: &[&str], name: &str) -> String {
        file(folders, name, &json!({})).unwrap().name
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        assert_eq!(name(&["shop", "pods"], "web-0"), "shop/pods/web-0.yaml");
        assert_eq!(name(&["shop", "pods"], "kustomization"), "shop/pods/_kustomization.yaml");
        for hostile in ["..", ".", "../../etc/passwd", "a/b", "", "a\u{0}b", "system:node"] {
            let name = name(&[hostile, "pods"], hostile);
            assert_eq!(name.split('/').count(), 3, "{name}");
            assert!(!name.split('/').any(|part| part.is_empty() || part.starts_with('.')), "{name}");
        }
        assert!(name(&[], &"a".repeat(300)).len() < 255);
        assert_ne!(name(&[], "a:b"), name(&[], "a_b"));
    }

    #[test]
    fn what_is_written_is_read_as_it_was_meant() {
        let words = ["yes", "on", "012", "1e3", "0x1f", "null", "~", "- a", "a: b", "#", "2001-01-01", "", " a", "é\n"];
        let document = json!({"words": words, "numbers": [1, 1.5, -3], "none": null, "yes": true});
        let file = file(&[], "a", &document).unwrap();
        let text = std::str::from_utf8(&file.bytes).unwrap();
        assert_eq!(yaml::parse(&"a".into(), text).unwrap()[0].root.to_json(), document, "{text}");
    }
}
