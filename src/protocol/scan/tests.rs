//! The scanner's own rules; against serde_json it is held on whole lines.

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
fn a_problem_is_named_where_it_is() {
    let problem = |text| {
        let mut scanner = Scanner::new(text);
        let found = scanner.value().and_then(|_| scanner.end());
        (found.unwrap_err(), scanner.position())
    };
    assert_eq!(problem(""), (Problem::Cut, 0));
    assert_eq!(problem("[1,]"), (Problem::Value, 3));
    assert_eq!(problem("{\"a\":1,}"), (Problem::Key, 7));
    assert_eq!(problem("{\"a\" 1}"), (Problem::Colon, 5));
    assert_eq!(problem("[01]"), (Problem::LeadingZero, 3));
    assert_eq!(problem("[-]"), (Problem::Digit, 2));
    assert_eq!(problem("[1.]"), (Problem::Digit, 3));
    assert_eq!(problem("[tru]"), (Problem::Literal, 1));
    assert_eq!(problem("[tru"), (Problem::Cut, 1));
    assert_eq!(problem("[1 2]"), (Problem::CommaOrBracket, 3));
    assert_eq!(problem("{\"a\":1]"), (Problem::CommaOrBrace, 6));
    assert_eq!(problem("\"\\x\""), (Problem::Escape, 1));
    assert_eq!(problem("\"\\u12g4\""), (Problem::Escape, 1));
    assert_eq!(problem("\"a\tb\""), (Problem::Control, 2));
    assert_eq!(problem("1 2"), (Problem::Trailing, 2));
}
