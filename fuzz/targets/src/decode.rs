//! Reading what strangers send and what disks keep: strict, bounded, and as the model reads it.

use std::sync::LazyLock;

use archivas_core::ledger::Undo;
use archivas_core::p2p::frame::{FRAME_HEADER_BYTES, FrameHeader, frame, payload_max};
use archivas_core::p2p::message::Message;
use archivas_core::params::networks;
use archivas_core::primitives::{
    Account, Block, DecodeError, SignedTransfer, WireTransfer, block, codec, decode, encode,
};
use archivas_core::rules::{Invalid, Law, check_block, check_transfer};
use archivas_core::schema::{HeaderRecord, TxLocation, Walk};
use archivas_model as model;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::memory::bounded;
use crate::reach;

static LAW: LazyLock<Law> = LazyLock::new(|| networks::dev().law());
static RULES: LazyLock<model::Genesis> = LazyLock::new(|| {
    let text = networks::dev().to_json();
    model::Genesis::parse(text.as_bytes()).expect("the model reads what the node writes")
});

/// The name of a verdict, the same on both sides.
fn name<T>(verdict: &Result<T, Invalid>) -> Option<&'static str> {
    let name = verdict.as_ref().err().map(Invalid::code);
    name.into_iter().for_each(reach::verdict);
    name
}

/// Reads within bounded memory.
fn read<T>(
    bytes: &[u8],
    decode: impl FnOnce(&[u8]) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    bounded(bytes, decode).inspect_err(|error| reach::unread(*error))
}

/// The first byte chooses the form: as in a block, or JSON.
pub fn tx_decode(bytes: &[u8]) {
    match bytes.split_first() {
        Some((form, rest)) if form % 2 == 0 => compact_transfer(rest),
        Some((_, rest)) => wire_transfer(rest),
        None => {}
    }
}

fn compact_transfer(bytes: &[u8]) {
    let ours = read(bytes, decode::<SignedTransfer>);
    let theirs = model::Transfer::parse(bytes);
    assert_eq!(ours.is_ok(), theirs.is_ok(), "{ours:?}, and {theirs:?}");
    let (Ok(ours), Ok(theirs)) = (ours, theirs) else {
        return;
    };
    assert_eq!(encode(&ours), bytes, "one encoding");
    assert_eq!(ours.size(), bytes.len());
    assert_eq!(*ours.hash().as_bytes(), theirs.hash());
    let id = ours.id(&LAW.domain);
    assert_eq!(*id.as_bytes(), theirs.id(&RULES.domain));
    let verdict = check_transfer(ours, &LAW);
    let judged = theirs.judge(&RULES.domain, RULES.fee_min);
    assert_eq!(name(&verdict), judged.err().map(model::Rule::name));
}

fn wire_transfer(text: &[u8]) {
    let Ok(wire) = WireTransfer::parse(text) else {
        return;
    };
    let Ok(signed) = wire.into_signed(&LAW.domain) else {
        return;
    };
    assert_eq!(decode(&encode(&signed)), Ok(signed.clone()));
    let again = WireTransfer::from_signed(&signed, &LAW.domain);
    let again = WireTransfer::parse(again.as_bytes()).expect("we wrote it");
    assert_eq!(again.into_signed(&LAW.domain).as_ref(), Ok(&signed));
}

/// The bytes are a block.
pub fn block_decode(bytes: &[u8]) {
    let ours = read(bytes, Block::decode);
    let theirs = model::Block::parse(bytes);
    assert_eq!(ours.is_ok(), theirs.is_ok(), "{ours:?}, and {theirs:?}");
    let (Ok(ours), Ok(theirs)) = (ours, theirs) else {
        return;
    };
    assert_eq!(ours.encode(), bytes, "one encoding");
    assert_eq!(ours.size(), bytes.len());
    let (id, root) = (ours.id(), ours.tx_root());
    assert_eq!(*id.as_bytes(), theirs.header.id());
    let verdict = check_block(ours, &LAW);
    assert_eq!(
        name(&verdict),
        theirs.judge(&RULES).err().map(model::Rule::name)
    );
    if let Ok(checked) = verdict {
        assert_eq!((checked.id(), checked.header().tx_root), (id, root));
    }
}

/// The bytes are a header of a frame and what follows it.
pub fn frame_codec(bytes: &[u8]) {
    let Some((header, rest)) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>() else {
        return;
    };
    let header = FrameHeader::decode(header);
    assert_eq!(header.encode(), bytes[..FRAME_HEADER_BYTES]);
    let foreign = header.admit(networks::dev().network_magic());
    let _ = foreign.inspect_err(|error| reach::frame(*error));
    // A fuzzer finds no checksum: it is checked, and then the payload is read in any case.
    if let Ok(length) = header.admit(header.magic) {
        assert!(length <= payload_max(header.kind), "the bound of the kind");
        let payload = &rest[..length.min(rest.len())];
        let verified = header.verify(payload);
        if length == payload.len() && verified.inspect_err(|error| reach::frame(*error)).is_ok() {
            let whole = frame(header.magic, header.kind, payload);
            assert_eq!(whole, bytes[..FRAME_HEADER_BYTES + length]);
        }
    }
    let Ok(Some(message)) = read(rest, |rest| Message::decode(header.kind, rest)) else {
        return;
    };
    assert_eq!(
        message.encode(),
        (header.kind, rest.to_vec()),
        "one encoding"
    );
}

/// The first byte chooses the kind of row, the rest is its value.
pub fn undo_decode(bytes: &[u8]) {
    let Some((kind, row)) = bytes.split_first() else {
        return;
    };
    match kind % 6 {
        0 => row_is_strict::<Undo>(row),
        1 => row_is_strict::<HeaderRecord>(row),
        2 => row_is_strict::<Account>(row),
        3 => row_is_strict::<TxLocation>(row),
        4 => row_is_strict::<Walk>(row),
        _ => {
            if let Ok(transfers) = read(row, block::decode_body) {
                assert_eq!(block::encode_body(&transfers), row);
            }
        }
    }
}

fn row_is_strict<T: Serialize + DeserializeOwned>(row: &[u8]) {
    if let Ok(value) = read(row, codec::decode::<T>) {
        assert_eq!(encode(&value), row, "one encoding");
    }
}
