//! Blocks that break exactly one rule.

use archivas_core::primitives::{
    AccountNonce, Address, Amount, Block, CompactTarget, Domain, Height, Memo, Payment, Signature,
    SignedTransfer, StateRoot,
};

use super::forge::sealed;
use super::orders::Purses;
use super::{Dice, Forge, Order};

/// What is wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The version is not 1.
    Version,
    /// A reserved byte is not zero.
    Reserved,
    /// The height is not one more than the parent's.
    Height,
    /// The bits are others than the schedule's, and the seal fits them.
    Bits,
    /// The id does not meet the target.
    Seal,
    /// The timestamp is not above the median time past.
    Early,
    /// More bytes than the network allows.
    Size,
    /// The state root is another.
    StateRoot,
    /// A transfer of nothing.
    ZeroAmount,
    /// A fee one below the minimum.
    FeeTooLow,
    /// Amount and fee above 64 bits.
    CostOverflow,
    /// The last nonce.
    NonceAtEnd,
    /// A signature with one bit changed.
    Signature,
    /// A transfer for another network.
    Network,
    /// A nonce that was used.
    NonceUsed,
    /// A nonce ahead of the account's.
    NonceGap,
    /// One more than the sender owns.
    Balance,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 17] = [
        Fault::Version,
        Fault::Reserved,
        Fault::Height,
        Fault::Bits,
        Fault::Seal,
        Fault::Early,
        Fault::Size,
        Fault::StateRoot,
        Fault::ZeroAmount,
        Fault::FeeTooLow,
        Fault::CostOverflow,
        Fault::NonceAtEnd,
        Fault::Signature,
        Fault::Network,
        Fault::NonceUsed,
        Fault::NonceGap,
        Fault::Balance,
    ];

    /// Those that no transfer has alone.
    pub const OF_BLOCK: [Fault; 8] = [
        Fault::Version,
        Fault::Reserved,
        Fault::Height,
        Fault::Bits,
        Fault::Seal,
        Fault::Early,
        Fault::Size,
        Fault::StateRoot,
    ];

    /// Those that only the accounts show.
    pub const OF_STATE: [Fault; 4] = [
        Fault::StateRoot,
        Fault::NonceUsed,
        Fault::NonceGap,
        Fault::Balance,
    ];
}

impl Forge {
    /// Makes a child with a fault; a valid one where the fault cannot be made, as when nobody has
    /// used a nonce yet.
    pub fn make_faulty(&mut self, parent: usize, fault: Fault, dice: &mut Dice) -> usize {
        let mut order = self.order(parent, dice);
        let Some(bad) = self.bad_transfer(parent, &order, fault, dice) else {
            return self.make_with_bad_header(parent, order, fault, dice);
        };
        let at = order.transfers.len().min(dice.place(3));
        let at = if Fault::OF_STATE.contains(&fault) {
            order.transfers.len()
        } else {
            at
        };
        order.transfers.insert(at, bad);
        let place = self.make(parent, order);
        self.made[place].accounts = None;
        place
    }

    fn make_with_bad_header(
        &mut self,
        parent: usize,
        mut order: Order,
        fault: Fault,
        dice: &mut Dice,
    ) -> usize {
        match fault {
            Fault::Early => {
                let median = self.median_time_past(parent);
                order.timestamp = median - dice.below(2).min(median);
            }
            Fault::Size => self.overfill(&mut order, dice),
            _ => {}
        }
        let (mut header, mut accounts) = self.header(parent, &order);
        match fault {
            Fault::Version => header.version = *dice.pick(&[0, 2, u32::MAX]),
            Fault::Reserved => header.reserved[dice.place(12)] = 1,
            Fault::Height => {
                let right = header.height.get();
                let wrong = [0, right - 1, right + 1, right + (1 << 32), u64::MAX];
                header.height = Height::new(*dice.pick(&wrong));
            }
            Fault::Bits => header.bits = other_bits(header.bits, dice),
            Fault::StateRoot => {
                let mut root = *header.state_root.as_bytes();
                root[dice.place(32)] ^= 1 << dice.below(8);
                header.state_root = StateRoot::from_bytes(root);
            }
            _ => {}
        }
        if Fault::OF_BLOCK.contains(&fault) {
            accounts = None;
        }
        let mut header = sealed(header);
        if fault == Fault::Seal {
            let target = header.bits.expand().expect("the schedule's");
            while target.is_met_by(&header.id()) {
                header.nonce += 1;
            }
        }
        let transfers = order.transfers;
        self.keep(parent, Block { header, transfers }, accounts)
    }

