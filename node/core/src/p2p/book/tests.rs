//! The book against tellers who want it for themselves.

use super::*;
use crate::params::peers::{BOOK_BUCKET_PLACES, BOOK_SOURCE_BUCKETS};
use crate::storage::{MemoryStorage, Reader as _, Scan, Storage as _, Table as Rows};
use alloc::vec;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng as _;

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::from_seed([7; 32])
}

fn now(seconds: u64) -> Now {
    Now {
        monotonic: Instant::new(seconds * 1_000),
        wall: Timestamp::new(10_000_000_000 + seconds * 1_000),
    }
}

fn addr(number: u32) -> SocketAddr {
    let [_, a, b, c] = number.to_be_bytes();
    SocketAddr::from(([50 + a, b, c, 1], 9090))
}

fn told(addr: SocketAddr) -> ToldAddress {
    ToldAddress {
        address: addr.into(),
        seen: now(0).wall,
    }
}

fn teller(number: u8) -> IpAddr {
    IpAddr::from([90, number, 0, 1])
}

/// A book in which so many honest nodes were met, all in other groups.
fn honest(count: u32) -> AddressBook {
    let mut book = AddressBook::new([9; 32]);
    for number in 0..count {
        let met = SocketAddr::from(([20, u8::try_from(number).expect("few"), 0, 1], 9090));
        book.take(now(0), told(met), teller(1), &mut rng());
        book.answered(now(0).wall, &met);
    }
    book
}

#[test]
fn whoever_has_few_groups_fills_few_places_and_never_a_tried_one() {
    let mut book = honest(40);
    let (_, tried) = book.counts();
    let mut rng = rng();
    for number in 0..60_000 {
        book.take(now(1), told(addr(number)), teller(2), &mut rng);
    }
    book.check_invariants();
    let share = BOOK_SOURCE_BUCKETS * BOOK_BUCKET_PLACES;
    let (all, still) = book.counts();
    assert_eq!(still, tried);
    let fake = (all - tried) as u64;
    assert!(fake <= share, "{fake} addresses of one teller's group");
    assert!(fake > share / 2, "the bound is what stopped them: {fake}");
    let chosen = book.choose(now(2).monotonic, Table::Tried, &mut rng, |_| true);
    assert_eq!(
        chosen.map(|addr| addr.ip().to_canonical()).map(first),
        Some(20)
    );
}

fn first(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(ip) => ip.octets()[0],
        IpAddr::V6(_) => 0,
    }
}

#[test]
fn the_book_is_bounded_whoever_tells_and_an_address_has_four_places_at_most() {
    let mut book = AddressBook::new([9; 32]);
    let mut rng = rng();
    for round in 0..2_u32 {
        for number in 0..40_000 {
            let from = IpAddr::from([60, u8::try_from(number % 250).expect("small"), 0, 1]);
            book.take(now(u64::from(round)), told(addr(number)), from, &mut rng);
        }
    }
    for number in 0..=255 {
        book.take(
            now(3),
            told(addr(1)),
            IpAddr::from([70, number, 0, 1]),
            &mut rng,
        );
    }
    book.check_invariants();
    assert!(book.entries[&addr(1)].places.len() > 1);
    let (all, _) = book.counts();
    assert!(all as u64 <= BOOK_NEW_BUCKETS * BOOK_BUCKET_PLACES);
    assert!(all > 10_000, "the bound is nearly reached: {all}");
}

