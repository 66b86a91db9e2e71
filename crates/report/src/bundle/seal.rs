//! What is made of the manifest's digest alone.

use airtight_manifest::hex;
use sha2::{Digest, Sha256};

use super::MANIFEST;

/// SHA-256 in hexadecimal digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The line that `sha256sum --check` reads.
pub(super) fn checksum(manifest: &[u8]) -> Vec<u8> {
    format!("{}  {MANIFEST}\n", digest(manifest)).into_bytes()
}

/// A `TimeStampReq` in DER (RFC 3161, section 2.4.1): version 1, the SHA-256 of the manifest, and the wish for the
/// authority's certificate. There is no nonce, so that the same manifest asks the same.
pub(super) fn timestamp_query(manifest: &[u8]) -> Vec<u8> {
    /// `SEQUENCE { INTEGER 1, SEQUENCE { SEQUENCE { OID 2.16.840.1.101.3.4.2.1, NULL }, OCTET STRING (32) … } }`
    const HEAD: [u8; 24] = [
        0x30, 0x39, 0x02, 0x01, 0x01, 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04,
        0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
    ];
    /// `BOOLEAN TRUE`
    const TAIL: [u8; 3] = [0x01, 0x01, 0xff];
    [HEAD.as_slice(), Sha256::digest(manifest).as_slice(), TAIL.as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_as_long_as_it_says() {
        let query = timestamp_query(b"abc");
        assert_eq!(query.len(), 2 + usize::from(query[1]));
        assert_eq!(query[6], 49);
        assert_eq!(query[24..28], [0xba, 0x78, 0x16, 0xbf]);
    }
}
