//! Lines of the input, of a bounded length.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use crate::wire::Flow;

/// The longest line that is read, in bytes. What stands beyond it is skipped.
const LONGEST: usize = 1 << 20;

/// Reads lines.
pub(super) struct Lines<R> {
    input: R,
    number: u64,
}

/// One line.
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) number: u64,
    bytes: Vec<u8>,
    too_long: bool,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, number: 0 }
    }

    /// The next line, with or without a line break at its end; none at the end of the input.
    pub(super) async fn next(&mut self) -> io::Result<Option<Line>> {
        let mut line = Line { number: self.number + 1, bytes: Vec::new(), too_long: false };
        let mut read_any = false;
        loop {
            let chunk = self.input.fill_buf().await?;
            if chunk.is_empty() && !read_any {
                return Ok(None);
            }
            read_any = true;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            line.append(&chunk[..end.unwrap_or(chunk.len())]);
            let (used, ended) = (end.map_or(chunk.len(), |end| end + 1), end.is_some() || chunk.is_empty());
            self.input.consume(used);
            if ended {
                self.number += 1;
                return Ok(Some(line));
            }
        }
    }
}

impl Line {
    fn append(&mut self, chunk: &[u8]) {
        let room = LONGEST.saturating_sub(self.bytes.len());
        self.too_long |= chunk.len() > room;
        self.bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }

    pub(super) fn is_blank(&self) -> bool {
        self.bytes.iter().all(u8::is_ascii_whitespace)
    }

    /// The flow that it holds; otherwise the id that it names, if it does, and what is wrong.
    pub(super) fn flow(&self) -> Result<Flow, (Option<String>, String)> {
        if self.too_long {
            return Err((None, format!("line {} is longer than {LONGEST} bytes", self.number)));
        }
        serde_json::from_slice(&self.bytes)
            .map_err(|error| (self.id(), format!("line {} is no flow: {error}", self.number)))
    }

    fn id(&self) -> Option<String> {
        let value: serde_json::Value = serde_json::from_slice(&self.bytes).ok()?;
        value.get("id")?.as_str().map(str::to_owned)
    }
}
