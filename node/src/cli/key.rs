//! `archivas key`: wallet keys in encrypted files.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use zeroize::Zeroizing;

use crate::cli::exit::Failure;
use crate::cli::output::{Output, table};
use crate::cli::secret_input::{self, PassphraseArgs};
use crate::keys::{KeyFile, KeyStore, Secret, Unsealed, write_private};

const AFTER: &str = "\
A key is 12 or 24 words (BIP39), from which the account's key follows as in the Archivas wallets. The
file that holds them is encrypted with a passphrase. Write the words down (`archivas key export`) and
keep them where nobody else looks: who has the words has the money; when both the file or its
passphrase and the words are lost, so is the money, and nobody can bring it back.

Examples:
  archivas key new savings
  archivas key export savings
  archivas key import other < words.txt
  archivas tx send --key savings --to arcv1... --amount 5RCHV";

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a new key
    #[command(after_long_help = AFTER)]
    New {
        /// What to call it
        name: String,
        /// How many words it is backed up as
        #[arg(long, default_value_t = 24, value_parser = words)]
        words: usize,
        #[command(flatten)]
        from: KeysArgs,
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Take in a key by its words, or by its private key in hex, from a prompt, standard input or a
    /// file
    #[command(after_long_help = AFTER)]
    Import {
        /// What to call it
        name: String,
        /// File with the words [default: standard input]
        #[arg(long, value_name = "FILE")]
        words_file: Option<PathBuf>,
        /// File with BIP39's own passphrase, if the words have one
        #[arg(long, value_name = "FILE")]
        words_passphrase_file: Option<PathBuf>,
        #[command(flatten)]
        from: KeysArgs,
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Every key's name and address
    List(KeysArgs),
    /// A key's address and public key
    Show {
        /// Its name
        name: String,
        #[command(flatten)]
        from: KeysArgs,
    },
    /// Print a key's words (or private key): the backup
    #[command(after_long_help = AFTER)]
    Export {
        /// Its name
        name: String,
        /// Write them to this new file, which only you can read, instead
        #[arg(long, value_name = "FILE")]
        to_file: Option<PathBuf>,
        #[command(flatten)]
        from: KeysArgs,
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
}

/// Where keys are.
#[derive(Clone, Debug, Args)]
pub struct KeysArgs {
    /// Directory of the encrypted keys [default: ~/.archivas/keys]
    #[arg(long, env = "ARCHIVAS_KEYS", value_name = "DIR")]
    keys: Option<PathBuf>,
}

impl KeysArgs {
    /// The keys there.
    ///
    /// # Errors
    /// A usage failure when there is no home directory and none was given.
    pub fn store(&self) -> Result<KeyStore, Failure> {
        let home = std::env::var_os("HOME");
        let usual = home.map(|home| Path::new(&home).join(".archivas").join("keys"));
        let folder = self.keys.clone().or(usual);
        let nowhere = || Failure::usage("there is no home directory: pass --keys");
        Ok(KeyStore::new(folder.ok_or_else(nowhere)?))
    }
}

fn words(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ (12 | 15 | 18 | 21 | 24)) => Ok(count),
        _ => Err("it must be 12, 15, 18, 21 or 24".into()),
    }
}

