//! `bench`: how fast the simulator is on this machine, and where the time goes.

use archivas_core::primitives::Millis;
use clap::Args;
use serde_json::json;

use super::output::{Output, table};
use super::spans::{grouped, human, parse_span, rate};
use super::{Trouble, exit};
use crate::bench::{Figures, NoFigures, load, measure};
use crate::meter::PARTS;

/// `bench`.
#[derive(Clone, Copy, Debug, Args)]
pub struct BenchArgs {
    /// How much of the network's time is simulated, as 90s, 40m, 2h
    #[arg(long, value_parser = parse_span, default_value = "10h")]
    duration: Millis,
    /// So many seconds of three nodes under transfers with faults; more than 300 is more than their
    /// API answers to one client
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(120..=300))]
    load_s: u64,
    /// So many seeds of the swarm
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    swarm_seeds: u64,
}

/// Measures and prints.
pub fn bench(args: BenchArgs, output: &Output) -> Result<u8, Trouble> {
    if output.shows_progress() {
        let nodes = "three idle nodes, a block every 20 s, one core";
        output.line(&format!(
            "{nodes}, {} of the network's time",
            human(seconds(args.duration))
        ));
    }
    let figures =
        measure(args.duration).map_err(|error| Trouble::new(exit::HARNESS, error.to_string()))?;
    let broken = |error: NoFigures| Trouble::new(exit::HARNESS, error.to_string());
    let loaded = load::loaded(args.load_s).map_err(broken)?;
    let swarm = load::swarm(args.swarm_seeds).map_err(broken)?;
    let mut json = to_json(&figures);
    json["loaded_simulated_s_per_cpu_s"] = loaded.speed().into();
    json["swarm_seeds_a_core_hour"] = swarm.runs_a_core_hour().into();
    json["swarm_simulated_s_per_cpu_s"] = swarm.speed().into();
    output.json(&json);
    print(output, &figures);
    output.line(&format!(
        "under 5 transfers a second with faults, without a memo: {} simulated seconds per CPU second",
        rate(loaded.speed())
    ));
    output.line(&format!(
        "{} seeds of the swarm: {} a core-hour, {} simulated seconds per CPU second",
        swarm.runs,
        rate(swarm.runs_a_core_hour()),
        rate(swarm.speed())
    ));
    Ok(0)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53 ms")]
fn seconds(span: Millis) -> f64 {
    span.get() as f64 / 1_000.0
}

fn print(output: &Output, figures: &Figures) {
    let speed = figures.simulated_s / figures.cpu_s;
    output.line(&format!("{} simulated seconds per CPU second", rate(speed)));
    if cfg!(debug_assertions) {
        output.line("this is a debug build: only a release build tells anything");
    }
    output.line(&format!(
        "{} blocks, {} commits in {} of CPU time ({} of real time); boot and end of a run: {}",
        grouped(figures.blocks),
        grouped(figures.commits),
        human(figures.cpu_s),
        human(figures.real_s),
        human(figures.boot_s),
    ));
    output.line("");
    let share = |seconds: f64, whole: f64| format!("{:.1} %", 100.0 * seconds / whole);
    let mut rows = vec![vec![
        "where the time goes".to_owned(),
        "share".into(),
        "a commit".into(),
    ]];
    let mut add = |name: &str, seconds: f64| {
        let each = 1e6 * seconds / count(figures.commits);
        rows.push(vec![
            name.into(),
            share(seconds, figures.metered_cpu_s),
            format!("{each:.0} us"),
        ]);
    };
    for ((_, name), seconds) in PARTS.iter().zip(figures.parts_s) {
        add(name, seconds);
    }
    let rest = figures.metered_cpu_s - figures.parts_s.iter().sum::<f64>();
    add("the rest: executor, player, world", rest.max(0.0));
    for line in table(&rows) {
        output.line(&line);
    }
    output.line("");
    output.line(&format!(
        "of the whole, redb and its disk alone, measured apart: {} ({:.0} us a commit)",
        share(figures.redb_s, figures.cpu_s),
        1e6 * figures.redb_s / count(figures.commits),
    ));
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn count(number: u64) -> f64 {
    number as f64
}

fn to_json(figures: &Figures) -> serde_json::Value {
    let parts = PARTS
        .iter()
        .zip(figures.parts_s)
        .map(|((_, name), seconds)| json!({ "part": name, "cpu_s": seconds }));
    json!({
        "simulated_s_per_cpu_s": figures.simulated_s / figures.cpu_s,
        "simulated_s": figures.simulated_s,
        "cpu_s": figures.cpu_s,
        "real_s": figures.real_s,
        "blocks": figures.blocks,
        "commits": figures.commits,
        "redb_alone_cpu_s": figures.redb_s,
        "boot_cpu_s": figures.boot_s,
        "metered_cpu_s": figures.metered_cpu_s,
        "parts": parts.collect::<Vec<_>>(),
        "debug_build": cfg!(debug_assertions),
    })
}
