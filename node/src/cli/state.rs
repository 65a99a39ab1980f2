//! `archivas state tip | account` and `archivas status`: reads of a node's API.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::exit::Failure;
use crate::cli::output::Output;
use crate::cli::{Global, NodeUrlArgs};
use crate::config::MineTo;

/// What to read.
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// The tip of the best chain
    Tip(NodeUrlArgs),
    /// Balance and nonce of an account
    Account {
        /// Whose
        address: MineTo,
        #[command(flatten)]
        node: NodeUrlArgs,
    },
}

/// Runs `archivas state`.
pub async fn run(command: StateCommand, global: &Global, output: &Output) -> Result<(), Failure> {
    match command {
        StateCommand::Tip(node) => {
            let tip = node.client(global)?.get_ok("/chainTip").await?;
            output.print(
                &tip,
                format!("{} {}", text(&tip, "height"), text(&tip, "hash")),
            )?;
        }
        StateCommand::Account { address, node } => {
            let path = format!("/account/{}", address.0);
            let account = node.client(global)?.get_ok(&path).await?;
            let balance = text(&account, "balance");
            let lines = format!("balance {balance}\nnonce {}", text(&account, "nonce"));
            output.print(&account, lines)?;
        }
    }
    Ok(())
}

/// Runs `archivas status`.
pub async fn status(client: &Client, output: &Output) -> Result<(), Failure> {
    let version = client.get_ok("/version").await?;
    let tip = client.get_ok("/chainTip").await?;
    // Its status is 503 when not all is well, which is an answer too.
    let health = client.get("/healthz").await?.body;
    let mempool = client.get_ok("/mempool").await?;
    let waiting = mempool.as_array().map_or(0, Vec::len);
    let value = json!({
        "version": version, "tip": tip, "health": health, "mempool": waiting,
    });
    let well = if health.get("ok") == Some(&Value::Bool(true)) {
        "well"
    } else {
        "not well"
    };
    let lines = format!(
        "{}: archivas {} on network {}\ntip {} {}\npeers {}\nwaiting transfers {waiting}",
        well,
        text(&version, "version"),
        text(&version, "network"),
        text(&tip, "height"),
        text(&tip, "hash"),
        text(&health, "peers"),
    );
    output.print(&value, lines)?;
    Ok(())
}

/// A field of an answer as text, whether it is a string or a number. It may be a stranger's: what a
/// terminal would obey is escaped.
pub fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::String(text)) => printable(text),
        Some(Value::Null) | None => "?".to_owned(),
        Some(other) => other.to_string(),
    }
}

/// Text without what moves a cursor, changes colours or the direction of writing.
fn printable(text: &str) -> String {
    let obeyed = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match obeyed(letter) {
            true => shown.extend(letter.escape_unicode()),
            false => shown.push(letter),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        let value = json!({ "agent": "a\u{1b}[2Jb\u{202e}c\nd ü" });
        assert_eq!(text(&value, "agent"), "a\\u{1b}[2Jb\\u{202e}c\\u{a}d ü");
    }
}
