//! Provisioning: a cluster of a stack, brought up, shown and removed.

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
pub use plan::{Action, Certificate, CorefileError, Ensure, HostName, Plan, Source, Step, with_names};
pub use probe_image::{PROBE_IMAGE, ProbeImage, ProbeProgram, ProbeProgramError};
pub use program::{Bounds, Call, Ending, Program, ProgramError, ProgramOutput, run};
pub use recipe::{HelmNeed, HostNeed, KindNeed, NodeImage, Provision, Recipe, version_of};
pub use site::{ClusterName, ClusterNameError, KIND_LABEL, LABEL, Site, WORKERS, network_of};
pub use state::{Folder, Progress, Record, State};
pub use symptom::{SYMPTOMS, Speaker, Symptom, recognise};
#[cfg(feature = "live")]
pub use teardown::{Removed, teardown};
pub use window::{Fit, Window, windows};
