//! Each attacker against a listener that says what a node would, in time that stands still.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use archivas_core::p2p::message::{Hello, Item, Message, Response};
use archivas_core::params::networks;
use archivas_core::primitives::{Block, BlockId, Millis, Timestamp, Work};
use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};
use tokio::sync::mpsc;

use super::wire::{Wire, hello};
use super::{Attack, Attacker, Ground, Side};
use crate::draws::Draws;
use crate::plan::funded_key;

/// Hands one end of each connection to the test.
struct Hall {
    doors: mpsc::Sender<(Side, DuplexStream)>,
    fired: Arc<AtomicU64>,
}

impl Ground for Hall {
    type Stream = DuplexStream;

    async fn dial(&self, side: Side) -> io::Result<DuplexStream> {
        let (ours, theirs) = duplex(1 << 16);
        let sent = self.doors.send((side, theirs)).await;
        sent.map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(ours)
    }

    async fn sleep(&self, _: Millis) {
        tokio::task::yield_now().await;
    }

    fn wall(&self) -> Timestamp {
        networks::dev().time.plus(Millis::from_secs(10_000))
    }

    fn fired(&self) {
        self.fired.fetch_add(1, Ordering::Relaxed);
    }
}

struct Scene {
    doors: mpsc::Receiver<(Side, DuplexStream)>,
    fired: Arc<AtomicU64>,
    attack: tokio::task::JoinHandle<()>,
}

impl Scene {
    fn of(attack: Attack) -> Self {
        let (sender, doors) = mpsc::channel(1);
        let fired = Arc::new(AtomicU64::new(0));
        let hall = Hall {
            doors: sender,
            fired: fired.clone(),
        };
        let attacker = Attacker {
            attack,
            genesis: networks::dev(),
            draws: Draws::new(1),
            number: 3,
        };
        #[expect(clippy::disallowed_methods, reason = "the test is the world")]
        let attack = tokio::spawn(attacker.run(hall));
        Self {
            doors,
            fired,
            attack,
        }
    }

    async fn door(&mut self, wanted: Side) -> Wire<DuplexStream> {
        let (side, stream) = self.doors.recv().await.expect("the attacker dials");
        assert_eq!(side, wanted);
        Wire::new(stream, networks::dev().network_magic())
    }

    fn fired(&self) -> u64 {
        self.fired.load(Ordering::Relaxed)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.attack.abort();
    }
}

fn in_scene(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(test);
}

fn greeting() -> Message {
    let id = networks::dev().id();
    Message::Hello(hello(id, networks::dev().time, 1, (0, Work::ZERO)))
}

async fn hello_of(wire: &mut Wire<DuplexStream>) -> Hello {
    match wire.hear().await.expect("a message") {
        Message::Hello(hello) => hello,
        other => panic!("{other:?} before hello"),
    }
}

#[test]
fn each_attack_has_a_word_of_its_own_which_is_that_of_documents() {
    for attack in Attack::ALL {
        let word = serde_json::to_value(attack).expect("a word");
        assert_eq!(word, attack.name());
    }
    let words: std::collections::BTreeSet<_> = Attack::ALL.map(Attack::name).into();
    assert_eq!(words.len(), Attack::ALL.len());
}

#[test]
fn strangers_who_break_the_protocol_come_again_whenever_they_are_thrown_out() {
    for attack in [
        Attack::HalfOpenFlood,
        Attack::Slowloris,
        Attack::GarbageFrames,
        Attack::UnboundedInput,
    ] {
        in_scene(async {
            let mut scene = Scene::of(attack);
            for visit in 1..=3 {
                let mut wire = scene.door(Side::Victim).await;
                let mut bytes = [0; 14];
                if attack != Attack::HalfOpenFlood {
                    wire.stream.read_exact(&mut bytes).await.expect("bytes");
                }
                assert_eq!(scene.fired(), visit, "{}", attack.name());
            }
        });
    }
}

#[test]
fn who_floods_with_headers_claims_the_most_work_and_shows_real_ones_of_little() {
    in_scene(async {
        let mut scene = Scene::of(Attack::HeaderFlood);
        let mut wire = scene.door(Side::Victim).await;
        assert_eq!(
            hello_of(&mut wire).await.chainwork.to_be_bytes(),
            [0xff; 32]
        );
        let question = archivas_core::p2p::message::GetHeaders {
            locator: archivas_core::primitives::BoundedVec::new(vec![networks::dev().id()])
                .expect("one"),
            stop: BlockId::ZERO,
        };
        wire.say(&Message::GetHeaders(question))
            .await
            .expect("heard");
        let Message::Headers(headers) = wire.hear().await.expect("an answer") else {
            panic!("no headers");
        };
        assert_eq!(headers.len(), 100);
        assert_eq!(scene.fired(), 1);
        let mut parent = networks::dev().id();
        for header in headers {
            assert_eq!(header.parent, parent);
            let target = header.bits.expand().expect("a target");
            assert!(target.is_met_by(&header.id()));
            parent = header.id();
        }
    });
}

#[test]
fn who_floods_with_transfers_hands_over_what_it_has_announced() {
    in_scene(async {
        let mut scene = Scene::of(Attack::TxFlood);
        let mut wire = scene.door(Side::Victim).await;
        hello_of(&mut wire).await;
        let Message::Inv(items) = wire.hear().await.expect("an offer") else {
            panic!("no offer");
        };
        wire.say(&Message::Req(items.clone())).await.expect("heard");
        let mut handed = 0;
        while handed < items.len() {
            if let Message::Res(response) = wire.hear().await.expect("an answer") {
                let Response::Transfer(transfer) = response else {
                    // It has made another offer meanwhile.
                    break;
                };
                let id = Item::Transfer(transfer.id(&networks::dev().domain));
                assert!(items.contains(&id));
                handed += 1;
                assert_eq!(scene.fired(), 1);
                // Of a key with funds: nobody refuses it before it looks further.
                let payer = transfer.public_key;
                assert!((0..3).any(|number| funded_key(number).public_key() == payer));
            }
        }
    });
}

#[test]
fn middlemen_pass_on_what_both_say_and_change_one_thing() {
    let genesis = networks::dev();
    let block = Block {
        header: genesis.header(),
        transfers: Vec::new(),
    };
    let ask = Message::Req(vec![Item::Block(block.id())]);
    let answer = Message::Res(Response::Block(block.clone()));
    for (attack, heard) in [
        (Attack::Duplicates, 3),
        (Attack::MutatedBodies, 1),
        (Attack::WithheldBlock, 0),
    ] {
        in_scene(async {
            let mut scene = Scene::of(attack);
            let mut source = scene.door(Side::Source).await;
            hello_of(&mut source).await;
            source.say(&greeting()).await.expect("heard");
            let mut victim = scene.door(Side::Victim).await;
            assert_eq!(hello_of(&mut victim).await.listen_port, 0);
            victim.say(&ask).await.expect("heard");
            if attack == Attack::WithheldBlock {
                victim.say(&Message::Ping(1)).await.expect("heard");
                assert_eq!(victim.hear().await.expect("a pong"), Message::Pong(1));
            } else {
                assert_eq!(source.hear().await.expect("passed on"), ask);
                source.say(&answer).await.expect("heard");
            }
            for _ in 0..heard {
                let Message::Res(Response::Block(got)) = victim.hear().await.expect("a block")
                else {
                    panic!("no block");
                };
                assert_eq!(got.id(), block.id());
                let same = got.transfers == block.transfers;
                assert_eq!(same, attack == Attack::Duplicates);
            }
            assert_eq!(scene.fired(), 1, "{}", attack.name());
        });
    }
}
