//! What keeps keys: addresses, words, key files. One address has one text, as the model writes it; a
//! key file that was changed in any place opens to the same key or not at all.

use archivas::keys::{KeyFile, Secret};
use archivas_core::primitives::Address;
use archivas_model as model;

/// A key file whose passphrase costs little to try: 64 KiB, one pass.
pub const CHEAP: &str = include_str!("cheap-key.json");
const PASSPHRASE: &str = "correct horse";
/// What trying a passphrase may cost here, so that a fuzzer gets on.
const MEMORY_KIB_MAX: u64 = 128;
const PASSES_MAX: u64 = 2;

/// The first byte chooses: a text, or changes of a key file, or a key file.
pub fn keystore_address(bytes: &[u8]) {
    match bytes.split_first() {
        Some((form, rest)) if form % 4 == 0 => address(rest),
        Some((form, rest)) if form % 4 == 1 => words(rest),
        Some((form, rest)) if form % 4 == 2 => changed(rest),
        Some((_, rest)) => drop(open(rest)),
        None => {}
    }
}

/// The bytes are the text of an address, or an address.
fn address(bytes: &[u8]) {
    if let Ok(raw) = <[u8; 20]>::try_from(bytes) {
        let text = Address::from_bytes(raw).to_string();
        assert_eq!(text, model::address_text(&raw));
        assert_eq!(text.parse(), Ok(Address::from_bytes(raw)));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let ours = text.parse::<Address>().ok();
    let ours = ours.map(|address| *address.as_bytes());
    assert_eq!(ours, model::address_of_text(text), "{text:?}");
}

/// The bytes are words, or digits, and behind a zero the second passphrase.
fn words(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (text, extra) = text.split_once('\0').unwrap_or((text, ""));
    let Ok(secret) = Secret::parse(text, extra) else {
        return;
    };
    let again = Secret::parse(&secret.backup(), secret.extra());
    let again = again.expect("a backup brings the key back");
    assert_eq!(again.backup(), secret.backup());
    assert_eq!(again.key().address(), secret.key().address());
    assert!(!format!("{secret:?}").contains(&*secret.backup()));
}

/// Each three bytes replace one of a good file.
fn changed(changes: &[u8]) {
    let mut text = CHEAP.as_bytes().to_vec();
    for change in changes.chunks_exact(3).take(8) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % text.len();
        text[at] = change[2];
    }
    if let Some(found) = open(&text) {
        let good = open(CHEAP.as_bytes()).expect("a good file opens");
        assert_eq!(found, good, "a changed file gives another key");
    }
}

/// The address whose key a file gives for the passphrase, if it is cheap to try.
fn open(text: &[u8]) -> Option<Address> {
    let file = KeyFile::parse(text).ok()?;
    let again = file.to_text();
    assert_eq!(KeyFile::parse(again.as_bytes()).ok().as_ref(), Some(&file));
    let fields: serde_json::Value = serde_json::from_str(&again).expect("we wrote it");
    let cost = |name: &str| fields[name].as_u64().expect("a number");
    if cost("memoryKib") > MEMORY_KIB_MAX || cost("passes") > PASSES_MAX {
        return None;
    }
    let unsealed = file.open(PASSPHRASE).ok()?;
    assert_eq!(unsealed.address, file.address, "whose key it says it is");
    assert_eq!(unsealed.key().address(), unsealed.address);
    Some(unsealed.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheap_file_opens_with_its_passphrase() {
        assert!(open(CHEAP.as_bytes()).is_some());
    }
}
