//! Images of one program: both formats are read back, and a Docker engine loads and runs them where there is one.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "what does not work fails the test, what cannot is skipped aloud"
)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use airtight_probe::image::{Image, ImageError};
use flate2::read::GzDecoder;
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const NAME: &str = "airtight-image-test:1";

/// What the little program says.
const WORDS: &[u8] = b"airtight\n";

/// A static x86-64 program, written by hand: `write(1, WORDS)`, then `exit(0)`.
fn program() -> Vec<u8> {
    const ENTRY: u64 = 0x40_0078;
    let mut code = vec![0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0, 0x48, 0x8d, 0x35, 16, 0, 0, 0, 0xba];
    code.extend(u32::try_from(WORDS.len()).unwrap().to_le_bytes());
    code.extend([0x0f, 0x05, 0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05]);
    code.extend(WORDS);
    let size = 0x78 + code.len() as u64;
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    for word in [ENTRY, 64, 0] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    elf.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    for word in [0, 0x40_0000, 0x40_0000, size, size, 0x1000] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(code);
    elf
}

fn image(program: &[u8]) -> Result<Image, ImageError> {
    let labels = BTreeMap::from([("org.opencontainers.image.title".to_owned(), "a test".to_owned())]);
    Image::of_program(NAME.parse().unwrap(), program, labels)
}

fn oci(image: &Image) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.write_oci_layout(&mut bytes).unwrap();
    bytes
}

fn docker_archive(image: &Image) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.write_docker_archive(&mut bytes).unwrap();
    bytes
}

/// Files of a tar, in their order.
fn files(tar: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(tar);
    let file = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.mtime().unwrap(), header.uid().unwrap(), header.gid().unwrap()), (0, 0, 0));
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), bytes)
    };
    archive.entries().unwrap().map(file).collect()
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// The blob that a descriptor describes, once its size and digest are right.
fn blob<'f>(files: &'f BTreeMap<String, Vec<u8>>, descriptor: &Value) -> &'f [u8] {
    let named = descriptor["digest"].as_str().unwrap();
    let bytes = &files[&format!("blobs/sha256/{}", named.strip_prefix("sha256:").unwrap())];
    assert_eq!(digest(bytes), named);
    assert_eq!(descriptor["size"], json!(bytes.len()));
    bytes
}

fn check_config(config: &Value) {
    assert_eq!((&config["architecture"], &config["os"]), (&json!("amd64"), &json!("linux")));
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"], json!(["/airtight-probe"]));
    assert_eq!(config["config"]["Labels"], json!({"org.opencontainers.image.title": "a test"}));
}

fn check_layer(layer: &[u8]) {
    let mut entries = tar::Archive::new(layer);
    let modes: Vec<u32> = entries.entries().unwrap().map(|entry| entry.unwrap().header().mode().unwrap()).collect();
    assert_eq!(modes, [0o555]);
    assert_eq!(files(layer), [("airtight-probe".to_owned(), program())]);
}

#[test]
fn an_oci_layout_describes_every_blob_rightly() {
    let image = image(&program()).unwrap();
    let listed = files(&oci(&image));
    assert!(listed.is_sorted_by_key(|(path, _)| path.clone()));
    let files: BTreeMap<String, Vec<u8>> = listed.into_iter().collect();
    assert_eq!(files.len(), 5, "three blobs, the index and the mark of a layout");
    assert_eq!(parse(&files["oci-layout"]), json!({"imageLayoutVersion": "1.0.0"}));
    let index = parse(&files["index.json"]);
    let described = &index["manifests"][0];
    assert_eq!(described["annotations"]["io.containerd.image.name"], "docker.io/library/airtight-image-test:1");
    assert_eq!(described["platform"], json!({"architecture": "amd64", "os": "linux"}));
    let manifest = parse(blob(&files, described));
    assert_eq!(manifest["config"]["digest"], image.id());
    let config = parse(blob(&files, &manifest["config"]));
    check_config(&config);
    let mut layer = Vec::new();
    GzDecoder::new(blob(&files, &manifest["layers"][0])).read_to_end(&mut layer).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"], json!([digest(&layer)]));
    check_layer(&layer);
}

#[test]
fn a_docker_archive_names_its_files_rightly() {
    let image = image(&program()).unwrap();
    let files: BTreeMap<String, Vec<u8>> = files(&docker_archive(&image)).into_iter().collect();
    let manifest = parse(&files["manifest.json"]);
    assert_eq!(manifest[0]["RepoTags"], json!(["docker.io/library/airtight-image-test:1"]));
    let config = &files[manifest[0]["Config"].as_str().unwrap()];
    assert_eq!(digest(config), image.id());
    check_config(&parse(config));
    let layer = &files[manifest[0]["Layers"][0].as_str().unwrap()];
    assert_eq!(parse(config)["rootfs"]["diff_ids"], json!([digest(layer)]));
    check_layer(layer);
}

#[test]
fn the_same_program_makes_the_same_image() {
    let (one, two) = (image(&program()).unwrap(), image(&program()).unwrap());
    assert_eq!(oci(&one), oci(&two));
    assert_eq!(docker_archive(&one), docker_archive(&two));
    // Whoever changes how images are written changes what everybody has pinned.
    assert_eq!(one.id(), "sha256:8c0fb0262b8277a3cd8ee19b5eac3aa66c3f8aa89d5fcfcb50c1db3ed1c4890e");
    let mut other = program();
    other.push(0);
    assert_ne!(image(&other).unwrap().id(), one.id());
}

