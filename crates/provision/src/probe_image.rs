//! The image of the probe, which stand-ins and workloads run: an archive, or a program of which one is made.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use airtight_probe::image::{Image, ImageError, ImageName, Libraries, NameError};
use serde::Serialize;

use super::image::ImageRef;

/// The image of probes, stand-ins and workloads.
pub const PROBE_IMAGE: &str = "airtight-probe:dev";

/// Where the probe's image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeImage {
    /// An archive of it.
    Archive(PathBuf),
    /// A program that it is made of.
    Program(ProbeProgram),
    /// Nowhere; why, and what to do about it.
    Missing(String),
}

/// A program, and the archive of its image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeProgram {
    /// The program.
    pub program: PathBuf,
    /// How it comes by what it needs beside itself.
    pub libraries: Beside,
    /// Where the archive is written.
    pub archive: PathBuf,
    /// The image's id, `sha256:…`, which follows from the program.
    pub id: String,
}

/// Forms of an image's archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveForm {
    /// What `docker load`, `kind load image-archive` and `skopeo copy docker-archive:` read.
    Docker,
    /// A tar of an OCI image layout: what `ctr images import` and `skopeo copy oci-archive:` read.
    Oci,
}

/// What a program needs beside itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Beside {
    /// Nothing: it is static.
    Nothing,
    /// What this process has loaded, whose program it is.
    OwnLibraries,
}

/// Why a program makes no image of the probe.
#[derive(Debug, thiserror::Error)]
pub enum ProbeProgramError {
    /// It cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The program.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be packed.
    #[error("{}: {source}", path.display())]
    Image {
        /// The program.
        path: PathBuf,
        /// Why.
        source: ImageError,
    },
    /// The image's name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It is not what it was when its image was planned.
    #[error("{} was changed meanwhile", .0.display())]
    Changed(PathBuf),
}

impl Default for ProbeImage {
    fn default() -> Self {
        Self::Missing("neither a program nor an archive of it is named".to_owned())
    }
}

impl ProbeImage {
    /// The archive that must be there before; none if it is made, or missing.
    #[must_use]
    pub fn archive(&self) -> Option<&Path> {
        match self {
            Self::Archive(archive) => Some(archive),
            Self::Program(_) | Self::Missing(_) => None,
        }
    }

    /// Its id, where it is made of a program.
    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Self::Program(program) => Some(&program.id),
            Self::Archive(_) | Self::Missing(_) => None,
        }
    }

    /// Name of the archive's file in a folder of images, as any image's.
    #[must_use]
    pub fn file_name() -> String {
        PROBE_IMAGE.parse().map_or_else(|_| "airtight-probe.tar".to_owned(), |image: ImageRef| image.archive_name())
    }
}

impl ProbeProgram {
    /// The static program of which `archive` is to be made.
    ///
    /// # Errors
    /// When it cannot be read, or is no static program.
    pub fn new(program: PathBuf, archive: PathBuf) -> Result<Self, ProbeProgramError> {
        Self::with(program, Beside::Nothing, archive)
    }

    /// The program that runs this, with its libraries: it must be the probe where it is called by the probe's name.
    ///
    /// # Errors
    /// When it cannot be read: it is no Linux program, or was replaced meanwhile.
    pub fn own(archive: PathBuf) -> Result<Self, ProbeProgramError> {
        let unknown = |source| ProbeProgramError::Read { path: "this program".into(), source };
        Self::with(std::env::current_exe().map_err(unknown)?, Beside::OwnLibraries, archive)
    }

    fn with(program: PathBuf, libraries: Beside, archive: PathBuf) -> Result<Self, ProbeProgramError> {
        let id = image(PROBE_IMAGE.parse()?, &program, libraries)?.id();
        Ok(Self { program, libraries, archive, id })
    }

    /// The archive's content, as `docker load` and kind read it: the same for the same program.
    ///
    /// # Errors
    /// When the program cannot be read or was changed.
    pub fn pack(&self) -> Result<Vec<u8>, ProbeProgramError> {
        self.pack_as(PROBE_IMAGE.parse()?, ArchiveForm::Docker)
    }

    /// The content of an archive of the same image under another name, such as `registry.example/airtight-probe:1`.
    ///
    /// # Errors
    /// When the program cannot be read or was changed.
    pub fn pack_as(&self, name: ImageName, form: ArchiveForm) -> Result<Vec<u8>, ProbeProgramError> {
        let image = image(name, &self.program, self.libraries)?;
        if image.id() != self.id {
            return Err(ProbeProgramError::Changed(self.program.clone()));
        }
        let mut archive = Vec::new();
        let failed = |source| ProbeProgramError::Image { path: self.program.clone(), source };
        match form {
            ArchiveForm::Docker => image.write_docker_archive(&mut archive),
            ArchiveForm::Oci => image.write_oci_layout(&mut archive),
        }
        .map_err(failed)?;
        Ok(archive)
    }
}

fn image(name: ImageName, program: &Path, beside: Beside) -> Result<Image, ProbeProgramError> {
    let path = || program.to_owned();
    let unread = |source| ProbeProgramError::Read { path: path(), source };
    let bytes = std::fs::read(program).map_err(unread)?;
    let libraries = match beside {
        Beside::Nothing => Libraries::default(),
        Beside::OwnLibraries => Libraries::of_this_process(&bytes).map_err(unread)?,
    };
    Image::with_libraries(name, &bytes, &libraries, BTreeMap::new())
        .map_err(|source| ProbeProgramError::Image { path: path(), source })
}
