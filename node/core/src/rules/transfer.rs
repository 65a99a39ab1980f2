//! What makes a transfer valid: by itself, signature included, and on a state (protocol §2).

use alloc::collections::BTreeSet;

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
    check_transfer_with(signed, law, &BTreeSet::new())
}

/// [`check_transfer`], without a look at the signature of one that was verified before.
pub(super) fn check_transfer_with(
    signed: SignedTransfer,
    law: &Law,
    verified: &BTreeSet<SignedHash>,
) -> Result<CheckedTransfer, Invalid> {
    let cost = check_numbers(&signed, law)?;
    let checked = CheckedTransfer::with_cost(signed, &law.domain, cost);
    if !verified.contains(&checked.hash) {
        check_signature(&checked, &law.domain)?;
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::networks;
    use crate::primitives::{Memo, Payment, SecretKey, Signature};

    fn payment() -> Payment {
        Payment {
            to: Address::from_bytes([9; 20]),
            amount: Amount::new(1),
            fee: Amount::new(100),
            nonce: AccountNonce::new(5),
            memo: Memo::default(),
        }
    }

    fn sign(payment: Payment) -> SignedTransfer {
        SignedTransfer::sign(&SecretKey::from_seed([3; 32]), &Domain::archivas(), payment)
    }

    fn verdict(payment: Payment) -> Result<CheckedTransfer, Invalid> {
        check_transfer(sign(payment), &networks::archivas().law())
    }

    fn on(balance: u64, nonce: u64) -> Result<(), Invalid> {
        let account = Account {
            balance: Amount::new(balance),
            nonce: AccountNonce::new(nonce),
        };
        check_on_state(&verdict(payment()).expect("valid"), &account)
    }

    #[test]
    fn a_checked_transfer_keeps_what_was_computed() {
        let signed = sign(payment());
        let checked = verdict(payment()).expect("valid");
        assert_eq!(checked.from(), signed.from());
        assert_eq!(checked.id(), signed.id(&Domain::archivas()));
        assert_eq!(checked.hash(), signed.hash());
        assert_eq!(checked.size(), signed.size());
        assert_eq!(checked.cost(), Amount::new(101));
        assert_eq!(checked.into_signed(), signed);
    }

    #[test]
    fn an_amount_of_zero_is_refused() {
        let why = verdict(Payment {
            amount: Amount::ZERO,
            ..payment()
        });
        assert_eq!(why, Err(Invalid::ZeroAmount));
    }

    #[test]
    fn a_fee_below_the_minimum_is_refused() {
        let why = verdict(Payment {
            fee: Amount::new(99),
            ..payment()
        });
        let (fee, fee_min) = (Amount::new(99), Amount::new(100));
        assert_eq!(why, Err(Invalid::FeeTooLow { fee, fee_min }));
    }

    #[test]
    fn amount_and_fee_never_wrap() {
        let most = Amount::new(u64::MAX - 100);
        assert!(
            verdict(Payment {
                amount: most,
                ..payment()
            })
            .is_ok()
        );
        let beyond = Amount::new(u64::MAX - 99);
        let why = verdict(Payment {
            amount: beyond,
            ..payment()
        });
        assert_eq!(why, Err(Invalid::CostOverflow));
        let why = verdict(Payment {
            fee: Amount::new(u64::MAX),
            ..payment()
        });
        assert_eq!(why, Err(Invalid::CostOverflow));
    }

    #[test]
    fn the_last_nonce_is_refused_and_the_one_before_is_not() {
        let why = verdict(Payment {
            nonce: AccountNonce::MAX,
            ..payment()
        });
        assert_eq!(why, Err(Invalid::NonceAtEnd));
        assert!(
            verdict(Payment {
                nonce: AccountNonce::new(u64::MAX - 1),
                ..payment()
            })
            .is_ok()
        );
    }

    #[test]
    fn a_signature_that_does_not_hold_is_refused() {
        let law = networks::archivas().law();
        let good = sign(payment());
        let changed = [
            SignedTransfer {
                amount: Amount::new(2),
                ..good.clone()
            },
            SignedTransfer {
                to: Address::from_bytes([8; 20]),
                ..good.clone()
            },
            SignedTransfer {
                fee: Amount::new(101),
                ..good.clone()
            },
            SignedTransfer {
                nonce: AccountNonce::new(6),
                ..good.clone()
            },
            SignedTransfer {
                memo: Memo::new("x").expect("short"),
                ..good.clone()
            },
            SignedTransfer {
                public_key: SecretKey::from_seed([4; 32]).public_key(),
                ..good.clone()
            },
            SignedTransfer {
                signature: Signature::from_bytes([0; 64]),
                ..good
            },
        ];
        for signed in changed {
            assert_eq!(check_transfer(signed, &law), Err(Invalid::BadSignature));
        }
    }

    #[test]
    fn a_transfer_of_another_built_in_network_is_told_apart() {
        let key = SecretKey::from_seed([3; 32]);
        let (main, test) = (networks::archivas().law(), networks::testnet().law());
        let signed = SignedTransfer::sign(&key, &test.domain, payment());
        assert!(check_transfer(signed.clone(), &test).is_ok());
        assert_eq!(check_transfer(signed, &main), Err(Invalid::WrongNetwork));
        assert_eq!(
            check_transfer(sign(payment()), &test),
            Err(Invalid::WrongNetwork)
        );
        let unknown = SignedTransfer::sign(&key, &"private".parse().expect("valid"), payment());
        assert_eq!(check_transfer(unknown, &main), Err(Invalid::BadSignature));
    }

    #[test]
    fn the_nonce_is_exactly_the_accounts() {
        let (nonce, zero) = (AccountNonce::new(5), AccountNonce::new(6));
        assert_eq!(on(101, 5), Ok(()));
        assert_eq!(
            on(101, 6),
            Err(Invalid::NonceUsed {
                nonce,
                expected: zero
            })
        );
        let expected = AccountNonce::new(4);
        assert_eq!(on(101, 4), Err(Invalid::NonceGap { nonce, expected }));
    }

    #[test]
    fn the_balance_covers_amount_and_fee() {
        let cost = Amount::new(101);
        let balance = Amount::new(100);
        assert_eq!(on(100, 5), Err(Invalid::BalanceTooLow { balance, cost }));
        assert_eq!(on(u64::MAX, 5), Ok(()));
    }
}
