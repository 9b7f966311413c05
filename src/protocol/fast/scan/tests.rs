//! Rules of the scanner's parts. `tests/envelope_differential.rs` compares whole lines.

use super::*;

#[test]
fn a_plain_prefix_ends_at_the_first_special_byte_wherever_it_is() {
    for len in 0..100 {
        let mut bytes = vec![b'x'; len];
        bytes.iter_mut().step_by(3).for_each(|byte| *byte = 0xc3);
        assert_eq!(plain_prefix(&bytes), len);
        for at in 0..len {
            let was = bytes[at];
            for special in [b'"', b'\\', 0, 0x1f] {
                bytes[at] = special;
                assert_eq!(plain_prefix(&bytes), at, "{special} at {at} of {len}");
            }
            for plain in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xff] {
                bytes[at] = plain;
                assert_eq!(plain_prefix(&bytes), len, "{plain} at {at} of {len}");
            }
            bytes[at] = was;
        }
    }
}

#[test]
fn nesting_keeps_every_level() {
    let mut nesting = Nesting::default();
    let is_object = |level: usize| level.is_multiple_of(3) || level.is_multiple_of(7);
    let kind = |level| match is_object(level) {
        true => Container::Object,
        false => Container::Array,
    };
    for level in 0..1000 {
        nesting.enter(kind(level));
    }
    for level in (0..1000).rev() {
        assert_eq!(nesting.innermost(), Some(kind(level)), "{level}");
        nesting.leave();
    }
    assert_eq!(nesting.innermost(), None);
}

#[test]
fn a_value_is_its_own_text_without_blanks_around_it() {
    for value in [
        "[ 1 ]",
        "{ \"a\" : 1 }",
        "{ }",
        "\"a b\"",
        "-1.5e+3",
        "null",
        "[ [ ] ]",
    ] {
        let text = format!(" \t{value} \r,");
        assert_eq!(Scanner::new(&text).value(), Ok(value));
    }
}

#[test]
fn each_rule_of_the_grammar_is_checked() {
    for text in [
        "",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "[01]",
        "[-]",
        "[1.]",
        "[tru]",
        "[tru",
        "[1 2]",
        "{\"a\":1]",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"a\tb\"",
        "1 2",
    ] {
        let mut scanner = Scanner::new(text);
        let scanned = scanner.value().and_then(|_| scanner.end());
        assert_eq!(scanned, Err(Refused), "{text}");
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(text).is_err());
    }
}
