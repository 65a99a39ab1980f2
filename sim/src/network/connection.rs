//! One connection between two machines: two pipes, and who waits at their ends. Pure but for the
//! wakers that it keeps and hands out.

use std::io;
use std::net::SocketAddr;
use std::task::{Poll, Waker};

use tokio::io::ReadBuf;

use super::pipe::{Found, Pipe};
use super::switchboard::{Machine, Wake};

/// One end of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    /// The connection's number in its run.
    pub connection: u64,
    /// 0 for who dialled, 1 for who accepted.
    pub side: usize,
}

impl End {
    /// The number of the pipe that this end writes into, as traces show it.
    #[must_use]
    pub fn pipe(self) -> u64 {
        self.connection * 2 + self.side as u64
    }
}

/// Who waits to read, and from when on it is known to be woken.
#[derive(Debug)]
struct Reader {
    waker: Waker,
    wakes_at: Option<u64>,
}

/// Two machines, two pipes.
#[derive(Debug)]
pub struct Connection {
    /// Who dialled and who accepted.
    pub machines: [Machine; 2],
    /// Their addresses.
    pub addresses: [SocketAddr; 2],
    /// `pipes[side]` carries what that side writes.
    pub pipes: [Pipe; 2],
    /// Sides whose stream was dropped, or whose process or machine is gone.
    pub gone: [bool; 2],
    readers: [Option<Reader>; 2],
    writers: [Option<Waker>; 2],
}

impl Connection {
    /// A fresh connection, dialled by the first of each.
    #[must_use]
    pub fn new(machines: [Machine; 2], addresses: [SocketAddr; 2]) -> Self {
        Self {
            machines,
            addresses,
            pipes: Default::default(),
            gone: [false; 2],
            readers: Default::default(),
            writers: Default::default(),
        }
    }

    /// The machine at this side, and the other.
    #[must_use]
    pub fn seen_from(&self, side: usize) -> [Machine; 2] {
        [self.machines[side], self.machines[1 - side]]
    }

    /// Takes what has arrived at `side` into `out`: how many bytes (zero is the end), or who to wake
    /// later.
    pub fn read(
        &mut self,
        side: usize,
        now: u64,
        waker: &Waker,
        (out, wakes): (&mut ReadBuf<'_>, &mut Vec<Wake>),
    ) -> Poll<io::Result<u64>> {
        if self.gone[side] {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        match self.pipes[1 - side].read(now, out) {
            Found::Bytes(count) => {
                let writer = self.writers[1 - side].take().filter(|_| count > 0);
                wakes.extend(writer.map(|waker| Wake { at: None, waker }));
                self.readers[side] = None;
                Poll::Ready(Ok(count as u64))
            }
            Found::Reset => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Found::Nothing(next) => {
                self.wait_to_read(side, next, waker, wakes);
                Poll::Pending
            }
        }
    }

    fn wait_to_read(
        &mut self,
        side: usize,
        next: Option<u64>,
        waker: &Waker,
        wakes: &mut Vec<Wake>,
    ) {
        let known = self.readers[side].as_ref();
        if known.is_some_and(|r| r.wakes_at == next && r.waker.will_wake(waker)) {
            return;
        }
        wakes.extend(next.map(|at| Wake {
            at: Some(at),
            waker: waker.clone(),
        }));
        self.readers[side] = Some(Reader {
            waker: waker.clone(),
            wakes_at: next,
        });
    }

    /// How many bytes `side` may write now.
    pub fn writable(&mut self, side: usize, now: u64, waker: &Waker) -> Poll<io::Result<usize>> {
        if self.gone[side] {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if self.pipes[1 - side].is_reset(now) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if self.pipes[side].ended() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let space = self.pipes[side].space();
        if space == 0 {
            self.writers[side] = Some(waker.clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(space))
    }

    /// Something that `side` sent arrives at `at`: whoever waits at the other end is woken then, its
    /// writer too when it is a reset.
    pub fn expect_arrival(&mut self, side: usize, at: u64, wakes: &mut Vec<Wake>) {
        let next = self.pipes[side].next_arrival();
        if let Some(reader) = self.readers[1 - side]
            .as_mut()
            .filter(|r| r.wakes_at != next)
        {
            reader.wakes_at = next;
            wakes.extend(next.map(|at| Wake {
                at: Some(at),
                waker: reader.waker.clone(),
            }));
        }
        if self.pipes[side].ends_in_reset() {
            let writer = self.writers[1 - side].take();
            wakes.extend(writer.map(|waker| Wake {
                at: Some(at),
                waker,
            }));
        }
    }

    /// Nobody is at this side any more: what was on its way to it is dropped.
    pub fn leave(&mut self, side: usize) {
        self.go_dark(side);
        self.pipes[1 - side].discard();
    }

    /// The system at this side forgets the connection: gives back who waited there, to find out.
    pub fn forget(&mut self, side: usize) -> impl Iterator<Item = Waker> + use<> {
        let reader = self.readers[side].take().map(|reader| reader.waker);
        let writer = self.writers[side].take();
        self.go_dark(side);
        reader.into_iter().chain(writer)
    }

    /// Nobody is at this side any more, and the other side does not know: what it sends stays under
    /// way, as nobody acknowledges it.
    pub fn go_dark(&mut self, side: usize) {
        self.gone[side] = true;
        self.readers[side] = None;
        self.writers[side] = None;
    }
}
