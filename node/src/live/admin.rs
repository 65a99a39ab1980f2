//! The admin socket: a Unix socket in the data directory that only its owner can open. What arrives
//! on it is handed to the service, which serves it like HTTP, with more routes.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;
use tokio::sync::mpsc;

use crate::ports::LocalStream;

/// The socket's name in the data directory.
pub const SOCKET: &str = "admin.sock";

/// A bound socket; dropping it takes it out of the directory.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl AdminSocket {
    /// Binds the socket in a data directory whose lock this process holds: one that is there already
    /// was left by a process that died. It is made in a folder that nobody else can enter, so that
    /// there is no moment at which others could open it.
    ///
    /// # Errors
    /// When the directory does not take it, or its path is too long for a socket (about 100 bytes).
    pub fn bind(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(SOCKET);
        let folder = data_dir.join("admin.new");
        let unfinished = folder.join("s");
        for left in [&unfinished, &path] {
            gone(fs::remove_file(left))?;
        }
        gone(fs::remove_dir(&folder))?;
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let listener = UnixListener::bind(&unfinished)?;
        fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o600))?;
        fs::rename(&unfinished, &path)?;
        fs::remove_dir(&folder)?;
        Ok(Self { listener, path })
    }

    /// Hands connections to the service until it has ended.
    pub async fn serve(self, service: mpsc::Sender<Box<dyn LocalStream>>) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = service.closed() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    // A service that ends serves nobody.
                    let _ = service.send(Box::new(stream)).await;
                }
                Err(error) => tracing::warn!(%error, "an admin connection could not be accepted"),
            }
        }
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        // Left behind it would hurt nobody: the next life replaces it.
        let _ = fs::remove_file(&self.path);
    }
}

/// Takes "it was not there" as done.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    #[tokio::test]
    async fn only_its_owner_can_open_it_and_a_left_one_is_replaced() {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        fs::write(scratch.path().join(SOCKET), b"").expect("writable");
        let socket = AdminSocket::bind(scratch.path()).expect("free");
        let path = scratch.path().join(SOCKET);
        let mode = fs::metadata(&path).expect("bound").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!scratch.path().join("admin.new").exists());
        let (service, mut arriving) = mpsc::channel(1);
        let serving = socket.serve(service);
        let talking = async {
            let mut client = UnixStream::connect(&path).await.expect("we own it");
            let mut served = arriving.recv().await.expect("a connection");
            client.write_all(b"hello").await.expect("open");
            let mut bytes = [0; 5];
            served
                .read_exact(&mut bytes)
                .await
                .expect("five bytes come");
            drop(arriving);
            bytes
        };
        let ((), bytes) = tokio::join!(serving, talking);
        assert_eq!(&bytes, b"hello");
        assert!(!path.exists(), "it goes with the service");
    }
}
