//! Genesis: the file that makes a network. Its id commits to every rule in it, so nodes that differ
//! in any rule differ in the id and never peer (protocol §3).

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{
    BLOCK_BYTES_MAX, DURATION_MS_MAX, GENESIS_BYTES_MAX, HEADER_BYTES, HEADER_VERSION, HEIGHT_END,
    NETWORK_NAME_BYTES_MAX, SIGNED_TRANSFER_BYTES_MAX, SUPPLY_END,
};
use crate::primitives::codec::encode;
use crate::primitives::crypto::sha3_256;
use crate::primitives::json;
use crate::primitives::{
    Account, AccountNonce, Address, Amount, BlockId, CompactTarget, Domain, Header, Height, LtHash,
    Millis, StateRoot, Timestamp, TxRoot,
};

/// Everything that the nodes of a network agree on before they meet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Its name: 1–32 of `a–z 0–9 -`.
    pub network: String,
    /// What transfers are signed under.
    pub domain: Domain,
    /// The launch: nobody mines before it.
    #[serde(rename = "time_ms")]
    pub time: Timestamp,
    /// The first target.
    pub bits: CompactTarget,
    /// The seal nonce of the genesis header; free, because its seal is not checked.
    pub nonce: u64,
    /// Every rule that may differ between networks.
    #[serde(deserialize_with = "json::object")]
    pub rules: Rules,
    /// Who has what before the first block.
    #[serde(deserialize_with = "objects")]
    pub allocations: Vec<Allocation>,
}

/// The rules that may differ between networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The time between blocks that retargeting aims at.
    #[serde(rename = "block_time_ms")]
    pub block_time: Millis,
    /// Being behind schedule by this much doubles the target.
    #[serde(rename = "half_life_ms")]
    pub half_life: Millis,
    /// The easiest target.
    pub target_limit: CompactTarget,
    /// How the target follows.
    pub retarget: Retarget,
    /// What the producer of a block gets besides the fees.
    pub reward: Amount,
    /// The least fee of a transfer.
    pub fee_min: Amount,
    /// The largest block, header included; at most [`BLOCK_BYTES_MAX`].
    pub block_bytes_max: u32,
    /// How far ahead of the local clock a timestamp may be; beyond that it is "not yet".
    #[serde(rename = "future_limit_ms")]
    pub future_limit: Millis,
}

/// How the target follows the rate of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Retarget {
    /// By the absolute schedule (aserti3-2d).
    Asert,
    /// Not at all; for tests and development.
    Fixed,
}

/// Money that exists before the first block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allocation {
    /// Whose.
    pub address: Address,
    /// How much, in base units; never zero.
    pub amount: Amount,
}

/// What checks of blocks and transfers need that look at no state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Law {
    /// The network's rules.
    pub rules: Rules,
    /// The network's signing domain.
    pub domain: Domain,
}

/// Why a genesis is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// The text is no genesis; the explanation says where.
    #[error("the genesis file cannot be read: {0}")]
    Json(String),
    /// The file is too long.
    #[error("a genesis file has at most {GENESIS_BYTES_MAX} bytes")]
    TooLong,
    /// The name cannot be a name.
    #[error("network must be 1 to 32 characters of a-z 0-9 -")]
    Network,
    /// The launch is beyond what JSON numbers hold.
    #[error("time_ms must be below 2^53")]
    Time,
    /// The target limit is no canonical target.
    #[error("rules.target_limit is not a target in its canonical compact form")]
    TargetLimit,
    /// The first target is no canonical target within the limit.
    #[error("bits is not a canonical compact target at most as easy as rules.target_limit")]
    Bits,
    /// A duration is zero, or too long for the arithmetic of retargeting.
    #[error(
        "rules.block_time_ms and rules.half_life_ms must be 1 to {DURATION_MS_MAX}, \
         rules.future_limit_ms at most that"
    )]
    Duration,
    /// Blocks too large for everybody, or too small for one transfer.
    #[error(
        "rules.block_bytes_max must be at most {BLOCK_BYTES_MAX} and hold one transfer of any size"
    )]
    BlockBytes,
    /// An allocation of nothing.
    #[error("the allocation to {0} is zero")]
    ZeroAllocation(Address),
    /// Two allocations to one address.
    #[error("there are two allocations to {0}")]
    DuplicateAllocation(Address),
    /// More money than sums can hold.
    #[error("allocations and 2^32 rewards must together stay below 2^63")]
    Supply,
}

/// Where blocks stop being able to hold a transfer of any size: header, count, largest transfer.
const BLOCK_BYTES_LEAST: usize = HEADER_BYTES + 1 + SIGNED_TRANSFER_BYTES_MAX;

