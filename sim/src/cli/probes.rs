//! The list of probes that a campaign must hit: one name a line, `#` begins a remark.

use std::path::Path;

use archivas_core::probes;

use super::{Trouble, exit};
use crate::explore::Harvest;
use crate::faults;

/// Every probe there is: the nodes' own, and the faults of the simulator.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let nodes = probes::NAMES
        .iter()
        .map(|name| (*name, "a state of a node"));
    nodes.chain(faults::ALL.iter().copied())
}

/// Reads a list.
pub fn read(path: &Path) -> Result<Vec<String>, Trouble> {
    let usage = |why: String| Trouble::new(exit::USAGE, format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| usage(error.to_string()))?;
    let names = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or("").trim());
    let names: Vec<String> = names
        .filter(|name| !name.is_empty())
        .map(String::from)
        .collect();
    let unknown = names
        .iter()
        .find(|name| all().all(|(known, _)| known != name.as_str()));
    match unknown {
        Some(name) => Err(usage(format!(
            "there is no probe `{name}`; see `list probes`"
        ))),
        None => Ok(names),
    }
}

/// Those of the list that no seed hit.
pub fn missed<'a>(wanted: &'a [String], harvest: &Harvest) -> Vec<&'a str> {
    let hit = harvest.probes();
    let missed = wanted.iter().map(String::as_str);
    missed.filter(|name| !hit.contains_key(name)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_probe_has_a_name_of_its_own_and_there_are_eighty() {
        let names: BTreeSet<&str> = all().map(|(name, _)| name).collect();
        assert_eq!(names.len(), all().count());
        assert!(names.len() >= 80, "{}", names.len());
    }

    #[test]
    fn the_list_of_the_nightly_names_probes_that_there_are() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci/probes.txt");
        let names = read(&path).expect("it is a list of probes");
        assert!(names.len() >= 60, "{}", names.len());
    }

    #[test]
    fn a_probe_that_no_seed_hit_is_told() {
        let harvest = Harvest::default();
        let wanted = ["reorg.any".to_owned()];
        assert_eq!(missed(&wanted, &harvest), ["reorg.any"]);
    }
}
