//! Provisioning: a cluster of a stack, brought up, shown and removed.
//!
//! A stack's file is a [`Recipe`]; with the machine's [`Site`] and the user's [`Options`] it becomes a [`Plan`] of steps,
//! which can be shown without anything being there. With the feature `live`, `Executor` carries the steps out, several
//! at once, and records each, so that the next attempt goes on where one ended. kind and helm are run as programs, Docker
//! and the API server are asked through their own interfaces.
//!
//! ```
//! use std::sync::Arc;
//!
//! use airtight_manifest::yaml;
//! use airtight_provision::{Fit, Recipe, windows};
//!
//! let text = include_str!("../../../kind/stacks/reference.yaml");
//! let documents = yaml::parse(&Arc::from("reference.yaml"), text).unwrap();
//! let recipe = Recipe::read(&documents[0]).unwrap();
//! // No version of the shipped stack is outside what its makers support, but for those that it gives a reason for.
//! assert!(windows(&recipe).iter().all(|window| window.fit != Fit::Outside));
//! ```

mod authority;
#[cfg(feature = "live")]
mod bounded;
mod bundle;
mod component;
#[cfg(feature = "live")]
mod docker;
mod docker_call;
#[cfg(feature = "live")]
mod execute;
mod failure;
mod gate;
mod image;
#[cfg(feature = "live")]
mod inventory;
mod invocation;
#[cfg(feature = "live")]
mod kubernetes;
mod options;
mod owner;
mod payload;
mod plan;
pub mod preflight;
mod probe_image;
mod program;
mod recipe;
mod site;
mod state;
mod symptom;
#[cfg(feature = "live")]
mod teardown;
mod window;

pub use authority::{AuthorityError, issue, make_authority};
pub use bundle::{Fetch, fetches};
pub use component::{Accepted, Chart, Component, Install, Product, Supported};
#[cfg(feature = "live")]
pub use docker::{ContainerFound, Docker, NetworkFound};
pub use docker_call::{ContainerSpec, DockerCall, DockerThing, Label, NetworkSpec, ToolSpec};
#[cfg(feature = "live")]
pub use execute::{Ended, Event, Executor};
pub use failure::StepFailure;
pub use gate::{Condition, Gate, GateState, Lookup, NodeFile, Workload, WorkloadKind};
pub use image::{ImageRef, ImageRefError};
#[cfg(feature = "live")]
pub use inventory::{Container, Inventory, clusters};
pub use invocation::Invocation;
#[cfg(feature = "live")]
pub use kubernetes::Kubernetes;
pub use options::Options;
pub use owner::{Owner, end_left_behind};
pub use payload::{Manifest, Payload, in_order};
pub use plan::{
    Action, Certificate, CorefileError, Ensure, HostName, Plan, Source, Step, TlsSecret, Trust, Ways, with_names,
};
pub use probe_image::{ArchiveForm, Beside, PROBE_IMAGE, ProbeImage, ProbeProgram, ProbeProgramError};
pub use program::{Bounds, Call, Ending, Program, ProgramError, ProgramOutput, run};
pub use recipe::{HelmNeed, HostNeed, KindNeed, NodeImage, Provision, Recipe, version_of};
pub use site::{ClusterName, ClusterNameError, KIND_LABEL, LABEL, Site, WORKERS, network_of, outside_of};
pub use state::{Folder, Progress, Record, State};
pub use symptom::{SYMPTOMS, Speaker, Symptom, recognise};
#[cfg(feature = "live")]
pub use teardown::{Removed, teardown};
pub use window::{Fit, Window, windows};
