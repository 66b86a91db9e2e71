//! What the API server and istiod's validating webhook refuse
//! (Istio `manifests/charts/base/files/crd-all.gen.yaml`, `pkg/config/validation/validation.go`).

mod attribute;
mod authentication;
mod authorization;
mod networking;
mod refusals;

use refusals::{DRY_RUN, Refusals};