#[test]
fn a_tried_address_makes_way_only_after_it_was_dialled_and_did_not_answer() {
    let mut book = AddressBook::new([9; 32]);
    let holder = SocketAddr::from(([20, 1, 0, 1], 9090));
    let slot = places::tried(&book.secret, holder);
    let rival = (0..=u16::MAX)
        .map(|port| SocketAddr::from(([20, 1, 0, 2], port)))
        .find(|rival| rival.port() != 0 && places::tried(&book.secret, *rival) == slot)
        .expect("one of 65,536 has the same of 64 × 8 places");
    for addr in [holder, rival] {
        assert!(book.take(now(0), told(addr), teller(1), &mut rng()));
        book.answered(now(0).wall, &addr);
    }
    assert_eq!(book.tried[&slot], holder);
    let feel = |book: &AddressBook, at| book.choose_feeler(now(at).monotonic, &mut rng(), |_| true);
    assert_eq!(
        feel(&book, 1),
        Some(holder),
        "who has the place is looked after first"
    );
    book.dialled(now(1).monotonic, &holder);
    book.answered(now(1).wall, &holder);
    book.answered(now(2).wall, &rival);
    assert_eq!(book.tried[&slot], holder);
    book.dialled(now(100).monotonic, &holder);
    book.failed(now(100).wall, &holder);
    book.check_invariants();
    assert_eq!(book.tried[&slot], rival);
    assert!(
        book.entries.contains_key(&holder),
        "it is one we have heard of again"
    );
}

#[test]
fn an_address_that_does_not_answer_is_dialled_after_pauses_that_double() {
    let mut book = AddressBook::new([9; 32]);
    book.take(now(0), told(addr(1)), teller(1), &mut rng());
    let free = |book: &AddressBook, at| {
        let chosen = book.choose(now(at).monotonic, Table::New, &mut rng(), |_| true);
        chosen.is_some()
    };
    let mut at = 0;
    for pause in [2, 4, 8, 16] {
        assert!(free(&book, at));
        book.dialled(now(at).monotonic, &addr(1));
        book.failed(now(at).wall, &addr(1));
        assert!(!free(&book, at + pause - 1));
        at += pause;
    }
    assert!(free(&book, at));
    assert_eq!(
        book.choose(now(at).monotonic, Table::New, &mut rng(), |_| false),
        None
    );
}

#[test]
fn the_book_comes_back_from_disk_with_its_secret_and_drops_rows_that_do_not_decode() {
    let mut book = honest(20);
    for number in 0..50 {
        book.take(now(0), told(addr(number)), teller(3), &mut rng());
    }
    let anchors = vec![addr(1), addr(2)];
    let mut batch = book.save();
    AddressBook::save_anchors(&mut batch, &anchors);
    batch.put(Rows::Peers, vec![0xff, 1], vec![1]);
    batch.put(Rows::Peers, vec![], vec![]);
    let mut storage = MemoryStorage::default();
    storage.commit(batch).expect("memory never fails");
    let rows = |storage: &MemoryStorage| {
        let all = storage.scan(Rows::Peers, &Scan::all());
        all.expect("memory never fails")
    };
    let loaded = AddressBook::load(rows(&storage), [1; 32], now(1).wall);
    loaded.book.check_invariants();
    assert_eq!(loaded.book.counts(), book.counts());
    assert_eq!(loaded.book.new, book.new);
    assert_eq!(loaded.book.tried, book.tried);
    assert_eq!(loaded.anchors, anchors);
    assert_eq!(loaded.damaged, [vec![], vec![0xff, 1]]);
    storage.commit(loaded.mend).expect("memory never fails");
    let mut again = AddressBook::load(rows(&storage), [2; 32], now(1).wall);
    assert!(again.damaged.is_empty());
    assert!(again.book.save().is_empty());
}

#[test]
fn what_is_told_is_not_stale_and_no_more_than_asked() {
    let mut book = honest(30);
    let old = ToldAddress {
        address: addr(5).into(),
        seen: Timestamp::new(1),
    };
    assert!(book.take(now(0), old, teller(1), &mut rng()));
    let sample = book.sample(now(0).wall, 256, &mut rng());
    assert!(sample.len() > 10);
    assert!(sample.iter().all(|told| told.address != addr(5).into()));
    assert_eq!(book.sample(now(0).wall, 4, &mut rng()).len(), 4);
}
