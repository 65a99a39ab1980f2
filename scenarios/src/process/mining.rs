//! Mining as an outside miner does it: the header of a `/challenge`, and the search for its seal.

use archivas_core::primitives::Header;
use archivas_core::primitives::header::NONCE_OFFSET;
use archivas_core::primitives::limits::HEADER_BYTES;
use serde::Deserialize;

use crate::world::HttpAnswer;

/// Nonces tried before a seal is given up: 2^10 times the work of the hardest target.
const NONCES_MAX: u64 = 1 << 22;

/// The answer of `/challenge`, as far as it is needed here.
#[derive(Deserialize)]
struct Challenge {
    template_id: String,
    header: String,
}

/// The header of a challenge, and the template's name; else why there is none.
pub(super) fn read_challenge(answer: &HttpAnswer) -> Result<(Header, String), String> {
    let text = || String::from_utf8_lossy(&answer.body).into_owned();
    if answer.status != 200 {
        return Err(format!("/challenge answered {}: {}", answer.status, text()));
    }
    let challenge: Challenge = serde_json::from_slice(&answer.body).map_err(|e| e.to_string())?;
    let bytes = const_hex::decode(&challenge.header).map_err(|e| e.to_string())?;
    let bytes: [u8; HEADER_BYTES] = bytes
        .try_into()
        .map_err(|_| "the header has another length".to_owned())?;
    Ok((Header::decode(&bytes), challenge.template_id))
}

/// Finds a nonce under which the header meets its own target.
pub(super) fn seal(header: Header) -> Option<Header> {
    let target = header.bits.expand().ok()?;
    let mut bytes = header.encode();
    (0..NONCES_MAX).find_map(|nonce| {
        bytes[NONCE_OFFSET..NONCE_OFFSET + 8].copy_from_slice(&nonce.to_le_bytes());
        let sealed = Header::decode(&bytes);
        target.is_met_by(&sealed.id()).then_some(sealed)
    })
}

#[cfg(test)]
mod tests {
    use archivas_core::primitives::CompactTarget;

    use super::*;

    fn answer(status: u16, body: String) -> HttpAnswer {
        HttpAnswer {
            status,
            body: body.into_bytes(),
        }
    }

    #[test]
    fn a_challenge_is_read_and_its_seal_found() {
        let header = Header {
            bits: CompactTarget::new(0x2000_ffff),
            ..Header::default()
        };
        let hex = const_hex::encode(header.encode());
        let body = format!("{{\"template_id\":\"ab\",\"header\":\"{hex}\",\"height\":\"1\"}}");
        let (read, template) = read_challenge(&answer(200, body)).unwrap();
        assert_eq!((read, template.as_str()), (header, "ab"));
        let sealed = seal(read).unwrap();
        assert!(header.bits.expand().unwrap().is_met_by(&sealed.id()));
        assert_eq!(Header { nonce: 0, ..sealed }, header);
    }

    #[test]
    fn an_answer_without_a_challenge_is_named() {
        let error = read_challenge(&answer(503, "{}".to_owned())).unwrap_err();
        assert_eq!(error, "/challenge answered 503: {}");
        let body = "{\"template_id\":\"ab\",\"header\":\"00\"}".to_owned();
        let error = read_challenge(&answer(200, body)).unwrap_err();
        assert_eq!(error, "the header has another length");
    }
}
