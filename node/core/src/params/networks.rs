//! The networks that are built in. Their genesis files stand beside the crate's sources; their ids
//! are pinned by a test.

use super::genesis::Genesis;
use crate::primitives::SecretKey;

/// Names of the built-in networks.
pub const NAMES: [&str; 3] = ["archivas", "testnet", "dev"];

/// Seeds of the three published test keys that are funded on `dev`. Everybody has them: they are
/// worth nothing anywhere else.
pub const DEV_KEY_SEEDS: [&[u8; 32]; 3] = [
    b"archivas dev key 0 (public seed)",
    b"archivas dev key 1 (public seed)",
    b"archivas dev key 2 (public seed)",
];

/// The main network.
pub fn archivas() -> Genesis {
    built_in(include_bytes!("../../genesis/archivas.json"))
}

/// The public test network: as the main one, with a domain of its own and easier first blocks.
pub fn testnet() -> Genesis {
    built_in(include_bytes!("../../genesis/testnet.json"))
}

/// A network for one's own machine: any block id in two is a seal, always.
pub fn dev() -> Genesis {
    built_in(include_bytes!("../../genesis/dev.json"))
}

/// The built-in network of this name.
pub fn by_name(name: &str) -> Option<Genesis> {
    match name {
        "archivas" => Some(archivas()),
        "testnet" => Some(testnet()),
        "dev" => Some(dev()),
        _ => None,
    }
}

/// The three published test keys.
pub fn dev_keys() -> [SecretKey; 3] {
    DEV_KEY_SEEDS.map(|seed| SecretKey::from_seed(*seed))
}

fn built_in(file: &[u8]) -> Genesis {
    Genesis::parse(file).expect("the built-in files are checked by a test")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::domain::KNOWN_DOMAINS;
    use alloc::string::ToString;

    #[test]
    fn the_ids_of_the_built_in_networks_never_change() {
        // Computed a second time from the files by a Python program written from the protocol.
        let pinned = [
            (
                "archivas",
                "bae6d1d11b59b215c811084261f9f90accfee09ecae77fe74abc9b7e2e367e44",
            ),
            (
                "testnet",
                "6a9c64184d5b1ecde2f97d419eaaf7808d05590e0785f4698da154cf3c6fde1d",
            ),
            (
                "dev",
                "c4d7e064538abe5dc608778908f910db1bdc0a05e660eae89cc42a7a476e3ade",
            ),
        ];
        assert_eq!(pinned.map(|(name, _)| name), NAMES);
        for (name, id) in pinned {
            let genesis = by_name(name).expect("built in");
            assert_eq!(genesis.network, name);
            assert_eq!(genesis.id().to_string(), id, "{name}");
        }
        assert_eq!(by_name("other"), None);
    }

    #[test]
    fn clients_know_the_networks_by_the_first_bytes_of_their_ids() {
        assert_eq!(archivas().network_magic(), [0xba, 0xe6, 0xd1, 0xd1]);
        assert_eq!(archivas().chain_id(), 0xbae6_d1d1);
    }

    #[test]
    fn every_built_in_domain_is_a_known_one() {
        for name in NAMES {
            let domain = by_name(name).expect("built in").domain;
            assert!(KNOWN_DOMAINS.contains(&domain.as_str()), "{name}");
        }
        assert_eq!(archivas().domain, dev().domain);
        assert_ne!(archivas().domain, testnet().domain);
    }

    #[test]
    fn the_published_keys_are_funded_on_dev() {
        let genesis = dev();
        let funded: alloc::vec::Vec<_> = genesis.accounts().map(|(address, _)| address).collect();
        assert_eq!(funded.len(), 3);
        assert!(dev_keys().iter().all(|key| funded.contains(&key.address())));
        assert_eq!(genesis.allocated().get(), 300_000_000_000_000);
    }
}
