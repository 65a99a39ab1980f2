//! The bytes of one simulated disk: what a reader sees now, and a journal from which what was
//! durable at the last sync can be had back. A sync forgets the journal and copies nothing; a write
//! copies only the bytes that it covers. Pure: no lock, no clock, no randomness.

/// The unit that a real disk writes whole or not at all, in bytes.
pub const SECTOR_BYTES: usize = 512;

/// The bytes of a file and its writes since the last sync.
#[derive(Clone, Debug, Default)]
pub struct Image {
    bytes: Vec<u8>,
    journal: Vec<Pending>,
    /// The bytes that pending writes covered, one after the other.
    covered: Vec<u8>,
    /// What a sync has said of the first writes of the journal; of the others none has spoken.
    fates: Vec<Fate>,
}

/// What a sync has said of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The sync failed, and no later one makes it durable.
    Doomed,
    /// It is durable, though one before it is doomed.
    Durable,
}

/// One write since the last sync.
#[derive(Clone, Debug)]
enum Pending {
    /// Bytes at `at`; what was there before lies in `covered` from `start` on.
    Write { at: usize, start: usize, len: usize },
    /// A new length. Bytes cut off lie in `covered` from `start` on.
    Length {
        before: usize,
        after: usize,
        start: usize,
    },
}

/// A read or write that reaches beyond the end of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfBounds;

impl From<OutOfBounds> for std::io::Error {
    fn from(_: OutOfBounds) -> Self {
        Self::new(
            std::io::ErrorKind::UnexpectedEof,
            "beyond the end of the simulated disk",
        )
    }
}

impl Image {
    /// The length that a reader sees, in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// All of it, as a reader sees it.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = vec![0; usize::try_from(self.len()).expect("a file in memory")];
        let read = self.read(0, &mut out);
        read.expect("an image is as long as it says");
        out
    }

    /// True for a file without bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many writes and length changes a power loss would put in doubt.
    #[must_use]
    pub fn pending(&self) -> usize {
        let durable = self.fates.iter().filter(|fate| **fate == Fate::Durable);
        self.journal.len() - durable.count()
    }

    /// Fills `out` from offset `at`.
    ///
    /// # Errors
    /// When the range ends beyond the file.
    pub fn read(&self, at: u64, out: &mut [u8]) -> Result<(), OutOfBounds> {
        let range = range(at, out.len())?;
        out.copy_from_slice(self.bytes.get(range).ok_or(OutOfBounds)?);
        Ok(())
    }

    /// Puts `data` at offset `at`, in doubt until the next sync.
    ///
    /// # Errors
    /// When the range ends beyond the file: redb sets the length first.
    pub fn write(&mut self, at: u64, data: &[u8]) -> Result<(), OutOfBounds> {
        let range = range(at, data.len())?;
        let place = self.bytes.get_mut(range.clone()).ok_or(OutOfBounds)?;
        let start = self.covered.len();
        self.covered.extend_from_slice(place);
        place.copy_from_slice(data);
        self.journal.push(Pending::Write {
            at: range.start,
            start,
            len: data.len(),
        });
        Ok(())
    }

    /// Sets the length, in doubt until the next sync; new bytes are zero.
    ///
    /// # Errors
    /// When this machine cannot address that many bytes.
    pub fn set_len(&mut self, len: u64) -> Result<(), OutOfBounds> {
        let (before, after) = (
            self.bytes.len(),
            usize::try_from(len).map_err(|_| OutOfBounds)?,
        );
        let start = self.covered.len();
        self.covered
            .extend_from_slice(&self.bytes[after.min(before)..]);
        self.bytes.resize(after, 0);
        self.journal.push(Pending::Length {
            before,
            after,
            start,
        });
        Ok(())
    }

    /// Makes everything that was written durable, but for what a failed sync has doomed.
    pub fn sync(&mut self) {
        self.fates.resize(self.journal.len(), Fate::Durable);
        if !self.fates.contains(&Fate::Doomed) {
            self.settle();
        }
    }

    /// Makes durable all that a reader sees, as in another file with the same bytes.
    pub fn settle(&mut self) {
        self.journal.clear();
        self.covered.clear();
        self.fates.clear();
    }

    /// A sync fails: what was pending stays in doubt for ever, though every reader sees it. A system
    /// may call such pages clean, so that the next sync succeeds without them.
    pub fn fail_sync(&mut self) {
        self.fates.resize(self.journal.len(), Fate::Doomed);
    }

    /// Loses what was not synced, except the sectors that `survives(write, sector)` keeps: `write`
    /// counts the writes in doubt from 0, `sector` is the number of the sector in the file (0 for a
    /// change of length). What survives is applied in the order of writing, and is durable.
    pub fn lose_power(&mut self, mut survives: impl FnMut(usize, u64) -> bool) {
        let fates = std::mem::take(&mut self.fates);
        let journal = std::mem::take(&mut self.journal);
        let mut covered = std::mem::take(&mut self.covered);
        for pending in journal.iter().rev() {
            self.revert(pending, &mut covered);
        }
        let mut doubtful = 0;
        for (number, pending) in journal.iter().enumerate() {
            let durable = fates.get(number) == Some(&Fate::Durable);
            let mut keeps = |sector| durable || survives(doubtful, sector);
            match *pending {
                Pending::Length { after, .. } if keeps(0) => self.bytes.resize(after, 0),
                Pending::Length { .. } => {}
                Pending::Write { at, start, len } => {
                    self.keep_sectors(at, &covered[start..start + len], keeps);
                }
            }
            doubtful += usize::from(!durable);
        }
    }

    /// Undoes one pending write and leaves in `covered` what it had written.
    fn revert(&mut self, pending: &Pending, covered: &mut [u8]) {
        match *pending {
            Pending::Write { at, start, len } => {
                covered[start..start + len].swap_with_slice(&mut self.bytes[at..at + len]);
            }
            Pending::Length {
                before,
                after,
                start,
            } => {
                self.bytes.resize(before, 0);
                let cut = before.saturating_sub(after);
                let kept = before - cut;
                self.bytes[kept..].copy_from_slice(&covered[start..start + cut]);
            }
        }
    }

    /// Puts those sectors of `data` at `at` that are kept. A write beyond the end makes the file
    /// longer, as when its change of length was lost and the write itself was not.
    fn keep_sectors(&mut self, at: usize, data: &[u8], mut keep: impl FnMut(u64) -> bool) {
        let mut done = 0;
        while done < data.len() {
            let from = at + done;
            let len = (SECTOR_BYTES - from % SECTOR_BYTES).min(data.len() - done);
            if keep((from / SECTOR_BYTES) as u64) {
                if self.bytes.len() < from + len {
                    self.bytes.resize(from + len, 0);
                }
                self.bytes[from..from + len].copy_from_slice(&data[done..done + len]);
            }
            done += len;
        }
    }
}

