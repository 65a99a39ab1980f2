//! The signature rule (R27) against its equation, put together here from points and scalars:
//! s below the group's order, key and R canonical and not of small order, sB = R + hA without a
//! cofactor. No line of it is shared with the library's `verify_strict`.

use arbitrary::{Arbitrary, Unstructured};
use archivas_core::primitives::crypto::verify;
use archivas_core::primitives::{PublicKey, SecretKey, Signature};
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use sha2::{Digest, Sha512};

/// The group's order in bytes, lowest first: what is added to s to make it large.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// How key and signature are made.
#[derive(Arbitrary, Debug)]
struct Case {
    seed: u8,
    message: [u8; 32],
    /// Added to the key, to R.
    torsion: [u8; 2],
    /// What replaces a part, if anything does.
    key: Option<Encoding>,
    r: Option<Encoding>,
    order_times: u8,
    flip: Option<u16>,
}

/// A point's 32 bytes.
#[derive(Arbitrary, Debug)]
enum Encoding {
    /// One of the eight points of small order.
    Small(u8),
    /// y at or above the field's prime: 2^255 - 19 + n, with either sign.
    NotCanonical(u8, bool),
    /// Any.
    Raw([u8; 32]),
}

impl Encoding {
    fn bytes(&self) -> [u8; 32] {
        match self {
            Self::Small(which) => torsion(*which).compress().to_bytes(),
            Self::NotCanonical(above, sign) => {
                let mut bytes = [0xff; 32];
                bytes[0] = 0xed + above % 19;
                bytes[31] = if *sign { 0xff } else { 0x7f };
                bytes
            }
            Self::Raw(bytes) => *bytes,
        }
    }
}

fn torsion(which: u8) -> EdwardsPoint {
    EIGHT_TORSION[usize::from(which % 8)]
}

/// A key, a message and a signature: sound ones, and such as only differ in the curve's corners.
pub fn ed25519_consensus(bytes: &[u8]) {
    let Ok(case) = Case::arbitrary(&mut Unstructured::new(bytes)) else {
        return;
    };
    let (key, signature) = case.make();
    let ours = verify(
        &PublicKey::from_bytes(key),
        &case.message,
        &Signature::from_bytes(signature),
    );
    assert_eq!(ours, holds(&key, &case.message, &signature), "{case:?}");
    if case.is_untouched() {
        assert!(ours, "an honest signature holds");
        let secret = SecretKey::from_seed([case.seed; 32]);
        let honest = (*secret.public_key().as_bytes(), secret.sign(&case.message));
        assert!(verify(
            &PublicKey::from_bytes(honest.0),
            &case.message,
            &honest.1
        ));
    }
}

impl Case {
    fn is_untouched(&self) -> bool {
        self.torsion.iter().all(|which| which % 8 == 0)
            && (self.key.is_none() && self.r.is_none())
            && (self.order_times == 0 && self.flip.is_none())
    }

    /// A signature for which sB = R + hA, over the key and the R that are really used, up to the
    /// torsion; then s is raised and a bit flipped.
    fn make(&self) -> ([u8; 32], [u8; 64]) {
        let secret = Scalar::from_bytes_mod_order([self.seed | 1; 32]);
        let nonce = Scalar::from_bytes_mod_order([self.seed ^ 0x5a | 1; 32]);
        let point = |scalar: Scalar, which: u8| ED25519_BASEPOINT_POINT * scalar + torsion(which);
        let encoded = |other: &Option<Encoding>, point: EdwardsPoint| match other {
            Some(encoding) => encoding.bytes(),
            None => point.compress().to_bytes(),
        };
        let mut key = encoded(&self.key, point(secret, self.torsion[0]));
        let r = encoded(&self.r, point(nonce, self.torsion[1]));
        let s = nonce + challenge(&r, &key, &self.message) * secret;
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&r);
        signature[32..].copy_from_slice(&raised(s.to_bytes(), self.order_times % 16));
        if let Some(flip) = self.flip {
            let (byte, bit) = (usize::from(flip / 8) % 96, flip % 8);
            let part = if byte < 64 {
                &mut signature[byte]
            } else {
                &mut key[byte - 64]
            };
            *part ^= 1 << bit;
        }
        (key, signature)
    }
}

/// s and so many times the order, as a number of 256 bits.
fn raised(mut s: [u8; 32], times: u8) -> [u8; 32] {
    for _ in 0..times {
        let mut carry = 0;
        for (byte, order) in s.iter_mut().zip(ORDER) {
            let sum = u16::from(*byte) + u16::from(order) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
    }
    s
}

fn challenge(r: &[u8; 32], key: &[u8; 32], message: &[u8; 32]) -> Scalar {
    let mut hasher = Sha512::new();
    hasher.update(r);
    hasher.update(key);
    hasher.update(message);
    Scalar::from_bytes_mod_order_wide(&hasher.finalize().into())
}

/// A point that may stand in a key or a signature.
fn sound(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    let point = CompressedEdwardsY(*bytes).decompress()?;
    let canonical = point.compress().to_bytes() == *bytes;
    let small = EIGHT_TORSION.contains(&point);
    (canonical && !small).then_some(point)
}

fn holds(key: &[u8; 32], message: &[u8; 32], signature: &[u8; 64]) -> bool {
    let (r, s) = signature.split_at(32);
    let (r, s): ([u8; 32], [u8; 32]) = match (r.try_into(), s.try_into()) {
        (Ok(r), Ok(s)) => (r, s),
        _ => return false,
    };
    let below_order = s.iter().rev().lt(ORDER.iter().rev());
    let (Some(a), Some(point)) = (sound(key), sound(&r)) else {
        return false;
    };
    let s = Scalar::from_bytes_mod_order(s);
    below_order && ED25519_BASEPOINT_POINT * s == point + a * challenge(&r, key, message)
}
