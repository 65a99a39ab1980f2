//! A folder of encrypted keys, one file a key, that only its owner can read. A file appears whole or
//! not at all, and none is ever overwritten.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::KeyFile;

/// The longest name of a key.
const NAME_MAX: usize = 64;
/// The most bytes of a key file: ours have about 700.
const FILE_BYTES_MAX: u64 = 16 * 1024;
/// What a key file's name ends in.
const ENDING: &str = "key";

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// The passphrase is another one, or the file was changed.
    #[error(
        "wrong passphrase (or the key file was changed): nothing but the right passphrase, or the \
         written words with `archivas key import`, brings the key back"
    )]
    WrongPassphrase,
    /// The file is no key file, or a broken one.
    #[error("this is no key file that can be used: {0}; take a backup of it, or import its words")]
    Damaged(String),
    /// The file can be read by others.
    #[error("others can read {}: run `chmod 600` on it first", .0.display())]
    Open(PathBuf),
    /// No key has that name.
    #[error("there is no key `{0}`: see `archivas key list`")]
    Unknown(String),
    /// A key has that name already.
    #[error("there is a key `{0}` already: choose another name")]
    Taken(String),
    /// It cannot be the name of a key.
    #[error("`{0}` cannot be a name: take 1 to 64 letters, digits, `-` and `_`")]
    BadName(String),
    /// The operating system refused.
    #[error("cannot {what} {}: {error}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

/// A folder of keys.
#[derive(Clone, Debug)]
pub struct KeyStore {
    folder: PathBuf,
}

impl KeyStore {
    /// The keys in `folder`, which need not be there yet.
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where the key of that name is, or would be.
    ///
    /// # Errors
    /// `BadName`.
    pub fn path(&self, name: &str) -> Result<PathBuf, KeyStoreError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(plain) {
            return Err(KeyStoreError::BadName(name.to_owned()));
        }
        Ok(self.folder.join(name).with_extension(ENDING))
    }

    /// Keeps a new key: written beside, synced, and given its name, which must be free.
    ///
    /// # Errors
    /// `Taken`, `BadName`, `Io`.
    pub fn add(&self, name: &str, key: &KeyFile) -> Result<PathBuf, KeyStoreError> {
        let path = self.path(name)?;
        let folder = &self.folder;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed("create", folder))?;
        let unfinished = self.folder.join(format!(".{name}.{}", std::process::id()));
        write_private(&unfinished, &key.to_text()).map_err(failed("write", &unfinished))?;
        // A link, unlike a rename, replaces nothing.
        let linked = fs::hard_link(&unfinished, &path);
        let removed = fs::remove_file(&unfinished);
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(KeyStoreError::Taken(name.to_owned()));
            }
            other => other.map_err(failed("create", &path))?,
        }
        removed.map_err(failed("remove", &unfinished))?;
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(failed("sync", folder))?;
        Ok(path)
    }

    /// The key of that name.
    ///
    /// # Errors
    /// `Unknown`, and as `read`.
    pub fn get(&self, name: &str) -> Result<KeyFile, KeyStoreError> {
        let path = self.path(name)?;
        match Self::read(&path) {
            Err(KeyStoreError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                Err(KeyStoreError::Unknown(name.to_owned()))
            }
            other => other,
        }
    }

    /// The key in a file of any name.
    ///
    /// # Errors
    /// `Open` when others can read it, `Damaged`, `Io`.
    pub fn read(path: &Path) -> Result<KeyFile, KeyStoreError> {
        let file = File::open(path).map_err(failed("open", path))?;
        let about = file.metadata().map_err(failed("read", path))?;
        if about.permissions().mode() & 0o077 != 0 {
            return Err(KeyStoreError::Open(path.to_owned()));
        }
        let mut text = Vec::new();
        file.take(FILE_BYTES_MAX)
            .read_to_end(&mut text)
            .map_err(failed("read", path))?;
        KeyFile::parse(&text)
    }

    /// Every key's name, in order.
    ///
    /// # Errors
    /// `Io`; a folder that is not there is an empty one.
    pub fn names(&self) -> Result<Vec<String>, KeyStoreError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed("read", &self.folder))?,
        };
        let paths = entries.flatten().map(|entry| entry.path());
        let ours = paths.filter(|path| path.extension().is_some_and(|ending| ending == ENDING));
        let mut names: Vec<String> = ours
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .collect();
        names.sort();
        Ok(names)
    }
}

/// Writes a new file that only its owner can read, and syncs it.
///
/// # Errors
/// When it exists, or the system refuses.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyStoreError {
    let path = path.to_owned();
    move |error| KeyStoreError::Io { what, path, error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Secret;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    }

    #[test]
    fn keys_are_private_are_listed_and_are_never_overwritten() {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let store = KeyStore::new(scratch.path().join("keys"));
        assert_eq!(store.names().expect("nothing is there"), [""; 0]);
        let secret = Secret::from_entropy(&[1; 16]);
        let key = KeyFile::seal(&secret, "a passphrase", &[5; 28]);
        let path = store.add("main", &key).expect("free");
        assert_eq!((mode(&path), mode(&store.folder)), (0o600, 0o700));
        assert_eq!(store.get("main").expect("kept"), key);
        let other = KeyFile::seal(&Secret::from_entropy(&[2; 16]), "a passphrase", &[6; 28]);
        let taken = store.add("main", &other).expect_err("taken");
        assert!(matches!(taken, KeyStoreError::Taken(_)), "{taken}");
        assert_eq!(store.get("main").expect("kept"), key);
        assert_eq!(store.names().expect("readable"), ["main"]);
        assert_eq!(fs::read_dir(&store.folder).expect("readable").count(), 1);
    }

    #[test]
    fn a_key_that_others_can_read_and_a_name_that_leads_elsewhere_are_refused() {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let store = KeyStore::new(scratch.path().to_owned());
        for name in ["", "../x", "a/b", ".", "a b", &"a".repeat(65)] {
            let refused = store.get(name).expect_err(name);
            assert!(matches!(refused, KeyStoreError::BadName(_)), "{refused}");
        }
        let unknown = store.get("nobody").expect_err("unknown");
        assert!(matches!(unknown, KeyStoreError::Unknown(_)), "{unknown}");
        let path = scratch.path().join("open.key");
        fs::write(&path, "{}").expect("writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("ours");
        let refused = store.get("open").expect_err("others can read it");
        assert!(matches!(refused, KeyStoreError::Open(_)), "{refused}");
    }
}
