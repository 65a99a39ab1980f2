//! Reading and writing bytes: fixed arrays, little-endian integers, and the varints and strings of
//! postcard, strictly (protocol §1). A reader never reserves memory for a length it has only been
//! told.

/// Why bytes are not what they should be.
pub type Unreadable = &'static str;

/// Bytes that are read from the front.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Unreadable> {
        if count > self.rest.len() {
            return Err("the bytes end too early");
        }
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let taken = self.take(N)?;
        Ok(taken.try_into().expect("N bytes were taken"))
    }

    /// A u32 of four bytes, little-endian.
    ///
    /// # Errors
    /// When the bytes end.
    pub fn u32(&mut self) -> Result<u32, Unreadable> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A u64 of eight bytes, little-endian.
    ///
    /// # Errors
    /// When the bytes end.
    pub fn u64(&mut self) -> Result<u64, Unreadable> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A u64 in groups of seven bits, lowest first; the top bit says that more follow.
    ///
    /// # Errors
    /// When the bytes end, the number exceeds 64 bits, or a shorter form exists.
    pub fn varint(&mut self) -> Result<u64, Unreadable> {
        let mut value: u128 = 0;
        for place in 0..10 {
            let [byte] = self.array()?;
            value |= u128::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 != 0 {
                continue;
            }
            if byte == 0 && place > 0 {
                return Err("a number is longer than it need be");
            }
            return u64::try_from(value).map_err(|_| "a number exceeds 64 bits");
        }
        Err("a number has more than ten bytes")
    }

    /// A string with its length before it.
    ///
    /// # Errors
    /// When it is longer than `bytes_max`, or no UTF-8, or the bytes end.
    pub fn string(&mut self, bytes_max: u64) -> Result<String, Unreadable> {
        let length = self.varint()?;
        if length > bytes_max {
            return Err("a string is too long");
        }
        let length = usize::try_from(length).map_err(|_| "a string is too long")?;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| "a string is no UTF-8")?;
        Ok(text.to_owned())
    }

    /// Nothing may follow.
    ///
    /// # Errors
    /// When something does.
    pub fn end(&self) -> Result<(), Unreadable> {
        match self.rest.is_empty() {
            true => Ok(()),
            false => Err("bytes follow after the end"),
        }
    }
}

/// Appends a varint in its shortest form.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Appends a string with its length before it.
pub fn put_string(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Two lower-case hex digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_is_read_only_in_its_shortest_form() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(Reader::new(&bytes).varint(), Ok(value));
        }
        assert!(Reader::new(&[0x80, 0x00]).varint().is_err());
        assert!(Reader::new(&[0x80]).varint().is_err());
        let above = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert!(Reader::new(&above).varint().is_err());
        assert!(Reader::new(&[0xff; 11]).varint().is_err());
    }

    #[test]
    fn a_string_keeps_its_bound_and_is_text() {
        assert_eq!(Reader::new(b"\x02hi").string(2), Ok("hi".to_owned()));
        assert!(Reader::new(b"\x02hi").string(1).is_err());
        assert!(Reader::new(b"\x01\xff").string(9).is_err());
        assert!(Reader::new(b"\x03hi").string(9).is_err());
    }
}
