//! The wire body is read strictly: numbers from their own digits, every key once, nothing else.

use archivas_core::primitives::{WireTransfer, wire::WireError};

const TX: &str = r#""type":"transfer","from":"f","to":"t","amount":1,"fee":2,"nonce":3"#;
const REST: &str = r#""pubkey":"p","sig":"s","hash":"h""#;

fn parse(text: &str) -> Result<WireTransfer, WireError> {
    WireTransfer::parse(text.as_bytes())
}

fn with_tx(tx: &str) -> String {
    format!("{{\"tx\":{{{tx}}},{REST}}}")
}

fn with_number(key: &str, number: &str) -> Result<WireTransfer, WireError> {
    let old = match key {
        "amount" => "\"amount\":1",
        "fee" => "\"fee\":2",
        _ => "\"nonce\":3",
    };
    parse(&with_tx(&TX.replace(old, &format!("\"{key}\":{number}"))))
}

#[test]
fn whole_numbers_are_read_exactly_up_to_the_last() {
    for key in ["amount", "fee", "nonce"] {
        for number in [
            "0",
            "9007199254740992",
            "9007199254740993",
            "18446744073709551615",
        ] {
            let wire = with_number(key, number).expect(number);
            let written = serde_json::to_string(&wire).expect("it serializes");
            assert!(
                written.contains(&format!("\"{key}\":{number}")),
                "{written}"
            );
        }
    }
}

#[test]
fn other_ways_to_write_a_number_are_refused() {
    let numbers = [
        "18446744073709551616",
        "99999999999999999999999",
        "1.0",
        "1.5",
        "1e3",
        "1E3",
        "1e0",
        "-0",
        "-1",
        "+1",
        "01",
        "0x1",
        "1_000",
        "\"1\"",
        "null",
        "true",
        "[1]",
        "{}",
        "",
        "NaN",
        "Infinity",
        "1e400",
        "0.0",
        "-0.0",
    ];
    for key in ["amount", "fee", "nonce"] {
        for number in numbers {
            let why = with_number(key, number).expect_err(number);
            assert_eq!(why.code, "malformed", "{number}");
        }
    }
}

#[test]
fn unknown_missing_and_repeated_keys_are_refused() {
    assert!(parse(&with_tx(TX)).is_ok());
    assert!(parse(&with_tx(&format!("{TX},\"memo\":\"\""))).is_ok());
    for extra in [
        "\"chain\":1",
        "\"Memo\":\"x\"",
        "\"amount\":1",
        "\"memo\":null",
        "\"memo\":1",
    ] {
        assert!(
            parse(&with_tx(&format!("{TX},{extra}"))).is_err(),
            "{extra}"
        );
    }
    assert!(parse(&with_tx(&format!("{TX},\"memo\":\"a\",\"memo\":\"a\""))).is_err());
    for entry in TX.split(',') {
        let without = TX.replace(entry, "").replace(",,", ",");
        assert!(
            parse(&with_tx(without.trim_matches(','))).is_err(),
            "{entry}"
        );
    }
    for entry in REST.split(',') {
        let body = format!("{{\"tx\":{{{TX}}},{REST},{entry}}}");
        assert!(parse(&body).is_err(), "{entry} twice");
        let without = REST.replace(entry, "").replace(",,", ",");
        let body = format!("{{\"tx\":{{{TX}}},{}}}", without.trim_matches(','));
        assert!(parse(&body).is_err(), "without {entry}");
    }
    assert!(parse(&format!("{{\"tx\":{{{TX}}},\"tx\":{{{TX}}},{REST}}}")).is_err());
}

#[test]
fn only_an_object_of_an_object_is_a_body() {
    let good = with_tx(TX);
    let tx_as_list = format!("{{\"tx\":[\"transfer\",\"f\",\"t\",1,2,3],{REST}}}");
    let body_as_list = format!("[{{{TX}}},\"p\",\"s\",\"h\"]");
    let bodies = [
        String::new(),
        "null".into(),
        "{}".into(),
        "[]".into(),
        "\"\"".into(),
        tx_as_list,
        body_as_list,
        format!("{good}{good}"),
        format!("{good},"),
        format!("\u{feff}{good}"),
        format!("[{good}]"),
        "[".repeat(60_000),
        "{\"tx\":".repeat(10_000),
    ];
    for body in bodies {
        assert!(parse(&body).is_err(), "{}", &body[..body.len().min(80)]);
    }
    assert!(parse(&format!(" {good}\n")).is_ok());
}

#[test]
fn texts_that_are_no_unicode_are_refused() {
    let lone = with_tx(&format!("{TX},\"memo\":\"\\ud800\""));
    assert!(parse(&lone).is_err());
    let mut raw = with_tx(&format!("{TX},\"memo\":\"?\"")).into_bytes();
    let place = raw
        .iter()
        .position(|byte| *byte == b'?')
        .expect("there is one");
    raw[place] = 0xff;
    assert!(WireTransfer::parse(&raw).is_err());
    let pair = with_tx(&format!("{TX},\"memo\":\"\\ud83d\\ude00\""));
    assert!(parse(&pair).is_ok());
}

#[test]
fn what_a_stranger_wrote_comes_back_short() {
    let long = with_tx(&format!("{TX},\"{}\":1", "é".repeat(30_000)));
    let why = parse(&long).expect_err("an unknown key");
    assert!(why.sentence.len() < 300, "{}", why.sentence.len());
}

#[test]
fn only_transfers_are_transfers() {
    let domain = archivas_core::primitives::Domain::archivas();
    let zero = "00".repeat(32);
    let address = "arcv1tl629vpnnlx64lmwjjm2256g4g8r46plfgym0p";
    let tx = TX
        .replace("\"transfer\"", "\"coinbase\"")
        .replace("\"f\"", &format!("\"{address}\""));
    let body = with_tx(&tx).replace("\"h\"", &format!("\"{zero}\""));
    let why = parse(&body)
        .expect("a body")
        .into_signed(&domain)
        .expect_err("no transfer");
    assert_eq!(why.code, "unknown_type");
}
