//! Where the body of a response ends (RFC 9112, sections 6 and 7).

use crate::wire::BodyEnd;

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is no body.
    Nothing,
    /// It has so many bytes.
    Length(u64),
    /// It comes in chunks.
    Chunked,
    /// It ends with the connection.
    UntilClose,
}

impl Framing {
    /// How the headers (names in lower case) of a response tell it.
    pub(super) fn of(status: u16, headers: &[(String, String)]) -> Self {
        let value = |name: &str| headers.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value.trim());
        if matches!(status, 100..=199 | 204 | 304) {
            return Self::Nothing;
        }
        if let Some(coding) = value("transfer-encoding") {
            let last = coding.rsplit(',').next().unwrap_or_default().trim();
            return if last.eq_ignore_ascii_case("chunked") { Self::Chunked } else { Self::UntilClose };
        }
        value("content-length").and_then(|length| length.parse().ok()).map_or(Self::UntilClose, Self::Length)
    }
}

/// What reading has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// There is more to come.
    More,
    /// It is over.
    Ended(BodyEnd),
}

/// A body that is being read.
pub(super) struct Body {
    state: State,
    limit: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many bytes of data are left.
    Data(u64),
    /// All bytes are data.
    Open,
    /// In a chunk's size, with its value so far; `extension` once it is behind.
    Size {
        value: u64,
        extension: bool,
    },
    /// So many bytes of the chunk are left.
    Chunk(u64),
    /// Before the line break that ends a chunk.
    ChunkEnd,
    /// In a trailer line that has so many bytes so far.
    Trailer(u64),
    Done,
    /// The chunks are broken.
    Broken,
}

impl Body {
    pub(super) fn new(framing: Framing, limit: usize) -> Self {
        let state = match framing {
            Framing::Nothing | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Data(length),
            Framing::Chunked => State::Size { value: 0, extension: false },
            Framing::UntilClose => State::Open,
        };
        Self { state, limit }
    }

    /// Takes bytes from the connection and adds those of the body to `body`.
    pub(super) fn push(&mut self, bytes: &[u8], body: &mut Vec<u8>) -> Progress {
        let mut bytes = bytes;
        while !bytes.is_empty() && !matches!(self.state, State::Done | State::Broken) {
            let used = match self.state {
                State::Data(left) => {
                    self.take(bytes, left, body, |left| if left == 0 { State::Done } else { State::Data(left) })
                }
                State::Chunk(left) => {
                    self.take(bytes, left, body, |left| if left == 0 { State::ChunkEnd } else { State::Chunk(left) })
                }
                State::Open => self.take(bytes, u64::MAX, body, |_| State::Open),
                State::Size { .. } | State::ChunkEnd | State::Trailer(_) | State::Done | State::Broken => {
                    self.state = self.state.after(bytes[0]);
                    1
                }
            };
            bytes = &bytes[used..];
            if body.len() >= self.limit && !matches!(self.state, State::Done) && !self.at_its_end() {
                return Progress::Ended(BodyEnd::Limit);
            }
        }
        match self.state {
            State::Done => Progress::Ended(BodyEnd::Complete),
            State::Broken => Progress::Ended(BodyEnd::Cut),
            _ => Progress::More,
        }
    }

    /// The connection has ended.
    pub(super) fn closed(&self) -> Progress {
        Progress::Ended(match self.state {
            State::Open | State::Done => BodyEnd::Complete,
            _ => BodyEnd::Cut,
        })
    }

    /// Whether only framing can be left.
    fn at_its_end(&self) -> bool {
        matches!(self.state, State::ChunkEnd | State::Size { .. } | State::Trailer(_))
    }

    /// Adds at most `left` bytes to the body, as many as its limit leaves room for; how many bytes are used up.
    fn take(&mut self, bytes: &[u8], left: u64, body: &mut Vec<u8>, next: impl Fn(u64) -> State) -> usize {
        let used = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let room = self.limit.saturating_sub(body.len());
        body.extend_from_slice(&bytes[..used.min(room)]);
        self.state = if used > room {
            // What does not fit is left unread: the limit ends the body.
            State::Open
        } else {
            next(left - used as u64)
        };
        used
    }
}

impl State {
    /// The state after one byte of framing.
    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Size { value: 0, .. }, b'\n') => Self::Trailer(0),
            (Self::Size { value, .. }, b'\n') => Self::Chunk(value),
            (Self::Size { value, extension: true }, _) | (Self::Size { value, .. }, b'\r' | b';' | b' ' | b'\t') => {
                Self::Size { value, extension: true }
            }
            (Self::Size { value, extension: false }, digit) => match char::from(digit).to_digit(16) {
                Some(digit) if value < 1 << 56 => Self::Size { value: value * 16 + u64::from(digit), extension: false },
                _ => Self::Broken,
            },
            (Self::ChunkEnd, b'\r') => Self::ChunkEnd,
            (Self::ChunkEnd, b'\n') => Self::Size { value: 0, extension: false },
            (Self::ChunkEnd, _) => Self::Broken,
            (Self::Trailer(0), b'\n') => Self::Done,
            (Self::Trailer(_), b'\n') => Self::Trailer(0),
            (Self::Trailer(length), b'\r') => Self::Trailer(length),
            (Self::Trailer(length), _) => Self::Trailer(length + 1),
            (state, _) => state,
        }
    }
}
