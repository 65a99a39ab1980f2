//! Which path means which route. `endpoint` is the route's name in the metrics: the fixed part of
//! the path, as the board of the Go node knows it.

use super::Door;
use super::admin::Act;

/// A path that the API knows, with its variable part as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// `/`
    Root,
    /// `/explorer.css`
    Style,
    /// `/explorer.js`
    Script,
    /// `/openapi.json`
    OpenApi,
    /// `/version`
    Version,
    /// `/chainTip`
    ChainTip,
    /// `/genesisHash`
    GenesisHash,
    /// `/healthz`
    Healthz,
    /// `/livez`
    Livez,
    /// `/readyz`
    Readyz,
    /// `/health`
    Health,
    /// `/ping`
    Ping,
    /// `/events`
    Events,
    /// `/account/<address>`
    Account(&'a str),
    /// `/account/<address>/txs`
    AccountTxs(&'a str),
    /// `/accounts`
    Accounts,
    /// `/balance/<address>`
    Balance(&'a str),
    /// `/block/<height or id>`
    Block(&'a str),
    /// `/blocks/recent`
    RecentBlocks,
    /// `/recentBlocks`, the older list
    OldRecentBlocks,
    /// `/blocks/range`
    BlocksRange,
    /// `/blocks/since/<height>`
    BlocksSince(&'a str),
    /// `/tx/recent`
    RecentTxs,
    /// `/sync/status`
    SyncStatus,
    /// `/forks`
    Forks,
    /// `/search`
    Search,
    /// `/estimateFee`
    EstimateFee,
    /// `/tx/<hash>`
    Tx(&'a str),
    /// `/mempool`
    Mempool,
    /// `/submit`
    Submit,
    /// `/broadcast`, the old name of `/submit`
    Broadcast,
    /// `/peers`
    Peers,
    /// `/challenge`
    Challenge,
    /// `/submitBlock`
    SubmitBlock,
    /// `/metrics`
    Metrics,
    /// `/admin/v1/…`, on the admin socket only
    Admin(Act),
}

/// What methods a route takes, beside `OPTIONS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Reading routes: `GET` and `HEAD`.
    Get,
    /// Submitting routes.
    Post,
}

impl Takes {
    /// The value of the header `Allow`.
    pub const fn allow(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD, OPTIONS",
            Self::Post => "POST, OPTIONS",
        }
    }
}

impl<'a> Route<'a> {
    /// The route of a path, for who comes in by that door.
    pub fn find(path: &'a str, door: Door) -> Option<Self> {
        match door {
            Door::Admin => Act::find(path).map(Self::Admin).or(Self::find_public(path)),
            Door::Public => Self::find_public(path),
            Door::Metrics => Self::find_public(path).filter(|route| *route == Self::Metrics),
        }
    }

    fn find_public(path: &'a str) -> Option<Self> {
        Some(match path {
            "/" => Self::Root,
            "/explorer.css" => Self::Style,
            "/explorer.js" => Self::Script,
            "/openapi.json" => Self::OpenApi,
            "/version" => Self::Version,
            "/chainTip" => Self::ChainTip,
            "/genesisHash" => Self::GenesisHash,
            "/healthz" => Self::Healthz,
            "/livez" => Self::Livez,
            "/readyz" => Self::Readyz,
            "/health" => Self::Health,
            "/ping" => Self::Ping,
            "/events" => Self::Events,
            "/accounts" => Self::Accounts,
            "/blocks/recent" => Self::RecentBlocks,
            "/recentBlocks" => Self::OldRecentBlocks,
            "/blocks/range" => Self::BlocksRange,
            "/tx/recent" => Self::RecentTxs,
            "/sync/status" => Self::SyncStatus,
            "/forks" => Self::Forks,
            "/search" => Self::Search,
            "/estimateFee" => Self::EstimateFee,
            "/mempool" => Self::Mempool,
            "/submit" => Self::Submit,
            "/broadcast" => Self::Broadcast,
            "/peers" => Self::Peers,
            "/challenge" => Self::Challenge,
            "/submitBlock" => Self::SubmitBlock,
            "/metrics" => Self::Metrics,
            _ => return Self::find_variable(path),
        })
    }

    /// Routes with a parameter.
    fn find_variable(path: &'a str) -> Option<Self> {
        if let Some(height) = path.strip_prefix("/blocks/since/") {
            return (!height.contains('/')).then_some(Self::BlocksSince(height));
        }
        let (noun, parameter) = path.strip_prefix('/')?.split_once('/')?;
        if let Some((parameter, of)) = parameter.split_once('/') {
            let history = noun == "account" && of == "txs";
            return history.then_some(Self::AccountTxs(parameter));
        }
        match noun {
            "account" => Some(Self::Account(parameter)),
            "balance" => Some(Self::Balance(parameter)),
            "block" => Some(Self::Block(parameter)),
            "tx" => Some(Self::Tx(parameter)),
            _ => None,
        }
    }

    /// What methods the route takes.
    pub const fn takes(&self) -> Takes {
        match self {
            Self::Submit | Self::Broadcast | Self::SubmitBlock => Takes::Post,
            Self::Admin(act) => act.takes(),
            _ => Takes::Get,
        }
    }

    /// The route's name in metrics.
    pub const fn endpoint(&self) -> &'static str {
        match self {
            Self::Root => "/",
            Self::Style => "/explorer.css",
            Self::Script => "/explorer.js",
            Self::OpenApi => "/openapi.json",
            Self::Version => "/version",
            Self::ChainTip => "/chainTip",
            Self::GenesisHash => "/genesisHash",
            Self::Healthz => "/healthz",
            Self::Livez => "/livez",
            Self::Readyz => "/readyz",
            Self::Health => "/health",
            Self::Ping => "/ping",
            Self::Events => "/events",
            Self::Account(_) => "/account",
            Self::AccountTxs(_) => "/account/txs",
            Self::Accounts => "/accounts",
            Self::Balance(_) => "/balance",
            Self::Block(_) => "/block",
            Self::OldRecentBlocks => "/recentBlocks",
            Self::BlocksRange => "/blocks/range",
            Self::BlocksSince(_) => "/blocks/since",
            Self::RecentTxs => "/tx/recent",
            Self::SyncStatus => "/sync/status",
            Self::Forks => "/forks",
            Self::Search => "/search",
            Self::EstimateFee => "/estimateFee",
            Self::RecentBlocks => "/blocks/recent",
            Self::Tx(_) => "/tx",
            Self::Mempool => "/mempool",
            Self::Submit => "/submit",
            Self::Broadcast => "/broadcast",
            Self::Peers => "/peers",
            Self::Challenge => "/challenge",
            Self::SubmitBlock => "/submitBlock",
            Self::Metrics => "/metrics",
            Self::Admin(act) => act.path(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_their_routes() {
        assert_eq!(Route::find("/", Door::Public), Some(Route::Root));
        assert_eq!(
            Route::find("/block/7", Door::Public),
            Some(Route::Block("7"))
        );
        assert_eq!(
            Route::find("/blocks/recent", Door::Public),
            Some(Route::RecentBlocks)
        );
        assert_eq!(
            Route::find("/account/", Door::Public),
            Some(Route::Account(""))
        );
        assert_eq!(Route::find("/tx/ab", Door::Public), Some(Route::Tx("ab")));
        assert_eq!(
            Route::find("/tx/recent", Door::Public),
            Some(Route::RecentTxs)
        );
        assert_eq!(
            Route::find("/account/x/txs", Door::Public),
            Some(Route::AccountTxs("x"))
        );
        assert_eq!(
            Route::find("/blocks/since/7", Door::Public),
            Some(Route::BlocksSince("7"))
        );
    }

    #[test]
    fn the_address_for_metrics_has_nothing_else() {
        assert_eq!(Route::find("/metrics", Door::Metrics), Some(Route::Metrics));
        for path in ["/", "/chainTip", "/submit", "/events", "/admin/v1/stop"] {
            assert_eq!(Route::find(path, Door::Metrics), None, "{path}");
        }
    }

    #[test]
    fn other_paths_find_none() {
        for path in [
            "",
            "*",
            "//",
            "/Version",
            "/version/",
            "/account",
            "/a/b/c",
            "/blocks/since",
            "/blocks/since/1/2",
            "/account/x/y",
            "/account/x/txs/",
            "/block/x/txs",
            "/admin/v1/stop",
        ] {
            assert_eq!(Route::find(path, Door::Public), None, "{path}");
        }
    }
}
