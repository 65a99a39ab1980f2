//! What makes a transfer valid: by itself, signature included, and on a state (protocol §2).

use super::Invalid;
use crate::params::Law;
use crate::primitives::crypto::verify;
use crate::primitives::{
    Account, AccountNonce, Address, Amount, Domain, SignedHash, SignedTransfer, TxId,
};

/// A transfer that is valid by itself, with what was computed on the way. Comes only from
/// [`check_transfer`], or from our own store, into which only such were put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedTransfer {
    signed: SignedTransfer,
    from: Address,
    id: TxId,
    hash: SignedHash,
    cost: Amount,
    size: usize,
}

impl CheckedTransfer {
    /// The transfer with key and signature.
    pub fn signed(&self) -> &SignedTransfer {
        &self.signed
    }

    /// The sender.
    pub fn from(&self) -> Address {
        self.from
    }

    /// The receiver.
    pub fn to(&self) -> Address {
        self.signed.to
    }

    /// What the receiver gets.
    pub fn amount(&self) -> Amount {
        self.signed.amount
    }

    /// What the producer gets.
    pub fn fee(&self) -> Amount {
        self.signed.fee
    }

    /// Amount and fee together: what the sender pays.
    pub fn cost(&self) -> Amount {
        self.cost
    }

    /// The sender's nonce.
    pub fn nonce(&self) -> AccountNonce {
        self.signed.nonce
    }

    /// The name of the transfer on this network.
    pub fn id(&self) -> TxId {
        self.id
    }

    /// The hash over everything, signature included.
    pub fn hash(&self) -> SignedHash {
        self.hash
    }

    /// Bytes in a block.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The transfer, without what was computed.
    pub fn into_signed(self) -> SignedTransfer {
        self.signed
    }

    /// A transfer out of our own store, which was checked before it was stored.
    ///
    /// # Errors
    /// [`Invalid::CostOverflow`] when it cannot have been: the store is damaged.
    pub(crate) fn from_store(signed: SignedTransfer, domain: &Domain) -> Result<Self, Invalid> {
        let cost = check_cost(&signed)?;
        Ok(Self::with_cost(signed, domain, cost))
    }

    fn with_cost(signed: SignedTransfer, domain: &Domain, cost: Amount) -> Self {
        let transfer = signed.transfer();
        let (from, id) = (transfer.from, transfer.id(domain));
        Self {
            from,
            id,
            hash: signed.hash(),
            cost,
            size: signed.size(),
            signed,
        }
    }
}

/// Checks all that needs no state, cheapest first, the signature last.
///
/// # Errors
/// The first rule broken. A signature that holds under the domain of another built-in network gives
/// [`Invalid::WrongNetwork`] instead of [`Invalid::BadSignature`].
pub fn check_transfer(signed: SignedTransfer, law: &Law) -> Result<CheckedTransfer, Invalid> {
    let cost = check_numbers(&signed, law)?;
    let checked = CheckedTransfer::with_cost(signed, &law.domain, cost);
    check_signature(&checked, &law.domain)?;
    Ok(checked)
}

/// What can be said of a transfer without computing a hash.
///
/// # Errors
/// [`Invalid::ZeroAmount`], [`Invalid::FeeTooLow`], [`Invalid::NonceAtEnd`] or
/// [`Invalid::CostOverflow`].
pub fn check_numbers(signed: &SignedTransfer, law: &Law) -> Result<Amount, Invalid> {
    let fee_min = law.rules.fee_min;
    if signed.amount == Amount::ZERO {
        return Err(Invalid::ZeroAmount);
    }
    if signed.fee < fee_min {
        return Err(Invalid::FeeTooLow {
            fee: signed.fee,
            fee_min,
        });
    }
    if signed.nonce == AccountNonce::MAX {
        return Err(Invalid::NonceAtEnd);
    }
    check_cost(signed)
}

/// Whether a transfer that is valid by itself can be applied to its sender's account as it is now.
///
/// # Errors
/// [`Invalid::NonceUsed`], [`Invalid::NonceGap`] or [`Invalid::BalanceTooLow`].
pub fn check_on_state(transfer: &CheckedTransfer, sender: &Account) -> Result<(), Invalid> {
    let (nonce, expected) = (transfer.nonce(), sender.nonce);
    if nonce < expected {
        return Err(Invalid::NonceUsed { nonce, expected });
    }
    if nonce > expected {
        return Err(Invalid::NonceGap { nonce, expected });
    }
    let (balance, cost) = (sender.balance, transfer.cost());
    if balance < cost {
        Err(Invalid::BalanceTooLow { balance, cost })
    } else {
        Ok(())
    }
}

fn check_cost(signed: &SignedTransfer) -> Result<Amount, Invalid> {
    signed
        .amount
        .checked_add(signed.fee)
        .ok_or(Invalid::CostOverflow)
}

fn check_signature(transfer: &CheckedTransfer, domain: &Domain) -> Result<(), Invalid> {
    let SignedTransfer {
        public_key,
        signature,
        ..
    } = &transfer.signed;
    let holds = |id: &TxId| verify(public_key, id.as_bytes(), signature);
    if holds(&transfer.id) {
        return Ok(());
    }
    let elsewhere = domain
        .others()
        .any(|other| holds(&transfer.signed.id(&other)));
    Err(if elsewhere {
        Invalid::WrongNetwork
    } else {
        Invalid::BadSignature
    })
}
