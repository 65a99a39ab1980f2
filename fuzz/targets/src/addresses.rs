//! The address book among tellers that want it for themselves, and on rows that may be anything: it
//! stays bounded, never holds what nobody told, never lets an address that answers go for one that
//! only was heard of, and the next life reads what this one wrote.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use arbitrary::{Arbitrary, Unstructured};
use archivas_core::p2p::address::ToldAddress;
use archivas_core::p2p::book::{AddressBook, Loaded, Table as From};
use archivas_core::params::peers::{
    BOOK_BUCKET_PLACES, BOOK_NEW_BUCKETS, BOOK_TRIED_BUCKETS, REDIAL_FIRST,
};
use archivas_core::primitives::{Instant, Millis, Now, Timestamp};
use archivas_core::storage::{Batch, MemoryStorage, Reader, Row, Scan, Storage, Table};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

/// More steps cost a fuzzer its speed.
const STEPS_MAX: usize = 256;
/// The addresses that a teller tells in one step.
const TOLD_MAX: u8 = 64;

/// What befalls the book.
#[derive(Arbitrary, Debug)]
enum Step {
    /// So many addresses from this one on, from somebody there.
    Tell {
        from: Where,
        count: u8,
        teller: Where,
        age_hours: u16,
    },
    Dial(Where),
    Answer(Where),
    Fail(Where),
    Forget(Where),
    Choose {
        tried: bool,
        feeler: bool,
    },
    Sample {
        max: u8,
    },
    Wait {
        minutes: u16,
    },
    /// The next life, on what is stored and on damage to it.
    Restart {
        save: bool,
        bits: Vec<(u8, u16)>,
        strays: Vec<(Vec<u8>, Vec<u8>)>,
    },
}

/// An address of some kind.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Where {
    /// One of few groups, so that places are fought for.
    Near {
        group: u8,
        host: u8,
    },
    /// Any.
    V4([u8; 4], u16),
    V6([u8; 16], u16),
    /// The same as an IPv4 address.
    Mapped([u8; 4], u16),
}

impl Where {
    fn addr(self) -> SocketAddr {
        match self {
            Self::Near { group, host } => SocketAddr::from(([20 + group % 8, 1, 1, host], 9090)),
            Self::V4(ip, port) => SocketAddr::from((ip, port)),
            Self::V6(ip, port) => SocketAddr::from((ip, port)),
            Self::Mapped(ip, port) => {
                SocketAddr::new(Ipv4Addr::from(ip).to_ipv6_mapped().into(), port)
            }
        }
    }

    /// The address as everybody writes it.
    fn canonical(self) -> SocketAddr {
        let addr = self.addr();
        SocketAddr::new(addr.ip().to_canonical(), addr.port())
    }
}

/// A book and what it may hold.
struct Keeper {
    book: AddressBook,
    rows: MemoryStorage,
    rng: ChaCha8Rng,
    now: Now,
    /// Everything that anybody told.
    told: BTreeSet<SocketAddr>,
    dialled: Vec<(SocketAddr, Instant)>,
}

/// Steps, and the invariants after each.
pub fn addrbook(bytes: &[u8]) {
    let Ok(steps) = Vec::<Step>::arbitrary(&mut Unstructured::new(bytes)) else {
        return;
    };
    let mut keeper = Keeper {
        book: AddressBook::new([1; 32]),
        rows: MemoryStorage::new(),
        rng: ChaCha8Rng::from_seed([2; 32]),
        now: Now {
            monotonic: Instant::new(0),
            wall: Timestamp::new(2_000_000_000_000),
        },
        told: BTreeSet::new(),
        dialled: Vec::new(),
    };
    for step in steps.into_iter().take(STEPS_MAX) {
        keeper.take(step);
        keeper.check();
    }
    keeper.save();
    keeper.restart();
    keeper.check();
}

impl Keeper {
    fn take(&mut self, step: Step) {
        let (_, tried) = self.book.counts();
        let mut may_lose = 0;
        match step {
            Step::Tell {
                from,
                count,
                teller,
                age_hours,
            } => self.tell(from, count, teller, age_hours),
            Step::Dial(whom) => self.dial(whom.canonical()),
            Step::Answer(whom) => self.book.answered(self.now.wall, &whom.canonical()),
            // Who does not answer makes way for one that does.
            Step::Fail(whom) => self.book.failed(self.now.wall, &whom.canonical()),
            Step::Forget(whom) => {
                self.book.forget(&whom.canonical());
                may_lose = 1;
            }
            Step::Choose { tried, feeler } => self.choose(tried, feeler),
            Step::Sample { max } => self.sample(max.into()),
            Step::Wait { minutes } => self.wait(Millis::from_secs(u64::from(minutes) * 60)),
            Step::Restart { save, bits, strays } => {
                if save {
                    self.save();
                }
                self.damage(&bits, strays);
                self.restart();
                may_lose = tried;
            }
        }
        let (_, still) = self.book.counts();
        assert!(still + may_lose >= tried, "{still} of {tried} tried stay");
    }

