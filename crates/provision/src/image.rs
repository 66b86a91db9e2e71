//! References to container images.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An image by registry, repository, tag and digest.
///
/// ```
/// use airtight_provision::ImageRef;
/// let image: ImageRef = "kindest/node:v1.31.9".parse().unwrap();
/// assert_eq!((image.registry.as_str(), image.repository.as_str()), ("docker.io", "kindest/node"));
/// assert_eq!(image.to_string(), "docker.io/kindest/node:v1.31.9");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    /// Host of the registry; Docker Hub where none is written.
    pub registry: String,
    /// Repository in the registry.
    pub repository: String,
    /// Tag.
    pub tag: Option<String>,
    /// `sha256:` and 64 hexadecimal digits: exactly these bytes.
    pub digest: Option<String>,
}

/// Why a text is no image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no image reference: {why}")]
pub struct ImageRefError {
    text: String,
    why: &'static str,
}

impl ImageRef {
    /// The reference without its digest: what an archive of the image is tagged with.
    #[must_use]
    pub fn tagged(&self) -> String {
        let tag = self.tag.as_deref().unwrap_or("latest");
        format!("{}/{}:{tag}", self.registry, self.repository)
    }

    /// The reference by digest alone, as containerd names an image that was asked for by tag and digest.
    #[must_use]
    pub fn by_digest(&self) -> Option<String> {
        self.digest.as_ref().map(|digest| format!("{}/{}@{digest}", self.registry, self.repository))
    }

    /// Name of the file that an archive of the image has in a bundle.
    #[must_use]
    pub fn archive_name(&self) -> String {
        let name = self.tagged().replace(['/', ':'], "_");
        format!("{name}.tar")
    }
}

impl FromStr for ImageRef {
    type Err = ImageRefError;

    fn from_str(text: &str) -> Result<Self, ImageRefError> {
        let refuse = |why| ImageRefError { text: text.to_owned(), why };
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) if is_digest(digest) => (name, Some(digest.to_owned())),
            Some(_) => return Err(refuse("a digest is `sha256:` and 64 hexadecimal digits")),
            None => (text, None),
        };
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.to_owned())),
            Some(_) | None => (name, None),
        };
        let (registry, repository) = match name.split_once('/') {
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host, rest.to_owned()),
            Some(_) => ("docker.io", name.to_owned()),
            None => ("docker.io", format!("library/{name}")),
        };
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(c);
        if name.is_empty() || !repository.chars().all(legal) || tag.as_deref() == Some("") {
            return Err(refuse("it has the form REGISTRY/REPOSITORY:TAG@DIGEST, in lower case"));
        }
        Ok(Self { registry: registry.to_owned(), repository, tag, digest })
    }
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.chars().all(|c| c.is_ascii_hexdigit()))
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl<'de> Deserialize<'de> for ImageRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for ImageRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
