//! Why a run fails: the same run again and again, each time with all draws made anew after some time
//! t. Before the cause the failure is as rare as it is; after it, it comes whatever is drawn. The
//! probability of the same failure over t jumps where the cause lies.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use archivas_core::primitives::Millis;
use archivas_scenarios::plan::Plan;

use crate::runner::{self, Options};
use crate::seed::Seed;
use crate::shrink::Symptom;

/// Points that the curve has at first, and how often the steepest step is divided.
const POINTS: u64 = 9;
const DIVISIONS: usize = 6;

/// One point of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Draws are made anew from here on.
    pub at: Millis,
    /// Runs that failed in the same way.
    pub failed: u64,
    /// Runs that were made.
    pub runs: u64,
}

impl Point {
    /// The share of runs that failed in the same way.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of runs are small")]
    pub fn share(&self) -> f64 {
        self.failed as f64 / self.runs.max(1) as f64
    }
}

/// The curve, by time, and its steepest step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Curve {
    /// By time.
    pub points: Vec<Point>,
}

impl Curve {
    /// The two points between which the probability rises most.
    #[must_use]
    pub fn jump(&self) -> Option<[Point; 2]> {
        let steps = self.points.windows(2);
        let rise = |step: &&[Point]| {
            let rise = step[1].share() - step[0].share();
            // Of equal rises the first.
            (rise * 1e6).round()
        };
        let steps: Vec<&[Point]> = steps.collect();
        let best = steps
            .iter()
            .rev()
            .max_by(|a, b| rise(a).total_cmp(&rise(b)))?;
        (best[1].failed * best[0].runs > best[0].failed * best[1].runs).then(|| [best[0], best[1]])
    }
}

/// Draws the curve of a failure at `failed_at`, with so many runs a point.
#[must_use]
pub fn curve(
    plan: &Plan,
    seed: Seed,
    symptom: &Symptom,
    failed_at: Millis,
    branches: u64,
) -> Curve {
    let probe = |at: Millis| point(plan, seed, symptom, at, branches);
    let end = failed_at.get();
    let mut points: Vec<Point> = (0..POINTS)
        .map(|n| probe(Millis::new(end * n / (POINTS - 1))))
        .collect();
    for _ in 0..DIVISIONS {
        let Some([low, high]) = (Curve {
            points: points.clone(),
        })
        .jump() else {
            break;
        };
        let middle = low.at.get().midpoint(high.at.get());
        if middle == low.at.get() {
            break;
        }
        points.push(probe(Millis::new(middle)));
        points.sort_by_key(|point| point.at);
    }
    Curve { points }
}

/// Runs `branches` futures of the run from `at` on, on all cores.
fn point(plan: &Plan, seed: Seed, symptom: &Symptom, at: Millis, branches: u64) -> Point {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(0_u64));
    let work = || {
        loop {
            let branch = next.fetch_add(1, Ordering::Relaxed) as u64;
            if branch >= branches {
                return;
            }
            let options = Options {
                anew: Some((at, branch + 1)),
                ..Options::default()
            };
            let report = runner::run_with(plan, seed.0, &mut (), options);
            if symptom.is_shown_by(&report) {
                let mut failed = failed
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                *failed += 1;
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    let failed = failed
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    Point {
        at,
        failed,
        runs: branches,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jump_is_the_first_of_the_steepest_steps_and_a_flat_curve_has_none() {
        let curve = |shares: &[u64]| Curve {
            points: (0..)
                .zip(shares)
                .map(|(at, failed)| Point {
                    at: Millis::new(at),
                    failed: *failed,
                    runs: 8,
                })
                .collect(),
        };
        let at = |shares: &[u64]| {
            curve(shares)
                .jump()
                .map(|[low, high]| (low.at.get(), high.at.get()))
        };
        assert_eq!(at(&[0, 1, 1, 7, 8]), Some((2, 3)));
        assert_eq!(at(&[0, 4, 8]), Some((0, 1)));
        assert_eq!(at(&[8, 8, 8]), None);
        assert_eq!(at(&[]), None);
    }
}
