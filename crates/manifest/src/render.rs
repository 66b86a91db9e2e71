//! What other programs make manifests of: who is asked to run them, and what becomes of their text.

use std::path::Path;

use super::diagnostic::Diagnostic;

/// Runs the programs that make manifests of a kustomization or a chart. The core runs no program itself.
pub trait Renderer {
    /// What `kustomize build FOLDER` prints.
    ///
    /// # Errors
    /// Why there is no text.
    fn kustomization(&self, folder: &Path) -> Result<String, Diagnostic>;

    /// What `helm template FOLDER` prints.
    ///
    /// # Errors
    /// Why there is no text.
    fn chart(&self, folder: &Path) -> Result<String, Diagnostic>;
}
