//! temp
#![allow(clippy::all, missing_docs, clippy::print_stdout)]
use archivas_scenarios::observer::*;
use archivas_scenarios::plan::{Overrides, load};
struct P(archivas_scenarios::plan::Plan, bool);
impl Observer for P {
    fn row(&mut self, row: &Row, nodes: &[NodeView]) {
        if self.1 {
            println!(
                "{:>9} {:?} {}",
                row.at.get(),
                nodes
                    .iter()
                    .map(|n| n.tip.map(|t| t.height.get()))
                    .collect::<Vec<_>>(),
                row.describe(&self.0)
            );
        }
    }
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let plan = load(&a[1], Overrides::default()).unwrap();
    let seed: u64 = a[2].parse().unwrap();
    let rows = a.len() > 3;
    let r = archivas_sim::runner::run(&plan, seed, &mut P(plan.clone(), rows), None);
    println!("{:#?}", r.outcome.violations);
    println!("{:?} {:?}", r.outcome.vacuous, r.outcome.harness);
    println!("{:?}", r.outcome.checks);
    println!("{:?}", r.outcome.faults);
    println!(
        "{} events {} sim {} real {} cpu {}",
        r.digest,
        r.events,
        r.outcome.simulated.get(),
        r.real_s,
        r.cpu_s
    );
}
