//! A network's genesis file, its header and id (protocol §3).

use num_bigint::BigUint;

use crate::accounts::Accounts;
use crate::bech32::address_of_text;
use crate::bytes::{put_string, put_varint};
use crate::hash::{Hash, sha3};
use crate::header::Header;
use crate::json::Json;
use crate::target::{self, Pace, Progress};

/// What the file says.
#[derive(Clone, Debug)]
pub struct Genesis {
    /// The network's name.
    pub network: String,
    /// What transfers are signed under.
    pub domain: String,
    /// The launch, in milliseconds since 1970.
    pub time_ms: u64,
    /// The first compact target.
    pub bits: u32,
    /// The genesis header's nonce.
    pub nonce: u64,
    /// The pace of retargeting.
    pub pace: Pace,
    /// The easiest target, compact.
    pub target_limit: u32,
    /// Whether the bits never change.
    pub fixed: bool,
    /// What a producer gets beside the fees.
    pub reward: u64,
    /// The least fee.
    pub fee_min: u64,
    /// The largest block in bytes.
    pub block_bytes_max: u64,
    /// How far ahead of the local clock a timestamp may be.
    pub future_limit_ms: u64,
    /// Who owns how much before the first block, by address.
    pub allocations: Vec<([u8; 20], u64)>,
}

impl Genesis {
    /// Reads a genesis file.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let [network, domain, time, bits, nonce, rules, allocations] =
            Json::parse(text)?.fields([
                "network",
                "domain",
                "time_ms",
                "bits",
                "nonce",
                "rules",
                "allocations",
            ])?;
        let [
            block_time,
            half_life,
            limit,
            retarget,
            reward,
            fee_min,
            bytes_max,
            future,
        ] = rules.fields([
            "block_time_ms",
            "half_life_ms",
            "target_limit",
            "retarget",
            "reward",
            "fee_min",
            "block_bytes_max",
            "future_limit_ms",
        ])?;
        let genesis = Genesis {
            network: network.text()?,
            domain: domain.text()?,
            time_ms: time.number()?,
            bits: compact_number(&bits.text()?)?,
            nonce: nonce.number()?,
            pace: Pace {
                block_time: block_time.number()?,
                half_life: half_life.number()?,
            },
            target_limit: compact_number(&limit.text()?)?,
            fixed: is_fixed(&retarget.text()?)?,
            reward: reward.number()?,
            fee_min: fee_min.number()?,
            block_bytes_max: bytes_max.number()?,
            future_limit_ms: future.number()?,
            allocations: allocation_list(allocations)?,
        };
        genesis.check()?;
        Ok(genesis)
    }

    /// The accounts before the first block.
    pub fn accounts(&self) -> Accounts {
        let mut accounts = Accounts::default();
        for (address, amount) in &self.allocations {
            accounts.credit(address, *amount);
        }
        accounts
    }

    /// The block of height 0. Its seal is not checked.
    pub fn header(&self) -> Header {
        Header {
            version: 1,
            bits: self.bits,
            height: 0,
            timestamp_ms: self.time_ms,
            nonce: self.nonce,
            parent: self.commitment(),
            tx_root: [0; 32],
            state_root: self.accounts().root(),
            producer: [0; 20],
            reserved: [0; 12],
        }
    }

    /// The bits that a child of this parent must have.
    pub fn next_bits(&self, parent: &Header) -> u32 {
        if self.fixed {
            return self.bits;
        }
        let anchor_parent = i128::from(self.time_ms) - i128::from(self.pace.block_time);
        let progress = Progress {
            elapsed: i128::from(parent.timestamp_ms) - anchor_parent,
            blocks: parent.height,
        };
        let (anchor, limit) = (self.target(self.bits), self.target(self.target_limit));
        target::compact(&target::asert(&anchor, progress, self.pace, &limit))
    }

    fn target(&self, bits: u32) -> BigUint {
        target::expand(bits).expect("the file was checked")
    }

    /// What stands as the genesis header's parent: a hash over all that the header has no field
    /// for, with the allocations by address.
    fn commitment(&self) -> Hash {
        let mut rest = Vec::new();
        put_string(&mut rest, &self.network);
        put_string(&mut rest, &self.domain);
        for number in [
            self.pace.block_time,
            self.pace.half_life,
            u64::from(self.target_limit),
            u64::from(self.fixed),
            self.reward,
            self.fee_min,
            self.block_bytes_max,
            self.future_limit_ms,
            self.allocations.len() as u64,
        ] {
            put_varint(&mut rest, number);
        }
        for (address, amount) in &self.allocations {
            rest.extend(address);
            put_varint(&mut rest, *amount);
        }
        sha3(&[b"archivas genesis", &rest])
    }

    fn check(&self) -> Result<(), String> {
        let limit = target::expand(self.target_limit).ok_or("the target limit is no target")?;
        let bits = target::expand(self.bits).ok_or("the bits are no target")?;
        let issued: u128 = self.allocations.iter().map(|(_, a)| u128::from(*a)).sum();
        let supply = issued + (u128::from(self.reward) << 32);
        let twice = self.allocations.windows(2).any(|two| two[0].0 == two[1].0);
        let sign = |c: u8| c.is_ascii_alphanumeric() || b"-.:".contains(&c);
        let faults = [
            (bits > limit, "the bits are easier than the target limit"),
            (self.pace.half_life == 0, "the half-life is zero"),
            (
                self.block_bytes_max > crate::block::BLOCK_BYTES_MAX as u64,
                "blocks are too large",
            ),
            (twice, "an address has two allocations"),
            (
                self.allocations.iter().any(|(_, amount)| *amount == 0),
                "an allocation is zero",
            ),
            (supply >= 1 << 63, "allocations and 2^32 rewards reach 2^63"),
            (
                !(1..=32).contains(&self.domain.len()) || !self.domain.bytes().all(sign),
                "the domain is none",
            ),
        ];
        match faults.iter().find(|(broken, _)| *broken) {
            Some((_, sentence)) => Err((*sentence).to_owned()),
            None => Ok(()),
        }
    }
}

fn compact_number(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0x").ok_or("bits begin with 0x")?;
    u32::from_str_radix(digits, 16).map_err(|error| format!("{text}: {error}"))
}

fn is_fixed(text: &str) -> Result<bool, String> {
    match text {
        "asert" => Ok(false),
        "fixed" => Ok(true),
        other => Err(format!("retarget is asert or fixed, not {other}")),
    }
}

fn allocation_list(list: Json) -> Result<Vec<([u8; 20], u64)>, String> {
    let Json::List(list) = list else {
        return Err("allocations are a list".to_owned());
    };
    let mut allocations = Vec::new();
    for entry in list {
        let [address, amount] = entry.fields(["address", "amount"])?;
        let address = address_of_text(&address.text()?).ok_or("an address cannot be read")?;
        allocations.push((address, amount.number()?));
    }
    allocations.sort();
    Ok(allocations)
}
