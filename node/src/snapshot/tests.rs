//! A snapshot of any height leads to the chain it was taken from; of a changed one nothing is taken.

use archivas_core::chain::{Adoption, BlockOutcome, Chain, Thoroughness, Unfit};
use archivas_core::params::{Allocation, Genesis, networks};
use archivas_core::primitives::{
    AccountNonce, Address, Amount, Block, BlockId, Height, LtHash, Memo, Millis, Payment,
    SecretKey, SignedTransfer, Timestamp, Work,
};
use archivas_core::rules::{check_block, check_transfer};
use archivas_core::schema;
use archivas_core::storage::{MemoryStorage, Reader, Scan, Storage, Table};
use redb::backends::InMemoryBackend;

use super::frames::{Frame, FrameReader, Writer};
use super::*;
use crate::store::Store;

fn rich() -> SecretKey {
    SecretKey::from_seed([1; 32])
}

fn genesis() -> Genesis {
    let (address, amount) = (rich().address(), Amount::new(1_000_000));
    Genesis {
        allocations: vec![Allocation { address, amount }],
        ..networks::dev()
    }
}

/// A block on the tip that pays to an address which the height decides.
fn grow<S: Storage>(chain: &mut Chain<S>) -> Block {
    let height = chain.tip().height.next();
    let domain = genesis().domain;
    let nonce = schema::account(chain.reader(), &rich().address())
        .unwrap()
        .nonce;
    let payment = Payment {
        to: Address::from_bytes([u8::try_from(height.get() % 5).unwrap(); 20]),
        amount: Amount::new(10),
        fee: Amount::new(1_000),
        nonce: AccountNonce::new(nonce.get()),
        memo: Memo::default(),
    };
    let transfer = SignedTransfer::sign(&rich(), &domain, payment);
    let transfer = check_transfer(transfer, chain.law()).unwrap();
    let producer = Address::from_bytes([u8::try_from(height.get() % 7).unwrap() + 100; 20]);
    let now = chain.tip().header.timestamp.plus(Millis::from_secs(20));
    let template = chain
        .template(now, producer, vec![transfer])
        .unwrap()
        .unwrap();
    let mut header = template.header;
    while !header.bits.expand().unwrap().is_met_by(&header.id()) {
        header.nonce += 1;
    }
    let transfers = template.transfers.iter().map(|tx| tx.signed().clone());
    let transfers = transfers.collect();
    let block = Block { header, transfers };
    give(chain, block.clone());
    block
}

fn give<S: Storage>(chain: &mut Chain<S>, block: Block) {
    let now = block.header.timestamp;
    let block = check_block(block, chain.law()).unwrap();
    let verdict = chain.accept_block(now, block).unwrap();
    assert_eq!(verdict.outcome, BlockOutcome::Stored);
}

/// A chain of so many blocks, and they.
fn grown<S: Storage>(storage: S, blocks: u64) -> (Chain<S>, Vec<Block>) {
    let mut chain = Chain::open(storage, genesis()).unwrap();
    let blocks = (0..blocks).map(|_| grow(&mut chain)).collect();
    (chain, blocks)
}

fn file(rows: &impl Reader, height: u64) -> Result<Vec<u8>, ExportError> {
    let mut file = Vec::new();
    export(rows, Height::new(height), &mut file, &mut |_, _, _| {})?;
    Ok(file)
}

fn plan(trust: Option<BlockId>) -> Plan {
    Plan {
        genesis: genesis(),
        minimum_chainwork: Work::ZERO,
        trust,
        now: Timestamp::new(u64::MAX / 2),
    }
}

fn take(file: &[u8], plan: &Plan) -> Result<(Imported, Store), ImportError> {
    let store = Store::open(InMemoryBackend::new()).unwrap();
    let imported = import(file, store.clone(), plan, &mut |_, _, _| {})?;
    Ok((imported, store))
}

