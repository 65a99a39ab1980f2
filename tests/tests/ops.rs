//! What operators install agrees with the program: boards and alerts name metrics that there are, the
//! alert rules fire when they should, and the service starts the program as it wants to be started.

use std::collections::BTreeSet;
use std::process::Command;

use archivas_tests::documents::document;
use archivas_tests::{root, tools};
use serde_json::Value;

/// Every series that the node exports, from the golden file of its metrics.
fn series() -> BTreeSet<String> {
    let mut series = BTreeSet::new();
    for line in document("node/src/metrics/names.txt").lines() {
        let (name, kind) = line.split_once(' ').expect("a name and a kind");
        let endings: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            "info" => &["_info"],
            _ => &[""],
        };
        series.extend(endings.iter().map(|ending| format!("{name}{ending}")));
    }
    series
}

/// Names of ours in a text.
fn named(text: &str) -> BTreeSet<String> {
    let other = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    let words = text
        .split(other)
        .filter(|word| word.starts_with("archivas_"));
    words.map(str::to_owned).collect()
}

#[test]
fn boards_and_alerts_name_only_metrics_that_there_are() {
    let series = series();
    for file in [
        "ops/grafana/archivas.json",
        "ops/prometheus/alerts.yml",
        "ops/prometheus/alerts.test.yml",
    ] {
        let named = named(&document(file));
        assert!(named.len() >= 5, "{file} names {named:?}");
        let unknown: Vec<_> = named.difference(&series).collect();
        assert!(
            unknown.is_empty(),
            "{file} names {unknown:?}, which there are not"
        );
    }
    let board: Value = serde_json::from_str(&document("ops/grafana/archivas.json")).expect("JSON");
    assert!(board["panels"].as_array().map_or(0, Vec::len) >= 12);
    // What the board of the Go node shows.
    for old in [
        "tip_height",
        "peer_count",
        "difficulty",
        "blocks_total",
        "peers_known",
        "rpc_requests_total",
    ] {
        assert!(series.contains(&format!("archivas_{old}")), "{old}");
    }
}

#[test]
fn the_alert_rules_fire_when_they_should_and_not_before() {
    let Some(promtool) = tools::find("promtool", &["promtool"]) else {
        return;
    };
    let ended = Command::new(promtool)
        .args(["test", "rules", "alerts.test.yml"])
        .current_dir(root().join("ops/prometheus"))
        .output()
        .expect("promtool runs");
    assert!(ended.status.success(), "{ended:?}");
}

#[test]
fn the_service_has_a_watchdog_no_rights_and_restarts_only_what_can_mend_itself() {
    let unit = document("ops/systemd/archivas.service");
    for line in [
        "Type=notify",
        "WatchdogSec=60",
        "DynamicUser=yes",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "MemoryDenyWriteExecute=yes",
        "RestartPreventExitStatus=2 4 6",
    ] {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/archivas "));
    assert_eq!(
        start,
        Some("node --config /etc/archivas.toml --data-dir /var/lib/archivas")
    );
    let Some(verify) = tools::find("systemd-analyze", &["systemd-analyze"]) else {
        return;
    };
    let unit = root().join("ops/systemd/archivas.service");
    let ended = Command::new(verify)
        .arg("verify")
        .arg(unit)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&ended.stderr);
    let ours = said
        .lines()
        .filter(|line| line.contains("archivas.service"));
    // The program is not installed where tests run.
    let faults: Vec<_> = ours
        .filter(|line| !line.contains("is not executable"))
        .collect();
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn the_container_runs_as_nobody_and_is_small() {
    let file = document("ops/docker/Dockerfile");
    let last = file
        .lines()
        .rfind(|line| line.starts_with("FROM "))
        .expect("a stage");
    assert!(
        last.contains("nonroot") && last.contains("distroless"),
        "{last}"
    );
    let toolchain = document("rust-toolchain.toml");
    let version = toolchain.split('"').nth(1).expect("a channel");
    assert!(
        file.contains(&format!("FROM rust:{version}")),
        "built by {version}"
    );
}
