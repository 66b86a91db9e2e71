//! A folder of files beside the reports: it appears whole, or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use airtight_matrix::run::EvidenceRecord;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::error::ReportError;

/// A folder whose files are on disk, under a temporary name.
///
/// Dropped, it is gone. [`Staged::publish`] gives it its name in place of an earlier one, and
/// [`Published::keep`] or [`Published::undo`] then decides which of the two stays.
#[derive(Debug)]
pub struct Staged {
    staged: TempDir,
    path: PathBuf,
    record: EvidenceRecord,
}

/// A folder that has its name.
#[derive(Debug)]
pub struct Published {
    path: PathBuf,
    /// The earlier one.
    before: Option<TempDir>,
}

/// Writes files (name and content) into a folder called `name` within `folder`, which is made if need be, under a
/// temporary name.
///
/// # Errors
/// [`ReportError::Folder`] and [`ReportError::Write`], the latter on a full disk; nothing is left behind then.
pub fn stage(folder: &Path, name: &str, files: &BTreeMap<String, Vec<u8>>) -> Result<Staged, ReportError> {
    let unusable = |source: io::Error| ReportError::Folder { path: folder.to_owned(), source };
    fs::create_dir_all(folder).map_err(unusable)?;
    let staged = tempfile::Builder::new().prefix(".airtight-").suffix(".tmp").tempdir_in(folder).map_err(unusable)?;
    let path = folder.join(name);
    let mut record = EvidenceRecord { folder: name.to_owned(), files: BTreeMap::new() };
    for (file, content) in files {
        fill(&staged.path().join(file), content)
            .map_err(|source| ReportError::Write { path: path.join(file), source })?;
        record.files.insert(file.clone(), hex(&Sha256::digest(content)));
    }
    open(staged.path()).map_err(unusable)?;
    Ok(Staged { staged, path, record })
}

/// Writes and syncs, because some file systems report a full disk only then.
fn fill(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = fs::File::create_new(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Temporary folders are their owner's alone; reports are for others to read, as far as the files in it are.
fn open(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = folder.parent().map_or_else(|| fs::metadata(folder), fs::metadata)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(parent.permissions().mode() & 0o777))?;
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Staged {
    /// How `run.json` points to it.
    #[must_use]
    pub fn record(&self) -> &EvidenceRecord {
        &self.record
    }

    /// Gives it its name; the folder of an earlier run is kept aside.
    ///
    /// # Errors
    /// [`ReportError::Obstacle`] if something else than a folder has the name, and [`ReportError::Write`]; everything
    /// is as it was then.
    pub fn publish(self) -> Result<Published, ReportError> {
        let Self { staged, path, .. } = self;
        let failed = |source: io::Error| ReportError::Write { path: path.clone(), source };
        let before = match fs::symlink_metadata(&path) {
            Ok(there) if !there.is_dir() => return Err(ReportError::Obstacle { path }),
            Ok(_) => Some(aside(&path).map_err(failed)?),
            Err(_) => None,
        };
        if let Err(error) = fs::rename(staged.path(), &path) {
            restore(before, &path);
            return Err(failed(error));
        }
        // It is no longer where it was.
        let _ = staged.keep();
        Ok(Published { path, before })
    }
}

/// Moves a folder into a temporary one beside it.
fn aside(path: &Path) -> io::Result<TempDir> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let aside = tempfile::Builder::new().prefix(".airtight-").suffix(".old").tempdir_in(parent)?;
    fs::rename(path, aside.path().join("before"))?;
    Ok(aside)
}

fn restore(before: Option<TempDir>, path: &Path) {
    if let Some(before) = before {
        // The error at hand says more than this one would.
        let _ = fs::rename(before.path().join("before"), path);
    }
}

impl Published {
    /// Lets the earlier folder go; where the new one is.
    #[must_use]
    pub fn keep(self) -> PathBuf {
        drop(self.before);
        self.path
    }

    /// Puts the earlier folder back in its place.
    pub fn undo(self) {
        let _ = fs::remove_dir_all(&self.path);
        restore(self.before, &self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> BTreeMap<String, Vec<u8>> {
        BTreeMap::from([("a.jsonl".to_owned(), text.as_bytes().to_vec())])
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_folder_appears_whole() {
        let reports = tempfile::tempdir().unwrap();
        let staged = stage(reports.path(), "evidence", &files("one\n")).unwrap();
        assert_eq!(staged.record().files["a.jsonl"], hex(&Sha256::digest(b"one\n")));
        assert_eq!(staged.publish().unwrap().keep(), reports.path().join("evidence"));
        assert_eq!(names(reports.path()), ["evidence"]);
        // A later run takes its place, or leaves it as it was.
        stage(reports.path(), "evidence", &files("two\n")).unwrap().publish().unwrap().undo();
        assert_eq!(fs::read(reports.path().join("evidence/a.jsonl")).unwrap(), b"one\n");
        let _ = stage(reports.path(), "evidence", &files("two\n")).unwrap().publish().unwrap().keep();
        assert_eq!(fs::read(reports.path().join("evidence/a.jsonl")).unwrap(), b"two\n");
        assert_eq!(names(reports.path()), ["evidence"]);
    }

    #[test]
    fn what_fails_leaves_nothing() {
        let reports = tempfile::tempdir().unwrap();
        drop(stage(reports.path(), "evidence", &files("x")).unwrap());
        assert!(names(reports.path()).is_empty());
        // No file system has such a name.
        let wrong = BTreeMap::from([("a\0b".to_owned(), Vec::new())]);
        assert!(matches!(stage(reports.path(), "evidence", &wrong), Err(ReportError::Write { .. })));
        assert!(names(reports.path()).is_empty());
        fs::write(reports.path().join("evidence"), "mine").unwrap();
        let error = stage(reports.path(), "evidence", &files("x")).unwrap().publish().unwrap_err();
        assert!(matches!(error, ReportError::Obstacle { .. }));
        assert_eq!(names(reports.path()), ["evidence"]);
    }
}