impl Genesis {
    /// Reads and checks a genesis file.
    ///
    /// # Errors
    /// [`GenesisError`], with a sentence that says what is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, GenesisError> {
        if text.len() > GENESIS_BYTES_MAX {
            return Err(GenesisError::TooLong);
        }
        let genesis: Self = json::parse_object(text).map_err(GenesisError::Json)?;
        genesis.check()?;
        Ok(genesis)
    }

    /// The file that [`Genesis::parse`] reads.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings, numbers and lists serialize")
    }

    /// Whether the numbers make a network. What is parsed has been checked; literals have not.
    ///
    /// # Errors
    /// The first [`GenesisError`] found.
    pub fn check(&self) -> Result<(), GenesisError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let name = self.network.as_bytes();
        if name.is_empty()
            || name.len() > NETWORK_NAME_BYTES_MAX
            || !name.iter().copied().all(plain)
        {
            return Err(GenesisError::Network);
        }
        if self.time.get() >= 1 << 53 {
            return Err(GenesisError::Time);
        }
        self.rules.check(self.bits)?;
        self.check_allocations()
    }

    fn check_allocations(&self) -> Result<(), GenesisError> {
        let mut seen = BTreeSet::new();
        let mut supply = u128::from(HEIGHT_END) * u128::from(self.rules.reward.get());
        for Allocation { address, amount } in &self.allocations {
            if *amount == Amount::ZERO {
                return Err(GenesisError::ZeroAllocation(*address));
            }
            if !seen.insert(address) {
                return Err(GenesisError::DuplicateAllocation(*address));
            }
            supply += u128::from(amount.get());
        }
        if supply >= u128::from(SUPPLY_END) {
            Err(GenesisError::Supply)
        } else {
            Ok(())
        }
    }

    /// What all allocations give out together.
    pub fn allocated(&self) -> Amount {
        let sum = self
            .allocations
            .iter()
            .try_fold(Amount::ZERO, |sum, allocation| {
                sum.checked_add(allocation.amount)
            });
        sum.expect("a checked genesis gives out less than 2^63")
    }

    /// The accounts before the first block, by address.
    pub fn accounts(&self) -> impl Iterator<Item = (Address, Account)> + '_ {
        self.sorted_allocations()
            .into_iter()
            .map(|Allocation { address, amount }| {
                (
                    address,
                    Account {
                        balance: amount,
                        nonce: AccountNonce::ZERO,
                    },
                )
            })
    }

    /// The header of the first block.
    pub fn header(&self) -> Header {
        Header {
            version: HEADER_VERSION,
            bits: self.bits,
            height: Height::GENESIS,
            timestamp: self.time,
            nonce: self.nonce,
            parent: self.commitment(),
            tx_root: TxRoot::ZERO,
            state_root: self.state_root(),
            producer: Address::ZERO,
            reserved: [0; 12],
        }
    }

    /// The id of the network: that of its first header. Hashes all allocations: keep it.
    pub fn id(&self) -> BlockId {
        self.header().id()
    }

    /// The first bytes of every frame between this network's nodes.
    pub fn network_magic(&self) -> [u8; 4] {
        *self
            .id()
            .as_bytes()
            .first_chunk()
            .expect("an id has 32 bytes")
    }

    /// The number under which clients know the network: the id's first 4 bytes, big-endian.
    pub fn chain_id(&self) -> u32 {
        u32::from_be_bytes(self.network_magic())
    }

    /// What stateless checks need.
    pub fn law(&self) -> Law {
        Law {
            rules: self.rules.clone(),
            domain: self.domain.clone(),
        }
    }

    fn state_root(&self) -> StateRoot {
        let mut lthash = LtHash::EMPTY;
        for (address, account) in self.accounts() {
            lthash.add(&address, &account);
        }
        lthash.root()
    }

    /// What the genesis header names as its parent: a hash over all that the header has no field
    /// for.
    fn commitment(&self) -> BlockId {
        let rest = (
            &self.network,
            &self.domain,
            &self.rules,
            self.sorted_allocations(),
        );
        BlockId::from_bytes(sha3_256(&[b"archivas genesis", &encode(&rest)]))
    }

    fn sorted_allocations(&self) -> Vec<Allocation> {
        let mut allocations = self.allocations.clone();
        allocations.sort_by_key(|allocation| allocation.address);
        allocations
    }
}

