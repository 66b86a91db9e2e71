//! One step: what is done, what must hold before it is done, and how long it may take.

use std::path::PathBuf;

use serde::Serialize;

use super::coredns::HostName;
use super::outside::Ways;
use crate::docker_call::DockerThing;
use crate::gate::Gate;
use crate::invocation::Invocation;
use crate::payload::Manifest;
use crate::probe_image::ProbeProgram;
use crate::program::Call;

/// One step.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Name.
    pub id: String,
    /// What it does, for the reader.
    pub title: String,
    /// Steps that must be done before.
    pub needs: Vec<String>,
    /// What is done, in order.
    pub actions: Vec<Action>,
    /// What must hold before the step is done.
    pub gates: Vec<Gate>,
    /// How long it may take, in seconds.
    pub timeout_seconds: u64,
}

/// One part of a step.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Writes a file.
    Write {
        /// Where.
        path: PathBuf,
        /// What.
        text: String,
    },
    /// Calls a program, or Docker.
    Run(Invocation),
    /// Calls a program; should it be stuck in an earlier call that was cut off, clears that away and calls again.
    RunAfresh {
        /// The call.
        call: Call,
        /// What clears away.
        clear: Call,
    },
    /// Makes something that is kept if it is there.
    Ensure(Ensure),
    /// Applies manifests by server-side apply.
    Apply(Source),
    /// Writes the archive of the probe's image.
    Pack(ProbeProgram),
    /// Makes an authority for certificates in a folder, unless it has one.
    Authority(PathBuf),
    /// Issues a certificate.
    Certify(Certificate),
    /// Lets CoreDNS resolve names.
    Name(Vec<HostName>),
    /// Makes an authority known to waypoints.
    Trust(Trust),
    /// Lets a container reach pods at their addresses.
    Ways(Ways),
}

/// An authority that waypoints take for the system's.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trust {
    /// Folder of the authority.
    pub authority: PathBuf,
    /// Namespaces of the waypoints.
    pub namespaces: Vec<String>,
    /// Certificates that gateways name.
    pub secrets: Vec<TlsSecret>,
}

/// A Secret with a certificate, of type `kubernetes.io/tls`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsSecret {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it holds; one that is issued already is kept.
    pub certificate: Certificate,
}

/// Something that is made unless it is there.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ensure {
    /// What it is, for the reader.
    pub what: String,
    /// What Docker is asked about: it says nothing when it is not there.
    pub ask: DockerThing,
    /// A word that every line of the answer has if the thing is ours; none where nobody owns it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ours: Option<String>,
    /// What is said when it is there as it should be; none when it is enough that the question succeeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    /// Removes one that another, unfinished or differing attempt of ours left; none when one that is there is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove: Option<Invocation>,
    /// Makes it.
    pub make: Vec<Invocation>,
    /// Whether one that another content made must not be touched without the user's word.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub guarded: bool,
}

/// A certificate of a cluster's own authority.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Folder of the authority.
    pub authority: PathBuf,
    /// Folder for `tls.crt` and `tls.key`.
    pub folder: PathBuf,
    /// Names and addresses that it is for.
    pub names: Vec<String>,
}

/// Manifests to apply.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// A file or URL.
    Location(String),
    /// A text.
    Text {
        /// Name, for the reader.
        name: String,
        /// The manifests.
        text: String,
        /// Id of the probe's image, of which pods that run it are made: pods of another program's image are made anew.
        #[serde(skip_serializing_if = "Option::is_none")]
        probe: Option<String>,
    },
}

impl From<&Manifest> for Source {
    fn from(manifest: &Manifest) -> Self {
        Self::Text { name: manifest.name.clone(), text: manifest.text.clone(), probe: None }
    }
}

impl Step {
    pub(super) fn new(id: impl Into<String>, title: impl Into<String>, timeout_seconds: u64) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            needs: Vec::new(),
            actions: Vec::new(),
            gates: Vec::new(),
            timeout_seconds,
        }
    }

    pub(super) fn needs(mut self, ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.needs.extend(ids.into_iter().map(Into::into));
        self
    }

    pub(super) fn acts(mut self, actions: impl IntoIterator<Item = Action>) -> Self {
        self.actions.extend(actions);
        self
    }

    pub(super) fn gates(mut self, gates: impl IntoIterator<Item = Gate>) -> Self {
        self.gates.extend(gates);
        self
    }

    /// The calls that it makes when nothing is there yet.
    #[must_use]
    pub fn calls(&self) -> Vec<Invocation> {
        self.actions.iter().flat_map(Action::calls).collect()
    }
}

impl Action {
    pub(super) fn calls(&self) -> Vec<Invocation> {
        match self {
            Self::Write { .. }
            | Self::Apply(_)
            | Self::Pack(_)
            | Self::Authority(_)
            | Self::Certify(_)
            | Self::Name(_)
            | Self::Trust(_)
            | Self::Ways(_) => Vec::new(),
            Self::Run(call) => vec![call.clone()],
            Self::RunAfresh { call, .. } => vec![call.clone().into()],
            Self::Ensure(ensure) => ensure.make.clone(),
        }
    }
}
