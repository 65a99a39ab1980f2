//! `/openapi.json`: every route with its parameters and the shape of its answers, from one table. A
//! test asks every route of the table, compares the answers with their shapes key by key, and finds
//! that the table has all routes that there are.
//!
//! A shape is written as `{height:str,hash:hash,txs:[{…}]}`; `num`, `str`, `bool` and `hash` are the
//! leaves, `?` after a key means that it may be missing, `?` after a type that it may be null.

use serde_json::{Map, Value, json};

use super::BODY_BYTES_MAX;
use super::answer::ApiAnswer;
use super::context::ApiContext;
use crate::ports::Clock;

/// One route of the API.
pub struct Described {
    /// `get` or `post`.
    pub method: &'static str,
    /// The path, with `{name}` for its variable part.
    pub path: &'static str,
    /// The route's name in the metrics.
    pub endpoint: &'static str,
    /// What it is for.
    pub summary: &'static str,
    /// Parameters behind the question mark: name and shape.
    pub query: &'static [(&'static str, &'static str)],
    /// Shape of the body that it takes; empty when it takes none.
    pub body: &'static str,
    /// Shape of the answer; empty when it is no JSON.
    pub answer: &'static str,
    /// Other statuses than 200 that it gives.
    pub statuses: &'static [u16],
}

const CHECKS: &str = "{ok:bool,failing:[{check:str,why:str}]}";
const HEALTHZ: &str = "{ok:bool,height:num,difficulty:num,peers:num}";
const TX: &str = "{hash:hash,type:str,from:str,to:str,amount:str,fee:str,nonce:str,memo?:str}";
const OLD_BLOCK: &str = "{height:num,hash:hash,prevHash:hash,timestamp:num,difficulty:num,\
                         farmerAddr:str,farmer:str,miner:str,txCount:num,txs:[any]}";
const RECENT: &str = "{blocks:[{height:str,hash:hash,timestamp:str,farmer:str,miner:str,txCount:num,difficulty:str}]}";
const TAKEN: &str = "{ok:bool,hash?:hash,error?:str,code?:str}";
const WIRE: &str = "{tx:{type:str,from:str,to:str,amount:num,fee:num,nonce:num,memo?:str},pubkey:str,\
                    sig:str,hash:hash}";

/// A route that reads, with a shape.
const fn get(
    path: &'static str,
    endpoint: &'static str,
    summary: &'static str,
    answer: &'static str,
) -> Described {
    Described {
        method: "get",
        path,
        endpoint,
        summary,
        query: &[],
        body: "",
        answer,
        statuses: &[503],
    }
}

impl Described {
    const fn with(mut self, query: &'static [(&'static str, &'static str)]) -> Self {
        self.query = query;
        self.statuses = &[400, 503];
        self
    }

    const fn of_one(mut self) -> Self {
        self.statuses = &[400, 404, 503];
        self
    }

    const fn posted(mut self, body: &'static str) -> Self {
        self.method = "post";
        self.body = body;
        self.statuses = &[400, 413, 415, 503];
        self
    }
}

