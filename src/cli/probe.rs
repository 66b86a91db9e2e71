//! The program of the probe: the one of which its image is made, this one in its role, and `airtight probe`.

use std::path::PathBuf;
#[cfg(feature = "live")]
use std::process::ExitCode;

#[cfg(feature = "live")]
use airtight_live::Dialler;
use airtight_manifest::printable;
use airtight_matrix::run::ExitStatus;
use airtight_probe::image::ImageName;
use airtight_provision::{ArchiveForm, PROBE_IMAGE, ProbeImage, ProbeProgram, ProbeProgramError, StepFailure};
use clap::{Args, Subcommand};

use super::error::CliError;
use super::output::Output;

/// Docker's own client, which runs programs in containers.
#[cfg(feature = "live")]
const DOCKER: &str = "docker";

/// The program's name.
const NAME: &str = "airtight-probe";

/// The first argument with which this program is the probe. No subcommand: the others after it are the probe's, and
/// its users are this program and its tests.
#[cfg(feature = "live")]
const ROLE: &str = "probe-agent";

/// What is done with the probe.
#[derive(Debug, Subcommand)]
pub(super) enum ProbeCommand {
    /// Write an archive of the probe's image, for a registry that a cluster pulls from
    Archive(ArchiveArgs),
}

/// Of which image, and where to.
#[derive(Debug, Args)]
pub(super) struct ArchiveArgs {
    /// File to write
    #[arg(value_name = "FILE")]
    out: PathBuf,
    /// Name of the image, as `run --probe-image` gets it
    #[arg(long, value_name = "IMAGE", default_value = PROBE_IMAGE)]
    name: ImageName,
    /// Form of the archive
    #[arg(long, value_enum, default_value_t)]
    format: Form,
    #[command(flatten)]
    probe: ProbeArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Form {
    /// As `docker load`, `kind load image-archive`, `crane push` and `skopeo copy docker-archive:` read it
    #[default]
    Docker,
    /// A tar of an OCI image layout
    Oci,
}

impl Form {
    fn archive(self) -> ArchiveForm {
        match self {
            Self::Docker => ArchiveForm::Docker,
            Self::Oci => ArchiveForm::Oci,
        }
    }

    /// How it comes into a registry.
    fn push(self, file: &str, name: &ImageName) -> String {
        match self {
            Self::Docker => format!("docker load -i {file} && docker push {name}"),
            Self::Oci => format!("skopeo copy oci-archive:{file} docker://{name}"),
        }
    }
}

/// Writes an archive of the probe's image, and says how a registry gets it.
///
/// # Errors
/// When there is no program to make it of, or the file cannot be written.
pub(super) fn probe(command: &ProbeCommand, output: &mut Output<'_>) -> Result<ExitStatus, CliError> {
    let ProbeCommand::Archive(args) = command;
    let program = match args.probe.image(args.out.clone())? {
        ProbeImage::Program(program) => program,
        ProbeImage::Missing(why) => return Err(StepFailure::new("probe-image", why, REMEDY).into()),
        // The arguments name no archive.
        ProbeImage::Archive(_) => return Ok(ExitStatus::InputError),
    };
    let archive = program.pack_as(args.name.clone(), args.format.archive()).map_err(|error| not_packed(&error))?;
    std::fs::write(&args.out, archive).map_err(|source| CliError::Write { path: args.out.clone(), source })?;
    let file = args.out.display().to_string();
    writeln!(output.out, "{}: {} ({})", printable(&file), args.name, program.id).map_err(CliError::Output)?;
    let is_local = PROBE_IMAGE.parse().is_ok_and(|local: ImageName| local == args.name);
    if !is_local {
        let push = args.format.push(&file, &args.name);
        writeln!(output.err, "  hint: {}", printable(&push)).map_err(CliError::Output)?;
    }
    Ok(ExitStatus::Passed)
}

/// What to do where there is no program, or one that does not start without other files.
pub(super) const REMEDY: &str = "run `probe/build-static.sh`, and give the path that it prints with --probe";

/// Which program is the probe.
#[derive(Debug, Clone, Args)]
pub(super) struct ProbeArgs {
    /// The static program `airtight-probe`, of which the image `airtight-probe:dev` is made [default: the one beside
    /// this program, otherwise this program with its libraries]
    #[arg(long, value_name = "PATH", env = "AIRTIGHT_PROBE")]
    probe: Option<PathBuf>,
}

impl ProbeArgs {
    /// The program that is named.
    #[cfg(feature = "live")]
    pub(super) fn program(&self) -> Option<&std::path::Path> {
        self.probe.as_deref()
    }

