//! A question to a DNS server as a flow: whoever answers it with the same number has got it (RFC 1035, RFC 7766).

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};

use super::ending::Ending;
use super::mark;
use crate::wire::{Outcome, Rcode};

/// A name that every cluster's resolver knows and that rules for names of Services let through.
const NAME: &str = "kubernetes.default.svc.cluster.local.";

/// The question of a flow, with a number made of the flow's id.
pub(super) fn ask(id: &str) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.id = number(id);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(NAME).unwrap_or_default(), RecordType::A));
    message.to_vec().unwrap_or_default()
}

/// The same over TCP, after its length.
pub(super) fn ask_over_tcp(id: &str) -> Vec<u8> {
    let question = ask(id);
    let length = u16::try_from(question.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], &question].concat()
}

/// What an answer says of the way there: a refusal may be that of a proxy for DNS, which did not ask the server.
///
/// A server that echoes whatever it gets has got it too.
pub(super) fn judge(answer: &[u8], id: &str) -> Result<Outcome, Ending> {
    if answer == ask(id) {
        return Ok(Outcome::Connected);
    }
    match Message::from_vec(answer) {
        Ok(message) if message.metadata.id != number(id) || message.metadata.message_type != MessageType::Response => {
            Err(Ending::probe_error("what came back is no answer to the question"))
        }
        Ok(message) if message.metadata.response_code == ResponseCode::Refused => {
            Err(Ending::of(Outcome::DnsFailure(Rcode::Refused)))
        }
        Ok(_) => Ok(Outcome::Connected),
        Err(error) => Err(Ending::probe_error(format!("what came back is no DNS message: {error}"))),
    }
}

/// The same over TCP, where a stand-in says first who it is.
pub(super) fn judge_over_tcp(answer: &[u8], id: &str) -> Result<Outcome, Ending> {
    if mark::find(answer).is_some() {
        return Ok(Outcome::Connected);
    }
    judge(answer.get(2..).unwrap_or_default(), id)
}

/// FNV-1a, folded: two flows of a session hardly ever have the same.
fn number(id: &str) -> u16 {
    let hash = id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    u16::try_from((hash >> 16) ^ (hash & 0xffff)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(id: &str, code: ResponseCode) -> Vec<u8> {
        let mut message = Message::from_vec(&ask(id)).unwrap();
        message.metadata.message_type = MessageType::Response;
        message.metadata.response_code = code;
        message.to_vec().unwrap()
    }

    #[test]
    fn an_answer_shows_the_way_and_a_refusal_does_not() {
        for code in [ResponseCode::NoError, ResponseCode::NXDomain, ResponseCode::ServFail] {
            assert!(matches!(judge(&answer("a", code), "a"), Ok(Outcome::Connected)), "{code}");
        }
        let refused = judge(&answer("a", ResponseCode::Refused), "a").unwrap_err();
        assert_eq!(refused.outcome, Outcome::DnsFailure(Rcode::Refused));
        assert!(judge(&ask("a"), "a").is_ok());
        for other in [ask("b"), answer("b", ResponseCode::NoError), b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()] {
            assert!(matches!(judge(&other, "a").unwrap_err().outcome, Outcome::ProbeError(_)));
        }
    }

    #[test]
    fn over_tcp_a_length_stands_before_it() {
        let asked = ask_over_tcp("a");
        assert_eq!(usize::from(u16::from_be_bytes([asked[0], asked[1]])), asked.len() - 2);
        let told = [&[0, 0][..], &answer("a", ResponseCode::NoError)].concat();
        assert!(judge_over_tcp(&told, "a").is_ok());
        assert!(judge_over_tcp(b"x", "a").is_err());
        let greeting =
            br#"{"airtight":{"identity":{"pod":"resolver","namespace":"","role":"host"},"peer":"10.0.0.1:1"}}"#;
        assert!(judge_over_tcp(greeting, "a").is_ok());
    }
}
