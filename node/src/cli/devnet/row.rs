//! One line of what a local network is doing.

use archivas_core::primitives::Millis;
use serde_json::{Value, json};

use crate::cli::state::text;

/// What the nodes say at one time.
pub struct Row<'a> {
    /// Since the network was started.
    pub run_time: Millis,
    /// What each node answers to `/chainTip`, if it does.
    pub tips: &'a [Option<Value>],
}

impl Row<'_> {
    fn column(&self, key: &str) -> Vec<String> {
        let tips = self.tips.iter();
        tips.map(|tip| {
            tip.as_ref()
                .map_or_else(|| "-".into(), |tip| text(tip, key))
        })
        .collect()
    }

    fn agree(&self) -> bool {
        self.column("hash")
            .windows(2)
            .all(|pair| pair[0] == pair[1])
    }

    /// The height that all nodes agree on, if they do.
    pub fn agreed_height(&self) -> Option<u64> {
        self.agree()
            .then(|| self.column("height").first()?.parse().ok())
            .flatten()
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "ms": self.run_time.get(),
            "heights": self.column("height"),
            "hashes": self.column("hash"),
            "agree": self.agree(),
        })
    }

    /// For people.
    pub fn text(&self) -> String {
        let hashes = self.column("hash");
        let mut row = format!("{:>7.1}s", self.run_time.get() as f64 / 1_000.0);
        for (height, hash) in self.column("height").iter().zip(&hashes) {
            let short = hash.get(..8).unwrap_or(hash);
            row.push_str(&format!("  {height:>6} {short}"));
        }
        row + if self.agree() { "  agree" } else { "  differ" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tip(height: &str, hash: &str) -> Option<Value> {
        Some(json!({ "height": height, "hash": hash }))
    }

    #[test]
    fn nodes_agree_when_their_hashes_do() {
        let same = [tip("7", "aa"), tip("7", "aa")];
        let row = Row {
            run_time: Millis::new(1_500),
            tips: &same,
        };
        assert_eq!(row.agreed_height(), Some(7));
        assert!(row.text().ends_with("agree"), "{}", row.text());
        let fork = [tip("7", "aa"), tip("7", "bb")];
        let row = Row {
            run_time: Millis::new(1_500),
            tips: &fork,
        };
        assert_eq!(row.agreed_height(), None);
        assert!(row.text().ends_with("differ"), "{}", row.text());
    }
}
