//! Path normalization before any policy looks
//! (Istio `MeshConfig.ProxyPathNormalization`; Envoy `source/common/http/conn_manager_utility.cc`, `path_utility.cc`).

use std::fmt::Write as _;

use airtight_manifest::stack::PathNormalization;

/// The path as policies see it, query left alone.
///
/// ```
/// use airtight_model::policy::waypoint::normalize;
/// use airtight_manifest::stack::PathNormalization;
/// assert_eq!(normalize("/a/../b//c?x=/..", PathNormalization::Base), "/b//c?x=/..");
/// assert_eq!(normalize("/a%2Fb//c", PathNormalization::DecodeAndMergeSlashes), "/a/b/c");
/// ```
#[must_use]
pub fn normalize(path: &str, how: PathNormalization) -> String {
    let end = path.find(['?', '#']).unwrap_or(path.len());
    let (path, query) = path.split_at(end);
    let path = match how {
        PathNormalization::None => path.to_owned(),
        PathNormalization::Base => canonical(path),
        PathNormalization::MergeSlashes => merge_slashes(&canonical(path)),
        PathNormalization::DecodeAndMergeSlashes => merge_slashes(&canonical(&decode_slashes(path))),
    };
    path + query
}

/// Whether a path is none at all once it is normalized, which Envoy answers with 400: it escapes the character zero
/// (Envoy `source/common/chromium_url/url_canon_path.cc`, `DoPartialPath`; `conn_manager_impl.cc`,
/// `path_normalization_failed`).
pub(super) fn is_refused(path: &str, how: PathNormalization) -> bool {
    let end = path.find(['?', '#']).unwrap_or(path.len());
    match how {
        PathNormalization::None => false,
        PathNormalization::Base | PathNormalization::MergeSlashes | PathNormalization::DecodeAndMergeSlashes => {
            path[..end].contains("%00")
        }
    }
}

/// Backslashes become slashes, escaped unreserved characters are decoded, characters that no path may have are
/// escaped, dot segments are resolved (Chromium `url/url_canon_path.cc`, which Envoy carries).
fn canonical(path: &str) -> String {
    let path = escape(&decode_unreserved(&path.replace('\\', "/")));
    let mut segments: Vec<&str> = Vec::new();
    let parts: Vec<&str> = path.strip_prefix('/').unwrap_or(&path).split('/').collect();
    let last = parts.len() - 1;
    for (index, part) in parts.into_iter().enumerate() {
        match part {
            "." | ".." => {
                if part == ".." {
                    segments.pop();
                }
                if index == last {
                    segments.push("");
                }
            }
            _ => segments.push(part),
        }
    }
    format!("/{}", segments.join("/"))
}

fn decode_unreserved(path: &str) -> String {
    decode(path, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
}

fn decode_slashes(path: &str) -> String {
    decode(path, |byte| matches!(byte, b'/' | b'\\'))
}

/// Decodes the escapes of those ASCII characters that `which` picks.
fn decode(path: &str, which: impl Fn(u8) -> bool) -> String {
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        decoded.push_str(&rest[..at]);
        let escape = rest.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let Some(byte) = escape.filter(|byte| byte.is_ascii() && which(*byte)) {
            decoded.push(char::from(byte));
            rest = &rest[at + 3..];
        } else {
            decoded.push('%');
            rest = &rest[at + 1..];
        }
    }
    decoded + rest
}

/// Escapes what stands for itself in no path.
fn escape(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for c in path.chars() {
        if matches!(c, '"' | '<' | '>' | '^' | '`' | '{' | '|' | '}') {
            let _ = write!(escaped, "%{:02X}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Envoy joins the parts between slashes, and adds a slash where the path began and where it ended with one: nothing
/// but slashes stays two of them (`PathUtil::mergeSlashes`).
fn merge_slashes(path: &str) -> String {
    if path.len() > 1 && path.bytes().all(|byte| byte == b'/') {
        return "//".to_owned();
    }
    let mut merged = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !merged.ends_with('/') {
            merged.push(c);
        }
    }
    merged
}
