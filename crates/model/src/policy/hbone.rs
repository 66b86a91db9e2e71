//! HBONE: the tunnel of the ambient mesh, mutual TLS that carries HTTP/2 CONNECT.

/// The TCP port of HBONE, on every pod and waypoint of the mesh (ztunnel `src/config.rs`).
pub const HBONE: u16 = 15008;
