//! What a campaign leaves in files: one line a seed, a summary, a JUnit report. `results.jsonl` holds
//! nothing that differs between machines; times go to `timings.jsonl`.

use std::path::Path;

use serde_json::{Value, json};

use super::record::Failures;
use super::{Trouble, exit};
use crate::explore::{Campaign, Harvest, SeedResult};
use crate::failure::what_failed;

/// Writes a file, and the folders that it needs.
pub fn write(path: &Path, text: &str) -> Result<(), Trouble> {
    let written = match path.parent() {
        Some(folder) => std::fs::create_dir_all(folder),
        None => Ok(()),
    };
    let written = written.and_then(|()| std::fs::write(path, text));
    written.map_err(|error| unwritable(path, &error))
}

/// Makes a folder, before anything is done that is to be kept in it.
pub fn make_folder(path: &Path) -> Result<(), Trouble> {
    std::fs::create_dir_all(path).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Trouble {
    let sentence = format!("cannot write {}: {error}", path.display());
    Trouble::new(exit::HARNESS, sentence)
}

/// The campaign as one JSON document.
pub fn summary(campaign: &Campaign, harvest: &Harvest, failures: &Failures) -> Value {
    let of = |place: usize| {
        harvest
            .results
            .iter()
            .filter(move |result| result.plan == place)
    };
    let scenarios = campaign.scenarios.iter().enumerate().map(|(place, plan)| {
        json!({
            "scenario": plan.name,
            "seeds": of(place).count(),
            "failed": of(place).filter(|result| result.failed.is_some()).count(),
            "simulated_ms": of(place).map(|result| result.simulated_ms).sum::<u64>(),
        })
    });
    let repro = |result: &&SeedResult| {
        json!({
            "seed": result.seed,
            "digest": result.digest,
            "repro": failures.get(&result.number).map(|(replay, _)| replay),
        })
    };
    let groups = harvest.groups();
    let groups = groups.iter().map(|group| {
        json!({
            "scenario": campaign.scenarios[group.plan].name,
            "check": group.check,
            "exit": group.results[0].verdict.exit_code(),
            "seeds": group.results.iter().map(repro).collect::<Vec<_>>(),
        })
    });
    let faults: serde_json::Map<String, Value> = harvest
        .faults()
        .into_iter()
        .map(|(name, (fired, seeds))| (name, json!({ "fired": fired, "seeds": seeds })))
        .collect();
    json!({
        "base_seed": campaign.base,
        "jobs": campaign.jobs,
        "shard": campaign.shard.to_string(),
        "interrupted": harvest.interrupted,
        "seeds": harvest.results.len(),
        "twice": harvest.results.iter().filter(|result| result.twice).count(),
        "real_s": harvest.real_s,
        "verdict": harvest.verdict().name(),
        "exit": harvest.verdict().exit_code(),
        "scenarios": scenarios.collect::<Vec<_>>(),
        "faults": faults,
        "failures": groups.collect::<Vec<_>>(),
    })
}

/// The campaign as Markdown.
pub fn markdown(campaign: &Campaign, harvest: &Harvest, failures: &Failures) -> String {
    let verdict = harvest.verdict().name();
    let mut text =
        format!("# Campaign: {verdict}\n\n| scenario | seeds | failed |\n| --- | --- | --- |\n");
    for (place, scenario) in campaign.scenarios.iter().enumerate() {
        let own = || harvest.results.iter().filter(|result| result.plan == place);
        let failed = own().filter(|result| result.failed.is_some()).count();
        text.push_str(&format!(
            "| {} | {} | {failed} |\n",
            scenario.name,
            own().count()
        ));
    }
    for group in harvest.groups() {
        let scenario = &campaign.scenarios[group.plan].name;
        let first = group.results[0];
        let sentence = first
            .failed
            .as_deref()
            .map(|outcome| what_failed(outcome).1);
        let (check, count) = (&group.check, group.results.len());
        text.push_str(&format!(
            "\n## `{check}` in `{scenario}`, {count} seeds\n\n"
        ));
        text.push_str(&format!("{}\n", sentence.unwrap_or_default()));
        if let Some((replay, _)) = failures.get(&first.number) {
            text.push_str(&format!("\n    {replay}\n"));
        }
    }
    let faults = harvest.faults();
    text.push_str("\n| fault | fired | in seeds |\n| --- | --- | --- |\n");
    for (name, (times, seeds)) in faults {
        text.push_str(&format!("| `{name}` | {times} | {seeds} |\n"));
    }
    text
}

/// The campaign as JUnit XML: a suite a scenario, a case a seed.
pub fn junit(campaign: &Campaign, harvest: &Harvest, failures: &Failures) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for (place, plan) in campaign.scenarios.iter().enumerate() {
        let own: Vec<&SeedResult> = harvest
            .results
            .iter()
            .filter(|result| result.plan == place)
            .collect();
        let failed = own.iter().filter(|result| result.failed.is_some()).count();
        let (name, tests) = (escaped(&plan.name), own.len());
        xml.push_str(&format!(
            "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failed}\">\n"
        ));
        for result in own {
            xml.push_str(&case(&name, result, failures));
        }
        xml.push_str("  </testsuite>\n");
    }
    xml + "</testsuites>\n"
}

fn case(suite: &str, result: &SeedResult, failures: &Failures) -> String {
    let (seed, time) = (result.seed, result.real_s);
    let open = format!("    <testcase classname=\"{suite}\" name=\"{seed}\" time=\"{time:.3}\"");
    let Some(outcome) = &result.failed else {
        return open + "/>\n";
    };
    let (check, sentence) = what_failed(outcome);
    let found = failures.get(&result.number);
    let repro = found.map_or("", |(replay, _)| replay.as_str());
    let (check, repro) = (escaped(&check), escaped(repro));
    let sentence = escaped(&sentence);
    format!(
        "{open}>\n      <failure type=\"{check}\" message=\"{sentence}\">REPRO {repro}</failure>\n    \
         </testcase>\n"
    )
}

/// Text as it may stand in XML; what XML cannot hold becomes a question mark.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_in_xml_is_escaped() {
        assert_eq!(
            escaped("a<b & \"c\"\u{1b}[0m\n"),
            "a&lt;b &amp; &quot;c&quot;?[0m "
        );
    }
}