/// Every public route.
pub const ROUTES: [Described; 34] = [
    get(
        "/",
        "/",
        "What this node is; a page for browsers",
        "{status:str,message:str,network:str,chainId:num,txDomain:str,genesisHash:hash}",
    ),
    get(
        "/explorer.css",
        "/explorer.css",
        "The style of the page",
        "",
    ),
    get("/explorer.js", "/explorer.js", "The script of the page", ""),
    get(
        "/version",
        "/version",
        "The program and its network",
        "{version:str,commit:str,builtAt:str,buildTime:str,network:str,consensus:str,txDomain:str,\
         txIndex:bool}",
    ),
    get(
        "/chainTip",
        "/chainTip",
        "The tip of the best chain",
        "{height:str,hash:hash,difficulty:str}",
    ),
    get(
        "/genesisHash",
        "/genesisHash",
        "The id of the network",
        "{genesisHash:hash}",
    ),
    get(
        "/healthz",
        "/healthz",
        "Whether the node is ready, with numbers",
        HEALTHZ,
    ),
    get(
        "/livez",
        "/livez",
        "Whether a supervisor should leave the node alone",
        CHECKS,
    ),
    get(
        "/readyz",
        "/readyz",
        "Whether clients should be sent here",
        CHECKS,
    ),
    get(
        "/health",
        "/health",
        "Everything about the node's condition",
        "{ok:bool,height:num,difficulty:num,peers:num,failing:[{check:str,why:str}],healthStats:{\
         uptime:str,uptimeSeconds:num,totalBlocks:num,avgBlockTime:str,avgBlockSeconds:num,\
         blocksPerHour:num,lastBlockTime:str?},mempool:any,sync:any,disk:any}",
    ),
    get(
        "/ping",
        "/ping",
        "Whether the node is alive, in a word",
        "{status:str}",
    ),
    get(
        "/events",
        "/events",
        "Server-sent events: block, reorg, tx, peer, alarm",
        "",
    ),
    get(
        "/account/{address}",
        "/account",
        "Balance and nonce; an unknown account is an empty one",
        "{address:str,balance:str,nonce:str,pendingNonce:str}",
    )
    .of_one(),
    get(
        "/account/{address}/txs",
        "/account/txs",
        "What an account sent and received, newest first",
        "{address:str,count:num,txs:[any],next:str?}",
    )
    .with(&[("limit", "num"), ("before", "str")]),
    get(
        "/accounts",
        "/accounts",
        "All accounts, page by page",
        "{count:num,accounts:[{address:str,balance:num,nonce:num}],next:str?}",
    )
    .with(&[("limit", "num"), ("after", "str")]),
    get(
        "/balance/{address}",
        "/balance",
        "Balance and nonce as numbers",
        "{address:str,balance:num,nonce:num}",
    )
    .of_one(),
    get(
        "/block/{block}",
        "/block",
        "A block by height or id",
        "{height:str,hash:hash,prevHash:hash,timestamp:str,difficulty:str,bits:str,work:str,\
         farmer:str,miner:str,stateRoot:hash,txCount:num,txs:[any]}",
    )
    .of_one(),
    get(
        "/blocks/recent",
        "/blocks/recent",
        "The last blocks, newest first",
        RECENT,
    )
    .with(&[("limit", "num")]),
    get(
        "/recentBlocks",
        "/recentBlocks",
        "The last blocks, oldest first",
        "{blocks:[any],count:num}",
    )
    .with(&[("count", "num")]),
    get(
        "/blocks/range",
        "/blocks/range",
        "Blocks from a height on",
        "{from:num,to:num,blocks:[any],tip:num}",
    )
    .with(&[("from", "num"), ("limit", "num")]),
    get(
        "/blocks/since/{height}",
        "/blocks/since",
        "Blocks above a height",
        "{tipHeight:str,blocks:[any]}",
    )
    .with(&[("limit", "num")]),
    get(
        "/tx/{hash}",
        "/tx",
        "A transfer, confirmed or waiting",
        "{confirmed:bool,height:num?,hash:hash,tx:any,block?:{height:num,hash:hash,timestamp:num}}",
    )
    .of_one(),
    get(
        "/tx/recent",
        "/tx/recent",
        "The last confirmed transfers",
        "{txs:[any]}",
    )
    .with(&[("limit", "num")]),
    get("/mempool", "/mempool", "What waits for a block", "[any]").with(&[("verbose", "bool")]),
    get(
        "/estimateFee",
        "/estimateFee",
        "The least fee that is taken now",
        "{fee:str}",
    )
    .with(&[("bytes", "num")]),
    get(
        "/peers",
        "/peers",
        "Whom the node talks to",
        "{connected:[any],known:[str]}",
    )
    .with(&[("verbose", "bool")]),
    get(
        "/challenge",
        "/challenge",
        "A header to be sealed by an outside miner",
        "{template_id:hash,header:str,nonce_offset:num,bits:str,target:str,height:str,txs:num,\
         expires_ms:num}",
    )
    .with(&[("producer!", "str")]),
    get(
        "/search",
        "/search",
        "What a height, hash or address names",
        "{query:str,type:str,result:{redirect:str}}",
    )
    .with(&[("q!", "str")])
    .of_one(),
    get(
        "/sync/status",
        "/sync/status",
        "How far this node is",
        "{synced:bool,syncing:bool,reorganizing:bool,height:num,bestHeader:num,behind:num,\
         blocksInFlight:num,peers:num}",
    ),
    get(
        "/forks",
        "/forks",
        "Known branches beside the best chain",
        "{tip:{height:str,hash:hash,work:str},forks:[any]}",
    ),
    get("/metrics", "/metrics", "Numbers for Prometheus", ""),
    get("/openapi.json", "/openapi.json", "This description", "any"),
    get("/submit", "/submit", "Hand in a signed transfer", TAKEN).posted(WIRE),
    get(
        "/submitBlock",
        "/submitBlock",
        "Hand in the seal of a challenge",
        TAKEN,
    )
    .posted("{template_id:hash,nonce:num,timestamp_ms?:num}"),
];

