//! How fast the simulator is: three nodes that idle, a block every twenty seconds between them, with
//! two-phase commits, every node judging for itself, the digest and the judges on. A figure reached
//! otherwise does not count.

use archivas::store::Store;
use archivas_core::primitives::Millis;
use archivas_core::storage::{Batch, Storage, Table};
use archivas_scenarios::draws::Draws;
use archivas_scenarios::outcome::Verdict;
use archivas_scenarios::plan::{Format, Plan};

use crate::disk::Disk;
use crate::meter::{Meter, PARTS};
use crate::runner::{Options, run_with};
use crate::stopwatch::CpuWatch;
use crate::trace::Trace;

pub mod load;

/// What is run.
const PLAN: &str = include_str!("bench.toml");

/// A two-phase commit writes the database's header beside its rows, and again when they are durable.
const HEADERS_A_COMMIT: u64 = 2;

/// What was measured, all in seconds of CPU time of one core unless it says otherwise.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Virtual seconds of the whole network.
    pub simulated_s: f64,
    /// CPU time of the run, with nothing else measured.
    pub cpu_s: f64,
    /// Real time of the same run.
    pub real_s: f64,
    /// Blocks of the best chain.
    pub blocks: u64,
    /// Commits of all three databases, as their disks have seen them.
    pub commits: u64,
    /// CPU time of as many commits of blocks without transfers, with nothing but redb and the disk.
    pub redb_s: f64,
    /// CPU time of the same run with every part measured, which costs some time itself.
    pub metered_cpu_s: f64,
    /// Its parts, in the order of `meter::PARTS`.
    pub parts_s: [f64; PARTS.len()],
    /// CPU time of a run of a minute of the same network: what starting and ending costs.
    pub boot_s: f64,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum NoFigures {
    /// The run that was to be measured did not pass.
    #[error("the measured run failed: {0}")]
    Failed(String),
}

/// Measures `duration` of the network's time.
///
/// # Errors
/// When the run fails: the speed of a broken node is no figure.
///
/// # Panics
/// When redb fails in memory.
pub fn measure(duration: Millis) -> Result<Figures, NoFigures> {
    let plan = plan(duration);
    let boot = run_with(&plan_of_a_minute(), 1, &mut (), Options::default());
    let plain = run_with(&plan, 1, &mut (), Options::default());
    let verdict = plain.outcome.verdict();
    if verdict != Verdict::Pass {
        let (_, sentence) = crate::failure::what_failed(&plain.outcome);
        return Err(NoFigures::Failed(format!("{}: {sentence}", verdict.name())));
    }
    let meter = Meter::on();
    let options = Options {
        meter: meter.clone(),
        ..Options::default()
    };
    let metered = run_with(&plan, 1, &mut (), options);
    let heights = plain.outcome.nodes.iter().filter_map(|node| node.tip);
    let blocks = heights.map(|tip| tip.height.get()).max().unwrap_or(0);
    let commits = meter.headers() / HEADERS_A_COMMIT;
    Ok(Figures {
        simulated_s: in_seconds(plain.outcome.simulated),
        cpu_s: plain.cpu_s,
        real_s: plain.real_s,
        blocks,
        commits,
        redb_s: redb_alone(commits),
        metered_cpu_s: metered.cpu_s,
        parts_s: meter.spent_s(),
        boot_s: boot.cpu_s,
    })
}

fn plan(duration: Millis) -> Plan {
    let seconds = format!("{}.{:03}", duration.get() / 1_000, duration.get() % 1_000);
    let text = PLAN.replace("DURATION", &seconds);
    Plan::parse(&text, Format::Toml, "the plan of bench").expect("a test parses it")
}

fn plan_of_a_minute() -> Plan {
    plan(Millis::from_secs(60))
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53 ms")]
fn in_seconds(span: Millis) -> f64 {
    span.get() as f64 / 1_000.0
}

/// CPU time of `commits` commits with the rows of a block without transfers, on a simulated disk.
fn redb_alone(commits: u64) -> f64 {
    let disk = Disk::new(0, "bench", Draws::new(0), Trace::new(|| 0));
    let mut store = Store::open(disk.plug()).expect("a new database in memory");
    let cpu = CpuWatch::of_this_thread();
    for height in 0..commits {
        store
            .commit(rows_of_a_block(height))
            .expect("memory does not fail");
    }
    cpu.seconds()
}

/// Rows of about the number and size that a block without transfers has.
fn rows_of_a_block(height: u64) -> Batch {
    let key = height.to_be_bytes();
    let id = [key, key, key, key].concat();
    let work = [&key[..], &id].concat();
    let mut batch = Batch::default();
    batch.put(Table::Headers, id.clone(), vec![7; 200]);
    batch.put(Table::Bodies, id.clone(), vec![0]);
    batch.put(Table::Undo, id.clone(), vec![7; 40]);
    batch.put(Table::Best, key.to_vec(), id.clone());
    batch.put(Table::BestHeaders, key.to_vec(), id.clone());
    batch.put(Table::Levels, work, Vec::new());
    batch.put(Table::Accounts, vec![1; 20], vec![7; 12]);
    for name in ["tip", "best_header", "next_arrival"] {
        batch.put(Table::Meta, name.into(), id.clone());
    }
    batch.put(Table::Meta, "lthash".into(), vec![7; 2_048]);
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_writes_the_databases_header_twice() {
        let meter = Meter::on();
        let trace = Trace::metered(|| 0, meter.clone());
        let disk = Disk::new(0, "bench", Draws::new(0), trace);
        let mut store = Store::open(disk.plug()).unwrap();
        let before = meter.headers();
        for height in 0..10 {
            store.commit(rows_of_a_block(height)).unwrap();
        }
        assert_eq!(meter.headers() - before, 10 * HEADERS_A_COMMIT);
    }

    #[test]
    fn a_short_measurement_has_all_its_figures() {
        let figures = measure(Millis::from_secs(200)).unwrap();
        assert!(figures.simulated_s >= 200.0);
        // One commit a block at each of three nodes, with its header; and each began somehow.
        let (blocks, commits) = (figures.blocks, figures.commits);
        assert!(
            blocks > 2 && (3 * blocks..4 * blocks + 15).contains(&commits),
            "{figures:?}"
        );
        assert!(figures.cpu_s > 0.0 && figures.redb_s > 0.0 && figures.boot_s > 0.0);
        assert!(
            figures.parts_s.iter().all(|seconds| *seconds > 0.0),
            "{figures:?}"
        );
        assert!(figures.parts_s.iter().sum::<f64>() <= figures.metered_cpu_s);
    }
}
