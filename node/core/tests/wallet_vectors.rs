//! Every known answer of the published wallet SDK: keys, addresses, canonical JSON, hashes,
//! signatures, wire bodies, and the bodies that must be refused. (Keys from mnemonics are the key
//! store's to test; here begins what the chain itself does: at the secret seed.)

use archivas_core::params::{Law, networks};
use archivas_core::primitives::{
    Address, Domain, PublicKey, SecretKey, SignedTransfer, WireTransfer, decode, encode,
};
use archivas_core::rules::check_transfer;
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/wallet.json")).expect("the vectors are JSON")
}

fn list<'a>(vectors: &'a Value, name: &str) -> &'a [Value] {
    vectors[name].as_array().expect("a list of vectors")
}

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().expect("a text")
}

fn bytes<const N: usize>(vector: &Value, key: &str) -> [u8; N] {
    const_hex::decode_to_array(text(vector, key)).expect("hex")
}

fn law() -> Law {
    networks::archivas().law()
}

/// What an API does with a body: read, look at the contents, check; the code of the refusal.
fn submit(body: &str, law: &Law) -> Result<SignedTransfer, &'static str> {
    let wire = WireTransfer::parse(body.as_bytes()).map_err(|why| why.code)?;
    let signed = wire.into_signed(&law.domain).map_err(|why| why.code)?;
    check_transfer(signed.clone(), law).map_err(|why| why.code())?;
    Ok(signed)
}

#[test]
fn keys_and_addresses_are_the_wallets() {
    let vectors = vectors();
    let keys = list(&vectors, "derivations")
        .iter()
        .chain(list(&vectors, "raw_keys"));
    let mut count = 0;
    for vector in keys {
        let key = SecretKey::from_seed(bytes(vector, "secret_seed_hex"));
        assert_eq!(
            key.public_key(),
            PublicKey::from_bytes(bytes(vector, "pubkey_hex"))
        );
        assert_eq!(
            key.address(),
            Address::from_bytes(bytes(vector, "addr20_hex"))
        );
        assert_eq!(key.address().to_string(), text(vector, "address"));
        assert_eq!(text(vector, "address").parse(), Ok(key.address()));
        count += 1;
    }
    assert_eq!(count, 6);
}

#[test]
fn transfers_are_written_hashed_and_signed_as_the_wallet_does() {
    let (vectors, domain) = (vectors(), Domain::archivas());
    let mut count = 0;
    for vector in list(&vectors, "transactions") {
        let name = text(vector, "id");
        let signed = submit(text(vector, "wire_body"), &law()).expect(name);
        let transfer = signed.transfer();
        assert_eq!(
            transfer.canonical_json(),
            text(vector, "canonical_json"),
            "{name}"
        );
        let hex = const_hex::encode(transfer.canonical_json());
        assert_eq!(hex, text(vector, "canonical_hex"), "{name}");
        assert_eq!(
            signed.id(&domain).to_string(),
            text(vector, "hash_hex"),
            "{name}"
        );
        let key = SecretKey::from_seed(bytes(vector, "signer_secret_seed_hex"));
        assert_eq!(
            key.public_key().as_bytes(),
            &bytes(vector, "signer_pubkey_hex"),
            "{name}"
        );
        let signature = key.sign(signed.id(&domain).as_bytes());
        assert_eq!(signature.as_bytes(), &bytes(vector, "sig_hex"), "{name}");
        assert_eq!(signature, signed.signature, "{name}");
        assert_eq!(decode(&encode(&signed)), Ok(signed), "{name}");
        count += 1;
    }
    assert_eq!(count, 8);
}

#[test]
fn wire_bodies_are_written_as_the_wallet_writes_them() {
    let (vectors, domain) = (vectors(), Domain::archivas());
    for vector in list(&vectors, "transactions") {
        let body = text(vector, "wire_body");
        let signed = submit(body, &law()).expect("accepted");
        let written = WireTransfer::from_signed(&signed, &domain);
        assert_eq!(submit(&written, &law()), Ok(signed));
        // The wallet keeps whatever order the caller gave; t13 is about just that.
        if text(vector, "id") != "t13-key-order" {
            assert_eq!(written, body);
        }
    }
}

#[test]
fn bodies_that_must_be_refused_are_refused_for_their_own_reason() {
    let vectors = vectors();
    let reasons = [
        ("n1-amount-changed", "hash_mismatch"),
        ("n2-wrong-signer", "sender_mismatch"),
        ("n3-hex-sig", "bad_signature_encoding"),
        ("n6-string-amounts", "malformed"),
        ("n8-extra-key", "malformed"),
        ("n9-zero-amount", "zero_amount"),
        ("n13-memo-257", "memo_too_long"),
        ("n16-fraction", "malformed"),
    ];
    let refused: Vec<_> = list(&vectors, "refused")
        .iter()
        .map(|vector| {
            (
                text(vector, "id"),
                submit(text(vector, "wire_body"), &law()),
            )
        })
        .map(|(name, verdict)| (name, verdict.expect_err(name)))
        .collect();
    assert_eq!(refused, reasons);
}

#[test]
fn a_body_signed_for_another_network_is_told_so() {
    let vectors = vectors();
    let testnet = networks::testnet().law();
    for vector in list(&vectors, "transactions") {
        assert_eq!(
            submit(text(vector, "wire_body"), &testnet),
            Err("wrong_network")
        );
    }
}

#[test]
fn hex_is_taken_for_keys_and_a_prefix_for_hashes() {
    let vectors = vectors();
    let vector = &list(&vectors, "transactions")[0];
    let mut body: Value = serde_json::from_str(text(vector, "wire_body")).expect("JSON");
    body["pubkey"] = text(vector, "signer_pubkey_hex").into();
    body["hash"] = format!("0x{}", text(vector, "hash_hex")).into();
    assert!(submit(&body.to_string(), &law()).is_ok());
    for (key, value) in [
        ("pubkey", "7afa"),
        ("pubkey", "evpxkNn12uqkXZZQ7TznwJc7sONfc2G/hYOJqM8cPzw"),
        ("pubkey", "evpxkNn12uqkXZZQ7TznwJc7sONfc2G/hYOJqM8cPzx="),
        ("pubkey", "evpxkNn12uqkXZZQ7TznwJc7sONfc2G_hYOJqM8cPzw="),
        ("hash", "6652e6"),
        ("sig", ""),
    ] {
        let mut broken = body.clone();
        broken[key] = value.into();
        assert!(
            submit(&broken.to_string(), &law()).is_err(),
            "{key}: {value}"
        );
    }
}