/// `/broadcast` is `/submit` by its old name.
pub const OLD_NAMES: [(&str, &str); 1] = [("/broadcast", "/submit")];

/// The whole description.
pub fn openapi<C: Clock>(context: &ApiContext<C>) -> ApiAnswer {
    let mut paths = Map::new();
    for route in &ROUTES {
        paths.insert(
            route.path.to_owned(),
            json!({ route.method: operation(route) }),
        );
    }
    for (old, new) in OLD_NAMES {
        let same = paths.get(new).cloned().unwrap_or_default();
        paths.insert(old.to_owned(), same);
    }
    ApiAnswer::ok(&json!({
        "openapi": "3.1.0",
        "info": { "title": "Archivas node", "version": context.build.version },
        "paths": paths,
        "components": { "schemas": {
            "Error": schema("{ok:bool,error:str,code:str}"),
            "Transfer": schema(TX),
            "OldBlock": schema(OLD_BLOCK),
        } },
    }))
}

fn operation(route: &Described) -> Value {
    let mut parameters = Vec::new();
    if let Some((_, name)) = route.path.split_once('{') {
        let name = name.split('}').next().unwrap_or(name);
        parameters.push(json!({
            "name": name, "in": "path", "required": true, "schema": { "type": "string" },
        }));
    }
    for (name, shape) in route.query {
        let required = name.ends_with('!');
        parameters.push(json!({
            "name": name.trim_end_matches('!'), "in": "query", "required": required,
            "schema": schema(shape),
        }));
    }
    let mut responses = Map::new();
    let good = match route.answer {
        "" => json!({ "description": "as the media type says" }),
        shape => json!({
            "description": "the answer",
            "content": { "application/json": { "schema": schema(shape) } },
        }),
    };
    responses.insert("200".into(), good);
    for status in route.statuses.iter().chain(&[408, 429]) {
        responses.insert(status.to_string(), refusal(route, *status));
    }
    let mut operation = json!({
        "summary": route.summary, "x-endpoint-in-metrics": route.endpoint, "parameters": parameters, "responses": responses,
    });
    if !route.body.is_empty() {
        operation["requestBody"] = json!({
            "required": true,
            "description": format!("at most {BODY_BYTES_MAX} bytes"),
            "content": { "application/json": { "schema": schema(route.body) } },
        });
    }
    operation
}

/// The error object; the health routes answer 503 in their own shape.
fn refusal(route: &Described, status: u16) -> Value {
    let health = ["/healthz", "/livez", "/readyz", "/health", "/ping"];
    let shape = match status == 503 && health.contains(&route.path) {
        true => schema(route.answer),
        false => json!({ "$ref": "#/components/schemas/Error" }),
    };
    json!({
        "description": "refused",
        "content": { "application/json": { "schema": shape } },
    })
}

/// A shape as JSON Schema.
fn schema(shape: &str) -> Value {
    let mut rest = shape;
    let schema = read(&mut rest);
    assert!(rest.is_empty(), "a shape is read to its end: {shape}");
    schema
}

fn read(rest: &mut &str) -> Value {
    let mut schema = if let Some(inner) = rest.strip_prefix('{') {
        *rest = inner;
        object(rest)
    } else if let Some(inner) = rest.strip_prefix('[') {
        *rest = inner;
        let items = read(rest);
        *rest = rest.strip_prefix(']').expect("a list ends");
        json!({ "type": "array", "items": items })
    } else {
        leaf(rest)
    };
    if let Some(after) = rest.strip_prefix('?') {
        *rest = after;
        schema = json!({ "anyOf": [schema, { "type": "null" }] });
    }
    schema
}

fn object(rest: &mut &str) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    while !rest.starts_with('}') {
        let (key, after) = rest.split_once(':').expect("a key has a shape");
        *rest = after;
        let name = key.trim_end_matches('?');
        if name == key {
            required.push(name);
        }
        properties.insert(name.to_owned(), read(rest));
        *rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    *rest = &rest[1..];
    json!({
        "type": "object", "properties": properties, "required": required,
        "additionalProperties": false,
    })
}

