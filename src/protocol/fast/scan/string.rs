//! The end of a JSON string: the first byte that does not stand for itself.

/// How many bytes are compared at once where no vectors are used.
pub(super) const WORD: usize = 8;

#[inline(always)]
pub(super) fn first_word(bytes: &[u8], at: usize) -> Option<&[u8; WORD]> {
    bytes.get(at..)?.first_chunk()
}

/// Whether a text is a JSON string as it is, without an escape.
#[inline(always)]
pub(crate) fn is_plain(text: &str) -> bool {
    plain_prefix(text.as_bytes()) == text.len()
}

/// How many bytes at the front stand for themselves in a JSON string: no quote,
/// no backslash, no control character.
///
/// Most strings are short, so the search begins with words of 8 bytes, at two
/// instructions a byte. A string that has not ended after four words is probably long.
#[inline(always)]
pub(in crate::protocol::fast) fn plain_prefix(bytes: &[u8]) -> usize {
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
        .take_while(|&&byte| stands_for_itself(byte))
        .count()
}

/// memchr finds the end 32 bytes at a time. A second pass looks for control
/// characters before the end. It has no branch, so that the compiler uses vectors.
/// Together they take a third of an instruction a byte.
#[inline(never)]
fn plain_prefix_of_long(bytes: &[u8]) -> usize {
    let end = memchr::memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len());
    let plain = &bytes[..end];
    let least = plain.iter().fold(u8::MAX, |least, &byte| least.min(byte));
    if least < b' ' {
        return plain
            .iter()
            .take_while(|&&byte| stands_for_itself(byte))
            .count();
    }
    end
}

#[inline(always)]
fn stands_for_itself(byte: u8) -> bool {
    byte >= b' ' && byte != b'"' && byte != b'\\'
}

/// A word in which the top bit is set for each byte that does not stand for itself.
/// Only the lowest such bit is certain, since a borrow runs upwards.
///
/// The method is Mycroft's (1987): `x - 1` borrows from a zero byte's top bit.
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

/// A table checks four digits without a branch.
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

/// Whether the four digits of a `\u` escape are hexadecimal.
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
