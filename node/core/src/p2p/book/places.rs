//! Where an address may stand: drawn from the secret, so that nobody outside can foresee it.

use crate::p2p::address::PeerAddress;
use crate::p2p::place::Group;
use crate::params::peers::{
    BOOK_BUCKET_PLACES, BOOK_NEW_BUCKETS, BOOK_SOURCE_BUCKETS, BOOK_TRIED_BUCKETS,
    BOOK_TRIED_GROUP_BUCKETS,
};
use crate::primitives::crypto::sha3_256;
use crate::primitives::encode;
use core::net::SocketAddr;

/// A bucket and a place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    bucket: u16,
    place: u16,
}

/// A new address stands in one of the few buckets of its teller's group: which of them its own group
/// says, so that one teller's many addresses of one group share one bucket.
pub(super) fn new(secret: &[u8; 32], addr: SocketAddr, source: Group) -> Slot {
    let (group, source) = (encode(&Group::outbound(addr.ip())), encode(&source));
    let which = number(secret, b"new group", &[&group, &source]) % BOOK_SOURCE_BUCKETS;
    let which = which.to_be_bytes();
    let bucket = number(secret, b"new bucket", &[&source, &which]) % BOOK_NEW_BUCKETS;
    slot(
        secret,
        b"new place",
        bucket,
        &encode(&PeerAddress::from(addr)),
    )
}

/// A tried address stands in one of the few buckets of its own group.
pub(super) fn tried(secret: &[u8; 32], addr: SocketAddr) -> Slot {
    let address = encode(&PeerAddress::from(addr));
    let group = encode(&Group::outbound(addr.ip()));
    let which = number(secret, b"tried group", &[&address]) % BOOK_TRIED_GROUP_BUCKETS;
    let which = which.to_be_bytes();
    let bucket = number(secret, b"tried bucket", &[&group, &which]) % BOOK_TRIED_BUCKETS;
    slot(secret, b"tried place", bucket, &address)
}

/// A slot of a table with so many buckets, from a drawn number.
pub(super) const fn draw(number: u64, buckets: u64) -> Slot {
    Slot {
        bucket: small((number >> 32) % buckets),
        place: small(number % BOOK_BUCKET_PLACES),
    }
}

fn slot(secret: &[u8; 32], domain: &[u8], bucket: u64, address: &[u8]) -> Slot {
    let place = number(secret, domain, &[&bucket.to_be_bytes(), address]) % BOOK_BUCKET_PLACES;
    Slot {
        bucket: small(bucket),
        place: small(place),
    }
}

/// Reduced by the numbers of buckets and places, which are small.
#[expect(clippy::cast_possible_truncation, reason = "below 256")]
const fn small(number: u64) -> u16 {
    number as u16
}

fn number(secret: &[u8; 32], domain: &[u8], parts: &[&[u8]]) -> u64 {
    let parts: alloc::vec::Vec<u8> = parts.concat();
    let hash = sha3_256(&[secret, domain, &parts]);
    let [a, b, c, d, e, f, g, h, ..] = hash;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}
