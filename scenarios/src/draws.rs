//! Randomness that is addressable by content: each decision is a ChaCha stream whose key is a hash
//! of the seed, the place in the code, the thing decided about, and its how-manieth. So removing
//! one event from a plan leaves every other draw as it was. Floats come from `libm` only: the
//! standard library's logarithm differs between machines.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use archivas_core::primitives::crypto::sha3_256;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// All draws of one run.
#[derive(Clone)]
pub struct Draws {
    seed: u64,
    future: Option<Future>,
}

/// Another future than the seed's: from some moment on, every draw is another.
#[derive(Clone)]
struct Future {
    number: u64,
    has_come: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl fmt::Debug for Draws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let future = self.future.as_ref().map(|future| future.number);
        f.debug_struct("Draws")
            .field("seed", &self.seed)
            .field("future", &future)
            .finish()
    }
}

impl Draws {
    /// The draws of `seed`.
    pub const fn new(seed: u64) -> Self {
        Self { seed, future: None }
    }

    /// The same up to a moment, and others from then on: those of the future with this number.
    #[must_use]
    pub fn anew_after(
        self,
        number: u64,
        has_come: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        let has_come = Arc::new(has_come);
        Self {
            seed: self.seed,
            future: Some(Future { number, has_come }),
        }
    }

    /// The seed.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The `n`th decision at `site` about `subject`. The same four always give the same stream.
    ///
    /// `site` names the place in the code (`"player.block"`); `subject` is what the decision is
    /// about, in bytes that mean the same in every run: a name, a frame's hash, an operation.
    pub fn draw(&self, site: &str, subject: &[u8], n: u64) -> Draw {
        let future = self.future.as_ref().filter(|future| (future.has_come)());
        let future = future.map(|future| future.number.to_le_bytes());
        let key = sha3_256(&[
            b"archivas draw 1",
            &self.seed.to_le_bytes(),
            &length(site.as_bytes()),
            site.as_bytes(),
            &length(subject),
            subject,
            &n.to_le_bytes(),
            future.as_ref().map_or(&[], |number| &number[..]),
        ]);
        Draw(ChaCha8Rng::from_seed(key))
    }
}

/// The length in front of bytes that vary in length, so that no two addresses hash alike.
fn length(bytes: &[u8]) -> [u8; 8] {
    u64::try_from(bytes.len())
        .expect("a length fits 64 bits")
        .to_le_bytes()
}

/// The stream of one decision; it may be asked several times, always in the same order.
#[derive(Clone, Debug)]
pub struct Draw(ChaCha8Rng);

impl Draw {
    /// 64 uniform bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Fills `bytes` uniformly.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// Uniform in `range`, which must not be empty.
    pub fn range(&mut self, range: Range<u64>) -> u64 {
        let width = range
            .end
            .checked_sub(range.start)
            .filter(|width| *width > 0);
        let width = width.expect("a range to draw from is not empty");
        // Multiply and shift; refusing the low part below 2^64 mod width keeps it exactly uniform.
        let refused = width.wrapping_neg() % width;
        loop {
            let product = u128::from(self.bits()) * u128::from(width);
            let low = u64::try_from(product & u128::from(u64::MAX)).expect("masked to 64 bits");
            if low >= refused {
                let high = u64::try_from(product >> 64).expect("shifted to 64 bits");
                return range.start + high;
            }
        }
    }

    /// Uniform in 0..`count`, for choosing from a list; `count` must not be zero.
    pub fn index(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).expect("a count fits 64 bits");
        usize::try_from(self.range(0..count)).expect("below a usize")
    }

    /// Uniform in (0, 1], of 53 bits: never 0, so that its logarithm is finite.
    #[expect(
        clippy::cast_precision_loss,
        reason = "the value has 53 bits, which a double holds"
    )]
    pub fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// True with probability `p`: never at 0, always at 1.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() <= p
    }

    /// Exponentially distributed with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -libm::log(self.unit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_address_gives_the_same_stream_and_any_other_another() {
        let draws = Draws::new(7);
        let bits = |draws: &Draws, site, subject: &[u8], n| draws.draw(site, subject, n).bits();
        let first = bits(&draws, "link.latency", b"a-b", 3);
        assert_eq!(first, bits(&draws, "link.latency", b"a-b", 3));
        assert_ne!(first, bits(&Draws::new(8), "link.latency", b"a-b", 3));
        assert_ne!(first, bits(&draws, "link.latencx", b"a-b", 3));
        assert_ne!(first, bits(&draws, "link.latency", b"a-c", 3));
        assert_ne!(first, bits(&draws, "link.latency", b"a-b", 4));
    }

    #[test]
    fn another_future_differs_only_once_it_has_come() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let come = Arc::new(AtomicBool::new(false));
        let (seen, usual) = (come.clone(), Draws::new(7));
        let other = Draws::new(7).anew_after(1, move || seen.load(Ordering::Relaxed));
        let bits = |draws: &Draws| draws.draw("site", b"x", 0).bits();
        assert_eq!(bits(&other), bits(&usual));
        come.store(true, Ordering::Relaxed);
        assert_ne!(bits(&other), bits(&usual));
        assert_ne!(bits(&other), bits(&Draws::new(7).anew_after(2, || true)));
    }

    #[test]
    fn site_and_subject_cannot_run_into_each_other() {
        let draws = Draws::new(7);
        assert_ne!(
            draws.draw("ab", b"c", 0).bits(),
            draws.draw("a", b"bc", 0).bits()
        );
    }

    #[test]
    fn the_stream_is_pinned_for_ever() {
        // A change of these values invalidates every digest and every kept regression.
        let mut draw = Draws::new(7).draw("player.block", b"a", 0);
        assert_eq!(draw.bits(), 10_880_627_140_093_098_438);
        assert_eq!(draw.exponential().to_bits(), 4_606_050_848_466_447_873);
    }

    #[test]
    fn removing_one_event_leaves_every_other_draw_as_it_was() {
        let draws = Draws::new(99);
        let of = |events: &[&str]| -> Vec<(String, u64)> {
            let draw = |id: &&str| draws.draw("event", id.as_bytes(), 0).bits();
            events.iter().map(|id| (id.to_string(), draw(id))).collect()
        };
        let mut all = of(&["cut a|b", "kill c", "heal", "start c"]);
        all.remove(1);
        assert_eq!(all, of(&["cut a|b", "heal", "start c"]));
    }

    #[test]
    fn ranges_are_inclusive_below_exclusive_above_and_reach_both_ends() {
        let mut draw = Draws::new(1).draw("test", b"range", 0);
        let mut seen = [0_u32; 5];
        for _ in 0..1_000 {
            let value = draw.range(10..15);
            seen[usize::try_from(value - 10).unwrap()] += 1;
        }
        assert!(
            seen.iter().all(|count| (130..=270).contains(count)),
            "{seen:?}"
        );
        assert_eq!(draw.range(4..5), 4);
        assert!(draw.range(0..u64::MAX) < u64::MAX);
    }

    #[test]
    fn chances_hold_at_their_ends() {
        let mut draw = Draws::new(1).draw("test", b"chance", 0);
        assert!((0..1_000).all(|_| !draw.chance(0.0)));
        assert!((0..1_000).all(|_| draw.chance(1.0)));
    }

    #[test]
    fn exponential_draws_have_mean_one() {
        let draws = Draws::new(3);
        let sum: f64 = (0..20_000)
            .map(|n| draws.draw("test", b"exp", n).exponential())
            .sum();
        assert!((0.97..1.03).contains(&(sum / 20_000.0)), "{sum}");
    }
}
