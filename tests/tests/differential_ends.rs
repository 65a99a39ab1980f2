//! The last height and the most work that 256 bits count, which no chain reaches: both sides are
//! given headers just below the ends, unjudged, and must refuse the same children of them.

use archivas_core::chain::{BlockOutcome, Chain, HeaderStop};
use archivas_core::primitives::{
    Block, BlockId, CompactTarget, Header, Height, StateRoot, Timestamp, TxRoot, Work, encode,
};
use archivas_core::rules::check_block;
use archivas_core::schema::{HeaderRecord, Status};
use archivas_core::storage::{Batch, MemoryStorage, Storage, Table};
use archivas_model::{Model, Outcome};
use archivas_tests::differential::{Dice, Forge, network, sealed};

/// Children that are refused at each end.
const CHILDREN: u64 = 24;

/// A header on a parent, with everything right that does not depend on accounts.
fn child(parent: BlockId, above: &Header, dice: &mut Dice) -> Header {
    sealed(Header {
        version: 1,
        bits: CompactTarget::new(0x207f_ffff),
        height: Height::new(above.height.get() + 1),
        timestamp: Timestamp::new(above.timestamp.get() + 1 + dice.below(30_000)),
        nonce: dice.roll() >> 1,
        parent,
        tx_root: TxRoot::from_bytes([0; 32]),
        state_root: StateRoot::ZERO,
        producer: above.producer,
        reserved: [0; 12],
    })
}

/// Both sides with a line of eleven unjudged headers, the last of this height and this much work;
/// gives that one, too.
fn sides(height: u64, chainwork: [u8; 32]) -> (Chain<MemoryStorage>, Model, Header) {
    let genesis = network(0);
    let text = genesis.to_json();
    let mut model = Model::new(text.as_bytes()).expect("the node wrote it");
    let chain = Chain::open(MemoryStorage::new(), genesis.clone()).expect("an empty store");
    let mut storage = chain.reader().clone();
    let (mut batch, mut dice) = (Batch::default(), Dice::new(height));
    let mut last = Forge::new(genesis.clone()).made[0].block.header;
    last.height = Height::new(height - 11);
    for _ in 0..11 {
        last = child(last.id(), &last, &mut dice);
        let record = HeaderRecord {
            header: last,
            chainwork: Work::from_be_bytes(chainwork),
            status: Status::HeaderOnly,
            arrival: None,
        };
        batch.put(
            Table::Headers,
            last.id().as_bytes().to_vec(),
            encode(&record),
        );
        let planted = model.plant_header(&last.encode(), &chainwork);
        planted.expect("160 bytes");
    }
    storage.commit(batch).expect("memory");
    let chain = Chain::open(storage, genesis).expect("rows beside the chain do no harm");
    (chain, model, last)
}

/// Gives children to both sides, as headers and as blocks; all must be refused for this rule.
fn refused(height: u64, chainwork: [u8; 32], rule: &str) {
    let (mut chain, mut model, last) = sides(height, chainwork);
    let mut dice = Dice::new(1);
    let now = Timestamp::new(last.timestamp.get() + 1_000_000);
    for _ in 0..CHILDREN {
        let header = child(last.id(), &last, &mut dice);
        let verdict = chain.accept_headers(now, &[header]).expect("memory");
        let Some((0, HeaderStop::Invalid(why))) = verdict.stop else {
            panic!("{:?}", verdict.stop);
        };
        assert_eq!(why.code(), rule);
        let outcome = model.submit_header(&header.encode(), now.get());
        assert!(matches!(outcome, Outcome::Refused(why) if why.name() == rule));

        let transfers = Vec::new();
        let block = Block { header, transfers };
        let outcome = model.submit_block(&block.encode(), now.get()).outcome;
        assert!(matches!(outcome, Outcome::Refused(why) if why.name() == rule));
        let checked = check_block(block, chain.law()).expect("valid by itself");
        let verdict = chain.accept_block(now, checked).expect("memory");
        assert!(matches!(verdict.outcome, BlockOutcome::Invalid(why) if why.code() == rule));
    }
}

#[test]
fn both_refuse_heights_beyond_the_end() {
    refused((1 << 32) - 1, [1; 32], "height_beyond_end");
}

#[test]
fn both_refuse_more_work_than_256_bits_count() {
    refused(1_000, [0xff; 32], "chainwork_overflow");
    let mut one_too_much = [0xff; 32];
    one_too_much[31] = 0xfe;
    refused(1_000, one_too_much, "chainwork_overflow");
}