    /// The image to be written to `archive`. One that is not named may be missing.
    pub(super) fn image(&self, archive: PathBuf) -> Result<ProbeImage, CliError> {
        match &self.probe {
            Some(program) => {
                let program =
                    std::path::absolute(program).map_err(|source| CliError::Read { path: program.clone(), source })?;
                let made = ProbeProgram::new(program, archive).map_err(|error| not_packed(&error))?;
                Ok(ProbeImage::Program(made))
            }
            None => Ok(image_beside(archive)),
        }
    }
}

/// The probe on this machine: the one that is named, otherwise the one beside this program, otherwise this program.
///
/// # Errors
/// When this program does not know where it is.
#[cfg(feature = "live")]
pub(super) fn dialler(named: Option<PathBuf>) -> std::io::Result<Dialler> {
    let probe = named.or_else(|| Some(neighbour()).filter(|program| program.exists()));
    Ok(match probe {
        Some(program) => Dialler { program, role: Vec::new(), reaches_pods: false },
        None => Dialler { program: std::env::current_exe()?, role: vec![ROLE.to_owned()], reaches_pods: false },
    })
}

/// The probe in a container of Docker's, if it runs.
#[cfg(feature = "live")]
pub(super) fn beside(container: &str) -> Option<Dialler> {
    let asked = ["container", "inspect", "--format", "{{.State.Running}}", container];
    // Without Docker there is no such container, and flows start on this machine.
    let answer = std::process::Command::new(DOCKER).args(asked).output().ok()?;
    let role = ["exec", "--interactive", container, airtight_probe::image::PROGRAM].map(str::to_owned).to_vec();
    let runs = answer.stdout.trim_ascii() == b"true";
    runs.then(|| Dialler { program: DOCKER.into(), role, reaches_pods: true })
}

/// How this program ends as the probe, if the arguments make it one.
#[cfg(feature = "live")]
pub(super) fn agent() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.peek().is_some_and(|first| first == ROLE) {
        return Some(airtight_probe::program::main(arguments));
    }
    // In the image of the probe it has the probe's name.
    let name = std::env::args_os().next()?;
    let is_probe = std::path::Path::new(&name).file_name().is_some_and(|name| name == NAME);
    is_probe.then(|| airtight_probe::program::main(std::env::args_os()))
}

fn neighbour() -> PathBuf {
    std::env::current_exe().map_or_else(|_| NAME.into(), |own| own.with_file_name(NAME))
}

/// The image of the program beside this one; where there is none, or one that does not start by itself, of this one.
fn image_beside(archive: PathBuf) -> ProbeImage {
    let beside = neighbour();
    let made = match ProbeProgram::new(beside, archive.clone()) {
        Ok(program) => Ok(program),
        Err(_) => own(archive),
    };
    match made {
        Ok(program) => ProbeImage::Program(program),
        Err(error) => ProbeImage::Missing(format!("{error}; {REMEDY}")),
    }
}

/// This program, which is a probe where it can reach clusters.
#[cfg(feature = "live")]
fn own(archive: PathBuf) -> Result<ProbeProgram, ProbeProgramError> {
    ProbeProgram::own(archive)
}

/// A program without the probe in it makes none.
#[cfg(not(feature = "live"))]
fn own(archive: PathBuf) -> Result<ProbeProgram, ProbeProgramError> {
    ProbeProgram::new(neighbour(), archive)
}

/// A program makes no image.
pub(super) fn not_packed(error: &ProbeProgramError) -> CliError {
    StepFailure::new("probe-image", format!("the probe's image cannot be made: {error}"), REMEDY).into()
}
