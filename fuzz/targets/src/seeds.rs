//! Where a fuzzer begins: real blocks, transfers, messages, rows and files, and for targets that
//! read events, some that do much. Made by a command, small, and the same on every machine.

use archivas_core::ledger::Undo;
use archivas_core::p2p::frame::frame;
use archivas_core::params::{Genesis, networks};
use archivas_core::primitives::{Account, Block, SignedTransfer, WireTransfer, block, encode};
use archivas_core::schema::{HeaderRecord, Status};
use archivas_tests::differential::Dice;

use crate::keys::CHEAP;
use crate::story::{Saying, hello, story};

/// Seeds of events, of each length.
const EVENTS: [usize; 4] = [20, 40, 73, 150];

/// The seeds of a target, in the order of their names.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "tx_decode" => transfers(),
        "block_decode" => blocks().iter().map(Block::encode).collect(),
        "header_pow_work" => headers(),
        "frame_codec" => frames(),
        "config_load" => files(),
        "undo_decode" => rows(),
        "keystore_address" => keys(),
        _ => EVENTS.map(|length| events(target, length)).to_vec(),
    }
}

/// Bytes that look like any: each target makes of them what it reads.
fn events(target: &str, length: usize) -> Vec<u8> {
    let salt = target
        .bytes()
        .fold(0_u64, |sum, byte| sum.rotate_left(5) ^ u64::from(byte));
    let mut dice = Dice::new(salt ^ length as u64);
    (0..length).map(|_| dice.roll().to_le_bytes()[3]).collect()
}

/// Genesis of `dev`, and valid blocks with the fewest and the most transfers of the story's.
fn blocks() -> Vec<Block> {
    let genesis = networks::dev();
    let mut blocks = vec![Block {
        header: genesis.header(),
        transfers: Vec::new(),
    }];
    let mut by_size = story().blocks.clone();
    by_size.sort_by_key(Block::size);
    by_size.retain(|block| block.size() < 4_096);
    blocks.extend(by_size.first().cloned());
    blocks.extend(by_size.last().cloned());
    blocks
}

fn some_transfers() -> impl Iterator<Item = &'static SignedTransfer> {
    story().transfers.iter().take(3)
}

fn transfers() -> Vec<Vec<u8>> {
    let compact = some_transfers().map(|transfer| [vec![0], encode(transfer)].concat());
    let wire = some_transfers().map(|transfer| {
        let text = WireTransfer::from_signed(transfer, &story().genesis.domain);
        [vec![1], text.into_bytes()].concat()
    });
    compact.chain(wire).collect()
}

fn headers() -> Vec<Vec<u8>> {
    let seed = |block: &Block| {
        let mut bytes = block.header.bits.get().to_le_bytes().to_vec();
        bytes.extend(block.id().as_bytes());
        bytes.extend(block.header.parent.as_bytes());
        bytes.extend(block.header.encode());
        bytes
    };
    blocks().iter().map(seed).collect()
}

fn frames() -> Vec<Vec<u8>> {
    let magic = story().genesis.network_magic();
    let says = Saying::ALL.map(|what| what.message(1, 2));
    let messages = says.into_iter().chain([hello(3, [0; 32], 9)]);
    let framed = messages.map(|message| {
        let (kind, payload) = message.encode();
        frame(magic, kind, &payload)
    });
    framed.filter(|bytes| bytes.len() < 4_096).collect()
}

fn files() -> Vec<Vec<u8>> {
    let configuration = "network = \"dev\"\nhttp = \"127.0.0.1:8080\"\np2p = \"off\"\n\
        connect = [\"[::1]:9090\"]\nblock-time = \"500ms\"\nlog = \"debug\"\nlog-json = true\n";
    let genesis = |genesis: &Genesis| [vec![1], genesis.to_json().into_bytes()].concat();
    vec![
        [vec![0], configuration.as_bytes().to_vec()].concat(),
        genesis(&networks::dev()),
        genesis(&story().genesis),
    ]
}

fn rows() -> Vec<Vec<u8>> {
    let block = &blocks()[2];
    let before: Vec<_> = block
        .transfers
        .iter()
        .map(|transfer| (transfer.to, Account::default()))
        .collect();
    let record = HeaderRecord {
        header: block.header,
        chainwork: Default::default(),
        status: Status::HeaderOnly,
        arrival: None,
    };
    let row = |kind: u8, bytes: Vec<u8>| [vec![kind], bytes].concat();
    vec![
        row(0, encode(&Undo { before })),
        row(1, encode(&record)),
        row(2, encode(&Account::default())),
        row(5, block::encode_body(&block.transfers)),
    ]
}

fn keys() -> Vec<Vec<u8>> {
    let address = some_transfers().map(|transfer| [vec![0], transfer.to.to_string().into_bytes()]);
    let words = "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong\0extra";
    let others = [
        [vec![1], words.as_bytes().to_vec()],
        [vec![2], vec![100, 0, b'x']],
        [vec![3], CHEAP.as_bytes().to_vec()],
    ];
    address.chain(others).map(|parts| parts.concat()).collect()
}
