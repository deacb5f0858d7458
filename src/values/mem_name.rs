//! A name in memory.

use std::fmt;

use super::name::write_name;

/// What a stream or a datagram socket in memory is called, within its reactor: 1 to 107 bytes, any bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemName {
    /// What is not used is zero. So names are in the order of their bytes.
    bytes: [u8; MemName::MAX],
    length: u8,
}

impl MemName {
    /// The most bytes a name can have: as many as a Unix socket's, so that one can stand for the other.
    pub const MAX: usize = 107;

    /// The name with these bytes, `None` if they are none, or more than [`MemName::MAX`].
    pub fn new(name: &[u8]) -> Option<MemName> {
        let mut bytes = [0; MemName::MAX];
        bytes.get_mut(..name.len())?.copy_from_slice(name);
        (!name.is_empty()).then_some(MemName { bytes, length: name.len() as u8 })
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// What would not show on a line is escaped as in Rust: `\n`, `\x1b`.
impl fmt::Display for MemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, self.as_bytes(), '\\', |f, bytes| write!(f, "{}", bytes.escape_ascii()))
    }
}

impl fmt::Debug for MemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_bounds_an_order_and_stay_on_their_line() {
        assert_eq!((MemName::new(b""), MemName::new(&[b'x'; 108])), (None, None));
        let name = |bytes: &[u8]| MemName::new(bytes).unwrap();
        assert_eq!(name(&[b'x'; 107]).as_bytes(), &[b'x'; 107]);
        assert!(
            name(b"a") < name(b"a\0") && name(b"a\0") < name(b"ab") && name(b"ab") < name(b"b")
        );
        assert_eq!(name("a\n\\é".as_bytes()).to_string(), "a\\n\\\\é");
    }
}
