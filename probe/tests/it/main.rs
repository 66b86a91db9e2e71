//! The program end to end: every outcome is made for real, on the loopback interface or between namespaces.

#![expect(clippy::unwrap_used, reason = "what does not work fails the test")]

mod dns;
mod greetings;
mod http;
#[cfg(feature = "image")]
mod image;
mod manifests;
mod outcomes;
mod ping;
mod program;
mod properties;
mod rejection;
mod session;
mod stand_ins;
mod tls;
mod tunnel;
