//! TCP behind the `Network` port.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

use crate::ports::{Listener, Network};

/// The machine's TCP stack. Small messages leave at once (no delay), since the node batches itself.
#[derive(Clone, Copy, Debug)]
pub struct LiveNetwork;

/// A bound TCP socket.
#[derive(Debug)]
pub struct LiveListener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Network for LiveNetwork {
    type Stream = TcpStream;
    type Listener = LiveListener;

    async fn listen(&self, address: SocketAddr) -> io::Result<LiveListener> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(LiveListener { socket, address })
    }

    async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Listener for LiveListener {
    type Stream = TcpStream;

    fn local_addr(&self) -> SocketAddr {
        self.address
    }

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, from) = self.socket.accept().await?;
        stream.set_nodelay(true)?;
        Ok((stream, from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn bytes_arrive_where_they_were_dialled() {
        let mut listener = LiveNetwork
            .listen(([127, 0, 0, 1], 0).into())
            .await
            .expect("loopback binds");
        let mut there = LiveNetwork
            .dial(listener.local_addr())
            .await
            .expect("loopback connects");
        let (mut here, from) = listener.accept().await.expect("the connection waits");
        assert_eq!(
            from,
            there
                .local_addr()
                .expect("a connected socket has an address")
        );
        there.write_all(b"hello").await.expect("open");
        let mut bytes = [0; 5];
        here.read_exact(&mut bytes).await.expect("five bytes come");
        assert_eq!(&bytes, b"hello");
    }
}
