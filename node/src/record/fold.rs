//! A digest of everything that a node wants done, in order: two nodes with one digest have said and
//! done the same.

use archivas_core::node::{Action, Job};
use xxhash_rust::xxh3::Xxh3Default;

/// The digest so far.
#[derive(Clone, Default)]
pub(super) struct Fold(Box<Xxh3Default>);

impl std::fmt::Debug for Fold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fold({:016x})", self.digest())
    }
}

impl Fold {
    /// Of all actions that were added.
    pub fn digest(&self) -> u64 {
        self.0.digest()
    }

    /// Adds one.
    pub fn add(&mut self, action: &Action) {
        match action {
            Action::Send {
                peer,
                kind,
                payload,
            } => {
                self.head(0, peer.0);
                self.0.update(&[*kind]);
                self.0.update(&(payload.len() as u64).to_le_bytes());
                self.0.update(payload);
            }
            Action::Disconnect { peer, reason } => {
                self.head(1, peer.0);
                self.text(reason);
            }
            Action::Rest { peer, until } => {
                self.head(2, peer.0);
                self.0.update(&until.get().to_le_bytes());
            }
            Action::Dial(address) => {
                self.head(3, 0);
                self.text(address);
            }
            Action::Check { id, job } => {
                self.head(4, id.0);
                match job {
                    Job::Block { block, verified } => {
                        self.0.update(block.id().as_bytes());
                        self.0.update(&(verified.len() as u64).to_le_bytes());
                    }
                    Job::Transfer(transfer) => self.0.update(transfer.hash().as_bytes()),
                }
            }
            Action::Answer { ticket, answer } => {
                self.head(5, ticket.0);
                self.text(answer);
            }
            Action::Notify(event) => {
                self.head(6, 0);
                self.text(event);
            }
        }
    }

    fn head(&mut self, kind: u8, subject: u64) {
        self.0.update(&[kind]);
        self.0.update(&subject.to_le_bytes());
    }

    /// What has no encoding, as it is written for people.
    fn text(&mut self, what: &impl std::fmt::Debug) {
        self.0.update(format!("{what:?}").as_bytes());
    }
}
