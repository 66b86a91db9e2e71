//! Versions in the tags of images.

use airtight_cluster::read::{items, text};
use semver::Version;
use serde_json::Value;

/// The version that an image's tag begins with: `quay.io/cilium/cilium:v1.17.5@sha256:…` is 1.17.5, and
/// `istio/pilot:1.26.2-distroless` is 1.26.2, since what follows names a variant. None if the tag is no version.
#[must_use]
pub fn version_of(image: &str) -> Option<Version> {
    let name = image.split('@').next()?;
    let (_, tag) = name.rsplit('/').next()?.rsplit_once(':')?;
    version(tag)
}

/// The version in a text such as `v1.31.9-gke.100` or `1.30.3-rc.0`: of what follows the number, only a pre-release
/// (`alpha`, `beta`, `rc`) is part of it.
#[must_use]
pub fn version(text: &str) -> Option<Version> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let number = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(number);
    let mut version = match Version::parse(number) {
        Ok(version) => version,
        // `1.29` is 1.29.0.
        Err(_) => Version::parse(&format!("{number}.0")).ok()?,
    };
    let suffix = rest.strip_prefix('-').unwrap_or_default();
    let suffix = suffix.split('+').next().unwrap_or_default();
    if ["alpha", "beta", "rc"].iter().any(|stage| suffix.starts_with(stage)) {
        version.pre = semver::Prerelease::new(suffix).ok()?;
    }
    Some(version)
}

/// The image of a container of a workload whose name contains `part`.
pub(super) fn image_with<'a>(workload: &'a Value, part: &str) -> Option<&'a str> {
    let containers = items(workload, "/spec/template/spec/containers").iter();
    containers.map(|container| text(container, "/image")).find(|image| image.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_is_no_part_of_a_version_and_a_pre_release_is() {
        let cases = [
            ("quay.io/cilium/cilium:v1.17.5@sha256:2939", "1.17.5"),
            ("registry.istio.io/release/pilot:1.30.3-distroless", "1.30.3"),
            ("registry.istio.io/release/pilot:1.31.0-rc.0", "1.31.0-rc.0"),
            ("localhost:5000/kyverno:v1.19", "1.19.0"),
        ];
        for (image, expected) in cases {
            assert_eq!(version_of(image).map(|version| version.to_string()).as_deref(), Some(expected), "{image}");
        }
        for image in ["localhost:5000/cilium", "cilium:latest", "cilium@sha256:2939", ""] {
            assert_eq!(version_of(image), None, "{image}");
        }
        assert_eq!(version("v1.31.9-gke.100").map(|version| version.to_string()).as_deref(), Some("1.31.9"));
    }
}
