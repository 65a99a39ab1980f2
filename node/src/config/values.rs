//! What a knob can be set to: each reads from a flag, a variable and a file alike, and says in a
//! sentence what it wanted when it cannot.

use std::net::SocketAddr;
use std::str::FromStr;

use archivas_core::primitives::{Address, Millis};
use serde::{Deserialize, Serialize};

/// A network that needs no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkName {
    /// The main network
    Archivas,
    /// The public test network
    Testnet,
    /// Trivial blocks for one machine
    Dev,
}

impl NetworkName {
    /// Its name in files and paths.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Archivas => "archivas",
            Self::Testnet => "testnet",
            Self::Dev => "dev",
        }
    }
}

/// How much is logged.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, Deserialize, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// What stops the node
    Error,
    /// What needs a look
    Warn,
    /// A line a block
    Info,
    /// A line a peer and transfer
    Debug,
    /// Everything
    Trace,
}

impl LogLevel {
    const ALL: [Self; 5] = [
        Self::Error,
        Self::Warn,
        Self::Info,
        Self::Debug,
        Self::Trace,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// This level, `more` steps louder and `less` steps quieter.
    pub fn shifted(self, more: u8, less: u8) -> Self {
        let place = usize::from(self as u8) + usize::from(more);
        Self::ALL[place
            .saturating_sub(usize::from(less))
            .min(Self::ALL.len() - 1)]
    }
}

/// An address to listen on, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum ListenOn {
    /// Do not listen.
    Off,
    /// Listen here; port 0 takes a free one.
    At(SocketAddr),
}

impl ListenOn {
    /// The address, if any.
    pub const fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Off => None,
            Self::At(address) => Some(address),
        }
    }
}

impl FromStr for ListenOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let wanted = || format!("`{text}` is not IP:PORT (such as 127.0.0.1:8080), nor `off`");
        text.parse().map(Self::At).map_err(|_| wanted())
    }
}

impl TryFrom<String> for ListenOn {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ListenOn> for String {
    fn from(listen: ListenOn) -> Self {
        listen
            .address()
            .map_or_else(|| "off".to_owned(), |address| address.to_string())
    }
}

/// Where rewards go, as text in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct MineTo(pub Address);

impl FromStr for MineTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|error| format!("`{text}` is no address: {error}"))
    }
}

impl TryFrom<String> for MineTo {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<MineTo> for String {
    fn from(to: MineTo) -> Self {
        to.0.to_string()
    }
}

/// A pause between blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct BlockTime(pub Millis);

impl FromStr for BlockTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let scale = match unit {
            "ms" => 1,
            "" | "s" => 1_000,
            "m" => 60_000,
            _ => 0,
        };
        let millis = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(scale));
        match millis {
            // A day between blocks is the most that anybody can mean.
            Some(millis) if scale > 0 && millis <= 86_400_000 => Ok(Self(Millis::new(millis))),
            _ => Err(format!(
                "`{text}` is not a time such as 500ms, 20s or 2m (at most a day)"
            )),
        }
    }
}

impl TryFrom<String> for BlockTime {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<BlockTime> for String {
    fn from(time: BlockTime) -> Self {
        format!("{}ms", time.0.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_levels_shift_within_their_ends() {
        assert_eq!("500ms".parse(), Ok(BlockTime(Millis::new(500))));
        assert_eq!("0".parse(), Ok(BlockTime(Millis::new(0))));
        assert_eq!("2m".parse(), Ok(BlockTime(Millis::from_secs(120))));
        for bad in ["", "s", "-1s", "1h", "25000m", "99999999999999999999s"] {
            assert!(bad.parse::<BlockTime>().is_err(), "{bad}");
        }
        assert_eq!(LogLevel::Info.shifted(9, 0), LogLevel::Trace);
        assert_eq!(LogLevel::Info.shifted(0, 1), LogLevel::Warn);
    }
}
