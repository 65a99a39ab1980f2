//! Frames over a byte stream, as an attacker reads and writes them: no more strict than it must be.

use std::io;

use archivas_core::p2p::frame::{FRAME_HEADER_BYTES, FrameHeader, frame, payload_max};
use archivas_core::p2p::message::{Hello, Message};
use archivas_core::params::peers::PROTOCOL_VERSION;
use archivas_core::primitives::{BlockId, BoundedString, Height, Timestamp, Work};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// A connection on which frames are spoken.
pub(super) struct Wire<S> {
    /// The stream itself, for those who do not speak in frames.
    pub stream: S,
    magic: [u8; 4],
    unread: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub fn new(stream: S, magic: [u8; 4]) -> Self {
        Self {
            stream,
            magic,
            unread: Vec::new(),
        }
    }

    /// Says something.
    pub async fn say(&mut self, message: &Message) -> io::Result<()> {
        let (kind, payload) = message.encode();
        self.stream
            .write_all(&frame(self.magic, kind, &payload))
            .await
    }

    /// The next message of a kind that we know. Nothing is lost when the waiting is given up.
    pub async fn hear(&mut self) -> io::Result<Message> {
        loop {
            if let Some(message) = self.take_message()? {
                return Ok(message);
            }
            if self.stream.read_buf(&mut self.unread).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Cuts whole frames off what was read, up to the first that holds a message.
    fn take_message(&mut self) -> io::Result<Option<Message>> {
        while let Some(head) = self.unread.first_chunk::<FRAME_HEADER_BYTES>() {
            let head = FrameHeader::decode(head);
            let length = usize::try_from(head.length).unwrap_or(usize::MAX);
            if length > payload_max(head.kind) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let end = FRAME_HEADER_BYTES + length;
            if self.unread.len() < end {
                return Ok(None);
            }
            let payload: Vec<u8> = self.unread.drain(..end).skip(FRAME_HEADER_BYTES).collect();
            if let Ok(Some(message)) = Message::decode(head.kind, &payload) {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// Reads and forgets until the other side ends the connection.
    pub async fn hear_out(&mut self) -> io::Result<()> {
        let mut sink = [0; 1_024];
        while self.stream.read(&mut sink).await? > 0 {}
        Ok(())
    }
}

/// What a peer claims to be.
pub(super) fn hello(
    genesis: BlockId,
    time: Timestamp,
    nonce: u64,
    (height, chainwork): (u64, Work),
) -> Hello {
    Hello {
        protocol: PROTOCOL_VERSION,
        genesis,
        best: genesis,
        height: Height::new(height),
        chainwork,
        oldest_body: Height::GENESIS,
        time,
        user_agent: BoundedString::truncated("/\u{1b}[2J\nbyzantine/"),
        listen_port: 0,
        nonce,
    }
}
