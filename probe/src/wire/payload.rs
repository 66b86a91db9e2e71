//! Bytes in JSON: as text where they are text, otherwise in hexadecimal.

use serde::{Deserialize, Serialize};

/// Bytes, written as `{"text": "…"}` if they are UTF-8 and as `{"hex": "…"}` if not. Nothing is lost.
///
/// ```
/// use airtight_probe::wire::Payload;
/// assert_eq!(serde_json::to_string(&Payload::from("PING")).unwrap(), r#"{"text":"PING"}"#);
/// assert_eq!(serde_json::to_string(&Payload(vec![0xff])).unwrap(), r#"{"hex":"ff"}"#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "Form", try_from = "Form")]
pub struct Payload(pub Vec<u8>);

impl Payload {
    /// The bytes as text; none if they are not UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl From<&str> for Payload {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

/// Why a `hex` text is no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadError {
    /// An odd number of digits.
    OddLength,
    /// A character that is no hexadecimal digit.
    NoDigit(char),
}

impl std::fmt::Display for PayloadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OddLength => f.write_str("`hex` has an odd number of digits"),
            Self::NoDigit(found) => write!(f, "`hex` holds {found:?}, which is no hexadecimal digit"),
        }
    }
}

impl std::error::Error for PayloadError {}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    Text(String),
    Hex(String),
}

impl From<Payload> for Form {
    fn from(payload: Payload) -> Self {
        String::from_utf8(payload.0).map_or_else(|error| Self::Hex(encode(error.as_bytes())), Self::Text)
    }
}

impl TryFrom<Form> for Payload {
    type Error = PayloadError;

    fn try_from(form: Form) -> Result<Self, PayloadError> {
        match form {
            Form::Text(text) => Ok(Self(text.into_bytes())),
            Form::Hex(digits) => decode(&digits).map(Self),
        }
    }
}

fn encode(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

fn decode(digits: &str) -> Result<Vec<u8>, PayloadError> {
    let values = digits
        .chars()
        .map(|digit| digit.to_digit(16).ok_or(PayloadError::NoDigit(digit)))
        .collect::<Result<Vec<_>, _>>()?;
    if values.len() % 2 != 0 {
        return Err(PayloadError::OddLength);
    }
    // Two hexadecimal digits always fit.
    Ok(values.chunks_exact(2).filter_map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect())
}
