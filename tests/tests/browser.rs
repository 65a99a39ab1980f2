//! The explorer page in a real browser, with a real node behind it: a transfer that is submitted while
//! the page is open appears by itself, and is confirmed. Needs Chromium (`browser`).

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "real processes live in real time, and are waited for by threads"
)]

#[expect(dead_code, reason = "shared with the tests of the command line")]
mod program;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use archivas_core::params::networks;
use archivas_tests::tools;
use program::{Node, PATIENCE, read};
use serde_json::{Value, json};
use tempfile::tempdir;

/// A browser with one page, spoken to over pipes: JSON messages with a zero byte between them.
struct Browser {
    child: Child,
    to: File,
    from: BufReader<File>,
    session: Value,
    calls: u64,
}

impl Browser {
    fn start(program: &Path, folder: &Path) -> Self {
        let (to, from) = (folder.join("to"), folder.join("from"));
        let made = Command::new("mkfifo").args([&to, &from]).status();
        assert!(made.expect("mkfifo exists").success());
        // A shell gives the browser its pipes under the numbers that it expects.
        let child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<\"$TO\" 4>\"$FROM\""])
            .arg(program)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
            ])
            .args(["--disable-dev-shm-usage", "--remote-debugging-pipe"])
            .arg(format!(
                "--user-data-dir={}",
                folder.join("profile").display()
            ))
            .env("TO", &to)
            .env("FROM", &from)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let open =
            |path: &Path, writing: bool| File::options().read(!writing).write(writing).open(path);
        let to = open(&to, true).expect("a pipe");
        let from = BufReader::new(open(&from, false).expect("a pipe"));
        let (session, calls) = (Value::Null, 0);
        let mut browser = Self {
            child,
            to,
            from,
            session,
            calls,
        };
        let page = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let wish = json!({ "targetId": page["targetId"], "flatten": true });
        browser.session = browser.call("Target.attachToTarget", wish)["sessionId"].clone();
        browser
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        let answer = self.try_call(method, params);
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// As `call`, with what the browser says against it.
    fn try_call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let mut message = json!({ "id": self.calls, "method": method, "params": params });
        if !self.session.is_null() {
            message["sessionId"] = self.session.clone();
        }
        write!(self.to, "{message}\0").expect("the browser listens");
        loop {
            let mut bytes = Vec::new();
            self.from
                .read_until(0, &mut bytes)
                .expect("the browser answers");
            assert_eq!(bytes.pop(), Some(0), "the browser has gone");
            let answer: Value = serde_json::from_slice(&bytes).expect("JSON");
            if answer["id"] == self.calls {
                return answer;
            }
        }
    }

    fn eval(&mut self, script: &str) -> Value {
        let wish = json!({ "expression": script, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", wish);
        assert!(answer["exceptionDetails"].is_null(), "{script}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until the page's text has this in it.
    fn shows(&mut self, piece: &str) {
        let begun = Instant::now();
        loop {
            let text = self.eval("document.body?.innerText ?? ''");
            let text = text.as_str().unwrap_or_default();
            if text.contains(piece) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "no `{piece}` in\n{text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn open(&mut self, url: &str, (width, height): (u32, u32), is_phone: bool) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone,
        });
        self.call("Emulation.setDeviceMetricsOverride", size);
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// A picture of the page, for people, where `SCREENSHOTS` names a folder.
    fn picture(&mut self, name: &str) {
        if let Some(folder) = std::env::var_os("SCREENSHOTS") {
            let wish = json!({ "captureBeyondViewport": true });
            let picture = self.call("Page.captureScreenshot", wish)["data"].clone();
            let text = picture.as_str().unwrap_or_default();
            std::fs::write(Path::new(&folder).join(name), text).expect("writable");
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_transfer_appears_on_the_open_page_and_is_confirmed() {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let Some(program) = tools::find("browser", &names) else {
        return;
    };
    let dir = tempdir().expect("a temporary directory");
    let data = dir.path().join("node");
    let node = Node::paced(&data, "1000s", &[]);
    let mut browser = Browser::start(&program, dir.path());
    browser.open(&node.url, (1280, 1000), false);
    browser.shows("synced");
    browser.shows("nothing waits");
    assert_eq!(
        browser.eval("document.querySelectorAll('#blocks tr').length"),
        1
    );

    let to = networks::dev_keys()[1].address().to_string();
    let send = [
        "tx",
        "send",
        "--dev-key",
        "0",
        "--to",
        &to,
        "--amount",
        "12.5RCHV",
    ];
    let memo = [
        "--memo",
        "<img src=x onerror=alert(1)>",
        "--node",
        &node.url,
    ];
    let sent = read(&[send.as_slice(), &memo].concat());
    let hash = sent["hash"].as_str().expect("a hash");
    browser.shows("12.5 RCHV");
    browser.eval(&format!("location.hash = 'tx/{hash}'"));
    browser.shows("waits for a block");
    let data = data.to_str().expect("a path of ours");
    for _ in 0..3 {
        read(&["chain", "mine", "--data-dir", data]);
    }
    browser.shows("confirmed in block 1");
    browser.shows("<img src=x onerror=alert(1)>");
    assert_eq!(
        browser.eval("document.querySelectorAll('img').length"),
        0,
        "a memo is text"
    );
    let tip = read(&["state", "tip", "--node", &node.url]);
    // A block beside the best chain is drawn as a branch.
    read(&[
        "chain",
        "invalidate",
        tip["hash"].as_str().expect("a hash"),
        "--data-dir",
        data,
    ]);
    read(&["chain", "mine", "--data-dir", data, "--to", &to]);
    browser.shows("nothing waits");
    browser.picture("page.png.base64");

    browser.open(&format!("{}/#account/{to}", node.url), (390, 844), true);
    browser.shows("balance");
    let fits = "document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(browser.eval(fits), true, "nothing hangs over on a phone");
    browser.picture("phone.png.base64");

    // Before any script there is a page already.
    browser.call(
        "Emulation.setScriptExecutionDisabled",
        json!({ "value": true }),
    );
    browser.open(&node.url, (1280, 1000), false);
    let begun = Instant::now();
    loop {
        // A page that is being replaced has other nodes the next time.
        let root = browser.call("DOM.getDocument", json!({}))["root"]["nodeId"].clone();
        let wish = json!({ "nodeId": root, "selector": "#blocks tr" });
        let rows = browser.try_call("DOM.querySelectorAll", wish);
        if rows["result"]["nodeIds"].as_array().map_or(0, Vec::len) == 4 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{rows}");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(browser);
    assert_eq!(node.stop("TERM").0, 0);
}
