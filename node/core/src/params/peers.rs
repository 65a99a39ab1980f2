//! Every bound on what a peer may send or make us hold, with its worst-case memory.
//!
//! Numbers only. A bound that is not here does not exist; a bound is checked before memory is
//! reserved (protocol §1, §4).

use crate::params::{BLOCK_BYTES_MAX, HEADER_BYTES};
use crate::primitives::Millis;

/// The version of the peer protocol that this node speaks; another version is refused without
/// blame.
pub const PROTOCOL_VERSION: u32 = 1;

/// Ids in one `GetHeaders` locator: ten single steps, then doubling, reach past 2^32 blocks in 43.
pub const LOCATOR_MAX: usize = 64;

/// Headers in one `Headers` message: 320 kB, the largest message beside a block.
pub const HEADERS_MAX: usize = 2_000;

/// Ids in one `Inv` message: 33 kB.
pub const INV_MAX: usize = 1_000;

/// Transfers asked for in one `Req` message.
pub const REQ_TRANSFERS_MAX: usize = 128;

/// Blocks asked for in one `Req` message.
pub const REQ_BLOCKS_MAX: usize = 16;

/// Blocks that one peer may owe us at a time: 16 MiB in the worst case.
pub const BLOCKS_OUTSTANDING_MAX: usize = 16;

/// Blocks of one peer that did not come in time and are taken all the same if they come yet.
pub const LATE_BLOCKS_MAX: usize = 64;

/// Transfers that one peer may owe us at a time.
pub const TRANSFERS_OUTSTANDING_MAX: usize = 256;

/// Transfers that one peer announced and that are asked for once it owes us less: 130 kB a peer. As
/// many as a peer may have waiting to be announced.
pub const POSTPONED_TRANSFERS_MAX: usize = ANNOUNCE_QUEUE_MAX;

/// Bytes of the user agent in `Hello`.
pub const USER_AGENT_BYTES_MAX: usize = 64;

/// Ids that we remember a peer to know: 4,096 × about 100 B = 400 kB a peer.
pub const KNOWN_IDS_MAX: usize = 4_096;

/// Ids waiting to be announced to one peer; the oldest are forgotten first (the peer can still
/// ask): 400 kB a peer.
pub const ANNOUNCE_QUEUE_MAX: usize = 4_096;

/// Ids of requests from one peer that wait for room in its outgoing queue: 40 kB a peer.
pub const SERVE_QUEUE_MAX: usize = 1_024;

/// Refused transfers that are remembered, by the hash of the whole signed transfer: 4 MB.
pub const REFUSED_TRANSFERS_MAX: usize = 32_768;

/// Transfers announced to us that we do not hold yet, over all peers: 4 MB.
pub const WANTED_TRANSFERS_MAX: usize = 16_384;

/// Peers that are remembered as announcers of one wanted transfer.
pub const ANNOUNCERS_MAX: usize = 8;

/// Blocks of which bodies are asked for ahead of the last one whose ancestors are all here.
pub const BODY_WINDOW: usize = 1_024;

/// Blocks above the last connectable one up to which a branch beside the best header's is looked at
/// while blocks are under way: each look reads so many headers of a few branches.
pub const RIVAL_WINDOW: usize = 64;

/// Blocks of peers that are asked for or at the checker at once: 64 MiB in the worst case; when
/// full, no more blocks are asked for.
pub const BLOCK_CHECKS_MAX: usize = 64;

/// Blocks of our own miners at the checker at once: 16 MiB. A place of their own, because a mined
/// block that is refused for want of room is lost money.
pub const OWN_BLOCK_CHECKS_MAX: usize = 16;

/// Transfers at the checker at once: 1 MiB, and 70 ms of one core. A place of their own, so that
/// they and the blocks do not keep one another out.
pub const TRANSFER_CHECKS_MAX: usize = 1_024;

/// Jobs at the checker at once.
pub const CHECKS_MAX: usize = BLOCK_CHECKS_MAX + OWN_BLOCK_CHECKS_MAX + TRANSFER_CHECKS_MAX;

/// Headers from the future that are held until their time has come: 16 kB.
pub const EARLY_HEADERS_MAX: usize = 64;

/// Of them, how many one peer can have us hold.
pub const EARLY_HEADERS_PEER_MAX: usize = 4;

/// A header from further ahead than this is not held.
pub const EARLY_AHEAD_MAX: Millis = Millis::from_secs(2 * 60 * 60);

/// Connections that others opened: with a full outgoing queue each 160 MB in the worst case.
pub const INBOUND_MAX: usize = 64;

/// Headers that one chain of little work can have us follow, one peer at a time: one bit each, 512
/// kB. Eight years of 60 seconds.
pub const PRESYNC_HEADERS_MAX: usize = 1 << 22;

/// A payload of a kind that we do not know is skipped up to this size.
pub const UNKNOWN_PAYLOAD_MAX: usize = 64 * 1024;

