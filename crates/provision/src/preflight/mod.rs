//! What the host must have before anything is made: measured, compared, with a remedy for each lack.

#[cfg(feature = "live")]
mod check;
#[cfg(feature = "live")]
mod host;
mod judge;
mod measured;
mod need;

#[cfg(feature = "live")]
pub use check::preflight;
#[cfg(feature = "live")]
pub use host::measure;
pub use judge::judge;
pub use measured::{DockerInfo, DockerNetwork, DockerVersion, Host, Measured};
pub use need::{Need, Standing};
