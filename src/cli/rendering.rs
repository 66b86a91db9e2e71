//! Kustomize and Helm, run as programs on the folders of others: without a network, bounded in time and size.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use airtight_manifest::{Diagnostic, Reads, Renderer, kinds_read, printable, yaml};
use clap::Args;

/// How long a program may take.
const TIME: Duration = Duration::from_mins(1);

/// How often a running program is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// Lines of a program's complaint that are shown.
const SHOWN_LINES: usize = 6;

/// A port on which nobody listens, in place of the network.
const NOWHERE: &str = "http://127.0.0.1:9";

/// How charts are rendered.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct RenderingArgs {
    /// File with values for a chart; may be repeated
    #[arg(long, value_name = "FILE")]
    values: Vec<PathBuf>,
    /// A value for a chart, KEY=VALUE; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Name of a chart's release [default: the chart's folder]
    #[arg(long, value_name = "NAME")]
    release_name: Option<String>,
}

impl RenderingArgs {
    /// The programs that render, with what the user said about charts.
    pub(super) fn programs(&self, namespace: Option<&str>) -> Programs {
        Programs { args: self.clone(), namespace: namespace.map(str::to_owned) }
    }
}

/// Kustomize (or kubectl, which has it built in) and Helm.
#[derive(Debug)]
pub(super) struct Programs {
    args: RenderingArgs,
    namespace: Option<String>,
}

impl Renderer for Programs {
    fn kustomization(&self, folder: &Path) -> Result<String, Diagnostic> {
        let calls = [("kustomize", "build"), ("kubectl", "kustomize")];
        for (program, verb) in calls {
            if let Some(rendered) = rendered(program, &[verb.into(), folder.into()], &[], folder) {
                return rendered;
            }
        }
        Err(missing(
            folder,
            "neither `kustomize` nor `kubectl` is here to render",
            &call("kubectl", &["kustomize".into(), folder.into()]),
        ))
    }

    fn chart(&self, folder: &Path) -> Result<String, Diagnostic> {
        let arguments = self.template(folder);
        if let Some(device) = self.args.values.iter().find(|file| is_device(file)) {
            let why = format!("{} is a device, and no file with values", device.display());
            return Err(failed("helm", folder, &printable(&why)).hint("name a file with --values"));
        }
        let missing = || missing(folder, "there is no `helm` here to render", &call("helm", &arguments));
        rendered("helm", &arguments, &definitions(), folder).unwrap_or_else(|| Err(missing()))
    }
}

impl Programs {
    fn template(&self, folder: &Path) -> Vec<PathBuf> {
        let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let named = real.file_name().map(|name| name.to_string_lossy().to_lowercase().replace(['_', '.'], "-"));
        let release = self.args.release_name.clone().or(named).unwrap_or_else(|| "release".to_owned());
        let mut arguments: Vec<PathBuf> = ["template", &release].map(PathBuf::from).into();
        arguments.push(folder.to_owned());
        arguments.extend(["--include-crds", "--skip-tests"].map(PathBuf::from));
        let named = self.namespace.iter().flat_map(|namespace| ["--namespace", namespace.as_str()]);
        arguments.extend(named.map(PathBuf::from));
        arguments.extend(self.args.values.iter().flat_map(|file| [PathBuf::from("--values"), file.clone()]));
        arguments.extend(self.args.set.iter().flat_map(|value| ["--set", value.as_str()]).map(PathBuf::from));
        arguments
    }
}

/// A chart may ask which kinds the cluster has. Where airtight would judge them, they are there.
fn definitions() -> [PathBuf; 2] {
    let modelled = kinds_read().filter_map(|(_, _, reads)| match reads {
        Reads::Modelled(info) => Some(info),
        Reads::Touching(_) | Reads::Inert => None,
    });
    let mut known = BTreeSet::new();
    for info in modelled.filter(|info| !info.group.is_empty()) {
        for version in info.versions {
            known.insert(format!("{}/{version}", info.group));
            known.insert(format!("{}/{version}/{}", info.group, info.kind));
        }
    }
    ["--api-versions".into(), known.into_iter().collect::<Vec<_>>().join(",").into()]
}