/// The most bytes of a `Res` payload: a block and the tag before it.
pub const RES_PAYLOAD_MAX: usize = BLOCK_BYTES_MAX + 16;

/// Bytes waiting for one peer to read them; beyond it the peer is disconnected. Twice the largest
/// message and a margin, so that one block never disconnects anybody.
pub const OUTBOX_BYTES_MAX: usize = 4 * 1024 * 1024;

/// We read the next body from disk for a peer only while its outgoing queue is below this.
pub const OUTBOX_SERVE_BYTES: usize = 2 * 1024 * 1024;

/// Both sides say `Hello` within this time of connecting.
pub const HANDSHAKE_TIMEOUT: Millis = Millis::from_secs(5);

/// Pause between two pings; two unanswered ones end the connection.
pub const PING_INTERVAL: Millis = Millis::from_secs(30);

/// A peer that was asked for headers has this long to answer.
pub const HEADERS_TIMEOUT: Millis = Millis::from_secs(15);

/// A peer that was asked for a block has this long before another is asked.
pub const BLOCK_TIMEOUT: Millis = Millis::from_secs(10);

/// At the tip, where few blocks are under way, it has this long: the next is asked while the first
/// may still answer, so whoever announces first and withholds delays a block by no more.
pub const BLOCK_TIMEOUT_AT_TIP: Millis = Millis::from_secs(2);

/// Blocks under way below which a node is at the tip.
pub const AT_TIP_BLOCKS: usize = 4;

/// Blocks in a row that came late double the time for the next ones at most so often: a line may be
/// slower than all that we know.
pub const TIMEOUT_DOUBLINGS_MAX: u32 = 3;

/// A peer that was asked for a transfer has this long before another is asked.
pub const TRANSFER_TIMEOUT: Millis = Millis::from_secs(5);

/// Transfers wait for at most this long before they are announced together.
pub const ANNOUNCE_DELAY_MAX: Millis = Millis::new(500);

/// First pause before a peer that could not be reached is dialled again; doubled each time.
pub const REDIAL_FIRST: Millis = Millis::from_secs(1);

/// Longest pause before a named peer is dialled again.
pub const REDIAL_MAX: Millis = Millis::from_secs(30);

/// Points that a peer begins with; at none it is banned.
pub const SCORE_FULL: u32 = 100;

/// A lost point comes back after this time.
pub const SCORE_REGAIN: Millis = Millis::from_secs(60);

/// Places with lost points that are remembered: 400 kB. Who has lost least is forgotten first.
pub const SCORES_MAX: usize = 4_096;

/// How long a place is banned for misbehaviour.
pub const BAN_TIME: Millis = Millis::from_secs(24 * 60 * 60);

/// Longest ban that an operator can wish for.
pub const BAN_TIME_MAX: Millis = Millis::from_secs(366 * 24 * 60 * 60);

/// Banned places: 4 MB, in memory and on disk. Who is first to be free makes room.
pub const BANS_MAX: usize = 16_384;

/// Bans and addresses are written together after this time: whoever provokes bans provokes no more
/// than a few writes a minute.
pub const PEERS_SAVE_INTERVAL: Millis = Millis::from_secs(10);

/// Blocks whose deliverers are remembered: 500 kB. A block is judged on its state at the latest when
/// its branch has most work, long after it came.
pub const DELIVERERS_MAX: usize = 4_096;

/// Token buckets that are not full: 500 kB.
pub const BUDGETS_MAX: usize = 4_096;

/// Who is over the rate of announcements for this long is blamed.
pub const FLOOD_TIME: Millis = Millis::from_secs(60);

/// What one place may say of a group of kinds.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Bytes a second.
    pub bytes: u32,
    /// Bytes at once, after silence.
    pub burst_bytes: u32,
    /// Messages a second.
    pub messages: u32,
    /// Messages at once, after silence.
    pub burst_messages: u32,
}

/// Rates in the order of `p2p::budget::KindGroup`: several times what honest nodes do at their
/// busiest, and a fraction of what one core handles.
pub const RATES: [Rate; 4] = [
    // Small talk: a node says something twice a minute.
    Rate {
        bytes: 64 * 1024,
        burst_bytes: 1024 * 1024,
        messages: 20,
        burst_messages: 200,
    },
    // Announcements: 8,000 ids a second and node are more than it can have verified; four nodes may
    // stand behind one address.
    Rate {
        bytes: 1024 * 1024,
        burst_bytes: 4 * 1024 * 1024,
        messages: 200,
        burst_messages: 2_000,
    },
    // Requests for headers read 2,000 rows each, about 4 ms: 40 ms a second and place.
    Rate {
        bytes: 64 * 1024,
        burst_bytes: 1024 * 1024,
        messages: 10,
        burst_messages: 200,
    },
    // Requests for bodies: more blocks a second than a node can import.
    Rate {
        bytes: 1024 * 1024,
        burst_bytes: 4 * 1024 * 1024,
        messages: 2_000,
        burst_messages: 8_000,
    },
];

