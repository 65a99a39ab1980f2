//! The one signature rule, at its edges: what other verifiers accept must be refused here by all
//! nodes alike, and what is odd but exact must be accepted by all nodes alike.

use archivas_core::primitives::crypto::verify;
use archivas_core::primitives::{PublicKey, SecretKey, Signature};

fn hex<const N: usize>(text: &str) -> [u8; N] {
    const_hex::decode_to_array(text).expect("a literal")
}

fn holds(message: &str, key: &str, signature: &str) -> bool {
    let key = PublicKey::from_bytes(hex(key));
    verify(&key, &hex(message), &Signature::from_bytes(hex(signature)))
}

/// All encodings of the eight points of small order, canonical or not.
fn small_order_points() -> Vec<[u8; 32]> {
    let y = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ];
    let mut points: Vec<[u8; 32]> = y.iter().map(|text| hex(text)).collect();
    for mut point in points.clone() {
        point[31] |= 0x80;
        points.push(point);
    }
    points
}

/// All encodings of y that are not reduced: 2^255 − 19 up to 2^255 − 1, with both signs.
fn unreduced_points() -> Vec<[u8; 32]> {
    let mut points = Vec::new();
    for low in 0xed..=0xff_u8 {
        for sign in [0x7f, 0xff] {
            let mut point = [0xff; 32];
            (point[0], point[31]) = (low, sign);
            points.push(point);
        }
    }
    points
}

fn joined(r: [u8; 32], s: [u8; 32]) -> Signature {
    Signature::from_bytes([r, s].concat().try_into().expect("64 bytes"))
}

/// The order of the group, little-endian.
const L: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

fn plus(number: [u8; 32], other: [u8; 32]) -> Option<[u8; 32]> {
    let mut carry = 0u16;
    let sum: Vec<u8> = number
        .iter()
        .zip(other)
        .map(|(a, b)| {
            let sum = u16::from(*a) + u16::from(b) + carry;
            carry = sum >> 8;
            sum.to_le_bytes()[0]
        })
        .collect();
    (carry == 0).then(|| sum.try_into().expect("32 bytes"))
}

#[test]
fn a_key_of_small_order_signs_nothing() {
    // With s = 0 and R of small order these would sign every message, or one in a few.
    for key in small_order_points() {
        for r in small_order_points() {
            for message in 0..16 {
                let key = PublicKey::from_bytes(key);
                assert!(!verify(&key, &[message; 32], &joined(r, [0; 32])));
            }
        }
    }
}

#[test]
fn an_r_of_small_order_or_unreduced_is_refused() {
    let key = SecretKey::from_seed([7; 32]);
    let signature = *key.sign(&[1; 32]).as_bytes();
    let s: [u8; 32] = signature[32..].try_into().expect("32 bytes");
    for r in small_order_points().into_iter().chain(unreduced_points()) {
        assert!(!verify(&key.public_key(), &[1; 32], &joined(r, s)));
        assert!(!verify(&key.public_key(), &[1; 32], &joined(r, [0; 32])));
    }
}

#[test]
fn an_unreduced_key_verifies_nothing() {
    let signature = SecretKey::from_seed([7; 32]).sign(&[1; 32]);
    for key in unreduced_points() {
        let key = PublicKey::from_bytes(key);
        assert!(!verify(&key, &[1; 32], &signature));
        for r in small_order_points() {
            assert!(!verify(&key, &[1; 32], &joined(r, [0; 32])));
        }
    }
}

#[test]
fn an_s_that_is_not_reduced_is_refused() {
    let key = SecretKey::from_seed([7; 32]);
    let message = [1; 32];
    let signature = *key.sign(&message).as_bytes();
    let (r, s) = (
        signature[..32].try_into().expect("32"),
        signature[32..].try_into().expect("32"),
    );
    assert!(verify(&key.public_key(), &message, &joined(r, s)));
    let mut shifted = s;
    let mut count = 0;
    while let Some(next) = plus(shifted, hex(L)) {
        shifted = next;
        count += 1;
        assert!(
            !verify(&key.public_key(), &message, &joined(r, shifted)),
            "s + {count} L"
        );
    }
    assert!(count >= 14, "all sums below 2^256 were tried");
}

#[test]
fn every_flipped_bit_breaks_a_signature() {
    let key = SecretKey::from_seed([9; 32]);
    let signature = *key.sign(&[5; 32]).as_bytes();
    for bit in 0..512 {
        let mut other = signature;
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(
            !verify(&key.public_key(), &[5; 32], &Signature::from_bytes(other)),
            "bit {bit}"
        );
    }
}

/// The cases of "Taming the Many EdDSAs" (eprint 2020/1244, appendix), in its order, with what our
/// rule says of each.
const CASES: [(&str, &str, &str, bool); 10] = [
    // 0: A and R of small order.
    (
        "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a\
         0000000000000000000000000000000000000000000000000000000000000000",
        false,
    ),
    // 1: A of small order, R of mixed order.
    (
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43\
         a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
        false,
    ),
    // 2: A of mixed order, R of small order.
    (
        "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa\
         8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e",
        false,
    ),
    // 3: A and R of mixed order; the equation holds without the cofactor. Odd, but exact.
    (
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f\
         87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009",
        true,
    ),
    // 4: A and R of mixed order; the equation holds with the cofactor only.
    (
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed512\
         5ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09",
        false,
    ),
    // 5: A of mixed order; the equation holds with the cofactor only.
    (
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7\
         e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405",
        false,
    ),
    // 6: s above the order.
    (
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e\
         547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514",
        false,
    ),
    // 7: s far above the order.
    (
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa1942\
         7e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22",
        false,
    ),
    // 8: R of small order and unreduced; reduced when hashed.
    (
        "fdaebc429f4a735932a160da1301080c13280eea8bc280d1b392c6b9e6ba3a5a",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f\
         454d370c8d9fc323a41450f8d513eafeb5b0697390c1e505a0d4ddc71f566607",
        false,
    ),
    // 9: R of small order and unreduced; hashed as it is.
    (
        "84b698d39be126ff55fe45079e6c8bf64a0d7db6994560b4e96b7021eb39c1a1",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f\
         084d5b99c2a9463d9c8bd5026916996984eeec87ddf1d3be329006ace1b37b09",
        false,
    ),
];

#[test]
fn the_published_edge_cases_are_judged_by_our_one_rule() {
    for (number, (message, key, signature, expected)) in CASES.into_iter().enumerate() {
        assert_eq!(holds(message, key, signature), expected, "case {number}");
    }
}
