//! The archives' own files.

use std::collections::BTreeMap;
use std::io::{self, Write};

use tar::Builder;

use super::layer;
use super::name::ImageName;
use super::schema::{self, Config, Descriptor, DockerImage, Index, Platform};

/// The content of `oci-layout`.
pub(super) const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// The content of `index.json`, which names the image.
pub(super) fn index(name: &ImageName, config: &[u8], manifest: &[u8]) -> serde_json::Result<Vec<u8>> {
    let config: Config = serde_json::from_slice(config)?;
    let annotations = BTreeMap::from([
        ("io.containerd.image.name".to_owned(), name.to_string()),
        ("org.opencontainers.image.ref.name".to_owned(), name.tag().to_owned()),
    ]);
    let platform = Some(Platform { architecture: config.architecture, os: config.os });
    let descriptor = Descriptor { annotations, platform, ..Descriptor::of(schema::MANIFEST, manifest) };
    let media_type = schema::INDEX.to_owned();
    serde_json::to_vec(&Index { schema_version: 2, media_type, manifests: vec![descriptor] })
}

/// The content of a docker-archive's `manifest.json`.
pub(super) fn docker_manifest(name: &ImageName, config: &str, layer: &str) -> serde_json::Result<Vec<u8>> {
    let (config, layers) = (config.to_owned(), vec![layer.to_owned()]);
    serde_json::to_vec(&[DockerImage { config, repo_tags: vec![name.to_string()], layers }])
}

/// Writes files by path, in the order of their paths.
pub(super) fn write(files: &BTreeMap<String, Vec<u8>>, to: impl Write) -> io::Result<()> {
    let mut tar = Builder::new(to);
    for (path, bytes) in files {
        layer::append(&mut tar, path, 0o444, bytes)?;
    }
    tar.into_inner()?.flush()
}
