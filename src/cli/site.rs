//! Arguments that several subcommands of clusters share.

use std::path::PathBuf;

use airtight_provision::{ClusterName, Folder, ImageRef, Options, ProbeImage, Recipe, Site};
use clap::Args;
use ipnet::Ipv4Net;

use super::error::CliError;
use super::probe::ProbeArgs;
use super::recipe::recipe;

/// Which cluster.
#[derive(Debug, Clone, Args)]
pub(super) struct NameArgs {
    /// Name of the cluster
    #[arg(long, value_name = "NAME", default_value = "airtight", env = "AIRTIGHT_CLUSTER")]
    pub name: ClusterName,
    /// Folder for the clusters' states, kubeconfigs and logs [default: airtight in XDG_STATE_HOME or ~/.local/state]
    #[arg(long, value_name = "DIR", env = "AIRTIGHT_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
}

impl NameArgs {
    /// The folder of the cluster, by its absolute path: kind reads a relative one from elsewhere.
    pub(super) fn folder(&self) -> Result<Folder, CliError> {
        let root = states(self.state_dir.as_deref())?;
        Ok(Folder(root.join(self.name.as_ref())))
    }
}

/// The folder of all clusters.
pub(super) fn states(named: Option<&std::path::Path>) -> Result<PathBuf, CliError> {
    let path = named.map_or_else(default_states, std::path::Path::to_owned);
    std::path::absolute(&path).map_err(|source| CliError::Read { path, source })
}

fn default_states() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")));
    state.unwrap_or_else(|| PathBuf::from(".")).join("airtight")
}

/// Which stack, and where its parts come from.
#[derive(Debug, Clone, Args)]
pub(super) struct ClusterArgs {
    /// Component versions: `reference`, `latest`, or a stack file
    #[arg(long, value_name = "NAME", default_value = "reference", env = "AIRTIGHT_STACK")]
    pub stack: String,
    #[command(flatten)]
    pub name: NameArgs,
    /// Addresses of the cluster's Docker network, at least a /22
    #[arg(long, value_name = "CIDR", default_value = "172.20.0.0/16")]
    pub subnet: Ipv4Net,
    /// Registry that mirrors the others: it serves quay.io/x/y as quay.io/x/y
    #[arg(long, value_name = "URL")]
    pub registry_mirror: Option<String>,
    /// Folder with archives of all images, as `airtight bundle` writes them
    #[arg(long, value_name = "DIR")]
    pub image_archive: Option<PathBuf>,
    /// Folder with all charts and manifests, as `airtight bundle` writes them
    #[arg(long, value_name = "DIR")]
    pub chart_dir: Option<PathBuf>,
    /// Image of the nodes, in place of the stack's
    #[arg(long, value_name = "IMAGE")]
    pub node_image: Option<ImageRef>,
    /// Pull no image: the node image is on this machine, and holds the others unless an archive or a mirror does
    #[arg(long)]
    pub no_pull: bool,
    /// Port of the API server on this machine [default: a free one]
    #[arg(long, value_name = "PORT")]
    pub api_port: Option<u16>,
    #[command(flatten)]
    pub probe: ProbeArgs,
    /// Archive of the image `airtight-probe:dev`, which stand-ins and workloads run, in place of the program's
    #[arg(long, value_name = "FILE", env = "AIRTIGHT_PROBE_IMAGE", conflicts_with = "probe")]
    pub probe_image: Option<PathBuf>,
}

impl ClusterArgs {
    /// How the stack is installed.
    pub(super) fn recipe(&self) -> Result<Recipe, CliError> {
        recipe(&self.stack)
    }

    /// The choices, with absolute paths.
    pub(super) fn options(&self) -> Result<Options, CliError> {
        let absolute = |path: &Option<PathBuf>| {
            let made = path
                .as_ref()
                .map(|path| std::path::absolute(path).map_err(|source| CliError::Read { path: path.clone(), source }));
            made.transpose()
        };
        Ok(Options {
            mirror: self.registry_mirror.as_deref().map(mirror).transpose()?,
            image_archive: absolute(&self.image_archive)?,
            chart_dir: absolute(&self.chart_dir)?,
            node_image: self.node_image.clone(),
            pull: !self.no_pull,
            api_port: self.api_port,
            probe_image: self.probe_image()?,
        })
    }

    /// The image of the probe: the archive or program that is named, the archive of a bundle, or the program beside
    /// this one.
    fn probe_image(&self) -> Result<ProbeImage, CliError> {
        let bundled = || {
            let folder = self.image_archive.as_ref().filter(|_| self.probe.program().is_none())?;
            Some(folder.join(ProbeImage::file_name())).filter(|archive| archive.exists())
        };
        if let Some(path) = self.probe_image.clone().or_else(bundled) {
            let absolute = std::path::absolute(&path).map_err(|source| CliError::Read { path, source })?;
            return Ok(ProbeImage::Archive(absolute));
        }
        self.probe.image(self.name.folder()?.rendered(&ProbeImage::file_name()))
    }

    /// Where the cluster is.
    pub(super) fn site(&self) -> Result<Site, CliError> {
        if self.subnet.prefix_len() > 22 {
            return Err(CliError::Argument {
                value: self.subnet.to_string(),
                expected: "a subnet with room for nodes and stand-ins",
                hint: "name a /22 or wider, such as 172.30.0.0/16".to_owned(),
            });
        }
        Ok(Site { name: self.name.name.clone(), subnet: self.subnet.trunc(), folder: self.name.folder()? })
    }
}

fn mirror(url: &str) -> Result<String, CliError> {
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(url.to_owned());
    }
    Err(CliError::Argument {
        value: url.to_owned(),
        expected: "a registry's URL",
        hint: format!("write the scheme: http://{url} or https://{url}"),
    })
}
