//! What was done so far, kept in a folder: a later run goes on from there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How far a step came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// How far.
    pub progress: Progress,
    /// Digest of the step and of everything that it builds upon.
    pub digest: String,
    /// Seconds that it took.
    #[serde(default)]
    pub seconds: u64,
    /// Code of the failure, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// How far a step came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// It was begun and is not known to have ended: it runs, or was cut off.
    Begun,
    /// It failed.
    Failed,
    /// Its action is done and its gates hold.
    Done,
}

/// What was done so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Name of the stack.
    #[serde(default)]
    pub stack: String,
    /// Steps by id.
    #[serde(default)]
    pub steps: BTreeMap<String, Record>,
}

impl State {
    /// Reads a state; an empty one if there is none.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    pub fn read(file: &Path) -> io::Result<Self> {
        match fs::read(file) {
            Ok(text) => serde_json::from_slice(&text).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Writes it, so that a reader finds the old one or the new one and never half of one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        write_atomically(file, &serde_json::to_vec_pretty(self).map_err(io::Error::other)?)
    }

    /// Whether a step is done with exactly this content.
    #[must_use]
    pub fn is_done(&self, step: &str, digest: &str) -> bool {
        self.steps.get(step).is_some_and(|record| record.progress == Progress::Done && record.digest == digest)
    }
}

/// Writes beside the file and renames.
pub(super) fn write_atomically(file: &Path, content: &[u8]) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut temporary = tempfile::Builder::new().prefix(".airtight").tempfile_in(folder)?;
    temporary.write_all(content)?;
    temporary.as_file().sync_all()?;
    temporary.persist(file).map(|_| ()).map_err(|error| error.error)
}

/// The folder of one cluster: state, kubeconfig, rendered files, logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// The state.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.0.join("state.json")
    }

    /// The kubeconfig, which is never that of the user.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.0.join("kubeconfig")
    }

    /// A rendered file.
    #[must_use]
    pub fn rendered(&self, name: &str) -> PathBuf {
        self.0.join("rendered").join(name)
    }

    /// The authority of the stand-ins' certificates: `ca.crt`, which the cluster side may trust, its key, and below
    /// them a folder for each stand-in.
    #[must_use]
    pub fn tls(&self) -> PathBuf {
        self.0.join("tls")
    }

    /// Logs of the last failure.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// Takes the folder for this process, until the returned file is closed.
    ///
    /// # Errors
    /// When it cannot be made; `Ok(None)` when another process has it.
    pub fn lock(&self) -> io::Result<Option<File>> {
        fs::create_dir_all(&self.0)?;
        let file = File::options().create(true).truncate(false).write(true).open(self.0.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }
}