fn frames(file: &[u8]) -> Vec<Frame> {
    let mut reader = FrameReader::begin(file).unwrap();
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

/// A file of these frames, with right checksums.
fn sealed(frames: &[Frame]) -> Vec<u8> {
    let mut writer = Writer::begin(Vec::new()).unwrap();
    frames.iter().for_each(|frame| writer.write(frame).unwrap());
    writer.finish().0
}

#[test]
fn a_node_begins_at_any_exported_height_and_goes_on_to_the_same_state() {
    let (chain, blocks) = grown(MemoryStorage::new(), 20);
    for height in [1, 7, 19, 20] {
        let file = file(chain.reader(), height).unwrap();
        let trust = blocks[usize::try_from(height).unwrap() - 1].id();
        let (imported, store) = take(&file, &plan(Some(trust))).unwrap();
        assert_eq!((imported.block, imported.end), (trust, Height::new(20)));
        let mut again = Chain::open(store, genesis()).unwrap();
        assert_eq!(again.tip().id, trust);
        assert_eq!(
            (again.base(), again.horizon()),
            (Height::new(height), Height::new(height))
        );
        again.check_invariants(Thoroughness::Full).unwrap();
        let missing: Vec<_> = blocks
            .iter()
            .skip(usize::try_from(imported.height.get()).unwrap())
            .collect();
        let ids: Vec<_> = missing.iter().map(|block| block.id()).collect();
        assert_eq!(again.missing_bodies(99).unwrap(), ids);
        missing
            .into_iter()
            .for_each(|block| give(&mut again, block.clone()));
        again.check_invariants(Thoroughness::Full).unwrap();
        assert_eq!(again.tip(), chain.tip());
        let all = |rows: &dyn Reader| rows.scan(Table::Accounts, &Scan::all()).unwrap();
        assert_eq!(all(again.reader()), all(chain.reader()));
        // It serves what it has, and a snapshot of it is the same file.
        if height < 20 {
            let found = again.block(&blocks[19].id()).unwrap();
            assert_eq!(found.as_ref(), Some(&blocks[19]));
            assert!(again.block(&blocks[0].id()).unwrap().is_none());
            assert_eq!(super::tests::file(again.reader(), height).unwrap(), file);
        }
    }
}

#[test]
fn an_export_is_of_one_state_while_the_chain_moves_on() {
    let store = Store::open(InMemoryBackend::new()).unwrap();
    let (mut chain, _) = grown(store.clone(), 12);
    let before = store.snapshot().unwrap();
    let expected = file(&before, 5).unwrap();
    (0..10).for_each(|_| drop(grow(&mut chain)));
    assert_eq!(file(&before, 5).unwrap(), expected);
    let after = file(&store.snapshot().unwrap(), 5).unwrap();
    let accounts = |file: &[u8]| frames(file).split_off(2);
    assert_eq!(accounts(&after), accounts(&expected));
}

#[test]
fn a_height_beyond_the_tip_or_below_the_horizon_is_not_exported() {
    let (chain, blocks) = grown(MemoryStorage::new(), 9);
    let (_, store) = take(
        &file(chain.reader(), 6).unwrap(),
        &plan(Some(blocks[5].id())),
    )
    .unwrap();
    let mut late = Chain::open(store, genesis()).unwrap();
    blocks[6..]
        .iter()
        .for_each(|block| give(&mut late, block.clone()));
    for height in [0, 5, 10] {
        let refused = file(late.reader(), height).unwrap_err().to_string();
        let sentence = format!("height {height} cannot be exported: heights from 6 to 9 can");
        assert_eq!(refused, sentence);
    }
    file(late.reader(), 6).unwrap();
}

#[test]
fn a_block_near_the_end_is_believed_only_at_the_operators_word() {
    let (chain, blocks) = grown(MemoryStorage::new(), 103);
    let deep = file(chain.reader(), 3).unwrap();
    take(&deep, &plan(None)).unwrap();
    let near = file(chain.reader(), 4).unwrap();
    assert!(matches!(
        take(&near, &plan(None)),
        Err(ImportError::Depth { above: 99, .. })
    ));
    take(&near, &plan(Some(blocks[3].id()))).unwrap();
    assert!(matches!(
        take(&near, &plan(Some(blocks[2].id()))),
        Err(ImportError::Trust { .. })
    ));
    let minimum_chainwork = chain.tip().chainwork;
    take(
        &deep,
        &Plan {
            minimum_chainwork,
            ..plan(None)
        },
    )
    .unwrap();
    let minimum_chainwork = minimum_chainwork.checked_add(minimum_chainwork).unwrap();
    let refused = take(
        &deep,
        &Plan {
            minimum_chainwork,
            ..plan(None)
        },
    );
    assert!(matches!(refused, Err(ImportError::Work)));
    let genesis = networks::dev();
    let refused = take(
        &deep,
        &Plan {
            genesis,
            ..plan(None)
        },
    );
    assert!(matches!(refused, Err(ImportError::OtherGenesis { .. })));
}

#[test]
fn a_file_that_was_changed_anywhere_or_cut_off_is_refused() {
    let (chain, blocks) = grown(MemoryStorage::new(), 3);
    let file = file(chain.reader(), 2).unwrap();
    let plan = plan(Some(blocks[1].id()));
    take(&file, &plan).unwrap();
    for at in 0..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(take(&changed, &plan).is_err(), "byte {at} was changed");
    }
    for length in (0..file.len()).step_by(97).chain([file.len() - 1]) {
        assert!(take(&file[..length], &plan).is_err(), "cut off at {length}");
    }
    assert!(take(&[&file[..], b"x"].concat(), &plan).is_err());
}