    fn tell(&mut self, from: Where, count: u8, teller: Where, age_hours: u16) {
        let age = Millis::from_secs(u64::from(age_hours) * 3_600);
        let seen = Timestamp::new(self.now.wall.get() - age.get());
        let first = from.addr();
        for turn in 0..count % TOLD_MAX {
            let addr = SocketAddr::new(first.ip(), first.port().wrapping_add(turn.into()));
            let told = ToldAddress {
                address: addr.into(),
                seen,
            };
            let teller = teller.addr().ip();
            self.book.take(self.now, told, teller, &mut self.rng);
            self.told.insert(SocketAddr::from(told.address));
            self.forget_dials();
        }
    }

    fn dial(&mut self, addr: SocketAddr) {
        self.book.dialled(self.now.monotonic, &addr);
        if self.book.addrs().any(|known| known == addr) {
            self.dialled.push((addr, self.now.monotonic));
        }
    }

    /// Whoever is chosen was told, and was not dialled a moment ago.
    fn choose(&mut self, tried: bool, feeler: bool) {
        let now = self.now.monotonic;
        let table = if tried { From::Tried } else { From::New };
        let chosen = match feeler {
            true => self.book.choose_feeler(now, &mut self.rng, |_| true),
            false => self.book.choose(now, table, &mut self.rng, |_| true),
        };
        let Some(chosen) = chosen else {
            return;
        };
        assert!(self.told.contains(&chosen), "nobody told {chosen}");
        let mut dials = self.dialled.iter().filter(|(addr, _)| *addr == chosen);
        assert!(
            dials.all(|(_, at)| now.since(*at) >= REDIAL_FIRST),
            "{chosen} was dialled a moment ago"
        );
        self.dial(chosen);
    }

    fn sample(&mut self, max: usize) {
        let told = self.book.sample(self.now.wall, max, &mut self.rng);
        assert!(told.len() <= max);
        let addrs: BTreeSet<_> = told.iter().map(|told| told.address).collect();
        assert_eq!(addrs.len(), told.len(), "each once");
    }

    fn wait(&mut self, pause: Millis) {
        self.now.monotonic = self.now.monotonic.plus(pause);
        self.now.wall = self.now.wall.plus(pause);
    }

    fn save(&mut self) {
        let batch = self.book.save();
        self.rows.commit(batch).expect("memory does not fail");
        // The secret and the anchors stand beside the addresses.
        let rows = self.stored().len();
        let (addrs, _) = self.book.counts();
        assert!(rows <= addrs + 2, "{rows} rows of {addrs} addresses");
    }

    fn stored(&self) -> Vec<Row> {
        let rows = self.rows.scan(Table::Peers, &Scan::all());
        rows.expect("memory does not fail")
    }

    /// Turns bits around in some rows, and puts rows among them that nobody wrote.
    fn damage(&mut self, bits: &[(u8, u16)], strays: Vec<Row>) {
        let stored = self.stored();
        let mut batch = Batch::new();
        for (row, bit) in bits.iter().filter(|_| !stored.is_empty()) {
            let (key, mut value) = stored[usize::from(*row) % stored.len()].clone();
            let at = usize::from(bit / 8) % value.len().max(1);
            if let Some(byte) = value.get_mut(at) {
                *byte ^= 1 << (bit % 8);
            }
            batch.put(Table::Peers, key, value);
        }
        for (key, value) in strays {
            batch.put(Table::Peers, key, value);
        }
        self.rows.commit(batch).expect("memory does not fail");
    }

    /// Reads the rows; what is damaged is gone after that, and what is right stays.
    fn restart(&mut self) {
        let loaded = AddressBook::load(self.stored(), [3; 32], self.now.wall);
        let Loaded { book, mend, .. } = loaded;
        self.book = book;
        self.dialled.clear();
        self.rows.commit(mend).expect("memory does not fail");
        // A row that nobody wrote, but that decodes, was told by the disk.
        self.told.extend(self.book.addrs());
        self.save();
        let again = AddressBook::load(self.stored(), [4; 32], self.now.wall);
        assert_eq!(again.damaged, Vec::<Vec<u8>>::new(), "mended rows");
        assert_eq!(again.book.counts().1, self.book.counts().1, "tried");
    }

    /// Of an address that it does not hold any more, the book remembers no dial either.
    fn forget_dials(&mut self) {
        if !self.dialled.is_empty() {
            let held: BTreeSet<SocketAddr> = self.book.addrs().collect();
            self.dialled.retain(|(addr, _)| held.contains(addr));
        }
    }

    fn check(&mut self) {
        self.forget_dials();
        self.book.check_invariants();
        let (addrs, tried) = self.book.counts();
        let places = |buckets: u64| usize::try_from(buckets * BOOK_BUCKET_PLACES);
        assert!(tried <= places(BOOK_TRIED_BUCKETS).expect("small"));
        assert!(addrs - tried <= places(BOOK_NEW_BUCKETS).expect("small"));
        assert!(self.book.addrs().all(|addr| self.told.contains(&addr)));
    }
}
