//! Images of one program, written without a container engine: a static one, or one with its libraries beside it.
//!
//! The same image is written in two formats: an OCI image layout, which containerd (and so `kind load image-archive`)
//! and Docker from version 25 read, and a docker-archive, which every Docker reads. Its bytes depend on the program,
//! name and labels alone, and so do its digests.
//!
//! ```
//! use airtight_probe::image::{Image, ImageError, ImageName};
//! use std::collections::BTreeMap;
//!
//! let name: ImageName = "airtight-probe:0.1.0".parse().unwrap();
//! assert_eq!(name.to_string(), "docker.io/library/airtight-probe:0.1.0");
//! let script = b"#!/bin/sh\n";
//! assert!(matches!(Image::of_program(name, script, BTreeMap::new()), Err(ImageError::NoElf)));
//! ```

mod archive;
mod layer;
mod libraries;
mod name;
mod program;
mod schema;

pub use self::libraries::Libraries;
pub use self::name::{ImageName, NameError};

use std::collections::BTreeMap;
use std::io::{self, Write};

use self::schema::{Config, Descriptor, Digest, History, ImageConfig, Manifest, RootFs};

/// The user and group that the program runs as: not root, and known to no distribution.
pub const USER: &str = "65532:65532";

/// Where the program stands in the image.
pub const PROGRAM: &str = "/airtight-probe";

/// An image of one program, with its libraries if it has any, and nothing else.
#[derive(Debug, Clone)]
pub struct Image {
    name: ImageName,
    /// The configuration, as JSON; its digest is the image's id.
    config: Vec<u8>,
    /// The layer, as tar.
    layer: Vec<u8>,
}

/// Why a program makes no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It is no Linux program.
    #[error("the program is no 64-bit little-endian ELF file; build it with probe/build-static.sh")]
    NoElf,
    /// It is for a machine that is not known here.
    #[error("the program is for the ELF machine {0}; build it for x86-64 or AArch64")]
    Machine(u16),
    /// It does not start without other files.
    #[error("the program is not static: it asks for {0}; build it with probe/build-static.sh")]
    NotStatic(String),
    /// It cannot be packed.
    #[error("the image cannot be written: {0}")]
    Io(#[from] io::Error),
    /// Its description cannot be written.
    #[error("the image cannot be described: {0}")]
    Json(#[from] serde_json::Error),
}

impl Image {
    /// The image of this name whose only file and entry point is `program`, a static Linux program; it has these
    /// labels and runs as [`USER`].
    ///
    /// # Errors
    /// When the program is not static, or for a machine that is not known here.
    pub fn of_program(name: ImageName, program: &[u8], labels: BTreeMap<String, String>) -> Result<Self, ImageError> {
        Self::with_libraries(name, program, &Libraries::default(), labels)
    }

    /// The same of a program that asks for a dynamic linker and libraries, with these beside it.
    ///
    /// # Errors
    /// When the program asks for a linker that is not among them, or is for a machine that is not known here.
    pub fn with_libraries(
        name: ImageName,
        program: &[u8],
        libraries: &Libraries,
        labels: BTreeMap<String, String>,
    ) -> Result<Self, ImageError> {
        let architecture = program::architecture(program, libraries)?;
        let layer = layer::of_program(program, libraries)?;
        let config = serde_json::to_vec(&Config {
            architecture: architecture.to_owned(),
            os: "linux".to_owned(),
            created: schema::EPOCH.to_owned(),
            config: ImageConfig {
                user: USER.to_owned(),
                entrypoint: vec![PROGRAM.to_owned()],
                working_dir: "/".to_owned(),
                labels,
            },
            rootfs: RootFs { kind: "layers".to_owned(), diff_ids: vec![Digest::of(&layer)] },
            history: vec![History { created: schema::EPOCH.to_owned(), created_by: "airtight".to_owned() }],
        })?;
        Ok(Self { name, config, layer })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ImageName {
        &self.name
    }

    /// Its id, `sha256:…`: the digest of its configuration, the same in both formats.
    #[must_use]
    pub fn id(&self) -> String {
        Digest::of(&self.config).to_string()
    }

    /// Writes it as a tar of an OCI image layout (OCI image specification, `image-layout.md`).
    ///
    /// containerd names it by the annotation `io.containerd.image.name` (`core/images/archive/importer.go`).
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_oci_layout(&self, to: impl Write) -> Result<(), ImageError> {
        let layer = layer::compressed(&self.layer)?;
        let manifest = serde_json::to_vec(&Manifest {
            schema_version: 2,
            media_type: schema::MANIFEST.to_owned(),
            config: Descriptor::of(schema::CONFIG, &self.config),
            layers: vec![Descriptor::of(schema::LAYER, &layer)],
        })?;
        let index = archive::index(&self.name, &self.config, &manifest)?;
        let blobs = [&self.config, &layer, &manifest].map(|blob| (Digest::of(blob).blob_path(), blob.clone()));
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::from(blobs);
        files.insert("index.json".to_owned(), index);
        files.insert("oci-layout".to_owned(), archive::LAYOUT.to_vec());
        Ok(archive::write(&files, to)?)
    }

    /// Writes it as what `docker save` wrote before version 25 and every `docker load` reads
    /// (Docker image specification, version 1.2).
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_docker_archive(&self, to: impl Write) -> Result<(), ImageError> {
        let config = format!("{}.json", Digest::of(&self.config).hex());
        let layer = format!("{}/layer.tar", Digest::of(&self.layer).hex());
        let manifest = archive::docker_manifest(&self.name, &config, &layer)?;
        let files = BTreeMap::from([
            (config, self.config.clone()),
            (layer, self.layer.clone()),
            ("manifest.json".to_owned(), manifest),
        ]);
        Ok(archive::write(&files, to)?)
    }
}