impl Rules {
    fn check(&self, bits: CompactTarget) -> Result<(), GenesisError> {
        let limit = canonical(self.target_limit).ok_or(GenesisError::TargetLimit)?;
        if canonical(bits).is_none_or(|target| target > limit) {
            return Err(GenesisError::Bits);
        }
        let spans = [self.block_time, self.half_life];
        let longest = Millis::new(DURATION_MS_MAX);
        if spans
            .iter()
            .any(|span| *span == Millis::ZERO || *span > longest)
            || self.future_limit > longest
        {
            return Err(GenesisError::Duration);
        }
        let bytes = self.block_bytes_max as usize;
        if !(BLOCK_BYTES_LEAST..=BLOCK_BYTES_MAX).contains(&bytes) {
            return Err(GenesisError::BlockBytes);
        }
        Ok(())
    }
}

fn canonical(bits: CompactTarget) -> Option<crate::primitives::Target> {
    bits.expand().ok().filter(|target| target.compact() == bits)
}

impl core::str::FromStr for Genesis {
    type Err = GenesisError;

    fn from_str(text: &str) -> Result<Self, GenesisError> {
        Self::parse(text.as_bytes())
    }
}

impl core::fmt::Display for Retarget {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(match self {
            Self::Asert => "asert",
            Self::Fixed => "fixed",
        })
    }
}

