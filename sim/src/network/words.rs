//! What a segment of a stream carries, in words, for lists of events. Looks at bytes that may be
//! anything, and never claims more than what stands in them.

use archivas_core::p2p::frame::{FRAME_HEADER_BYTES, FrameHeader, kind, payload_max};

use super::switchboard::Machine;

/// `to=1 arrives=2000009 msg=inv`; no arrival while the direction is cut.
pub fn of_segment(to: Machine, arrival: Option<u64>, bytes: &[u8]) -> String {
    let arrives = arrival.map_or_else(String::new, |at| format!(" arrives={at}"));
    format!("to={to}{arrives} msg={}", messages(bytes))
}

/// The kinds of the messages, joined by `+`; `part` for what begins in the middle of one.
fn messages(bytes: &[u8]) -> String {
    const HTTP: &[&[u8]] = &[b"GET ", b"POST ", b"OPTIONS ", b"HTTP/1."];
    if HTTP.iter().any(|word| bytes.starts_with(word)) {
        return "http".into();
    }
    let (mut names, mut rest) = (Vec::new(), bytes);
    while let Some((head, after)) = rest.split_first_chunk::<FRAME_HEADER_BYTES>() {
        let header = FrameHeader::decode(head);
        let len = usize::try_from(header.length).unwrap_or(usize::MAX);
        let Some(name) = name_of(header.kind).filter(|_| len <= payload_max(header.kind)) else {
            break;
        };
        names.push(name);
        rest = after.get(len..).unwrap_or_default();
    }
    match names.is_empty() {
        true => "part".into(),
        false => names.join("+"),
    }
}

fn name_of(number: u8) -> Option<&'static str> {
    Some(match number {
        kind::HELLO => "hello",
        kind::PING => "ping",
        kind::PONG => "pong",
        kind::GET_HEADERS => "get_headers",
        kind::HEADERS => "headers",
        kind::INV => "inv",
        kind::REQ => "req",
        kind::RES => "res",
        kind::GET_PEERS => "get_peers",
        kind::PEERS => "peers",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_named_and_what_is_none_is_not() {
        let frame = |kind, payload: &[u8]| {
            let mut bytes = FrameHeader::of([1, 2, 3, 4], kind, payload)
                .encode()
                .to_vec();
            bytes.extend(payload);
            bytes
        };
        let two = [frame(kind::INV, b"abc"), frame(kind::PING, b"")].concat();
        assert_eq!(of_segment(3, Some(9), &two), "to=3 arrives=9 msg=inv+ping");
        assert_eq!(of_segment(3, None, b"GET / HTTP/1.1"), "to=3 msg=http");
        assert_eq!(of_segment(3, None, &[0xff; 40]), "to=3 msg=part");
        assert_eq!(of_segment(3, None, b""), "to=3 msg=part");
    }
}
