//! Report files appear all at once, or none does.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use airtight_report::{Format, ReportError, json, render, write};

use crate::fixture;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_format_gets_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("deep/report");
    write(&target, &fixture::mixed(), &Format::USUAL).unwrap();
    assert_eq!(names(&target), ["junit.xml", "report.html", "run.json", "summary.md"]);
    let paths = write(&target, &fixture::mixed(), &Format::ALL).unwrap();
    let mut all = Format::ALL.map(Format::file_name);
    all.sort_unstable();
    assert_eq!(names(&target), all);
    for (path, format) in paths.iter().zip(Format::ALL) {
        assert_eq!(fs::read(path).unwrap(), render(format, &fixture::mixed()).unwrap());
    }
    let read = json::read(&fs::read_to_string(target.join("run.json")).unwrap()).unwrap();
    assert_eq!(read, fixture::mixed());
}

#[test]
fn files_of_an_earlier_run_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &fixture::mixed(), &Format::ALL).unwrap();
    write(folder.path(), &fixture::green(), &Format::ALL).unwrap();
    assert_eq!(fs::read(folder.path().join("run.json")).unwrap(), render(Format::Json, &fixture::green()).unwrap());
}

#[cfg(unix)]
#[test]
fn others_may_read_reports() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    let paths = write(folder.path(), &fixture::green(), &[Format::Html]).unwrap();
    assert_eq!(mode(&paths[0]), mode(&plain));
}

#[test]
fn a_file_in_the_way_of_the_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report");
    fs::write(&file, "mine").unwrap();
    for target in [file.clone(), file.join("below")] {
        let error = write(&target, &fixture::green(), &Format::ALL).unwrap_err();
        assert_eq!(error.code(), "report-folder");
        assert!(error.to_string().contains(&target.display().to_string()), "{error}");
        assert_eq!(error.hint(), "a file is in the way; choose another folder with `--report-dir`");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn a_directory_in_the_way_of_a_file_stops_all_files() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("report.html")).unwrap();
    let error = write(folder.path(), &fixture::green(), &Format::ALL).unwrap_err();
    assert!(matches!(&error, ReportError::Obstacle { path } if path.ends_with("report.html")));
    assert_eq!(error.code(), "report-obstacle");
    assert_eq!(names(folder.path()), ["report.html"]);
}

#[cfg(target_os = "linux")]
#[test]
fn an_unwritable_folder_is_named() {
    // Nobody can make a file in /proc, not even root.
    for target in ["/proc", "/proc/airtight-report"] {
        let error = write(Path::new(target), &fixture::green(), &Format::ALL).unwrap_err();
        assert_eq!(error.code(), "report-folder", "{error}");
        assert!(error.hint().contains("--report-dir"));
    }
}

#[test]
fn a_record_that_contradicts_itself_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut record = fixture::mixed();
    record.summary.failed = 0;
    let target = folder.path().join("report");
    let error = write(&target, &record, &Format::ALL).unwrap_err();
    assert_eq!(error.code(), "report-inconsistent");
    assert!(!target.exists());
}

/// A small file system of its own, gone when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None if this process may not mount.
    fn mount(at: &Path, kibibytes: usize) -> Option<Self> {
        let size = format!("size={kibibytes}k");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output().ok()?.status;
        status.success().then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_leaves_the_earlier_report_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(folder.path(), 256) else {
        // Not by `eprintln!`, which the test harness keeps to itself when the test passes.
        let _ =
            writeln!(std::io::stderr(), "SKIPPED: no full disk was tried, because this process may not mount a tmpfs");
        return;
    };
    let target = disk.0.join("report");
    let error = write(&target, &fixture::mixed(), &Format::ALL).unwrap_err();
    assert!(matches!(&error, ReportError::Write { source, .. } if source.kind() == ErrorKind::StorageFull), "{error}");
    assert_eq!(error.code(), "report-write");
    assert!(error.hint().starts_with("the disk is full"));
    assert!(!target.exists(), "the folder that was made for the report is gone too");

    write(&target, &fixture::green(), &[Format::Markdown, Format::Junit]).unwrap();
    let before = fs::read(target.join("summary.md")).unwrap();
    write(&target, &fixture::mixed(), &Format::ALL).unwrap_err();
    assert_eq!(names(&target), ["junit.xml", "summary.md"]);
    assert_eq!(fs::read(target.join("summary.md")).unwrap(), before);
}

#[test]
fn what_a_killed_run_left_behind_goes() {
    let folder = tempfile::tempdir().unwrap();
    for name in [".airtight-x1.tmp", ".airtight-init.yaml", "mine.tmp"] {
        fs::write(folder.path().join(name), "half").unwrap();
    }
    write(folder.path(), &fixture::green(), &[Format::Json]).unwrap();
    assert_eq!(names(folder.path()), [".airtight-init.yaml", "mine.tmp", "run.json"]);
}
