//! Report files: all of them appear at once, or none does.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use airtight_matrix::run::RunRecord;
use tempfile::{Builder, NamedTempFile};

use super::error::ReportError;
use super::format::Format;
use super::options::Options;
use super::render_with;

/// Renders a run in each of `formats` and writes the files into `folder`, which is made if need be.
///
/// Every file is written whole under a temporary name first; they get their names only when all of them are on
/// disk. Files of an earlier run are replaced.
///
/// # Errors
/// [`ReportError::Folder`], [`ReportError::Obstacle`] or [`ReportError::Write`], and those of [`super::render`]. No file of
/// this run is left behind then.
pub fn write(folder: &Path, record: &RunRecord, formats: &[Format]) -> Result<Vec<PathBuf>, ReportError> {
    write_with(folder, record, formats, &Options::default())
}

/// The same, as a reader wants it.
///
/// # Errors
/// Those of [`write()`].
pub fn write_with(
    folder: &Path,
    record: &RunRecord,
    formats: &[Format],
    options: &Options,
) -> Result<Vec<PathBuf>, ReportError> {
    let mut rendered = Vec::new();
    for &format in formats {
        rendered.push((folder.join(format.file_name()), render_with(format, record, options)?));
    }
    let made = make_folder(folder)?;
    // Two runs at once: the files of one are all there before those of the other come. Where a file system knows no
    // locks, each file is whole all the same.
    let turn = fs::File::open(folder).and_then(|folder| folder.lock().map(|()| folder));
    if turn.is_ok() {
        sweep(folder);
    }
    let result = stage(folder, &rendered).and_then(publish);
    drop(turn);
    if result.is_err() && made {
        // Only an empty folder goes; if it cannot, the error at hand says more than this one would.
        let _ = fs::remove_dir(folder);
    }
    result
}

/// Whether the folder had to be made.
fn make_folder(folder: &Path) -> Result<bool, ReportError> {
    let existed = folder.is_dir();
    fs::create_dir_all(folder).map_err(|source| ReportError::Folder { path: folder.to_owned(), source })?;
    Ok(!existed)
}

/// Removes what a run left behind that was killed while it wrote; nobody else writes while this run has its turn.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1) && entry.path().is_file() {
            // If it cannot go, it is in nobody's way.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// How the names of temporary files begin and end.
const TEMPORARY: (&str, &str) = (".airtight-", ".tmp");

type Staged = Vec<(NamedTempFile, PathBuf)>;

/// Writes every file under a temporary name; dropping them removes them.
fn stage(folder: &Path, rendered: &[(PathBuf, Vec<u8>)]) -> Result<Staged, ReportError> {
    let mut staged = Vec::new();
    for (path, content) in rendered {
        if path.is_dir() {
            return Err(ReportError::Obstacle { path: path.clone() });
        }
        let file = temporary(folder).map_err(|source| ReportError::Folder { path: folder.to_owned(), source })?;
        fill(&file, content).map_err(|source| ReportError::Write { path: path.clone(), source })?;
        staged.push((file, path.clone()));
    }
    Ok(staged)
}

fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(TEMPORARY.0).suffix(TEMPORARY.1);
    // A report is for others to read; the process's umask has the last word.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Writes and syncs, because some file systems report a full disk only then.
fn fill(file: &NamedTempFile, content: &[u8]) -> io::Result<()> {
    file.as_file().write_all(content)?;
    file.as_file().sync_all()
}

/// Gives every file its name; if one cannot have it, those that have theirs go too.
fn publish(staged: Staged) -> Result<Vec<PathBuf>, ReportError> {
    let mut published = Vec::new();
    for (file, path) in staged {
        if let Err(error) = file.persist(&path) {
            for done in &published {
                let _ = fs::remove_file(done);
            }
            return Err(ReportError::Write { path, source: error.error });
        }
        published.push(path);
    }
    Ok(published)
}
