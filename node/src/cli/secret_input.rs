//! Where secrets come from: a file, the environment, or a prompt on the terminal; never an argument,
//! which every program on the machine can read.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use crate::cli::exit::Failure;

/// The variable that holds the passphrase of keys.
pub const PASSPHRASE: &str = "ARCHIVAS_PASSPHRASE";
/// Fewer characters are guessed too soon.
const CHARACTERS_MIN: usize = 8;
/// The most bytes of a secret that is read from a file.
const BYTES_MAX: u64 = 4_096;

/// Where the passphrase of a key comes from.
#[derive(Clone, Debug, Args)]
pub struct PassphraseArgs {
    /// File whose first line is the key's passphrase [default: the variable ARCHIVAS_PASSPHRASE, else
    /// a prompt]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseArgs {
    /// The passphrase of a key that is there.
    ///
    /// # Errors
    /// A usage failure when there is nobody to be asked.
    pub fn ask(&self) -> Result<Zeroizing<String>, Failure> {
        match self.given()? {
            Some(given) => Ok(given),
            None => prompt("passphrase: "),
        }
    }

    /// The passphrase of a new key: long enough, and typed twice where it is typed.
    ///
    /// # Errors
    /// A usage failure when it is too short, differs the second time, or there is nobody to be asked.
    pub fn choose(&self) -> Result<Zeroizing<String>, Failure> {
        let given = self.given()?;
        let typed = given.is_none();
        let chosen = given.map_or_else(|| prompt("new passphrase: "), Ok)?;
        if chosen.chars().count() < CHARACTERS_MIN {
            return Err(Failure::usage(format!(
                "a passphrase has at least {CHARACTERS_MIN} characters; several words are easy to \
                 keep in mind"
            )));
        }
        if typed && *prompt("the same again: ")? != *chosen {
            return Err(Failure::usage("the two passphrases differ: try again"));
        }
        Ok(chosen)
    }

    fn given(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        if let Some(path) = &self.passphrase_file {
            let text = read_file(path)?;
            let line = text.lines().next().unwrap_or_default();
            return Ok(Some(Zeroizing::new(line.to_owned())));
        }
        Ok(std::env::var(PASSPHRASE).ok().map(Zeroizing::new))
    }
}

/// Words or digits of a key: from a file, from standard input when it is no terminal, or typed.
///
/// # Errors
/// When they cannot be read.
pub fn backup(file: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    match file {
        Some(path) => read_file(path),
        None if std::io::stdin().is_terminal() => prompt("words (or the private key in hex): "),
        None => {
            let mut text = Zeroizing::new(String::new());
            let read = std::io::stdin().take(BYTES_MAX).read_to_string(&mut text);
            read.map_err(|error| Failure::disk(format!("cannot read standard input: {error}")))?;
            Ok(text)
        }
    }
}

/// The text of a small file that holds a secret.
///
/// # Errors
/// When it cannot be read.
pub fn read_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    std::fs::File::open(path)
        .and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text))
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    Ok(text)
}

/// Asks on the terminal, without showing what is typed.
fn prompt(question: &str) -> Result<Zeroizing<String>, Failure> {
    let typed = rpassword::prompt_password(question).map_err(|_| {
        Failure::usage(format!(
            "there is no terminal to ask for a secret on: pass --passphrase-file FILE or set \
             {PASSPHRASE}"
        ))
    })?;
    Ok(Zeroizing::new(typed))
}