#[test]
fn a_program_that_would_not_start_makes_no_image() {
    assert!(matches!(image(b"#!/bin/sh\n"), Err(ImageError::NoElf)));
    assert!(matches!(image(&program()[..100]), Err(ImageError::NoElf)), "cut off");
    let mut foreign = program();
    foreign[18] = 243;
    assert!(matches!(image(&foreign), Err(ImageError::Machine(243))));
    let mut dynamic = program();
    // The program header's type, and where in the file the interpreter's name stands.
    dynamic[64] = 3;
    dynamic[72..80].copy_from_slice(&0x78_u64.to_le_bytes());
    dynamic[96..104].copy_from_slice(&1_u64.to_le_bytes());
    assert!(matches!(image(&dynamic), Err(ImageError::NotStatic(_))));
}

proptest! {
    /// A header that lies about offsets and sizes is refused or taken, and never makes us panic.
    #[test]
    fn any_header_is_read_or_refused(changes in proptest::collection::vec((0_usize..140, any::<u8>()), 0..8), length in 0_usize..160) {
        let mut elf = program();
        for (at, byte) in changes {
            elf[at] = byte;
        }
        elf.truncate(length);
        let _ = image(&elf);
    }
}

/// What `docker` says; none if it fails.
fn docker(arguments: &[&str], input: &[u8]) -> Option<String> {
    let mut command = Command::new("docker");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A command that does not read its input closes it.
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().ok()?;
    let _ = writer.join().unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The major version of the Docker engine; none, said aloud, if no engine for this program answers.
fn engine() -> Option<u32> {
    let engine = docker(&["version", "--format", "{{.Server.Version}} {{.Server.Arch}}"], b"");
    let Some(engine) = engine.filter(|engine| engine.trim().ends_with("amd64")) else {
        eprintln!("SKIPPED: no Docker engine for amd64 answers");
        return None;
    };
    engine.split('.').next().and_then(|major| major.parse().ok())
}

/// As a pod runs under Pod Security `restricted`, with the loopback interface alone.
const RESTRICTED: &[&str] = &["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none"];

#[test]
fn a_docker_engine_loads_and_runs_both_formats() {
    let Some(major) = engine() else { return };
    let image = image(&program()).unwrap();
    let mut archives = vec![("docker-archive", docker_archive(&image))];
    if major >= 25 {
        archives.push(("oci", oci(&image)));
    } else {
        eprintln!("SKIPPED: Docker {major} reads no OCI image layouts");
    }
    for (format, archive) in archives {
        docker(&["load"], &archive).unwrap_or_else(|| panic!("{format} cannot be loaded"));
        let id = docker(&["image", "inspect", "--format", "{{.Id}}", NAME], b"").unwrap();
        let said = docker(&[&["run", "--rm"], RESTRICTED, &[NAME]].concat(), b"");
        docker(&["image", "rm", "--force", NAME], b"").unwrap();
        assert_eq!(said.as_deref().map(str::as_bytes), Some(WORDS), "{format}");
        // With containerd's store, the id is the digest of the manifest.
        assert!(major >= 25 || id.trim() == image.id(), "{format}: {id}");
    }
}

/// `AIRTIGHT_PROBE` names the program that `probe/build-static.sh` has built.
#[test]
fn the_probe_serves_and_dials_from_its_image() {
    let Some(path) = std::env::var_os("AIRTIGHT_PROBE") else {
        eprintln!("SKIPPED: AIRTIGHT_PROBE does not name a static probe");
        return;
    };
    let Some(_) = engine() else { return };
    let name = "airtight-probe-test:1";
    let image = Image::of_program(name.parse().unwrap(), &std::fs::read(path).unwrap(), BTreeMap::new()).unwrap();
    docker(&["load"], &docker_archive(&image)).unwrap();
    let serve = [name, "serve", "--pod=p", "--listen=http=127.0.0.1:8080", "--listen=https=127.0.0.1:8443"];
    let container = docker(&[&["run", "--detach"], RESTRICTED, &serve].concat(), b"").unwrap();
    let container = container.trim();
    let flows =
        [("http", 8080, Value::Null), ("https", 8443, json!({})), ("closed", 1, Value::Null)].map(|(id, port, tls)| {
            let attempt = json!({"http": {"to": {"host": "127.0.0.1", "port": port}, "tls": tls}});
            format!("{}\n", json!({"id": id, "attempt": attempt, "deadlineMs": 5000}))
        });
    let answers = docker(&["exec", "--interactive", container, "/airtight-probe", "dial"], flows.concat().as_bytes());
    let user = docker(&["inspect", "--format", "{{.Config.User}}", container], b"");
    let stopped = docker(&["stop", "--time=10", container], b"");
    let exit = docker(&["inspect", "--format", "{{.State.ExitCode}}", container], b"");
    docker(&["rm", "--force", container], b"").unwrap();
    docker(&["image", "rm", "--force", name], b"").unwrap();
    let outcomes: BTreeMap<String, Value> = answers
        .unwrap()
        .lines()
        .map(|line| parse(line.as_bytes()))
        .map(|answer| (answer["id"].as_str().unwrap().to_owned(), answer["outcome"].clone()))
        .collect();
    let expected = [("closed", json!("refused")), ("http", json!({"http": 200})), ("https", json!({"http": 200}))];
    assert_eq!(outcomes, expected.map(|(id, outcome)| (id.to_owned(), outcome)).into());
    assert_eq!(user.as_deref().map(str::trim), Some("65532:65532"));
    assert!(stopped.is_some());
    assert_eq!(exit.as_deref().map(str::trim), Some("0"), "it stops when it is told to");
}
