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
