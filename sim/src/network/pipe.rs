//! One direction of one connection: segments under way, in order, each with the time at which it
//! arrives. Pure: no lock, no clock, no waiting; time comes in as virtual nanoseconds. What TCP
//! promises holds: nothing inside a stream is lost or reordered, a cut only delays it.

use std::collections::VecDeque;

use tokio::io::ReadBuf;

/// How many bytes a direction holds between its writer and its reader: about what the socket buffers
/// of an operating system hold. A full pipe makes the writer wait.
pub const PIPE_BYTES_MAX: usize = 256 * 1024;

/// The arrival time of a segment that waits behind a cut.
const HELD: u64 = u64::MAX;

/// What travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Bytes of the stream.
    Bytes(Vec<u8>),
    /// The writer has closed its half: the reader sees the end.
    Fin,
    /// The other end is gone: the reader sees an error after what came before.
    Reset,
}

#[derive(Clone, Debug)]
struct Segment {
    arrives: u64,
    body: Body,
}

/// What a reader finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// So many bytes were taken; zero is the end of the stream.
    Bytes(usize),
    /// The connection was reset.
    Reset,
    /// Nothing yet; the next segment arrives at this time, if one is under way and not held.
    Nothing(Option<u64>),
}

/// One direction of a connection.
#[derive(Clone, Debug, Default)]
pub struct Pipe {
    segments: VecDeque<Segment>,
    /// Bytes of the front segment that were read already.
    read: usize,
    buffered: usize,
    last_arrival: u64,
    end: Option<Body>,
}

impl Pipe {
    /// Bytes that may still be written.
    #[must_use]
    pub fn space(&self) -> usize {
        PIPE_BYTES_MAX.saturating_sub(self.buffered)
    }

