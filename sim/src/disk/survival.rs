//! What survives a power loss: one of five outcomes, drawn, each as real disks have shown it. Pure
//! but for the draws.

use std::fmt;

use archivas_scenarios::draws::Draw;

use super::image::Image;

/// What a power loss left of the writes since the last sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Survival {
    /// Nothing was in doubt.
    NothingPending,
    /// No pending write survived.
    None,
    /// Every pending write survived.
    All,
    /// The first so many writes survived.
    Prefix(u64),
    /// Each write survived or not, whole.
    Subset,
    /// Each sector of each write survived or not.
    Torn,
}

impl fmt::Display for Survival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingPending => f.write_str("nothing was pending"),
            Self::None => f.write_str("no pending write survived"),
            Self::All => f.write_str("all pending writes survived"),
            Self::Prefix(count) => write!(f, "the first {count} pending writes survived"),
            Self::Subset => f.write_str("a subset of the pending writes survived"),
            Self::Torn => f.write_str("pending writes survived in torn sectors"),
        }
    }
}

impl Survival {
    /// The name of the fault in reports.
    #[must_use]
    pub fn fault(&self) -> &'static str {
        match self {
            Self::NothingPending => "power_loss_nothing_pending",
            Self::None => "power_loss_none_survived",
            Self::All => "power_loss_all_survived",
            Self::Prefix(_) => "power_loss_prefix_survived",
            Self::Subset => "power_loss_subset_survived",
            Self::Torn => "power_loss_torn",
        }
    }

    /// Draws an outcome, each kind as likely as the others, and applies it to `image`.
    pub fn strike(image: &mut Image, draw: &mut Draw) -> Self {
        match image.pending() {
            0 => Self::NothingPending,
            _ => Self::strike_as(draw.range(0..5), image, draw),
        }
    }

    /// The outcome of this number, in the order of the enum's: none, all, prefix, subset, torn.
    /// What else there is to decide is drawn.
    pub fn strike_as(kind: u64, image: &mut Image, draw: &mut Draw) -> Self {
        let pending = image.pending() as u64;
        if pending == 0 {
            return Self::NothingPending;
        }
        let outcome = match kind {
            0 => Self::None,
            1 => Self::All,
            2 => Self::Prefix(draw.range(0..pending)),
            3 => Self::Subset,
            _ => Self::Torn,
        };
        match outcome {
            Self::NothingPending | Self::None => image.lose_power(|_, _| false),
            Self::All => image.lose_power(|_, _| true),
            Self::Prefix(count) => image.lose_power(|write, _| (write as u64) < count),
            Self::Subset => {
                let kept: Vec<bool> = (0..pending).map(|_| coin(draw)).collect();
                image.lose_power(|write, _| kept[write]);
            }
            Self::Torn => image.lose_power(|_, _| coin(draw)),
        }
        outcome
    }
}

fn coin(draw: &mut Draw) -> bool {
    draw.bits() & 1 == 1
}

#[cfg(test)]
mod tests {
    use archivas_scenarios::draws::Draws;

    use super::*;

    #[test]
    fn every_outcome_is_drawn_and_the_same_seed_draws_the_same() {
        let strike = |seed: u64| {
            let mut image = Image::default();
            image.set_len(8192).unwrap();
            image.sync();
            for at in 0..8 {
                image.write(at * 512, &[1; 600]).unwrap();
            }
            let outcome = Survival::strike(&mut image, &mut Draws::new(seed).draw("test", b"", 0));
            let mut bytes = vec![0; 8192];
            image.read(0, &mut bytes).unwrap();
            (outcome, bytes)
        };
        let mut kinds = Vec::new();
        for seed in 0..100 {
            assert_eq!(strike(seed), strike(seed));
            let kind = std::mem::discriminant(&strike(seed).0);
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        assert_eq!(kinds.len(), 5);
    }
}