/// What can be read without an end.
fn is_device(file: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        std::fs::metadata(file)
            .is_ok_and(|found| found.file_type().is_char_device() || found.file_type().is_block_device())
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        false
    }
}

/// What a program prints; none if it is not installed. `more` are arguments that nobody need type.
fn rendered(
    program: &str,
    arguments: &[PathBuf],
    more: &[PathBuf],
    folder: &Path,
) -> Option<Result<String, Diagnostic>> {
    let mut command = Command::new(program);
    command.args(arguments).args(more).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Nothing is fetched, whatever the folder asks for, and no cluster is asked.
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        command.env(name, NOWHERE);
    }
    command.env("NO_PROXY", "").env("no_proxy", "").env("KUBECONFIG", "/dev/null");
    command.env("GIT_ALLOW_PROTOCOL", "file").env("GIT_TERMINAL_PROMPT", "0");
    match command.spawn() {
        Ok(child) => {
            let told = finished(child).map_err(|why| failed(program, folder, &why));
            Some(told.map_err(|finding| finding.hint(format!("`{}` shows the same", call(program, arguments)))))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => Some(Err(failed(program, folder, &error.to_string()))),
    }
}

/// The output of a program that ends well and in time.
fn finished(mut child: Child) -> Result<String, String> {
    let (out, err) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let until = Instant::now() + TIME;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < until => thread::sleep(GLANCE),
            Ok(None) => {
                // What cannot be ended is left to itself; its output is not used.
                let _ = child.kill().and_then(|()| child.wait().map(|_| ()));
                return Err(format!("it did not end within {} s", TIME.as_secs()));
            }
            Err(error) => return Err(error.to_string()),
        }
    };
    let (out, err) = (collected(out)?, collected(err)?);
    if status.success() {
        return Ok(out);
    }
    let lines: Vec<&str> = err.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
    Err(if last.is_empty() { format!("it ended with {status}") } else { printable(&last.join("; ")) })
}

fn drain<R: Read + Send + 'static>(pipe: Option<R>) -> Option<JoinHandle<std::io::Result<Vec<u8>>>> {
    pipe.map(|pipe| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.take(yaml::MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map(|_| bytes)
        })
    })
}

fn collected(reader: Option<JoinHandle<std::io::Result<Vec<u8>>>>) -> Result<String, String> {
    let read = reader.map(|reader| reader.join().unwrap_or_else(|_| Ok(Vec::new())));
    let bytes = read.transpose().map_err(|error| error.to_string())?.unwrap_or_default();
    if bytes.len() as u64 > yaml::MAX_FILE_BYTES {
        return Err(format!("it prints more than {} bytes", yaml::MAX_FILE_BYTES));
    }
    String::from_utf8(bytes).map_err(|_| "it prints something else than text".to_owned())
}

fn failed(program: &str, folder: &Path, why: &str) -> Diagnostic {
    let folder = printable(&folder.to_string_lossy());
    Diagnostic::error("not-rendered", format!("{program} does not render {folder}: {why}"))
}

fn missing(folder: &Path, what: &str, call: &str) -> Diagnostic {
    let folder = printable(&folder.to_string_lossy());
    Diagnostic::error("not-rendered", format!("{what} {folder}"))
        .hint(format!("install it, or pipe in what it prints elsewhere: `{call} | airtight matrix -m -`"))
}

/// A call as one would type it.
fn call(program: &str, arguments: &[PathBuf]) -> String {
    let quoted = |argument: &PathBuf| {
        let text = argument.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
        if text.chars().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
    };
    let arguments = arguments.iter().map(quoted).collect::<Vec<_>>().join(" ");
    printable(&format!("{program} {arguments}"))
}