/// Reads a list of objects and of nothing else.
fn objects<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Allocation>, D::Error> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Item(#[serde(deserialize_with = "json::object")] Allocation);

    Ok(Vec::<Item>::deserialize(deserializer)?
        .into_iter()
        .map(|Item(item)| item)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::networks;
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::format;
    use alloc::string::ToString;
    use alloc::vec;

    fn changed(change: impl FnOnce(&mut Genesis)) -> Genesis {
        let mut genesis = networks::dev();
        change(&mut genesis);
        genesis
    }

    fn why(change: impl FnOnce(&mut Genesis)) -> GenesisError {
        changed(change).check().expect_err("not a network")
    }

    #[test]
    fn a_genesis_is_written_as_it_is_read() {
        for name in networks::NAMES {
            let genesis = networks::by_name(name).expect("built in");
            assert_eq!(Genesis::parse(genesis.to_json().as_bytes()), Ok(genesis));
        }
    }

    #[test]
    fn a_missing_an_unknown_and_a_repeated_key_are_refused() {
        let text = networks::dev().to_json();
        let lines: Vec<&str> = text.lines().collect();
        let keyed: Vec<usize> = (0..lines.len())
            .filter(|n| lines[*n].contains("\": "))
            .collect();
        assert!(keyed.len() >= 18, "every key stands on a line of its own");
        for line in keyed {
            let opens = lines[line].ends_with(['{', '[']);
            let without = lines[..line].join("\n") + "\n" + &lines[line + 1..].join("\n");
            let twice = lines[..=line].join("\n") + "\n" + &lines[line..].join("\n");
            let key = lines[line].trim_start().trim_start_matches('"');
            let renamed = text.replacen(key, &format!("x{key}"), 1);
            for text in [&without, &twice, &renamed] {
                assert!(Genesis::parse(text.as_bytes()).is_err(), "{line}: {text}");
            }
            let trailing_comma = !opens && !lines[line].ends_with(',');
            let repeated = if trailing_comma {
                twice.replacen(lines[line], &format!("{},", lines[line]), 1)
            } else {
                twice
            };
            assert!(
                Genesis::parse(repeated.as_bytes()).is_err(),
                "{line}: {repeated}"
            );
        }
    }

    #[test]
    fn an_empty_document_a_list_and_trailing_text_are_refused() {
        let text = networks::dev().to_json();
        for text in [
            "",
            "{}",
            "[]",
            "null",
            &format!("{text}{{}}"),
            &format!("[{text}]"),
        ] {
            assert!(
                matches!(Genesis::parse(text.as_bytes()), Err(GenesisError::Json(_))),
                "{text}"
            );
        }
        assert!(Genesis::parse(format!("{text}\n").as_bytes()).is_ok());
        let listed = r#"["arcv19agx9mq74shtfxrcy0vx387hrj4g5xt862a8jx", 1]"#;
        let start = text.find("\"allocations\": [").expect("the last key") + 16;
        let as_list = format!("{}{listed}]}}", &text[..start]);
        assert!(Genesis::parse(as_list.as_bytes()).is_err());
    }

    #[test]
    fn numbers_that_make_no_network_are_refused() {
        let bits = CompactTarget::new;
        assert_eq!(why(|g| g.network = String::new()), GenesisError::Network);
        assert_eq!(why(|g| g.network = "Dev".into()), GenesisError::Network);
        assert_eq!(why(|g| g.network = "x".repeat(33)), GenesisError::Network);
        assert_eq!(
            why(|g| g.time = Timestamp::new(1 << 53)),
            GenesisError::Time
        );
        assert_eq!(
            why(|g| g.rules.target_limit = bits(0)),
            GenesisError::TargetLimit
        );
        assert_eq!(
            why(|g| g.rules.target_limit = bits(0x2100_7fff)),
            GenesisError::TargetLimit
        );
        assert_eq!(why(|g| g.bits = bits(0x0380_0000)), GenesisError::Bits);
        assert_eq!(
            why(|g| g.rules.target_limit = bits(0x1d00_ffff)),
            GenesisError::Bits
        );
        assert_eq!(
            why(|g| g.rules.block_time = Millis::ZERO),
            GenesisError::Duration
        );
        assert_eq!(
            why(|g| g.rules.half_life = Millis::ZERO),
            GenesisError::Duration
        );
        let long = Millis::new(DURATION_MS_MAX + 1);
        assert_eq!(why(|g| g.rules.half_life = long), GenesisError::Duration);
        assert_eq!(why(|g| g.rules.future_limit = long), GenesisError::Duration);
        assert_eq!(
            why(|g| g.rules.block_bytes_max = 1_048_577),
            GenesisError::BlockBytes
        );
        assert_eq!(
            why(|g| g.rules.block_bytes_max = 564),
            GenesisError::BlockBytes
        );
        assert_eq!(changed(|g| g.rules.block_bytes_max = 565).check(), Ok(()));
    }

    #[test]
    fn allocations_are_neither_zero_nor_repeated() {
        let first = networks::dev().allocations[0];
        let address = first.address;
        let repeated = why(|g| g.allocations.push(first));
        assert_eq!(repeated, GenesisError::DuplicateAllocation(address));
        let zero = why(|g| g.allocations[0].amount = Amount::ZERO);
        assert_eq!(zero, GenesisError::ZeroAllocation(address));
    }

    #[test]
    fn all_money_that_will_ever_be_is_below_2_to_the_63() {
        let rewards = HEIGHT_END * 2_000_000_000;
        let most = SUPPLY_END - 1 - rewards;
        let give = |amounts: Vec<u64>| {
            let allocations = amounts
                .into_iter()
                .zip(1u8..)
                .map(|(amount, byte)| Allocation {
                    address: Address::from_bytes([byte; 20]),
                    amount: Amount::new(amount),
                });
            let allocations = allocations.collect();
            changed(|g| g.allocations = allocations).check()
        };
        assert_eq!(give(vec![most]), Ok(()));
        assert_eq!(give(vec![most, 1]), Err(GenesisError::Supply));
        assert_eq!(give(vec![u64::MAX, u64::MAX, 2]), Err(GenesisError::Supply));
        assert_eq!(
            why(|g| g.rules.reward = Amount::new(1 << 31)),
            GenesisError::Supply
        );
        assert_eq!(
            why(|g| g.rules.reward = Amount::new(u64::MAX)),
            GenesisError::Supply
        );
    }

    #[test]
    fn the_id_commits_to_every_rule() {
        let all = [
            networks::dev(),
            changed(|g| g.network = "dev2".into()),
            changed(|g| g.domain = "x".parse().expect("valid")),
            changed(|g| g.time = g.time.plus(Millis::new(1))),
            changed(|g| g.bits = CompactTarget::new(0x207f_fffe)),
            changed(|g| g.nonce = 1),
            changed(|g| g.rules.block_time = Millis::new(1)),
            changed(|g| g.rules.half_life = Millis::new(1)),
            changed(|g| g.rules.target_limit = CompactTarget::new(0x2100_ffff)),
            changed(|g| g.rules.retarget = Retarget::Asert),
            changed(|g| g.rules.reward = Amount::new(1)),
            changed(|g| g.rules.fee_min = Amount::new(1)),
            changed(|g| g.rules.block_bytes_max = 1_000_000),
            changed(|g| g.rules.future_limit = Millis::new(1)),
            changed(|g| g.allocations[1].amount = Amount::new(1)),
            changed(|g| g.allocations[2].address = Address::from_bytes([1; 20])),
            changed(|g| g.allocations.truncate(2)),
        ];
        let ids: BTreeSet<_> = all.iter().map(|genesis| genesis.id().to_string()).collect();
        assert_eq!(ids.len(), all.len());
    }

    #[test]
    fn the_order_of_allocations_does_not_matter() {
        assert_eq!(
            changed(|g| g.allocations.reverse()).id(),
            networks::dev().id()
        );
    }
}
