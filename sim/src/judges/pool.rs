//! A node's mempool against the accounts that it committed (O7): nothing that is confirmed waits, no
//! nonce twice, and what counts as pending follows the account's nonce without a gap and is covered by
//! its balance, together.

use std::collections::BTreeMap;

use archivas_core::node::MempoolEntry;
use archivas_core::primitives::Address;
use archivas_core::schema;
use archivas_core::storage::{Reader, StorageError};

use super::{Finding, unreadable};

/// Waiting transfers of one sender: nonce, cost, whether pending.
type Waiting = Vec<(u64, u64, bool)>;

/// The pool fits the accounts.
pub fn is_right(rows: &impl Reader, pool: &[MempoolEntry]) -> Finding {
    let mut senders: BTreeMap<Address, Waiting> = BTreeMap::new();
    for entry in pool {
        let transfer = &entry.transfer;
        let confirmed = schema::tx_location(rows, &transfer.id());
        if confirmed.map_err(|error| unreadable(&error))?.is_some() {
            return Err(format!("{} waits and is confirmed", transfer.id()));
        }
        let (nonce, cost) = (transfer.nonce().get(), transfer.cost().get());
        let waiting = senders.entry(transfer.from()).or_default();
        waiting.push((nonce, cost, entry.pending));
    }
    for (sender, mut waiting) in senders {
        waiting.sort_unstable();
        let account =
            schema::account(rows, &sender).map_err(|error: StorageError| unreadable(&error))?;
        let account = (account.nonce.get(), account.balance.get());
        one_sender(account, &waiting).map_err(|why| format!("{sender}: {why}"))?;
    }
    Ok(())
}

fn one_sender((mut next, mut left): (u64, u64), waiting: &Waiting) -> Finding {
    let nonces: Vec<u64> = waiting.iter().map(|(nonce, ..)| *nonce).collect();
    if let Some(twice) = nonces.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("two transfers with nonce {} wait", twice[0]));
    }
    let mut gap = false;
    for (nonce, cost, pending) in waiting {
        if *nonce < next && !gap {
            return Err(format!("nonce {nonce} waits, and the account is at {next}"));
        }
        gap |= *nonce != next;
        if *pending && gap {
            return Err(format!("nonce {nonce} is pending behind a gap at {next}"));
        }
        if *pending {
            let after = left.checked_sub(*cost);
            left = after.ok_or_else(|| format!("nonce {nonce} costs {cost}, {left} is left"))?;
        } else {
            // What waits for its turn makes what follows wait too.
            gap = true;
        }
        next = next.saturating_add(u64::from(!gap));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pending_follows_without_a_gap_and_is_covered() {
        let account = (3, 100);
        let right = |waiting: &[(u64, u64, bool)]| one_sender(account, &waiting.to_vec());
        assert_eq!(
            right(&[(3, 60, true), (4, 40, true), (6, 999, false)]),
            Ok(())
        );
        assert!(right(&[(2, 1, false)]).unwrap_err().contains("is at 3"));
        assert!(
            right(&[(3, 60, true), (4, 41, true)])
                .unwrap_err()
                .contains("40 is left")
        );
        assert!(right(&[(4, 1, true)]).unwrap_err().contains("behind a gap"));
        assert!(
            right(&[(3, 1, true), (3, 2, true)])
                .unwrap_err()
                .contains("two transfers")
        );
        assert!(
            right(&[(3, 1, false), (4, 1, true)])
                .unwrap_err()
                .contains("behind a gap")
        );
    }
}