    fn overfill(&mut self, order: &mut Order, dice: &mut Dice) {
        let bytes_max = self.genesis.rules.block_bytes_max as usize;
        let filler = self.sign(0, payment(self.anybody(dice), 1, 1 << 20, 0));
        let filler = order.transfers.first().cloned().unwrap_or(filler);
        let size = |order: &Order| {
            let sum: usize = order.transfers.iter().map(SignedTransfer::size).sum();
            160 + sum + if order.transfers.len() < 128 { 1 } else { 2 }
        };
        while size(order) <= bytes_max {
            order.transfers.push(filler.clone());
        }
    }

    /// A transfer that breaks a rule after the transfers of an order; none for faults of headers.
    fn bad_transfer(
        &mut self,
        parent: usize,
        order: &Order,
        fault: Fault,
        dice: &mut Dice,
    ) -> Option<SignedTransfer> {
        let mut purses = Purses::new(self.made[parent].accounts.clone()?);
        order
            .transfers
            .iter()
            .for_each(|transfer| purses.pay(transfer));
        let key = dice.place(self.keys.len());
        let owner = purses.get(&self.keys[key].address());
        let fee = self.genesis.rules.fee_min.get();
        let mut pay = payment(self.anybody(dice), 1, fee, owner.nonce);
        let mut domain = self.genesis.domain.clone();
        match fault {
            Fault::ZeroAmount => pay.amount = Amount::ZERO,
            Fault::FeeTooLow => pay.fee = Amount::new(fee.checked_sub(1)?),
            Fault::CostOverflow => {
                pay.fee = Amount::new(fee.max(1) + dice.below(9));
                pay.amount = Amount::new(u64::MAX - pay.fee.get() + 1);
            }
            Fault::NonceAtEnd => pay.nonce = AccountNonce::new(u64::MAX),
            Fault::Network => domain = dice.pick(&[Domain::archivas(), testnet()]).clone(),
            Fault::NonceUsed => {
                pay.nonce = AccountNonce::new(owner.nonce.checked_sub(1 + dice.below(2))?);
            }
            Fault::NonceGap => pay.nonce = AccountNonce::new(owner.nonce + 1 + dice.below(3)),
            Fault::Balance => {
                pay.amount = Amount::new((owner.balance + 1).saturating_sub(fee).max(1))
            }
            Fault::Signature => {}
            _ => return None,
        }
        if fault == Fault::NonceUsed && dice.once_in(3) {
            let before = order.transfers.iter().chain(&self.deck);
            let mut replayed = before.filter(|used| used.nonce < nonce_of(&purses, used));
            return replayed.next().cloned();
        }
        let mut bad = self.sign_for(key, &domain, pay);
        if fault == Fault::Signature {
            let mut bytes = *bad.signature.as_bytes();
            bytes[dice.place(64)] ^= 1 << dice.below(8);
            bad.signature = Signature::from_bytes(bytes);
        }
        Some(bad)
    }

    /// A copy of a block with another body under the same header.
    pub fn mutated(&mut self, place: usize, dice: &mut Dice) -> Block {
        let mut block = self.made[place].block.clone();
        let other = self.sign(0, payment(self.anybody(dice), 1, 100, dice.below(9)));
        match (dice.below(5), block.transfers.len()) {
            (0, 2..) => block.transfers.swap(0, 1),
            (1, 1..) => drop(block.transfers.pop()),
            (2, 1..) => block.transfers.extend(block.transfers.last().cloned()),
            (3, 1..) => {
                let mut bytes = *block.transfers[0].signature.as_bytes();
                bytes[dice.place(64)] ^= 1 << dice.below(8);
                block.transfers[0].signature = Signature::from_bytes(bytes);
            }
            _ => block.transfers.push(other),
        }
        block
    }
}

fn nonce_of(purses: &Purses, transfer: &SignedTransfer) -> AccountNonce {
    AccountNonce::new(purses.get(&transfer.from()).nonce)
}

fn testnet() -> Domain {
    "Archivas-Testnet-TxV1".parse().expect("a domain")
}

/// A payment without a memo.
pub fn payment(to: Address, amount: u64, fee: u64, nonce: u64) -> Payment {
    Payment {
        to,
        amount: Amount::new(amount),
        fee: Amount::new(fee),
        nonce: AccountNonce::new(nonce),
        memo: Memo::default(),
    }
}

/// Bits that are as easy to meet, and not the schedule's.
fn other_bits(bits: CompactTarget, dice: &mut Dice) -> CompactTarget {
    let other = bits.get() - 1 - u32::from(dice.once_in(2));
    CompactTarget::new(other)
}