    /// True once the writer has closed its half or was reset.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.end.is_some()
    }

    /// True when bytes wait to be read or are under way.
    #[must_use]
    pub fn has_bytes(&self) -> bool {
        self.buffered > 0
    }

    /// Sends `body`, to arrive at `arrives` but never before what was sent earlier; `None` holds it
    /// behind a cut. Nothing follows an end but a reset. Gives the arrival, if it is known.
    pub fn push(&mut self, arrives: Option<u64>, body: Body) -> Option<u64> {
        match (&self.end, &body) {
            (Some(Body::Fin), Body::Reset) | (None, Body::Fin | Body::Reset) => {
                self.end = Some(body.clone());
            }
            (None, Body::Bytes(bytes)) => self.buffered += bytes.len(),
            (Some(_), _) => return None,
        }
        let arrives = arrives.map(|at| at.max(self.last_arrival));
        self.last_arrival = arrives.unwrap_or(self.last_arrival);
        self.segments.push_back(Segment {
            arrives: arrives.unwrap_or(HELD),
            body,
        });
        arrives
    }

    /// Takes what has arrived into `out`.
    pub fn read(&mut self, now: u64, out: &mut ReadBuf<'_>) -> Found {
        let before = out.filled().len();
        while let Some(front) = self.segments.front() {
            let taken = out.filled().len() - before;
            if front.arrives > now {
                let next = (front.arrives != HELD).then_some(front.arrives);
                return if taken > 0 {
                    Found::Bytes(taken)
                } else {
                    Found::Nothing(next)
                };
            }
            let Body::Bytes(bytes) = &front.body else {
                let reset = front.body == Body::Reset && taken == 0;
                return if reset {
                    Found::Reset
                } else {
                    Found::Bytes(taken)
                };
            };
            let len = (bytes.len() - self.read).min(out.remaining());
            out.put_slice(&bytes[self.read..self.read + len]);
            self.buffered -= len;
            self.read += len;
            if self.read < bytes.len() {
                return Found::Bytes(taken + len);
            }
            self.read = 0;
            self.segments.pop_front();
        }
        let taken = out.filled().len() - before;
        if taken > 0 {
            Found::Bytes(taken)
        } else {
            Found::Nothing(None)
        }
    }

    /// True when a reset has arrived, wherever in the queue it stands.
    #[must_use]
    pub fn is_reset(&self, now: u64) -> bool {
        self.segments
            .back()
            .is_some_and(|last| last.body == Body::Reset && last.arrives <= now)
    }

    /// True when a reset is the last thing under way.
    #[must_use]
    pub fn ends_in_reset(&self) -> bool {
        self.segments
            .back()
            .is_some_and(|last| last.body == Body::Reset)
    }

    /// When the next segment arrives, if one is under way and not held.
    #[must_use]
    pub fn next_arrival(&self) -> Option<u64> {
        self.segments
            .front()
            .map(|front| front.arrives)
            .filter(|at| *at != HELD)
    }

    /// The line is cut at `now`: what has not arrived yet waits.
    pub fn hold(&mut self, now: u64) {
        for segment in self
            .segments
            .iter_mut()
            .filter(|segment| segment.arrives > now)
        {
            segment.arrives = HELD;
        }
        self.last_arrival = self.last_arrival.min(now);
    }

    /// The line works again: what was held arrives at `at`, in order. True when something was held.
    pub fn release(&mut self, at: u64) -> bool {
        let mut held = false;
        for segment in self
            .segments
            .iter_mut()
            .filter(|segment| segment.arrives == HELD)
        {
            segment.arrives = at.max(self.last_arrival);
            held = true;
        }
        if held {
            self.last_arrival = at.max(self.last_arrival);
        }
        held
    }

    /// The reader is gone: drops what was on its way to it.
    pub fn discard(&mut self) {
        let end = self.end.take();
        *self = Self {
            end,
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Body {
        Body::Bytes(text.as_bytes().to_vec())
    }

    fn read(pipe: &mut Pipe, now: u64, len: usize) -> (Found, String) {
        let mut space = vec![0; len];
        let mut out = ReadBuf::new(&mut space);
        let found = pipe.read(now, &mut out);
        (found, String::from_utf8(out.filled().to_vec()).unwrap())
    }

    #[test]
    fn bytes_arrive_in_order_and_not_before_their_time() {
        let mut pipe = Pipe::default();
        assert_eq!(pipe.push(Some(100), bytes("abc")), Some(100));
        assert_eq!(pipe.push(Some(50), bytes("de")), Some(100));
        assert_eq!(
            read(&mut pipe, 99, 9),
            (Found::Nothing(Some(100)), String::new())
        );
        assert_eq!(read(&mut pipe, 100, 4), (Found::Bytes(4), "abcd".into()));
        assert_eq!(read(&mut pipe, 100, 4), (Found::Bytes(1), "e".into()));
        assert_eq!(
            read(&mut pipe, 100, 4),
            (Found::Nothing(None), String::new())
        );
        assert_eq!(pipe.space(), PIPE_BYTES_MAX);
    }

    #[test]
    fn a_closed_half_reads_as_the_end_for_ever() {
        let mut pipe = Pipe::default();
        pipe.push(Some(1), bytes("x"));
        pipe.push(Some(2), Body::Fin);
        assert_eq!(pipe.push(Some(3), bytes("late")), None);
        assert_eq!(read(&mut pipe, 9, 9), (Found::Bytes(1), "x".into()));
        for _ in 0..2 {
            assert_eq!(read(&mut pipe, 9, 9), (Found::Bytes(0), String::new()));
        }
        assert!(!pipe.is_reset(9));
        pipe.push(Some(9), Body::Reset);
        assert!(pipe.is_reset(9));
    }

    #[test]
    fn a_reset_is_seen_after_the_bytes_before_it() {
        let mut pipe = Pipe::default();
        pipe.push(Some(1), bytes("x"));
        pipe.push(Some(5), Body::Reset);
        assert!(!pipe.is_reset(4));
        assert!(pipe.is_reset(5));
        assert_eq!(read(&mut pipe, 5, 9), (Found::Bytes(1), "x".into()));
        assert_eq!(read(&mut pipe, 5, 9), (Found::Reset, String::new()));
    }

    #[test]
    fn a_cut_delays_what_is_under_way_and_loses_nothing() {
        let mut pipe = Pipe::default();
        pipe.push(Some(10), bytes("a"));
        pipe.push(Some(20), bytes("b"));
        pipe.hold(15);
        pipe.push(None, bytes("c"));
        assert_eq!(read(&mut pipe, 500, 9), (Found::Bytes(1), "a".into()));
        assert_eq!(
            read(&mut pipe, 500, 9),
            (Found::Nothing(None), String::new())
        );
        assert!(pipe.release(600));
        assert!(!pipe.release(700));
        assert_eq!(pipe.push(Some(550), bytes("d")), Some(600));
        assert_eq!(
            read(&mut pipe, 599, 9),
            (Found::Nothing(Some(600)), String::new())
        );
        assert_eq!(read(&mut pipe, 600, 9), (Found::Bytes(3), "bcd".into()));
    }

    #[test]
    fn a_full_pipe_has_no_space_until_its_reader_reads() {
        let mut pipe = Pipe::default();
        pipe.push(Some(1), Body::Bytes(vec![b'x'; PIPE_BYTES_MAX]));
        assert_eq!(pipe.space(), 0);
        assert_eq!(read(&mut pipe, 1, 10).0, Found::Bytes(10));
        assert_eq!(pipe.space(), 10);
    }
}
