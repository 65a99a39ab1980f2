//! Money through whole blocks: nothing is minted, nothing is lost, nobody takes more than is due.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod workshop;

use archivas_core::chain::{BlockOutcome, Chain};
use archivas_core::primitives::{Account, AccountNonce, Amount, Payment, SignedTransfer};
use archivas_core::rules::{Invalid, check_block};
use archivas_core::schema;
use proptest::prelude::*;
use workshop::*;

/// Edges of u64, and of what the four keys own.
fn sum() -> impl Strategy<Value = u64> {
    let edges = [0, 1, FUNDS, 2 * FUNDS, i64::MAX as u64, u64::MAX];
    let near = (prop::sample::select(edges.to_vec()), 0u64..4, any::<bool>());
    let near = near.prop_map(|(edge, off, up)| match up {
        true => edge.saturating_add(off),
        false => edge.saturating_sub(off),
    });
    prop_oneof![3 => near, 1 => 1..FUNDS]
}

/// From whom, to whom, amount, fee.
type Wish = (u8, u8, u64, u64);

/// What four accounts and a producer that starts with nothing own after these transfers; nothing if
/// they cannot all be paid. Counts in numbers that cannot overflow.
fn naive(genesis_sums: [u64; 4], wishes: &[Wish]) -> Option<Vec<u128>> {
    let mut owned: Vec<u128> = genesis_sums.iter().map(|sum| u128::from(*sum)).collect();
    let mut fees = 0;
    for (from, to, amount, fee) in wishes {
        let cost = u128::from(*amount) + u128::from(*fee);
        let possible = *amount > 0 && *fee > 0 && cost <= owned[usize::from(*from)];
        if !possible {
            return None;
        }
        owned[usize::from(*from)] -= cost;
        owned[usize::from(*to)] += u128::from(*amount);
        fees += u128::from(*fee);
    }
    owned.push(fees + u128::from(REWARD));
    Some(owned)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn amounts_and_fees_at_every_edge_neither_mint_nor_burn(
        wishes in prop::collection::vec((0u8..4, 0u8..4, sum(), sum()), 1..4),
        rich in any::<bool>(),
    ) {
        // One key may own nearly all the money that a network can have.
        let most = (1 << 63) - (REWARD << 32) - 3 * FUNDS - 1;
        let sums = [FUNDS, FUNDS, FUNDS, if rich { most } else { FUNDS }];
        let genesis = funded(&sums);
        let mut chain = chain(&genesis);
        let mut nonces = [0; 4];
        let body: Vec<SignedTransfer> = wishes.iter().map(|(from, to, amount, fee)| {
            let nonce = &mut nonces[usize::from(*from)];
            *nonce += 1;
            let payment = Payment {
                fee: Amount::new(*fee),
                ..payment(address(*to), *amount, *nonce - 1)
            };
            SignedTransfer::sign(&key(*from), &genesis.domain, payment)
        }).collect();
        let Some(expected) = naive(sums, &wishes) else {
            // Refused: by itself, or on the state, and then without a trace in it.
            let before = accounts(&chain);
            let block = forged(&chain, body, root_of(&before));
            if let Ok(block) = check_block(block, chain.law()) {
                let verdict = chain.accept_block(LATE, block).unwrap();
                let state = matches!(verdict.outcome, BlockOutcome::Invalid(Invalid::BalanceTooLow { .. }));
                prop_assert!(state, "{:?}", verdict.outcome);
            }
            prop_assert_eq!(accounts(&chain), before);
            return Ok(());
        };
        let block = valid(&chain, address(9), &body);
        take(&mut chain, &block);
        for (number, owned) in [0, 1, 2, 3, 9].into_iter().zip(expected) {
            let account = schema::account(chain.reader(), &address(number)).unwrap();
            prop_assert_eq!(u128::from(account.balance.get()), owned);
        }
        prop_assert_eq!(supply(&chain), sums.iter().sum::<u64>() + REWARD);
    }
}

#[test]
fn a_producer_who_takes_one_unit_more_or_less_than_is_due_is_refused() {
    let genesis = network();
    let mut chain = chain(&genesis);
    let body = vec![pay(&genesis, 0, address(1), 500, 0)];
    let due = REWARD + 2;
    for taken in [0, due - 1, due + 1, 2 * due] {
        let mut after = accounts(&chain);
        for (owner, account) in &mut after {
            if *owner == address(0) {
                account.balance = Amount::new(FUNDS - 502);
                account.nonce = AccountNonce::new(1);
            } else if *owner == address(1) {
                account.balance = Amount::new(FUNDS + 500);
            }
        }
        let balance = Amount::new(taken);
        let nonce = AccountNonce::ZERO;
        after.push((address(9), Account { balance, nonce }));
        let block = forged(&chain, body.clone(), root_of(&after));
        let verdict = give(&mut chain, &block);
        let wrong = matches!(
            verdict.outcome,
            BlockOutcome::Invalid(Invalid::WrongStateRoot { .. })
        );
        assert!(wrong, "{taken}: {:?}", verdict.outcome);
        assert_eq!(verdict.walk.tip_change, None);
    }
    let block = valid(&chain, address(9), &body);
    take(&mut chain, &block);
    let producer = schema::account(chain.reader(), &address(9)).unwrap();
    assert_eq!(producer.balance, Amount::new(due));
}

#[test]
fn a_transfer_on_two_branches_is_found_where_the_best_chain_has_it() {
    let genesis = network();
    let both = pay(&genesis, 0, address(1), 500, 0);
    let id = both.id(&genesis.domain);
    // Three views of one network: ours, and the makers of two branches.
    let mut ours = chain(&genesis);
    let mut makers = [chain(&genesis), chain(&genesis)];
    let mut grow = |maker: usize, body: &[SignedTransfer]| {
        let producer = address(20 + u8::try_from(maker).unwrap());
        let block = valid(&makers[maker], producer, body);
        take(&mut makers[maker], &block);
        block
    };
    let place = |chain: &Chain<_>| {
        let location = schema::tx_location(chain.reader(), &id).unwrap();
        location.map(|location| (location.block, location.height.get()))
    };
    let first = grow(0, std::slice::from_ref(&both));
    take(&mut ours, &first);
    assert_eq!(place(&ours), Some((first.id(), 1)));
    // The other branch has it one block later, and takes over.
    let others = [grow(1, &[]), grow(1, std::slice::from_ref(&both))];
    give(&mut ours, &others[0]);
    take(&mut ours, &others[1]);
    assert_eq!(place(&ours), Some((others[1].id(), 2)));
    // And back: the block that has it is left and joined without a trace of the other.
    let back = [grow(0, &[]), grow(0, &[])];
    give(&mut ours, &back[0]);
    take(&mut ours, &back[1]);
    assert_eq!(place(&ours), Some((first.id(), 1)));
    assert_eq!(accounts(&ours), accounts(&makers[0]));
    // Once more on the same branch it is an old nonce.
    let again = forged(&ours, vec![both], root_of(&accounts(&ours)));
    let outcome = give(&mut ours, &again).outcome;
    assert!(matches!(
        outcome,
        BlockOutcome::Invalid(Invalid::NonceUsed { .. })
    ));
}
