//! Files that operators write.

use archivas::config::Layer;
use archivas_core::params::Genesis;

/// The first byte chooses: a configuration, or a genesis file, which the model reads as well.
pub fn config_load(bytes: &[u8]) {
    match bytes.split_first() {
        Some((form, rest)) if form % 2 == 0 => configuration(rest),
        Some((_, rest)) => genesis(rest),
        None => {}
    }
}

fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(layer) = Layer::from_toml(text) else {
        return;
    };
    let again = toml::to_string(&layer).expect("what was read can be written");
    assert_eq!(Layer::from_toml(&again), Ok(layer), "{again}");
}

fn genesis(bytes: &[u8]) {
    let Ok(genesis) = Genesis::parse(bytes) else {
        return;
    };
    let text = genesis.to_json();
    assert_eq!(Genesis::parse(text.as_bytes()).as_ref(), Ok(&genesis));
    let theirs = archivas_model::Model::new(text.as_bytes()).expect("a network is one for both");
    assert_eq!(theirs.genesis_id(), *genesis.id().as_bytes());
}
