//! Where a command writes: results to standard output, everything else to standard error.

use std::io::{self, BufWriter, ErrorKind, Write};

use airtight_manifest::{Diagnostic, Sources, yaml};
use clap::ValueEnum;
use serde::Serialize;

use super::diagnostics;
use super::error::CliError;

/// Bytes that are written at once.
const PIECE: usize = 1 << 16;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    #[default]
    Table,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// The two streams of a command; colour is stripped by them where it does not belong.
pub struct Output<'a> {
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: &'a mut dyn Write,
}

impl Output<'_> {
    /// Writes findings to standard error.
    ///
    /// # Errors
    /// When standard error cannot be written.
    pub fn diagnostics(&mut self, findings: &[Diagnostic], sources: &Sources) -> Result<(), CliError> {
        diagnostics::write(self.err, findings, sources).map_err(CliError::Output)
    }

    /// Writes a value to standard output as JSON or YAML.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn serialized<T: Serialize>(&mut self, value: &T, format: OutputFormat) -> Result<(), CliError> {
        let text = match format {
            OutputFormat::Yaml => yaml::to_string(value),
            OutputFormat::Json | OutputFormat::Table => {
                serde_json::to_string_pretty(value).map_err(|error| error.to_string())
            }
        };
        let text = text.map_err(|error| CliError::Output(io::Error::other(error)))?;
        self.data(|out| writeln!(out, "{}", text.trim_end()))
    }

    /// Writes to standard output what programs read: in large pieces, and without a look for colours, since there are none.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn data(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), CliError> {
        let mut data = BufWriter::with_capacity(PIECE, io::stdout());
        self.out.flush().and_then(|()| write(&mut data)).and_then(|()| data.flush()).map_err(CliError::Output)
    }
}

/// A stream to which nobody may be listening any more: what is told then is lost, and nothing else changes.
pub(super) struct UntilClosed<W>(pub W);

impl<W: Write> Write for UntilClosed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        unless_closed(self.0.write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        unless_closed(self.0.flush(), ())
    }
}

fn unless_closed<T>(result: io::Result<T>, otherwise: T) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(otherwise),
        result => result,
    }
}
