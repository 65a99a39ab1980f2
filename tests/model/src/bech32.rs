//! Bech32 (BIP 173, not Bech32m) for addresses: prefix `arcv`, lower case only (protocol §2).

const PREFIX: &str = "arcv";
const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// The text of an address.
pub fn address_text(address: &[u8; 20]) -> String {
    let mut values: Vec<u8> = (0..32).map(|place| five_bits(address, place)).collect();
    values.extend(checksum(&values));
    let letters = values.iter().map(|v| char::from(LETTERS[usize::from(*v)]));
    format!("{PREFIX}1{}", letters.collect::<String>())
}

/// The address of a text; none when it is not exactly what [`address_text`] gives for one.
pub fn address_of_text(text: &str) -> Option<[u8; 20]> {
    let letters = text.strip_prefix(PREFIX)?.strip_prefix('1')?;
    let mut address = [0; 20];
    for (place, letter) in letters.bytes().take(32).enumerate() {
        let value = LETTERS.iter().position(|known| *known == letter)?;
        for bit in 0..5 {
            let at = place * 5 + bit;
            address[at / 8] |= u8::from(value & (16 >> bit) != 0) << (7 - at % 8);
        }
    }
    (address_text(&address) == text).then_some(address)
}

/// Five bits of the address, highest first.
fn five_bits(address: &[u8; 20], place: usize) -> u8 {
    let bit = |at: usize| (address[at / 8] >> (7 - at % 8)) & 1;
    (0..5).fold(0, |value, offset| value << 1 | bit(place * 5 + offset))
}

fn checksum(values: &[u8]) -> [u8; 6] {
    let high = PREFIX.bytes().map(|letter| letter >> 5);
    let low = PREFIX.bytes().map(|letter| letter & 31);
    let expanded = high.chain([0]).chain(low).chain(values.iter().copied());
    let end = expanded
        .chain([0; 6])
        .fold(1, |sum, value| step(sum) ^ u32::from(value))
        ^ 1;
    std::array::from_fn(|place| (end >> (5 * (5 - place)) & 31).to_le_bytes()[0])
}

fn step(sum: u32) -> u32 {
    let generators = [
        0x3b6a_57b2,
        0x2650_8e6d,
        0x1ea1_19fa,
        0x3d42_33dd,
        0x2a14_62b3,
    ];
    let mut next = (sum & 0x01ff_ffff) << 5;
    for (bit, generator) in generators.iter().enumerate() {
        if sum >> (25 + bit) & 1 == 1 {
            next ^= generator;
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "arcv17zjef55h3k5gq0mfvvj75z422pzu7t55emhkn8";

    #[test]
    fn the_wallets_address_reads_and_writes() {
        let address = address_of_text(TEXT).expect("the SDK's own");
        assert_eq!(
            crate::bytes::hex(&address),
            "f0a594d2978da8803f696325ea0aaa5045cf2e94"
        );
        assert_eq!(address_text(&address), TEXT);
    }

    #[test]
    fn upper_case_wrong_sums_and_wrong_lengths_are_refused() {
        assert_eq!(address_of_text(&TEXT.to_uppercase()), None);
        assert_eq!(address_of_text(&TEXT[..42]), None);
        assert_eq!(address_of_text(&format!("{TEXT}q")), None);
        assert_eq!(address_of_text(&TEXT.replace("kn8", "kn9")), None);
        assert_eq!(address_of_text("arcv1"), None);
    }
}
