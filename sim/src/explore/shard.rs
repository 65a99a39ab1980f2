//! Parts of a campaign for many machines: shard i of N takes the indices that leave i modulo N.

use std::fmt;
use std::str::FromStr;

/// One part of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    part: u64,
    of: u64,
}

/// Why there is no shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadShard {
    /// Not of this form, or the part is not below the number of parts.
    #[error("`{0}` is no shard: I/N with I from 0 to N-1, or auto")]
    Malformed(String),
    /// No batch system has set anything.
    #[error("--shard auto finds none of {VARIABLES}")]
    Unset,
    /// Only half of what is needed is set.
    #[error("--shard auto finds {0} but not {1}")]
    Half(&'static str, &'static str),
}

/// Batch systems: the variable with the part, that with the number of parts, and the first part.
const SYSTEMS: &[(&str, &str, u64)] = &[
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", 0),
    ("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS", 0),
    ("STRATEGY_JOB_INDEX", "STRATEGY_JOB_TOTAL", 0),
    ("CI_NODE_INDEX", "CI_NODE_TOTAL", 1),
];
const VARIABLES: &str = "SLURM_ARRAY_TASK_ID and _COUNT (Slurm), JOB_COMPLETION_INDEX and \
    JOB_COMPLETIONS (Kubernetes; the second from your manifest), STRATEGY_JOB_INDEX and \
    STRATEGY_JOB_TOTAL (GitHub; from `strategy`), CI_NODE_INDEX and CI_NODE_TOTAL (GitLab)";
/// Slurm's arrays may begin anywhere; this says where.
const SLURM_FIRST: &str = "SLURM_ARRAY_TASK_MIN";

impl Shard {
    /// All of it.
    pub const WHOLE: Self = Self { part: 0, of: 1 };

    /// What a batch system has set in the environment.
    ///
    /// # Errors
    /// When nothing, half of it, or nonsense is set.
    pub fn from_environment(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, BadShard> {
        for (part, of, first) in SYSTEMS {
            let (index, count) = match (get(part), get(of)) {
                (None, None) => continue,
                (Some(index), Some(count)) => (index, count),
                (Some(_), None) => return Err(BadShard::Half(part, of)),
                (None, Some(_)) => return Err(BadShard::Half(of, part)),
            };
            let bad = || BadShard::Malformed(format!("{part}={index}, {of}={count}"));
            let first = match get(SLURM_FIRST).filter(|_| part.starts_with("SLURM")) {
                Some(first) => first.parse().map_err(|_| bad())?,
                None => *first,
            };
            let index: u64 = index.parse().map_err(|_| bad())?;
            let count: u64 = count.parse().map_err(|_| bad())?;
            let part = index.checked_sub(first).ok_or_else(bad)?;
            return Self::new(part, count).ok_or_else(bad);
        }
        Err(BadShard::Unset)
    }

    fn new(part: u64, of: u64) -> Option<Self> {
        (part < of).then_some(Self { part, of })
    }

    /// How many of the indices below `count` are this shard's.
    #[must_use]
    pub fn share_of(self, count: u64) -> u64 {
        count.saturating_sub(self.part).div_ceil(self.of)
    }

    /// The index that this shard takes as its `turn`th.
    #[must_use]
    pub fn index(self, turn: u64) -> u64 {
        turn.saturating_mul(self.of).saturating_add(self.part)
    }
}

impl FromStr for Shard {
    type Err = BadShard;

    fn from_str(text: &str) -> Result<Self, BadShard> {
        let bad = || BadShard::Malformed(text.into());
        let (part, of) = text.split_once('/').ok_or_else(bad)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| bad());
        Self::new(number(part)?, number(of)?).ok_or_else(bad)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_is_of_exactly_one_shard() {
        let mut taken = Vec::new();
        for part in 0..3 {
            let shard = Shard::new(part, 3).unwrap();
            taken.extend((0..shard.share_of(10)).map(|turn| shard.index(turn)));
        }
        taken.sort_unstable();
        assert_eq!(taken, (0..10).collect::<Vec<_>>());
        for bad in ["", "3/3", "1", "-1/2", "0/0", "a/b", "1/2/3"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_batch_systems_set_is_read_and_half_of_it_refused() {
        let read = |vars: &[(&str, &str)]| {
            let get = |name: &str| {
                let found = vars.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            Shard::from_environment(&get).map(|shard| shard.to_string())
        };
        let slurm = [
            ("SLURM_ARRAY_TASK_ID", "4"),
            ("SLURM_ARRAY_TASK_COUNT", "4"),
            ("SLURM_ARRAY_TASK_MIN", "1"),
        ];
        assert_eq!(read(&slurm), Ok("3/4".into()));
        assert!(read(&slurm[..2]).is_err());
        let gitlab = [("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "2")];
        assert_eq!(read(&gitlab), Ok("0/2".into()));
        let half = read(&gitlab[..1]);
        assert_eq!(half, Err(BadShard::Half("CI_NODE_INDEX", "CI_NODE_TOTAL")));
        assert_eq!(read(&[]), Err(BadShard::Unset));
    }
}
