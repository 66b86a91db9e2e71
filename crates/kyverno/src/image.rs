//! References of container images, as Kyverno takes them apart (Kyverno `pkg/utils/image/infos.go`,
//! `pkg/utils/api/image.go`, `pkg/cel/libs/image`).

use std::sync::LazyLock;

use airtight_manifest::re2;
use regex::Regex;
use serde_json::{Map, Value, json};

use super::fault::Fault;

/// Where images come from that name no registry (`config.defaultRegistry`).
const DEFAULT_REGISTRY: &str = "docker.io";

/// Path, tag and digest of `github.com/distribution/reference`.
static PATH: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$").ok()
});
static TAG: LazyLock<Option<Regex>> = LazyLock::new(|| re2::search(r"^\w[\w.-]{0,127}$").ok());
static DIGEST: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$").ok());

fn is(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

/// The variable `images` of a pod or a controller of pods; none of any other object.
///
/// # Errors
/// Where an image cannot be taken apart: Kyverno then fails as a whole.
pub(super) fn of_object(object: &Value) -> Result<Option<Value>, Fault> {
    let path = match object["kind"].as_str().unwrap_or_default() {
        "Pod" => "/spec",
        "DaemonSet" | "Deployment" | "ReplicaSet" | "ReplicationController" | "StatefulSet" | "Job" => {
            "/spec/template/spec"
        }
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        _ => return Ok(None),
    };
    let mut images = Map::new();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        let containers = object.pointer(path).map(|spec| &spec[list]).and_then(Value::as_array);
        let mut infos = Map::new();
        for (index, container) in containers.into_iter().flatten().enumerate() {
            let (Some(name), Some(image)) = (container["name"].as_str(), container["image"].as_str()) else { continue };
            if !image.trim().is_empty() {
                infos.insert(name.to_owned(), info(image, &format!("{path}/{list}/{index}/image"))?);
            }
        }
        if !infos.is_empty() {
            images.insert(list.to_owned(), Value::Object(infos));
        }
    }
    Ok(if images.is_empty() { None } else { Some(Value::Object(images)) })
}

/// One image with what is left out filled in; `tag` and `digest` are there only if they are not empty.
fn info(image: &str, pointer: &str) -> Result<Value, Fault> {
    let bad = || Fault::unknown(format!("the image `{image}` is no reference that can be taken apart"));
    let first = image.split_once('/').map(|(first, _)| first);
    let has_registry =
        first.is_some_and(|first| first.contains(['.', ':']) || first == "localhost" || first != first.to_lowercase());
    let full = if has_registry { image.to_owned() } else { format!("{DEFAULT_REGISTRY}/{image}") };
    let (registry, rest) = full.split_once('/').ok_or_else(bad)?;
    let (rest, digest) = rest.split_once('@').map_or((rest, ""), |(rest, digest)| (rest, digest));
    let (path, tag) = match rest.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, tag),
        Some(_) | None => (rest, ""),
    };
    let well_formed = is(&PATH, path)
        && (tag.is_empty() && !rest.ends_with(':') || is(&TAG, tag))
        && (digest.is_empty() && !full.ends_with('@') || is(&DIGEST, digest));
    if !well_formed {
        return Err(bad());
    }
    let tag = if tag.is_empty() && digest.is_empty() { "latest" } else { tag };
    let name = path.rsplit('/').next().unwrap_or(path);
    let reference =
        if digest.is_empty() { format!("{registry}/{path}:{tag}") } else { format!("{registry}/{path}@{digest}") };
    let mut info = json!({
        "registry": registry,
        "name": name,
        "path": path,
        "reference": reference,
        "referenceWithTag": format!("{registry}/{path}:{tag}"),
        "jsonPointer": pointer,
    });
    for (key, value) in [("tag", tag), ("digest", digest)] {
        if !value.is_empty() {
            info[key] = Value::from(value);
        }
    }
    Ok(info)
}

/// The parts that CEL's `image()` knows (`github.com/google/go-containerregistry/pkg/name`); none for what is no
/// reference.
pub(super) fn reference(text: &str) -> Option<Value> {
    tagged(text).or_else(|| digested(text))
}

fn tagged(text: &str) -> Option<Value> {
    let (base, tag) = match text.rsplit_once(':') {
        Some((base, tag)) if !tag.contains('/') => (base, tag),
        Some(_) | None => (text, "latest"),
    };
    let tag = if tag.is_empty() { "latest" } else { tag };
    let valid = (1..=128).contains(&tag.len())
        && tag.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let (registry, repository) = repository(base).filter(|_| valid)?;
    Some(
        json!({"registry": registry, "repository": repository, "identifier": tag, "tag": tag, "digest": "", "containsDigest": false}),
    )
}

fn digested(text: &str) -> Option<Value> {
    let (base, digest) = text.split_once('@')?;
    let hex = digest.strip_prefix("sha256:")?;
    let valid = hex.len() == 64 && hex.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    let base = match base.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') && !tag.is_empty() => before,
        Some(_) | None => base,
    };
    let (registry, repository) = repository(base).filter(|_| valid)?;
    Some(
        json!({"registry": registry, "repository": repository, "identifier": digest, "tag": "", "digest": digest, "containsDigest": true}),
    )
}

/// Registry and repository, with Docker's defaults filled in.
fn repository(base: &str) -> Option<(String, String)> {
    let (registry, path) = match base.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        Some(_) | None => ("", base),
    };
    let valid = (2..=255).contains(&path.len())
        && path.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-' | '.' | '/'));
    if !valid {
        return None;
    }
    let registry = if registry.is_empty() || registry == DEFAULT_REGISTRY { "index.docker.io" } else { registry };
    let implicit = registry == "index.docker.io" && !path.contains('/');
    Some((registry.to_owned(), if implicit { format!("library/{path}") } else { path.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_containers() {
        let pod = |image: &str| json!({"kind": "Pod", "spec": {"containers": [{"name": "c", "image": image}]}});
        let part = |image: &str, key: &str| {
            let images = of_object(&pod(image)).unwrap_or_default().unwrap_or_default();
            images["containers"]["c"][key].as_str().unwrap_or_default().to_owned()
        };
        for (image, registry, path, tag) in [
            ("nginx", "docker.io", "nginx", "latest"),
            ("library/nginx:1.2", "docker.io", "library/nginx", "1.2"),
            ("ghcr.io/a/b:v1", "ghcr.io", "a/b", "v1"),
            ("localhost/a", "localhost", "a", "latest"),
            ("reg:5000/a", "reg:5000", "a", "latest"),
        ] {
            assert_eq!(
                (part(image, "registry"), part(image, "path"), part(image, "tag")),
                (registry.into(), path.into(), tag.into())
            );
        }
        assert!(of_object(&pod("Not An Image")).is_err());
        assert_eq!(of_object(&json!({"kind": "ConfigMap"})), Ok(None));
    }

    #[test]
    fn references_in_cel() {
        let part = |image: &str, key: &str| reference(image).map(|parts| parts[key].clone());
        assert_eq!(part("nginx", "registry"), Some(json!("index.docker.io")));
        assert_eq!(part("nginx", "repository"), Some(json!("library/nginx")));
        assert_eq!(part("ghcr.io/a/b:v1", "tag"), Some(json!("v1")));
        assert_eq!(part(&format!("ghcr.io/a/b@sha256:{}", "0".repeat(64)), "containsDigest"), Some(json!(true)));
        assert_eq!(part("UPPER/case", "tag"), None);
    }
}
