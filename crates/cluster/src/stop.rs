//! The wish to end, from the user or from a step that failed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// Whether everything is to end.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens to Ctrl-C and to the signals that end a job; the second one ends the program at once.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn on_signals() -> io::Result<Self> {
        let stop = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // First registered, first run: only a second signal finds the flag set.
            flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop.0))?;
            flag::register(signal, Arc::clone(&stop.0))?;
        }
        Ok(stop)
    }

    /// Whether everything is to end.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Asks everything to end.
    pub fn interrupt(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