fn range(at: u64, len: usize) -> Result<std::ops::Range<usize>, OutOfBounds> {
    let start = usize::try_from(at).map_err(|_| OutOfBounds)?;
    let end = start.checked_add(len).ok_or(OutOfBounds)?;
    Ok(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn synced(bytes: &[u8]) -> Image {
        let mut image = Image::default();
        image.set_len(bytes.len() as u64).unwrap();
        image.write(0, bytes).unwrap();
        image.sync();
        image
    }

    fn all(image: &Image) -> Vec<u8> {
        let mut out = vec![0; usize::try_from(image.len()).unwrap()];
        image.read(0, &mut out).unwrap();
        out
    }

    #[test]
    fn what_was_synced_survives_and_what_was_not_is_in_doubt() {
        let mut image = synced(b"aaaa");
        image.write(1, b"bb").unwrap();
        assert_eq!(all(&image), b"abba");
        image.lose_power(|_, _| false);
        assert_eq!(all(&image), b"aaaa");
        assert_eq!(image.pending(), 0);
    }

    #[test]
    fn overlapping_writes_survive_in_any_subset() {
        let outcome = |kept: [bool; 3]| {
            let mut image = synced(b"....");
            image.write(0, b"11").unwrap();
            image.write(1, b"22").unwrap();
            image.write(0, b"3333").unwrap();
            image.lose_power(|write, _| kept[write]);
            all(&image)
        };
        assert_eq!(outcome([true, true, false]), b"122.");
        assert_eq!(outcome([false, true, false]), b".22.");
        assert_eq!(outcome([true, false, false]), b"11..");
        assert_eq!(outcome([true, true, true]), b"3333");
    }

    #[test]
    fn a_write_is_torn_at_the_sectors_of_the_file() {
        let mut image = synced(&[0; 2048]);
        image.write(500, &[7; 600]).unwrap();
        image.lose_power(|_, sector| sector == 1);
        let bytes = all(&image);
        assert_eq!(bytes.iter().position(|b| *b == 7), Some(512));
        assert_eq!(bytes.iter().rposition(|b| *b == 7), Some(1023));
    }

    #[test]
    fn a_length_can_be_lost_while_the_write_behind_it_survives() {
        let mut image = synced(b"ab");
        image.set_len(4).unwrap();
        image.write(3, b"z").unwrap();
        image.lose_power(|write, _| write == 1);
        assert_eq!(all(&image), b"ab\0z");
    }

    #[test]
    fn bytes_cut_off_come_back_when_the_cut_was_not_synced() {
        let mut image = synced(b"abcdef");
        image.set_len(2).unwrap();
        image.set_len(5).unwrap();
        assert_eq!(all(&image), b"ab\0\0\0");
        image.lose_power(|_, _| false);
        assert_eq!(all(&image), b"abcdef");
    }

    #[test]
    fn nothing_is_read_or_written_beyond_the_end() {
        let mut image = synced(b"abc");
        assert_eq!(image.read(2, &mut [0; 2]), Err(OutOfBounds));
        assert_eq!(image.write(u64::MAX, b"x"), Err(OutOfBounds));
        assert_eq!(image.write(3, b"x"), Err(OutOfBounds));
        assert_eq!(image.pending(), 0);
    }

    #[test]
    fn after_a_failed_sync_the_next_one_makes_only_later_writes_durable() {
        let mut image = synced(b"aaaa");
        image.write(0, b"bb").unwrap();
        image.fail_sync();
        image.write(1, b"cc").unwrap();
        image.sync();
        assert_eq!((all(&image), image.pending()), (b"bcca".to_vec(), 1));
        image.write(3, b"d").unwrap();
        image.fail_sync();
        assert_eq!((all(&image), image.pending()), (b"bccd".to_vec(), 2));
        image.lose_power(|_, _| false);
        assert_eq!((all(&image), image.pending()), (b"acca".to_vec(), 0));
    }

    #[test]
    fn a_sync_leaves_nothing_in_doubt() {
        let mut image = synced(b"aa");
        image.write(0, b"bb").unwrap();
        image.sync();
        image.lose_power(|_, _| panic!("nothing is pending"));
        assert_eq!(all(&image), b"bb");
    }
}
