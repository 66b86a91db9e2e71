//! What the user may choose about a cluster beside its stack.

use std::path::PathBuf;

use super::image::ImageRef;
use super::probe_image::ProbeImage;

/// Where images and charts come from, and what is put on the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// A registry that mirrors the others, by URL: `http://mirror:5000` serves `quay.io/x/y` as `quay.io/x/y`.
    pub mirror: Option<String>,
    /// A folder with archives of all images, as `airtight bundle` writes them.
    pub image_archive: Option<PathBuf>,
    /// A folder with all charts and manifests, as `airtight bundle` writes them.
    pub chart_dir: Option<PathBuf>,
    /// Another image for the nodes.
    pub node_image: Option<ImageRef>,
    /// Whether anything may be pulled.
    pub pull: bool,
    /// Port of the API server on this machine; none: a free one.
    pub api_port: Option<u16>,
    /// The probe's image, which stand-ins and workloads run.
    pub probe_image: ProbeImage,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mirror: None,
            image_archive: None,
            chart_dir: None,
            node_image: None,
            pull: true,
            api_port: None,
            probe_image: ProbeImage::default(),
        }
    }
}
