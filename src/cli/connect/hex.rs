//! Bytes as people look at them, after hexdump(1).

use std::fmt::Write;

const ROW: usize = 16;

/// A dump of one direction: `< 00000000  68 65 6c 6c 6f 0a  |hello.|`.
#[derive(Debug)]
pub(super) struct Dump {
    mark: char,
    offset: u64,
}

impl Dump {
    /// Every row begins with the mark.
    pub(super) fn new(mark: char) -> Dump {
        Dump { mark, offset: 0 }
    }

    /// Counts from 0 again: a datagram of its own.
    pub(super) fn restart(&mut self) {
        self.offset = 0;
    }

    /// The next bytes, in rows of their own. No bytes are a row too: an empty datagram.
    pub(super) fn rows(&mut self, bytes: &[u8]) -> String {
        let mut text = String::with_capacity((bytes.len() / ROW + 1) * 80);
        if bytes.is_empty() {
            let _ = writeln!(text, "{} {:08x}  (empty)", self.mark, self.offset);
        }
        for row in bytes.chunks(ROW) {
            let _ = write!(text, "{} {:08x} ", self.mark, self.offset);
            for column in 0..ROW {
                let gap = if column % 8 == 0 { " " } else { "" };
                let _ = match row.get(column) {
                    Some(byte) => write!(text, "{gap}{byte:02x} "),
                    None => write!(text, "{gap}   "),
                };
            }
            text.push_str(" |");
            text.extend(row.iter().map(|&byte| match byte {
                b' '..=b'~' => char::from(byte),
                _ => '.',
            }));
            text.push_str("|\n");
            self.offset += row.len() as u64;
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_on_where_the_last_ended() {
        let mut dump = Dump::new('<');
        let row = dump.rows(b"hello, world, 1\n");
        let hex = "68 65 6c 6c 6f 2c 20 77  6f 72 6c 64 2c 20 31 0a";
        assert_eq!(row, format!("< 00000000  {hex}  |hello, world, 1.|\n"));
        let row = dump.rows(b"\x1b[2J\xff");
        assert_eq!(row, format!("< 00000010  {:<48}  |.[2J.|\n", "1b 5b 32 4a ff"));
        dump.restart();
        assert_eq!(dump.rows(b""), "< 00000000  (empty)\n");
    }
}
