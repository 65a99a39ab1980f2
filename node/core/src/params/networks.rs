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
