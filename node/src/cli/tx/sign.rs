//! Who signs a transfer, and for which network when no node is asked.

use std::path::PathBuf;

use archivas_core::params::networks;
use archivas_core::primitives::{
    AccountNonce, Address, Domain, Payment, SecretKey, SignedTransfer,
};
use clap::Args;

use crate::cli::exit::Failure;
use crate::cli::key::KeysArgs;
use crate::cli::secret_input::PassphraseArgs;
use crate::cli::{Global, genesis};
use crate::config::{Chosen, NetworkName};
use crate::keys::KeyStore;

/// Whose account pays.
#[derive(Clone, Debug, Args)]
#[command(group(clap::ArgGroup::new("signer").required(true).args(["key", "key_file", "dev_key"])))]
pub struct SignerArgs {
    /// Sign with the encrypted key of this name
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// Sign with the encrypted key in this file
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Sign with a published test key of development networks: 0, 1 or 2
    #[arg(long, value_name = "0..2", value_parser = clap::value_parser!(u8).range(0..=2))]
    dev_key: Option<u8>,
    #[command(flatten)]
    keys: KeysArgs,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// A key that can sign.
pub struct Signer(SecretKey);

impl SignerArgs {
    /// The key, once its passphrase is known.
    ///
    /// # Errors
    /// When there is no such key, or the passphrase is wrong.
    pub fn unlock(&self) -> Result<Signer, Failure> {
        let file = match (&self.key, &self.key_file, self.dev_key) {
            (Some(name), _, _) => self.keys.store()?.get(name)?,
            (None, Some(path), _) => KeyStore::read(path)?,
            (None, None, number) => {
                let number = usize::from(number.expect("the group demands one of the three"));
                return Ok(Signer(networks::dev_keys()[number].clone()));
            }
        };
        Ok(Signer(file.open(&self.passphrase.ask()?)?.key()))
    }
}

impl Signer {
    /// Whose account it spends.
    pub fn address(&self) -> Address {
        self.0.address()
    }

    /// Signs for the network of that domain.
    pub fn sign(&self, domain: &Domain, payment: Payment) -> SignedTransfer {
        SignedTransfer::sign(&self.0, domain, payment)
    }
}

/// What a node would tell.
#[derive(Clone, Debug, Args)]
#[command(group(clap::ArgGroup::new("place").required(true).args(["network", "genesis"])))]
pub struct OfflineArgs {
    /// The account's next nonce (`archivas state account ADDRESS`)
    #[arg(long)]
    nonce: u64,
    /// Sign for this built-in network
    #[arg(long)]
    network: Option<NetworkName>,
    /// Sign for the network of this genesis file
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
}

impl OfflineArgs {
    /// The domain of the network that was named.
    ///
    /// # Errors
    /// When its genesis file cannot be used.
    pub fn domain(&self, _: &Global) -> Result<Domain, Failure> {
        let chosen = match (&self.genesis, self.network) {
            (Some(file), _) => Chosen::File(file.clone()),
            (None, name) => Chosen::BuiltIn(name.expect("the group demands one of the two")),
        };
        Ok(genesis::load(&chosen)?.domain)
    }

    /// The nonce that was given.
    pub const fn nonce(&self) -> AccountNonce {
        AccountNonce::new(self.nonce)
    }
}
