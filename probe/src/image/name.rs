//! Names of images, in full, as containerd and Kubernetes write them.

use std::fmt;
use std::str::FromStr;

/// An image's full name: registry, repository and tag, such as `docker.io/library/airtight-probe:0.1.0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName {
    registry: String,
    repository: String,
    tag: String,
}

/// Why a text is no name for an image that is loaded and never pulled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Without a tag of its own, the kubelet would pull it every time.
    #[error("{0:?} has no tag, or `latest`, which is always pulled; give it a version")]
    NoVersion(String),
    /// A digest follows from the content.
    #[error("{0:?} has a digest, which follows from the content; leave it out")]
    Digest(String),
    /// A character that names do not have.
    #[error("{0:?} is no image name; write, for example, airtight-probe:0.1.0")]
    Malformed(String),
}

impl ImageName {
    /// The tag.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.registry, self.repository, self.tag)
    }
}

/// A name without a registry is Docker Hub's, and one without a user there is of the library (distribution
/// `reference/normalize.go`).
impl FromStr for ImageName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.contains('@') {
            return Err(NameError::Digest(text.to_owned()));
        }
        let tagged = text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
        let (path, tag) = tagged
            .filter(|(_, tag)| *tag != "latest" && !tag.is_empty())
            .ok_or_else(|| NameError::NoVersion(text.to_owned()))?;
        let (registry, repository) = match path.split_once('/') {
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host, rest.to_owned()),
            Some(_) => ("docker.io", path.to_owned()),
            None => ("docker.io", format!("library/{path}")),
        };
        let is_name = !registry.is_empty() && repository.split('/').all(is_component) && is_tag(tag);
        if !is_name {
            return Err(NameError::Malformed(text.to_owned()));
        }
        Ok(Self { registry: registry.to_owned(), repository, tag: tag.to_owned() })
    }
}

/// Lower-case words, divided by single marks (OCI distribution specification, `<name>`).
fn is_component(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.chars().all(|c| is_word(c) || matches!(c, '.' | '_' | '-'))
        && text.starts_with(is_word)
        && text.ends_with(is_word)
}

/// At most 128 characters (OCI distribution specification, `<reference>` as a tag).
fn is_tag(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= 128 && text.starts_with(is_word) && text.chars().all(|c| is_word(c) || matches!(c, '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_in_full() {
        for (text, full) in [
            ("airtight-probe:0.1.0", "docker.io/library/airtight-probe:0.1.0"),
            ("team/probe:v1", "docker.io/team/probe:v1"),
            ("registry.example:5000/probe:v1", "registry.example:5000/probe:v1"),
            ("localhost/probe:v1", "localhost/probe:v1"),
        ] {
            let name: ImageName = text.parse().unwrap();
            assert_eq!(name.to_string(), full);
            assert_eq!(full.parse::<ImageName>(), Ok(name), "a full name names itself");
        }
    }

    #[test]
    fn names_that_would_be_pulled_or_are_none_are_refused() {
        let refused = |text: &str| text.parse::<ImageName>().unwrap_err();
        for text in ["probe", "probe:latest", "registry.example:5000/probe", "probe:"] {
            assert_eq!(refused(text), NameError::NoVersion(text.to_owned()));
        }
        assert_eq!(refused("probe:1@sha256:00"), NameError::Digest("probe:1@sha256:00".to_owned()));
        for text in ["Probe:1", "a//b:1", "-a:1", "a b:1", ":1", "a:.1"] {
            assert_eq!(refused(text), NameError::Malformed(text.to_owned()));
        }
    }
}
