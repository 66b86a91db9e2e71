//! Files as a repository names them: relative, with `/`, and nothing of the machine on which they were read.

use airtight_model::path::Trace;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use airtight_manifest::Location;
use airtight_matrix::run::RunRecord;

use super::wording::trace;

/// Where the files of a run are, seen from their repository.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The folder that all files share which were named by their whole path, as its segments.
    root: Vec<String>,
    /// Those files, the longest names first.
    whole: Vec<String>,
}

impl Places {
    /// Those of a record. The root of its repository is not known: the folder that all absolute paths share stands for
    /// it.
    pub(super) fn of(record: &RunRecord) -> Self {
        let cases = record.cases.iter().map(|case| &*case.case.at.file);
        let traces = record.cases.iter().filter_map(trace).flat_map(Trace::checks);
        let rules = traces.flat_map(|check| &check.decision.rules).map(|rule| &*rule.at.file);
        let policies = record.policies.iter().map(|policy| &*policy.rule.at.file);
        let findings = record.findings.iter().filter_map(|finding| finding.location.as_ref()).map(|at| &*at.file);
        let inputs = record.inputs.keys().map(String::as_str);
        let all = cases.chain(rules).chain(policies).chain(findings).chain(inputs);
        let whole: BTreeSet<&str> = all.filter(|file| is_whole(file)).collect();
        let mut folders = whole.iter().map(|file| {
            let mut segments = segments(file);
            segments.pop();
            segments
        });
        let first = folders.next().unwrap_or_default();
        let root = folders.fold(first, |shared, folder| shared_start(shared, &folder));
        let mut whole: Vec<String> = whole.into_iter().map(str::to_owned).collect();
        whole.sort_by_key(|file| std::cmp::Reverse(file.len()));
        Self { root, whole }
    }

    /// A text in which files stand as their repository names them.
    pub(super) fn clean(&self, text: String) -> String {
        self.whole.iter().fold(text, |text, file| {
            if text.contains(file.as_str()) { text.replace(file.as_str(), &self.relative(file)) } else { text }
        })
    }

    /// A file as its repository names it.
    pub(super) fn relative(&self, file: &str) -> String {
        let mut segments = segments(file);
        if is_whole(file) && segments.starts_with(&self.root) {
            segments.drain(..self.root.len());
        }
        segments.join("/")
    }

    /// The same as a relative reference (RFC 3986, section 4.2).
    pub(super) fn uri(&self, file: &str) -> String {
        let relative = self.relative(file);
        let mut out = String::with_capacity(relative.len());
        for byte in relative.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
                out.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
        if out.is_empty() { "unknown".to_owned() } else { out }
    }

    /// Where a place can be read on the web.
    pub(super) fn link(&self, at: &Location, url: &str) -> String {
        let (path, line) = (self.uri(&at.file), at.position.line.max(1).to_string());
        if url.contains("{path}") {
            return url.replace("{path}", &path).replace("{line}", &line);
        }
        format!("{}/{path}#L{line}", url.trim_end_matches('/'))
    }
}

/// Whether a file is named by its whole path, on Unix or Windows.
fn is_whole(file: &str) -> bool {
    file.starts_with('/') || is_of_windows(file)
}

fn is_of_windows(file: &str) -> bool {
    let bytes = file.as_bytes();
    bytes.starts_with(b"\\\\") || matches!(bytes, [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic())
}

/// The names in a path, without what leads back or nowhere.
fn segments(file: &str) -> Vec<String> {
    let of_windows = is_of_windows(file);
    let mut out: Vec<String> = Vec::new();
    for segment in file.split(|character| character == '/' || of_windows && character == '\\') {
        match segment {
            "" | "." => {}
            ".." => {
                out.pop();
            }
            name => out.push(name.to_owned()),
        }
    }
    out
}

fn shared_start(mut one: Vec<String>, other: &[String]) -> Vec<String> {
    let shared = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    one.truncate(shared);
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(root: &[&str]) -> Places {
        Places { root: root.iter().map(|segment| (*segment).to_owned()).collect(), whole: Vec::new() }
    }

    #[test]
    fn paths_lose_their_machine() {
        let home = places(&["home", "me", "repo"]);
        assert_eq!(home.relative("/home/me/repo/policies/a.yaml"), "policies/a.yaml");
        assert_eq!(home.relative("./policies//a.yaml"), "policies/a.yaml");
        assert_eq!(home.relative("../other/a.yaml"), "other/a.yaml");
        assert_eq!(places(&["C:", "repo"]).relative("C:\\repo\\a.yaml"), "a.yaml");
        assert_eq!(home.uri("dir/żó a:#.yaml"), "dir/%C5%BC%C3%B3%20a%3A%23.yaml");
        assert_eq!(home.uri("/"), "unknown");
    }

    #[test]
    fn links_follow_their_pattern() {
        let at = Location::new(&"a b.yaml".into(), airtight_manifest::Position { line: 7, column: 3 });
        let link = |url| places(&[]).link(&at, url);
        assert_eq!(link("https://example.org/r/blob/main/"), "https://example.org/r/blob/main/a%20b.yaml#L7");
        assert_eq!(
            link("https://example.org/{path}?at=main#lines-{line}"),
            "https://example.org/a%20b.yaml?at=main#lines-7"
        );
    }
}
