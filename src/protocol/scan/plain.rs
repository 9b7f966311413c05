//! Finding the end of a string.

/// One word's worth of bytes.
pub(super) const WORD: usize = 8;

#[inline(always)]
pub(super) fn first_word(bytes: &[u8], at: usize) -> Option<&[u8; WORD]> {
    bytes.get(at..)?.first_chunk()
}

/// How many bytes at the front stand for themselves in a JSON string: no quote,
/// no backslash, no control character.
///
/// Most strings are short, so it begins with words of 8 bytes, at two
/// instructions a byte; what has not ended after four of them is likely long.
#[inline(always)]
pub(in crate::protocol) fn plain_prefix(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(word) = first_word(bytes, at) {
        let special = special_bytes(word);
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += WORD;
        if at == 4 * WORD {
            return at + plain_prefix_of_long(&bytes[at..]);
        }
    }
    at + bytes[at..]
        .iter()
        .take_while(|&&byte| is_plain(byte))
        .count()
}

/// memchr finds the end 32 bytes at a time; whether a control character comes
/// before it is one more pass, without a branch inside so that the compiler
/// makes vectors of it. Together that is a third of an instruction a byte.
#[inline(never)]
fn plain_prefix_of_long(bytes: &[u8]) -> usize {
    let end = memchr::memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len());
    let plain = &bytes[..end];
    let least = plain.iter().fold(u8::MAX, |least, &byte| least.min(byte));
    if least < b' ' {
        return plain.iter().take_while(|&&byte| is_plain(byte)).count();
    }
    end
}

#[inline(always)]
fn is_plain(byte: u8) -> bool {
    byte >= b' ' && byte != b'"' && byte != b'\\'
}

/// Has the top bit of each byte set that does not stand for itself. Bytes above
/// the lowest such one may be marked in error: a borrow runs upwards.
///
/// The trick is old (Mycroft, 1987): `x - 1` borrows from a zero byte's top bit.
#[inline(always)]
pub(super) fn special_bytes(word: &[u8; WORD]) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const TOPS: u64 = ONES << 7;
    let word = u64::from_le_bytes(*word);
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = word ^ (ONES * b'"' as u64);
    let quote = quote.wrapping_sub(ONES) & !quote;
    let backslash = word ^ (ONES * b'\\' as u64);
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    (control | quote | backslash) & TOPS
}

/// A table, so that four digits of any kind are checked without a branch.
const IS_HEX_DIGIT: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        // Below 256, so nothing is cut off.
        #[expect(clippy::cast_possible_truncation)]
        let is_hex_digit = (byte as u8).is_ascii_hexdigit();
        table[byte] = is_hex_digit;
        byte += 1;
    }
    table
};

/// Whether the digits of an escape are such.
#[inline(always)]
pub(super) fn are_hex_digits(digits: &[u8; 4]) -> bool {
    let is_hex_digit = digits.map(|byte| IS_HEX_DIGIT[usize::from(byte)]);
    is_hex_digit[0] & is_hex_digit[1] & is_hex_digit[2] & is_hex_digit[3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_has_four_digits_of_any_case() {
        for byte in 0..=u8::MAX {
            for place in 0..4 {
                let mut digits = *b"0aF9";
                digits[place] = byte;
                assert_eq!(are_hex_digits(&digits), byte.is_ascii_hexdigit());
            }
        }
    }
}
