//! The address of one state of a sweep, as it stands in a REPRO line, and what was found in it.

use std::fmt;
use std::str::FromStr;

use archivas_scenarios::checks::Check;
use archivas_scenarios::draws::{Draw, Draws};

use crate::disk::image::Image;
use crate::disk::{Fault, Survival};

/// What happens at an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The power fails, and no write since the last sync survives.
    None,
    /// The power fails and all survive; for the disk the same as SIGKILL.
    All,
    /// The first so many survive.
    Prefix,
    /// Each survives or not, whole.
    Subset,
    /// Each sector of each survives or not.
    Torn,
    /// The operation fails with an I/O error.
    Io,
    /// The operation fails because the disk is full.
    Full,
    /// The operation is a sync, fails, and no later one makes good for it.
    Sync,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::All,
        Self::Prefix,
        Self::Subset,
        Self::Torn,
        Self::Io,
        Self::Full,
        Self::Sync,
    ];

    /// Those of a power failure.
    pub const CRASHES: [Self; 5] = [
        Self::None,
        Self::All,
        Self::Prefix,
        Self::Subset,
        Self::Torn,
    ];

    /// The word for it on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::All => "all",
            Self::Prefix => "prefix",
            Self::Subset => "subset",
            Self::Torn => "torn",
            Self::Io => "io",
            Self::Full => "full",
            Self::Sync => "sync",
        }
    }

    /// The fault of the disk that the living node must see, for those that leave it alive.
    #[must_use]
    pub fn fault(self) -> Option<Fault> {
        match self {
            Self::Io => Some(Fault::Io),
            Self::Full => Some(Fault::Full),
            Self::Sync => Some(Fault::Sync),
            _ => None,
        }
    }

    /// One of the five outcomes of a power failure.
    #[must_use]
    pub fn drawn(draw: &mut Draw) -> Self {
        let at = usize::try_from(draw.range(0..5)).expect("below five");
        Self::CRASHES[at]
    }

    /// Lets the power fail.
    pub fn strike(self, image: &mut Image, draw: &mut Draw) -> Survival {
        Survival::strike_as(self as u64, image, draw)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Outcome {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|outcome| outcome.name() == text);
        let names = Self::ALL.map(Self::name).join(", ");
        found.ok_or_else(|| format!("there is no outcome `{text}`; there are {names}"))
    }
}

/// One state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateId {
    /// One end at an operation of the recorded run.
    At {
        /// The operation, from 0.
        operation: usize,
        /// What happens.
        outcome: Outcome,
    },
    /// An end with a drawn outcome, and another at an operation of the recovery from it.
    Nested {
        /// The operation of the recorded run, from 0.
        operation: usize,
        /// The operation of the recovery, from 0.
        then: usize,
    },
    /// The process is killed when its tasks have been polled so often.
    Await(u64),
}

impl StateId {
    /// The arguments of `sweep` that try this state alone.
    #[must_use]
    pub fn arguments(&self) -> String {
        match self {
            Self::At { operation, outcome } => format!("--at {operation} --outcome {outcome}"),
            Self::Nested { operation, then } => format!("--at {operation} --then {then}"),
            Self::Await(poll) => format!("--await-at {poll}"),
        }
    }

    /// The draws of this state alone.
    #[must_use]
    pub fn draw(&self, draws: &Draws) -> Draw {
        match *self {
            Self::At { operation, outcome } => {
                draws.draw("sweep.at", outcome.name().as_bytes(), operation as u64)
            }
            Self::Nested { operation, then } => {
                let subject = (operation as u64).to_le_bytes();
                draws.draw("sweep.nested", &subject, then as u64)
            }
            Self::Await(poll) => draws.draw("sweep.await", b"", poll),
        }
    }
}

/// The draws of the first end of a nested state: they are the same for each of its second ends.
#[must_use]
pub fn first_draw(draws: &Draws, operation: usize) -> Draw {
    draws.draw("sweep.first", b"", operation as u64)
}

/// Something that a state shows and should not.
#[derive(Clone, Debug)]
pub struct Found {
    /// The check that failed.
    pub check: Check,
    /// What was expected and what was found.
    pub sentence: String,
}

impl Found {
    /// A failed check.
    pub fn new(check: Check, sentence: impl Into<String>) -> Self {
        let sentence = sentence.into();
        Self { check, sentence }
    }
}
