//! How a name that a peer has chosen is shown.

use std::fmt::{self, Write};

/// Writes a name as it is, but for what isn't UTF-8, what doesn't show or changes how the rest of the line
/// shows, and the character that escapes begin with.
pub(super) fn write_name(
    f: &mut fmt::Formatter<'_>,
    name: &[u8],
    special: char,
    escape: impl Fn(&mut fmt::Formatter<'_>, &[u8]) -> fmt::Result,
) -> fmt::Result {
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == special || !shows(c) {
                escape(f, c.encode_utf8(&mut [0; 4]).as_bytes())?;
            } else {
                f.write_char(c)?;
            }
        }
        escape(f, chunk.invalid())?;
    }
    Ok(())
}

/// Not so: control characters, which terminals obey; what has no width; what breaks or turns a line
/// (Unicode standard annex 9).
fn shows(c: char) -> bool {
    let hidden = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !c.is_control() && !hidden
}
