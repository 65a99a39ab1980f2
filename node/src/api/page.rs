//! The explorer: one page without a build step and without a request to anybody but this node. The
//! node draws the tip and the last blocks into it, so something is there before any script runs; the
//! script draws the rest from the same API that everybody has.

use std::fmt::Write;

use serde_json::Value;

use super::answer::{ApiAnswer, ApiError};
use super::block;
use super::chain;
use super::context::ApiContext;
use super::query::Query;
use crate::ports::Clock;

const PAGE: &str = include_str!("explorer/page.html");
const STYLE: &str = include_str!("explorer/style.css");
const SCRIPT: &str = include_str!("explorer/script.js");
/// What the page may load: its own style and script, and this API. Nothing inline, nothing foreign.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The page, as the chain stands.
pub fn page<C: Clock>(context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    let tip = json(&chain::tip(context)?);
    let recent = json(&block::recent(&Query::default(), context)?);
    let blocks = recent["blocks"].as_array();
    let time = blocks
        .and_then(|blocks| blocks.first())
        .map(|block| text(&block["timestamp"]));
    let rows: String = blocks.into_iter().flatten().map(row).collect();
    let page = PAGE
        .replace("{{network}}", &escape(&context.genesis.network))
        .replace("{{height}}", &text(&tip["height"]))
        .replace("{{hash}}", &text(&tip["hash"]))
        .replace("{{difficulty}}", &text(&tip["difficulty"]))
        .replace("{{time}}", &time.unwrap_or_default())
        .replace("{{blocks}}", &rows);
    Ok(guarded("text/html; charset=utf-8", page))
}

/// Its style.
pub fn style() -> ApiAnswer {
    guarded("text/css; charset=utf-8", STYLE)
}

/// Its script.
pub fn script() -> ApiAnswer {
    guarded("text/javascript; charset=utf-8", SCRIPT)
}

fn guarded(content_type: &'static str, body: impl Into<bytes::Bytes>) -> ApiAnswer {
    let mut answer = ApiAnswer::new(200, content_type, body);
    answer.headers.extend([
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-cache"),
    ]);
    answer
}

/// What another route answers: the page and the API cannot tell different things.
fn json(answer: &ApiAnswer) -> Value {
    serde_json::from_slice(&answer.body).expect("our own JSON")
}

fn row(block: &Value) -> String {
    let mut row = String::new();
    let hash = text(&block["hash"]);
    write!(
        row,
        "<tr data-hash=\"{hash}\"><td>{}</td><td class=\"mono\">{}…</td><td class=\"mono\">{}…</td>\
         <td class=\"n\">{}</td><td class=\"n soft\" data-time=\"{}\"></td></tr>",
        text(&block["height"]),
        start(&hash, 10),
        start(&text(&block["miner"]), 10),
        text(&block["txCount"]),
        text(&block["timestamp"]),
    )
    .expect("a string takes everything");
    row
}

fn start(text: &str, letters: usize) -> String {
    text.chars().take(letters).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => escape(text),
        other => escape(&other.to_string()),
    }
}

/// Text that no browser takes for markup.
fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::world::TestNode;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn get(node: &TestNode, path: &str, accept: &str) -> String {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\nconnection: close\r\n\r\n"
        );
        let mut stream = node.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn a_browser_gets_a_page_that_shows_the_tip_before_any_script_and_others_json() {
        let node = TestNode::start().await;
        let hash = node.mine().await;
        let page = get(&node, "/", "text/html,application/xhtml+xml,*/*;q=0.8").await;
        assert!(page.starts_with("HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\n"));
        assert!(
            page.contains("content-security-policy: default-src 'none';"),
            "{page}"
        );
        assert!(
            page.contains(&format!("<code id=\"hash\">{hash}</code>")),
            "{page}"
        );
        assert!(
            page.contains(&format!("<tr data-hash=\"{hash}\">")),
            "{page}"
        );
        assert!(!page.contains("{{"), "{page}");
        let json = get(&node, "/", "application/json").await;
        assert!(json.contains("\"status\":\"ok\""), "{json}");
        node.stop().await;
    }

    #[test]
    fn the_page_asks_nobody_else_and_has_nothing_inline() {
        for text in [PAGE, STYLE, SCRIPT] {
            let foreign = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!foreign.contains("http://") && !foreign.contains("https://"));
            assert!(!foreign.contains("@import") && !foreign.contains("url("));
        }
        assert!(!PAGE.contains("style=") && !PAGE.contains("onclick") && !PAGE.contains("<style"));
        assert!(!SCRIPT.contains("innerHTML") && !SCRIPT.contains("eval("));
    }

    #[test]
    fn what_a_network_calls_itself_is_no_markup() {
        assert_eq!(escape("<b a=\"&\">"), "&lt;b a=&quot;&amp;&quot;&gt;");
    }
}
