//! What each fuzz target proves of hostile bytes: plain functions from bytes to nothing, that panic
//! when something does not hold. A fuzzer runs them (`fuzz/fuzz_targets/`), and without one
//! `cargo test` runs them over the seeds and over every input that once failed.

mod addresses;
pub mod corpus;
mod decode;
mod desk;
mod host;
mod keys;
mod ledger;
mod memory;
mod numbers;
#[cfg(feature = "plans")]
mod plans;
mod presync;
pub mod reach;
mod saved;
pub mod seeds;
mod session;
mod settings;
mod signatures;
mod snapshots;
mod store;
mod story;
mod tracker;
mod web;

pub use addresses::addrbook;
pub use decode::{block_decode, frame_codec, tx_decode, undo_decode};
pub use keys::keystore_address;
pub use ledger::{block_tree, ledger_model, mempool_reorg, mempool_sim};
pub use numbers::{difficulty_time, header_pow_work, merkle};
#[cfg(feature = "plans")]
pub use plans::plan_player;
pub use presync::headers_presync;
pub use saved::mempool_file;
pub use session::peer_session;
pub use settings::config_load;
pub use signatures::ed25519_consensus;
pub use snapshots::snapshot_import;
pub use store::storage_crash;
pub use tracker::tx_request_tracker;
pub use web::http_api;

/// Judges one input; a panic is a finding.
pub type Proof = fn(&[u8]);

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its file in `fuzz/fuzz_targets/` and of its corpus.
    pub name: &'static str,
    /// What it proves, in one line.
    pub proves: &'static str,
    /// The proof.
    pub proof: Proof,
}

/// All targets, in the order of the list in `fuzz/README.md`.
pub const TARGETS: [Target; 22] = [
    Target {
        name: "tx_decode",
        proves: "a transfer reads, encodes and is judged as the model says, in blocks and as JSON",
        proof: tx_decode,
    },
    Target {
        name: "block_decode",
        proves: "what decodes as a block encodes to the same bytes; it is judged as the model says",
        proof: block_decode,
    },
    Target {
        name: "header_pow_work",
        proves: "targets, work and seals are those of big integers; a header is its 160 bytes",
        proof: header_pow_work,
    },
    Target {
        name: "frame_codec",
        proves: "bounds come before memory; what a peer's message decodes to encodes to its bytes",
        proof: frame_codec,
    },
    Target {
        name: "peer_session",
        proves: "whatever peers say, caps hold and an honest peer still brings its chain, unpunished",
        proof: peer_session,
    },
    Target {
        name: "ledger_model",
        proves: "blocks, good and bad, change accounts as the model says, through restarts",
        proof: ledger_model,
    },
    Target {
        name: "block_tree",
        proves: "branches in any order, marks and the operator leave the model's tip and state",
        proof: block_tree,
    },
    Target {
        name: "mempool_sim",
        proves: "the pool takes, refuses, replaces and offers what the model's does",
        proof: mempool_sim,
    },
    Target {
        name: "mempool_reorg",
        proves: "through reorganizations the pool keeps and gives back what the model's does",
        proof: mempool_reorg,
    },
    Target {
        name: "difficulty_time",
        proves: "the next target and the median time past are those of big integers",
        proof: difficulty_time,
    },
    Target {
        name: "merkle",
        proves: "the root is the model's, and no other order, number or repetition has it",
        proof: merkle,
    },
    Target {
        name: "ed25519_consensus",
        proves: "a signature holds exactly by the strict equation, computed apart",
        proof: ed25519_consensus,
    },
    Target {
        name: "storage_crash",
        proves: "power lost in a commit leaves the state before or after it, and nothing else",
        proof: storage_crash,
    },
    Target {
        name: "addrbook",
        proves: "whatever is told or stored, the book is bounded and keeps who answers",
        proof: addrbook,
    },
    Target {
        name: "config_load",
        proves: "a configuration or genesis file is refused or means the same when written again",
        proof: config_load,
    },
    Target {
        name: "undo_decode",
        proves: "a stored row that decodes encodes to its bytes, within bounded memory",
        proof: undo_decode,
    },
    Target {
        name: "tx_request_tracker",
        proves: "only who has announced a transfer is asked for it, one at a time, and it comes",
        proof: tx_request_tracker,
    },
    Target {
        name: "headers_presync",
        proves: "headers of too little work are not stored; the chain that has it is followed",
        proof: headers_presync,
    },
    Target {
        name: "mempool_file",
        proves: "a node starts on any saved pool and takes of it what the model's pool takes",
        proof: mempool_file,
    },
    Target {
        name: "snapshot_import",
        proves: "what is imported has the accounts of its block; changed files are refused",
        proof: snapshot_import,
    },
    Target {
        name: "keystore_address",
        proves: "an address has one text; a changed key file opens to the same key or not at all",
        proof: keystore_address,
    },
    Target {
        name: "http_api",
        proves: "any request is answered or ended in time, what is accepted is there, the node lives",
        proof: http_api,
    },
];

/// The target of that name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