fn leaf(rest: &mut &str) -> Value {
    let end = rest
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    *rest = after;
    match name {
        "num" => json!({ "type": "integer", "minimum": 0 }),
        "str" => json!({ "type": "string" }),
        "bool" => json!({ "type": "boolean" }),
        "hash" => json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" }),
        "any" => json!({}),
        other => unreachable!("`{other}` is no shape"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::route::Route;
    use crate::api::{Door, Method};
    use crate::tests::world::{TestNode, payment, rich};
    use std::collections::BTreeSet;

    /// Whether `value` is of that schema, as far as our shapes go; else where it is not.
    fn fits(value: &Value, schema: &Value, place: &str) -> Result<(), String> {
        if let Some(either) = schema["anyOf"].as_array() {
            return match value.is_null() {
                true => Ok(()),
                false => fits(value, &either[0], place),
            };
        }
        let is = match schema["type"].as_str() {
            None => true,
            Some("integer") => value.is_u64(),
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("array") => value.is_array(),
            _ => value.is_object(),
        };
        if !is {
            return Err(format!("{place} is {value}"));
        }
        for item in value.as_array().into_iter().flatten() {
            fits(item, &schema["items"], place)?;
        }
        let Some(properties) = schema["properties"].as_object() else {
            return Ok(());
        };
        for required in schema["required"].as_array().into_iter().flatten() {
            let key = required.as_str().unwrap_or_default();
            value.get(key).ok_or(format!("{place}.{key} is missing"))?;
        }
        for (key, inner) in value.as_object().into_iter().flatten() {
            let place = format!("{place}.{key}");
            let known = properties.get(key).ok_or(format!("{place} is unknown"))?;
            fits(inner, known, &place)?;
        }
        Ok(())
    }

    #[test]
    fn every_route_is_described_and_nothing_else() {
        // The names that `Route::endpoint` gives, by its own text: the compiler makes that complete.
        let source = include_str!("route.rs");
        let (_, endpoints) = source.split_once("pub const fn endpoint").unwrap();
        let (endpoints, _) = endpoints.split_once("\n    }\n").unwrap();
        let given = endpoints.split('"').skip(1).step_by(2).map(str::to_owned);
        let old = |name: &String| OLD_NAMES.iter().any(|(old, _)| old == name);
        let given: BTreeSet<String> = given.filter(|name| !old(name)).collect();
        let told = ROUTES.iter().map(|route| route.endpoint.to_owned());
        assert_eq!(told.collect::<BTreeSet<_>>(), given);
        for route in &ROUTES {
            let found = Route::find(route.path, Door::Public).unwrap();
            assert_eq!(found.endpoint(), route.endpoint, "{}", route.path);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_answer_is_of_the_shape_that_is_told() {
        let (node, other) = TestNode::start_two().await;
        let tx = node.pay(0).await;
        node.mine().await;
        node.pay(1).await;
        let address = rich().address().to_string();
        let mut asked = 0;
        for route in &ROUTES {
            let path = route
                .path
                .replace("{address}", &address)
                .replace("{block}", "1");
            let path = path.replace("{height}", "0").replace("{hash}", &tx);
            let query: Vec<String> = route
                .query
                .iter()
                .map(|(name, _)| match *name {
                    "producer!" => format!("producer={address}"),
                    "q!" => "q=1".to_owned(),
                    "after" => format!("after={address}"),
                    "before" => "before=9".to_owned(),
                    name => format!("{name}=1"),
                })
                .collect();
            let target = format!("{path}?{}", query.join("&"));
            let answer = match route.method {
                "post" if route.path == "/submit" => {
                    node.answer(Method::Post, &path, &payment(2)).await
                }
                "post" => {
                    let (_, challenge) = node.get(&format!("/challenge?producer={address}")).await;
                    let body = json!({ "template_id": challenge["template_id"], "nonce": 1 });
                    node.answer(Method::Post, &path, &body.to_string()).await
                }
                _ if route.path == "/events" => continue,
                _ => node.answer(Method::Get, &target, "").await,
            };
            assert_eq!(answer.status, 200, "{target}");
            if route.answer.is_empty() {
                assert_ne!(answer.content_type, "application/json", "{target}");
                continue;
            }
            let value: Value = serde_json::from_slice(&answer.body).unwrap();
            let shape = schema(route.answer);
            fits(&value, &shape, route.path).unwrap_or_else(|why| panic!("{why}: {value}"));
            asked += 1;
        }
        assert_eq!(asked, 30);
        node.stop().await;
        other.stop().await;
    }

    #[test]
    fn a_shape_says_what_does_not_fit() {
        let shape = schema("{a:num,b?:[{c:str?}]}");
        let fits = |value: Value| fits(&value, &shape, "x");
        assert_eq!(
            fits(json!({ "a": 1, "b": [{ "c": null }, { "c": "y" }] })),
            Ok(())
        );
        for bad in [
            json!({}),
            json!({ "a": "1" }),
            json!({ "a": 1, "d": 2 }),
            json!({ "a": 1, "b": [{}] }),
            json!({ "a": null }),
        ] {
            assert!(fits(bad.clone()).is_err(), "{bad}");
        }
    }
}
