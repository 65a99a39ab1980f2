//! Traffic between peers as pure state: frames, messages, what each peer knows and owes.
//!
//! Nothing here waits, sends or reads a clock: [`crate::node`] asks and acts.
//!
//! What strangers can make us hold, in the worst case; the constants are in `params::peers`:
//!
//! | what | bound | memory | test that reaches it |
//! | --- | --- | --- | --- |
//! | inbound connections | `INBOUND_MAX`, `INBOUND_GROUP_MAX` a subnet | 64 × what follows of a peer | `of_a_subnet_few_may_connect_and_a_flood_of_subnets_evicts_no_useful_peer` |
//! | before `Hello`, a connection | 256 B, `HANDSHAKE_TIMEOUT` | 256 B | `before_hello_nothing_larger_is_read` |
//! | a payload being read, a peer | `payload_max` of its kind | 1 MiB | `a_length_above_the_bound_of_its_kind_closes_before_the_payload_comes` |
//! | what a peer has not read | `OUTBOX_BYTES_MAX` | 4 MiB a peer | `a_peer_that_reads_nothing_overflows_and_then_is_given_up` |
//! | ids that a peer knows | `KNOWN_IDS_MAX` | 400 kB a peer | `the_oldest_key_is_forgotten_first_and_a_refresh_keeps_one` |
//! | announcements put off | `POSTPONED_TRANSFERS_MAX` | 130 kB a peer | `announcements_beyond_what_a_peer_may_owe_are_asked_for_later` |
//! | early headers | `EARLY_HEADERS_MAX` | 16 kB | `neither_a_peer_nor_all_of_them_can_fill_memory` |
//! | headers of little work | `PRESYNC_HEADERS_MAX` | 512 kB | `a_chain_that_ends_early_or_a_peer_that_falls_silent_leaves_the_place_to_others` |
//! | lost points | `SCORES_MAX` | 400 kB | `memory_of_scores_is_bounded_and_the_worst_are_remembered_longest` |
//! | bans | `BANS_MAX` | 4 MB, and as much on disk | `bans_are_bounded_and_the_first_to_end_makes_room` |
//! | addresses | 256 × 64 new, 64 × 64 tried places | 5 MB, and 2 MB on disk | `whoever_has_few_groups_fills_few_places_and_never_a_tried_one` |
//! | addresses told, a place and day | `ADDRESSES_A_DAY`, `ADDRESS_TELLERS_MAX` places | 100 kB | `a_peer_tells_so_many_addresses_a_day_and_no_more` |
//! | token buckets | `BUDGETS_MAX` | 500 kB | `memory_of_budgets_is_bounded` |

pub mod address;
pub mod bans;
pub mod book;
pub mod budget;
pub mod dial;
pub mod early;
pub mod frame;
pub mod inbound;
pub mod known;
pub mod message;
pub mod peer;
pub mod place;
pub mod presync;
pub mod score;
pub mod timers;
pub mod wanted;
