//! The model against answers that were made elsewhere: the wallet's SDK, the published ASERT runs,
//! and the ids of the built-in networks.

use archivas_model::{
    Model, Pace, Progress, Transfer, address_of_text, asert, compact, expand, hex,
};

const RUNS: [&str; 6] = [
    include_str!("../../../node/core/tests/vectors/asert/run01.txt"),
    include_str!("../../../node/core/tests/vectors/asert/run02.txt"),
    include_str!("../../../node/core/tests/vectors/asert/run03.txt"),
    include_str!("../../../node/core/tests/vectors/asert/run04.txt"),
    include_str!("../../../node/core/tests/vectors/asert/run05.txt"),
    include_str!("../../../node/core/tests/vectors/asert/run06.txt"),
];

const WALLET: &str = include_str!("../../../node/core/tests/vectors/wallet.json");

fn number(text: &str) -> u32 {
    u32::from_str_radix(text.trim_start_matches("0x"), 16).expect("hexadecimal")
}

#[test]
fn the_published_asert_runs_are_reproduced() {
    let pace = Pace {
        block_time: 600,
        half_life: 172_800,
    };
    let limit = expand(0x1d00_ffff).expect("a target");
    let mut rows = 0;
    for run in RUNS {
        let heading = |name: &str| {
            let line = run.lines().find_map(|line| line.split_once(name));
            line.expect(name).1.trim()
        };
        let anchor = expand(number(heading("anchor nBits:"))).expect("a target");
        let height: u64 = heading("anchor height:").parse().expect("a height");
        let time: i128 = heading("anchor ancestor time:").parse().expect("a time");
        for line in run
            .lines()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()))
        {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let progress = Progress {
                elapsed: fields[2].parse::<i128>().expect("a time") - time,
                blocks: fields[1].parse::<u64>().expect("a height") - height,
            };
            let next = compact(&asert(&anchor, progress, pace, &limit));
            assert_eq!(next, number(fields[3]), "{line}");
            rows += 1;
        }
    }
    assert_eq!(rows, 10 + 10 + 10 + 225 + 225 + 1_000);
}

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let digit = |c: u8| char::from(c).to_digit(16).expect("hexadecimal");
    let digits = text.as_bytes().chunks(2);
    let bytes = digits.map(|two| u8::try_from(digit(two[0]) << 4 | digit(two[1])));
    let bytes: Vec<u8> = bytes.collect::<Result<_, _>>().expect("two digits");
    bytes.try_into().expect("N bytes")
}

#[test]
fn the_wallets_transfers_have_its_text_its_id_and_a_signature_that_holds() {
    let wallet: serde_json::Value = serde_json::from_str(WALLET).expect("JSON");
    let vectors = wallet["transactions"].as_array().expect("a list");
    assert!(vectors.len() >= 8);
    for vector in vectors {
        let text = |name: &str| vector[name].as_str().expect("a text");
        let wire: serde_json::Value = serde_json::from_str(text("wire_body")).expect("JSON");
        let tx = &wire["tx"];
        let transfer = Transfer {
            to: address_of_text(tx["to"].as_str().expect("a text")).expect("an address"),
            amount: tx["amount"].as_u64().expect("a number"),
            fee: tx["fee"].as_u64().expect("a number"),
            nonce: tx["nonce"].as_u64().expect("a number"),
            memo: tx["memo"].as_str().unwrap_or_default().to_owned(),
            public_key: bytes(text("signer_pubkey_hex")),
            signature: bytes(text("sig_hex")),
        };
        assert_eq!(transfer.canonical_json(), text("canonical_json"));
        assert_eq!(hex(&transfer.id("Archivas-TxV1")), text("hash_hex"));
        assert_eq!(transfer.judge("Archivas-TxV1", 0), Ok(()), "{vector}");
        assert!(transfer.judge("Archivas-Testnet-TxV1", 0).is_err());
    }
}

#[test]
fn the_built_in_networks_have_the_nodes_ids() {
    let networks = [
        (
            &include_bytes!("../../../node/core/genesis/archivas.json")[..],
            "bae6d1d11b59b215c811084261f9f90accfee09ecae77fe74abc9b7e2e367e44",
        ),
        (
            &include_bytes!("../../../node/core/genesis/testnet.json")[..],
            "6a9c64184d5b1ecde2f97d419eaaf7808d05590e0785f4698da154cf3c6fde1d",
        ),
        (
            &include_bytes!("../../../node/core/genesis/dev.json")[..],
            "c4d7e064538abe5dc608778908f910db1bdc0a05e660eae89cc42a7a476e3ade",
        ),
    ];
    for (file, id) in networks {
        let model = Model::new(file).expect("a genesis file");
        assert_eq!(hex(&model.genesis_id()), id);
    }
}