/// Peers whose clocks must be known before ours is compared with their middle.
pub const CLOCK_PEERS_MIN: usize = 3;

/// Our wall clock is suspect when it is further than this from the middle of our peers'.
pub const CLOCK_SKEW_MAX: Millis = Millis::from_secs(20);

/// Blocks by which two chains differ, at heights that both have, before they count as parted.
pub const FORK_DEPTH: u64 = 6;

/// Peers on another chain below which nobody is alarmed: one may be anybody.
pub const FORK_PEERS_MIN: usize = 2;

/// A fork is suspected when as many peers as follow us have been on another chain for this long.
pub const FORK_TIME: Millis = Millis::from_secs(10 * 60);

/// Groups of peers chosen by us that served what we refuse, from which on our rules are suspect.
pub const FORK_REFUSALS_MIN: usize = 3;

/// Groups of whom that is remembered: 2 kB.
pub const FORK_REFUSALS_MAX: usize = 32;

/// Connections that we choose ourselves, each to another group.
pub const OUTBOUND_MAX: usize = 8;

/// Pause between two choices of whom to connect with while places are free.
pub const OUTBOUND_PAUSE: Millis = Millis::from_secs(1);

/// Pause before the next choice when there was nobody to choose.
pub const OUTBOUND_IDLE: Millis = Millis::from_secs(15);

/// Longest pause between two dials that only look whether somebody is there.
pub const FEELER_PAUSE: Millis = Millis::from_secs(120);

/// Longest pause between two questions for addresses.
pub const ADDRESSES_PAUSE: Millis = Millis::from_secs(30 * 60);

/// A peer that asks for addresses more often than this is not answered.
pub const ADDRESSES_ANSWER_PAUSE: Millis = Millis::from_secs(10 * 60);

/// Addresses in one `Peers` message: 7 kB.
pub const PEERS_MAX: usize = 256;

/// Addresses of one place that are taken in a day.
pub const ADDRESSES_A_DAY: u32 = 1_000;

/// Places of whom it is remembered how many addresses they told: 100 kB.
pub const ADDRESS_TELLERS_MAX: usize = 1_024;

/// Peers that are dialled first in the next life.
pub const ANCHORS_MAX: usize = 2;

/// Buckets of addresses that we have heard of.
pub const BOOK_NEW_BUCKETS: u64 = 256;

/// Of them, how many one group of tellers can fill.
pub const BOOK_SOURCE_BUCKETS: u64 = 64;

/// Buckets of addresses that we have talked to.
pub const BOOK_TRIED_BUCKETS: u64 = 64;

/// Of them, how many the addresses of one group can fill.
pub const BOOK_TRIED_GROUP_BUCKETS: u64 = 8;

/// Places in each bucket: with all of them full the book takes 5 MB in memory and 2 MB on disk.
pub const BOOK_BUCKET_PLACES: u64 = 64;

/// New places that one address may have.
pub const BOOK_NEW_PLACES_MAX: usize = 4;

/// Tried addresses that wait for the place of another.
pub const BOOK_RIVALS_MAX: usize = 16;

/// Draws before a choice is given up.
pub const BOOK_CHOOSE_TRIES: usize = 64;

/// Failed dials in a row after which a newcomer may have the place.
pub const BOOK_STALE_FAILURES: u32 = 4;

/// Longest pause before an address of the book is dialled again.
pub const BOOK_REDIAL_MAX: Millis = Millis::from_secs(60 * 60);

/// An address that nobody has seen for so long is not told, and makes way.
pub const ADDRESS_AGE_MAX: Millis = Millis::from_secs(30 * 24 * 60 * 60);

/// A later time at which an address was seen is noted in steps of this.
pub const ADDRESS_SEEN_STEP: Millis = Millis::from_secs(60 * 60);

/// Connections from one inbound group (IPv4 /24, IPv6 /48).
pub const INBOUND_GROUP_MAX: usize = 4;

/// How many are protected for each virtue when somebody has to make room.
pub const EVICTION_PROTECTED: usize = 4;

const _: () = assert!(
    LOCATOR_MAX > 10 + 32,
    "heights below 2^32 need 32 doublings"
);
const _: () = assert!(HEADERS_MAX * HEADER_BYTES <= BLOCK_BYTES_MAX);
const _: () = assert!(REQ_BLOCKS_MAX <= BLOCKS_OUTSTANDING_MAX);
const _: () = assert!(REQ_TRANSFERS_MAX <= TRANSFERS_OUTSTANDING_MAX);
const _: () = assert!(BLOCKS_OUTSTANDING_MAX <= BLOCK_CHECKS_MAX);
const _: () = assert!(RES_PAYLOAD_MAX < OUTBOX_SERVE_BYTES);
const _: () = assert!(OUTBOX_SERVE_BYTES + RES_PAYLOAD_MAX < OUTBOX_BYTES_MAX);
