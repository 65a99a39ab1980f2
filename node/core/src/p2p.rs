//! Traffic between peers as pure state: frames, messages, what each peer knows and owes.
//!
//! Nothing here waits, sends or reads a clock: [`crate::node`] asks and acts.
//!
//! What strangers can make us hold, in the worst case. The constants are in `params::peers`, those of
//! the shell in `driver` and `connections`; `tests/tests/tidy.rs` checks that each constant and each
//! test exists, and that no bound of `params::peers` is missing here.
//!
//! | what | bound | memory | test that reaches it |
//! | --- | --- | --- | --- |
//! | connections, ready or not | `CONNECTIONS_MAX` | 256 × what stands before `Hello`, or the next rows | `the_loop_holds_so_many_connections_and_drops_the_next_unheard` |
//! | inbound peers | `INBOUND_MAX`, `INBOUND_GROUP_MAX` a subnet | 64 × what follows of a peer | `of_a_subnet_few_may_connect_and_a_flood_of_subnets_evicts_no_useful_peer` |
//! | outbound peers | `OUTBOUND_MAX` | 8 × what follows of a peer | `a_node_asks_whom_it_reached_and_connects_with_eight_of_eight_groups` |
//! | before `Hello`, a connection | `payload_max` of `HELLO`, `HANDSHAKE_TIMEOUT` | 256 B | `before_hello_nothing_larger_is_read` |
//! | a payload being read, a peer | `payload_max` of its kind, `RES_PAYLOAD_MAX`, `UNKNOWN_PAYLOAD_MAX` | 1 MiB | `a_length_above_the_bound_of_its_kind_closes_before_the_payload_comes` |
//! | lists in a message | `LOCATOR_MAX` `HEADERS_MAX` `INV_MAX` `PEERS_MAX` `USER_AGENT_BYTES_MAX` | within the payload | `the_largest_message_of_each_kind_is_within_its_bound_and_reads_back` |
//! | asked of us in a message | `REQ_BLOCKS_MAX` `REQ_TRANSFERS_MAX` | 33 kB | `a_request_for_too_much_costs_points_and_is_not_served` |
//! | frames read and not handled | `NET_EVENTS_MAX` | 32 MiB, all peers together | `a_stalled_loop_reads_no_more_than_its_queue_holds` |
//! | what a peer has not read | `OUTBOX_BYTES_MAX` | 4 MiB a peer | `a_peer_that_reads_nothing_overflows_and_then_is_given_up` |
//! | ids that a peer knows, or lacks | `KNOWN_IDS_MAX` | 400 kB a peer, twice | `the_oldest_key_is_forgotten_first_and_a_refresh_keeps_one` `however_much_a_peer_announces_or_asks_for_its_queues_are_bounded` |
//! | ids to announce | `ANNOUNCE_QUEUE_MAX` | 400 kB a peer | `of_announcements_that_a_peer_does_not_take_the_oldest_are_forgotten` |
//! | ids to serve | `SERVE_QUEUE_MAX` | 40 kB a peer | `however_much_a_peer_announces_or_asks_for_its_queues_are_bounded` |
//! | announcements put off | `POSTPONED_TRANSFERS_MAX` | 130 kB a peer | `announcements_beyond_what_a_peer_may_owe_are_asked_for_later` |
//! | blocks and transfers that a peer owes | `BLOCKS_OUTSTANDING_MAX` `TRANSFERS_OUTSTANDING_MAX` `LATE_BLOCKS_MAX` | 20 kB a peer | `a_timeout_gives_every_place_back_and_what_nobody_asked_for_takes_none` |
//! | wanted transfers, all peers | `WANTED_TRANSFERS_MAX`, `ANNOUNCERS_MAX` each | 4 MB | `neither_transfers_nor_their_announcers_fill_memory_and_a_place_comes_back` |
//! | refused transfers | `REFUSED_TRANSFERS_MAX` | 4 MB | `the_oldest_key_is_forgotten_first_and_a_refresh_keeps_one` |
//! | at the checker | `CHECKS_MAX` = `BLOCK_CHECKS_MAX` + `OWN_BLOCK_CHECKS_MAX` + `TRANSFER_CHECKS_MAX` | 64 + 16 + 1 MiB | `the_checker_gets_so_many_blocks_and_transfers_and_the_rest_waits_with_its_peers` |
//! | early headers | `EARLY_HEADERS_MAX`, `EARLY_HEADERS_PEER_MAX` a peer | 16 kB | `neither_a_peer_nor_all_of_them_can_fill_memory` |
//! | headers of little work | `PRESYNC_HEADERS_MAX` | 512 kB | `a_chain_that_ends_early_or_a_peer_that_falls_silent_leaves_the_place_to_others` |
//! | lost points | `SCORES_MAX` | 400 kB | `memory_of_scores_is_bounded_and_the_worst_are_remembered_longest` |
//! | bans | `BANS_MAX` | 4 MB, and as much on disk | `bans_are_bounded_and_the_first_to_end_makes_room` |
//! | who delivered a block | `DELIVERERS_MAX` | 500 kB | `of_blocks_whose_deliverers_are_known_the_oldest_is_forgotten_first` |
//! | groups that served what we refuse | `FORK_REFUSALS_MAX` | 2 kB | `the_memory_of_refusals_is_bounded` |
//! | addresses | 256 × 64 new, 64 × 64 tried places, `BOOK_NEW_PLACES_MAX` each, `BOOK_RIVALS_MAX`, `ANCHORS_MAX` | 5 MB, and 2 MB on disk | `whoever_has_few_groups_fills_few_places_and_never_a_tried_one` `the_book_is_bounded_whoever_tells_and_an_address_has_four_places_at_most` |
//! | addresses told, a place and day | `ADDRESSES_A_DAY`, `ADDRESS_TELLERS_MAX` places | 100 kB | `a_peer_tells_so_many_addresses_a_day_and_no_more` |
//! | token buckets | `BUDGETS_MAX` | 500 kB | `memory_of_budgets_is_bounded` |
//!
//! With every place taken and every queue full at once: 72 peers of 6.5 MiB, 32 MiB of frames, 81 MiB
//! at the checker and 24 MB for all the rest, together 600 MiB; and `CONNECTIONS_MAX` sockets.

pub mod address;
pub mod bans;
pub mod book;
pub mod budget;
pub mod dial;
pub mod early;
pub mod fork_watch;
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
