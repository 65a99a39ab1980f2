//! The report in a real browser, without a network: it opens, complains of nothing, asks for nothing,
//! jumps to the violation, filters, keeps its permalinks, and draws a hundred thousand messages.
//! Skipped where there is no Chromium, unless ARCHIVAS_REQUIRE lists `browser`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The chain cannot become as long as it demands.
const IMPOSSIBLE: &str = r#"
version = 1
name = "impossible"
about = "Nobody mines a thousand blocks in five minutes."
worlds = ["sim"]
duration_s = 300
nodes = [{ name = "a", hash_power = 6.0 }, { name = "b", hash_power = 6.0 }, { name = "c", hash_power = 3.0 }]
[[events]]
at_s = 60
act = "cut"
groups = [["c"]]
[[events]]
at_s = 150
act = "kill"
node = "b"
[[events]]
at_s = 170
act = "start"
node = "b"
[[events]]
at_s = 200
act = "heal"
[expect]
agree_within_s = 120
min_height = 1000
"#;

/// What is done to the page, and what is seen then, as one JSON document in an element of its own.
const PROBE: &str = r##"<script>
const seen={};
try{
seen.ready=document.body.dataset.ready;seen.verdict=$("verdict").textContent;
seen.first_check=$("checks").firstChild.textContent;
$("jump").click();seen.jumped=document.querySelector("tr.sel").textContent;seen.hash=location.hash;
$("slice").click();seen.sliced=shownRows.length;$("slice").click();
$("filter").value="kill b";$("filter").dispatchEvent(new Event("input"));
seen.filtered=[...document.querySelectorAll("#rows tr")].map(r=>r.textContent);
$("filter").value="";$("filter").dispatchEvent(new Event("input"));
choose(-1);location.hash="#e=3";link();seen.linked=chosen;
dispatchEvent(new KeyboardEvent("keydown",{key:"j",bubbles:true}));seen.stepped=chosen;
choose(-1);from=0;to=END;draw(true);
seen.marks=document.querySelectorAll("#marks .hit").length;seen.tree=document.querySelectorAll("#tree circle").length;
seen.messages=MN;
const n=100000,fill=f=>Array.from({length:n},(_,i)=>f(i));
Object.assign(M,{from:fill(i=>i%3),to:fill(i=>(i+1)%3),sent:fill(i=>i/n*END),at:fill(i=>i/n*END+40),kind:fill(i=>i%M.kinds.length)});
M.sent.forEach(()=>0);look(0,END);
const begun=performance.now();
{const g=fit($("msgs"),H)[0];g.beginPath();for(let i=0;i<n;i++){g.moveTo(X(M.sent[i]),laneY(M.from[i]));g.lineTo(X(M.at[i]),laneY(M.to[i]))}g.stroke();g.getImageData(0,0,1,1)}
seen.draw_ms=performance.now()-begun;
seen.requests=performance.getEntriesByType("resource").length;
}catch(e){seen.error=String(e)}
const out=document.createElement("script");out.type="application/json";out.id="seen";out.textContent=JSON.stringify(seen);document.body.append(out);
</script></body>"##;

fn browser() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let all = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let found = all.into_iter().find(|path| path.is_file());
    let required = std::env::var("ARCHIVAS_REQUIRE").unwrap_or_default();
    assert!(
        found.is_some() || !required.split([',', ' ']).any(|word| word == "browser"),
        "ARCHIVAS_REQUIRE lists `browser`, and there is no Chromium on the PATH"
    );
    found
}

fn page(folder: &Path) -> String {
    let plan = folder.join("plan.toml");
    std::fs::write(&plan, IMPOSSIBLE).expect("it can be written");
    let html = folder.join("page.html");
    let output = Command::new(env!("CARGO_BIN_EXE_archivas-sim"))
        .args(["run", "-q", "--html"])
        .args([&html, &plan])
        .arg("--out")
        .arg(folder.join("out"))
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(11), "{output:?}");
    std::fs::read_to_string(html).expect("it was written")
}

#[test]
fn the_page_works_in_a_browser_without_a_network() {
    let folder = tempfile::tempdir().unwrap();
    let page = page(folder.path());
    assert!(page.contains(r#""sentence":"the chain has reached height"#));
    let Some(browser) = browser() else {
        return;
    };
    let probed = page.replace("</body>", PROBE);
    let file = folder.path().join("probed.html");
    std::fs::write(&file, probed).unwrap();
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
        ])
        .args([
            "--window-size=1300,1400",
            "--virtual-time-budget=20000",
            "--dump-dom",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        ))
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("CONSOLE"), "the page complains: {errors}");
    let dom = String::from_utf8_lossy(&output.stdout);
    let (_, seen) = dom
        .split_once(r#"id="seen">"#)
        .unwrap_or_else(|| panic!("no probe in {errors}"));
    let seen: Value = serde_json::from_str(seen.split_once("</script>").unwrap().0).unwrap();
    assert_eq!(seen["error"], Value::Null, "{seen}");
    assert_eq!(seen["ready"], "1");
    assert_eq!(seen["verdict"], "liveness missed");
    assert!(
        seen["first_check"]
            .as_str()
            .unwrap()
            .starts_with("progress1 failed"),
        "{seen}"
    );
    assert!(
        seen["jumped"]
            .as_str()
            .unwrap()
            .contains("VIOLATION progress"),
        "{seen}"
    );
    assert!(seen["hash"].as_str().unwrap().starts_with("#e="), "{seen}");
    let filtered = seen["filtered"].as_array().unwrap();
    assert_eq!(filtered.len(), 1, "{seen}");
    assert_eq!((&seen["linked"], &seen["stepped"]), (&3.into(), &4.into()));
    assert!(
        seen["marks"].as_u64() > Some(10) && seen["tree"].as_u64() > Some(5),
        "{seen}"
    );
    assert!(seen["messages"].as_u64() > Some(100), "{seen}");
    assert_eq!(seen["requests"], 0);
    assert!(seen["draw_ms"].as_f64() < Some(2_000.0), "{seen}");
}