/// Runs `archivas key`.
pub fn run(command: KeyCommand, output: &Output) -> Result<(), Failure> {
    match command {
        KeyCommand::New {
            name,
            words,
            from,
            passphrase,
        } => {
            // Three words carry four bytes of entropy and one bit a word of checksum.
            let mut entropy = Zeroizing::new([0; 32]);
            fill(entropy.as_mut_slice())?;
            let secret = Secret::from_entropy(&entropy[..words / 3 * 4]);
            keep(&name, &secret, (&from, &passphrase), output)
        }
        KeyCommand::Import {
            name,
            words_file,
            words_passphrase_file,
            from,
            passphrase,
        } => {
            let extra = words_passphrase_file
                .as_deref()
                .map(secret_input::read_file);
            let extra = extra.transpose()?.unwrap_or_default();
            let extra = extra.lines().next().unwrap_or_default();
            let text = secret_input::backup(words_file.as_deref())?;
            let secret = Secret::parse(&text, extra);
            let secret = secret.map_err(|error| Failure::refused(error.to_string()))?;
            keep(&name, &secret, (&from, &passphrase), output)
        }
        KeyCommand::List(from) => list(&from, output),
        KeyCommand::Show { name, from } => {
            let key = from.store()?.get(&name)?;
            let text = format!(
                "address     {}\npublic key  {}",
                key.address, key.public_key
            );
            output.print(&shown(&name, &key), text)?;
            Ok(())
        }
        KeyCommand::Export {
            name,
            to_file,
            from,
            passphrase,
        } => {
            let key = from.store()?.get(&name)?;
            export(&key.open(&passphrase.ask()?)?, to_file.as_deref(), output)
        }
    }
}

fn fill(bytes: &mut [u8]) -> Result<(), Failure> {
    getrandom::fill(bytes)
        .map_err(|error| Failure::disk(format!("the system gives no randomness: {error}")))
}

fn keep(
    name: &str,
    secret: &Secret,
    (from, passphrase): (&KeysArgs, &PassphraseArgs),
    output: &Output,
) -> Result<(), Failure> {
    let store = from.store()?;
    // Before anybody has typed a passphrase for nothing.
    if store.path(name)?.exists() {
        return Err(crate::keys::KeyStoreError::Taken(name.to_owned()).into());
    }
    let passphrase = passphrase.choose()?;
    let mut random = [0; 28];
    fill(&mut random)?;
    let key = KeyFile::seal(secret, &passphrase, &random);
    let path = store.add(name, &key)?;
    let text = format!(
        "{}\nkept in {}\nBack it up now: `archivas key export {name}` shows the words to write down.",
        key.address,
        path.display()
    );
    output.print(&shown(name, &key), text)?;
    Ok(())
}

fn list(from: &KeysArgs, output: &Output) -> Result<(), Failure> {
    let store = from.store()?;
    let (mut keys, mut rows) = (Vec::new(), Vec::new());
    for name in store.names()? {
        match store.get(&name) {
            Ok(key) => {
                keys.push(shown(&name, &key));
                rows.push(vec![name, key.address.to_string()]);
            }
            Err(error) => {
                keys.push(json!({ "name": name, "error": error.to_string() }));
                rows.push(vec![name, error.to_string()]);
            }
        }
    }
    let rows = table(&["name", "address"], rows.into_iter());
    output.print(&json!({ "keys": keys }), rows)?;
    Ok(())
}

fn export(key: &Unsealed, to_file: Option<&Path>, output: &Output) -> Result<(), Failure> {
    let backup = key.secret.backup();
    let extra = key.secret.extra();
    let Some(path) = to_file else {
        let mut value = json!({ "address": key.address, "backup": backup.as_str() });
        let mut text = Zeroizing::new(backup.to_string());
        if !extra.is_empty() {
            value["wordsPassphrase"] = extra.into();
            text.push_str("\n(and BIP39's own passphrase: ");
            text.push_str(extra);
            text.push(')');
        }
        output.print(&value, text.as_str())?;
        return Ok(());
    };
    let text = Zeroizing::new(format!("{}\n", backup.as_str()));
    write_private(path, &text)
        .map_err(|error| Failure::disk(format!("cannot write {}: {error}", path.display())))?;
    let value = json!({ "address": key.address, "file": path });
    let mut said = format!("{}: written to {}", key.address, path.display());
    if !extra.is_empty() {
        said.push_str("; the words also need BIP39's own passphrase, which is not in the file");
    }
    output.print(&value, said)?;
    Ok(())
}

fn shown(name: &str, key: &KeyFile) -> serde_json::Value {
    json!({ "name": name, "address": key.address, "publicKey": key.public_key })
}