#[test]
fn a_forger_who_makes_the_checksums_fit_gets_nowhere() {
    let (chain, blocks) = grown(MemoryStorage::new(), 3);
    let file = file(chain.reader(), 2).unwrap();
    let plan = plan(Some(blocks[1].id()));
    let whole = frames(&file);
    let [
        Frame::Start(_),
        Frame::Headers(headers),
        Frame::Accounts(accounts),
        Frame::End(..),
    ] = &whole[..]
    else {
        panic!("{whole:?}");
    };
    let refused = |frames: &[Frame]| take(&sealed(frames), &plan).unwrap_err();
    let mut forged = Vec::new();
    let mut with = |change: &dyn Fn(&mut Vec<(Address, _)>)| {
        let mut accounts = accounts.clone();
        change(&mut accounts);
        let mut lthash = LtHash::EMPTY;
        accounts
            .iter()
            .for_each(|(address, account)| lthash.add(address, account));
        let mut frames = whole.clone();
        frames[3] = Frame::End(accounts.len() as u64, Box::new(lthash));
        frames[2] = Frame::Accounts(accounts);
        forged.push(frames);
    };
    with(&|accounts| accounts[1].1.balance = Amount::new(5));
    with(&|accounts| accounts[0].1.nonce = AccountNonce::new(9));
    with(&|accounts| accounts.truncate(1));
    with(&|accounts| accounts.swap(0, 1));
    with(&|accounts| accounts.insert(0, accounts[0]));
    with(&|accounts| accounts[0].1 = Default::default());
    for frames in forged {
        assert!(matches!(refused(&frames), ImportError::Unfit(_)));
    }
    let mut late = headers.clone();
    late[1].timestamp = Timestamp::new(0);
    let mut frames = whole.clone();
    frames[1] = Frame::Headers(late);
    assert!(matches!(refused(&frames), ImportError::Header { .. }));
    let parts = [
        Frame::Headers(headers[..1].to_vec()),
        Frame::Headers(headers[1..].to_vec()),
    ];
    let split = [&whole[..1], &parts, &whole[2..]].concat();
    assert!(matches!(refused(&split), ImportError::Order(_)));
    for left_out in 0..4 {
        let mut frames = whole.clone();
        frames.remove(left_out);
        assert!(matches!(refused(&frames), ImportError::Order(_)));
        let twice = [&whole[..=left_out], &whole[left_out..]].concat();
        assert!(matches!(refused(&twice), ImportError::Order(_)));
    }
}

#[test]
fn only_a_block_with_a_header_above_genesis_is_adopted_and_into_a_fresh_store() {
    let fresh = || Chain::open(MemoryStorage::new(), genesis()).unwrap();
    let unknown = BlockId::from_bytes([7; 32]);
    for id in [genesis().id(), unknown] {
        assert!(matches!(
            Adoption::begin(fresh(), &id),
            Ok(Err(Unfit::Block))
        ));
    }
    let (chain, blocks) = grown(MemoryStorage::new(), 2);
    let used = Adoption::begin(chain, &blocks[0].id());
    assert!(matches!(used, Ok(Err(Unfit::Block))));
}
