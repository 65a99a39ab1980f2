//! Which path means which route. `endpoint` is the route's name in the metrics: the fixed part of
//! the path, as the board of the Go node knows it.

/// A path that the API knows, with its variable part as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// `/`
    Root,
    /// `/version`
    Version,
    /// `/chainTip`
    ChainTip,
    /// `/genesisHash`
    GenesisHash,
    /// `/healthz`
    Healthz,
    /// `/account/<address>`
    Account(&'a str),
    /// `/balance/<address>`
    Balance(&'a str),
    /// `/block/<height or id>`
    Block(&'a str),
    /// `/blocks/recent`
    RecentBlocks,
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
    /// The route of a path.
    pub fn find(path: &'a str) -> Option<Self> {
        Some(match path {
            "/" => Self::Root,
            "/version" => Self::Version,
            "/chainTip" => Self::ChainTip,
            "/genesisHash" => Self::GenesisHash,
            "/healthz" => Self::Healthz,
            "/blocks/recent" => Self::RecentBlocks,
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

    /// Routes whose last segment is a parameter.
    fn find_variable(path: &'a str) -> Option<Self> {
        let (noun, parameter) = path.strip_prefix('/')?.split_once('/')?;
        if parameter.contains('/') {
            return None;
        }
        match noun {
            "account" => Some(Self::Account(parameter)),
            "balance" => Some(Self::Balance(parameter)),
            "block" => Some(Self::Block(parameter)),
            "tx" if parameter != "recent" => Some(Self::Tx(parameter)),
            _ => None,
        }
    }

    /// What methods the route takes.
    pub const fn takes(&self) -> Takes {
        match self {
            Self::Submit | Self::Broadcast | Self::SubmitBlock => Takes::Post,
            _ => Takes::Get,
        }
    }

    /// The route's name in metrics.
    pub const fn endpoint(&self) -> &'static str {
        match self {
            Self::Root => "/",
            Self::Version => "/version",
            Self::ChainTip => "/chainTip",
            Self::GenesisHash => "/genesisHash",
            Self::Healthz => "/healthz",
            Self::Account(_) => "/account",
            Self::Balance(_) => "/balance",
            Self::Block(_) => "/block",
            Self::RecentBlocks => "/blocks/recent",
            Self::Tx(_) => "/tx",
            Self::Mempool => "/mempool",
            Self::Submit => "/submit",
            Self::Broadcast => "/broadcast",
            Self::Peers => "/peers",
            Self::Challenge => "/challenge",
            Self::SubmitBlock => "/submitBlock",
            Self::Metrics => "/metrics",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_their_routes() {
        assert_eq!(Route::find("/"), Some(Route::Root));
        assert_eq!(Route::find("/block/7"), Some(Route::Block("7")));
        assert_eq!(Route::find("/blocks/recent"), Some(Route::RecentBlocks));
        assert_eq!(Route::find("/account/"), Some(Route::Account("")));
        assert_eq!(Route::find("/tx/ab"), Some(Route::Tx("ab")));
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
            "/tx/recent",
            "/a/b/c",
        ] {
            assert_eq!(Route::find(path), None, "{path}");
        }
        assert_eq!(Route::find("/account/x/txs"), None);
    }
}
