//! The parsers of `protocol/fast/` beside the plain parser, which is serde_json's:
//! both accept a line or both refuse it with the same text, and they find the same
//! in it. A parser that has seen other lines before finds the same, too.

mod reference;

use eddyline::protocol::Envelope;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use reference::{same, same_with_a_memory};

/// JSON. Some of these have a small mistake.
const SCALARS: [&str; 48] = [
    "0",
    "-0",
    "7",
    "-12",
    "00",
    "01",
    "-",
    "+1",
    "1.5",
    "1.",
    ".5",
    "-1.0e5",
    "1e",
    "1E+3",
    "1e-07",
    "1e400",
    "0x1",
    "18446744073709551615",
    "18446744073709551616",
    "NaN",
    "true",
    "false",
    "null",
    "nul",
    "True",
    "\"\"",
    "\"c1\"",
    "\"echo\"",
    "\"a b\"",
    "\"é\"",
    "\"\u{7f}\"",
    "\"\u{1f600}\"",
    "\"\\n\\\"\\\\\\/\\b\\f\\r\\t\"",
    "\"\\u0041\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\\ude00\\ud83d\"",
    "\"\\u12\"",
    "\"\\uzzzz\"",
    "\"\\x\"",
    "\"\t\"",
    "\"\u{0}\"",
    "\"",
    "\"sixteen bytes ok\"",
    "\"a string of more than forty-eight bytes, all of them plain\"",
    "\"a string of more than forty-eight bytes with\\nan escape\"",
    "\"a string of more than forty-eight bytes with a \u{1} control\"",
    "",
];

const KEYS: [&str; 12] = [
    "\"src\"",
    "\"dest\"",
    "\"body\"",
    "\"type\"",
    "\"msg_id\"",
    "\"in_reply_to\"",
    "\"echo\"",
    "\"\"",
    "\"\\u0073rc\"",
    "\"t\\u0079pe\"",
    "\"\\ud800\"",
    "src",
];

const BLANKS: [&str; 8] = ["", "", "", "", " ", "\t", "\r\n ", "\u{a0}"];

fn blank() -> impl Strategy<Value = &'static str> {
    select(&BLANKS[..])
}

fn value() -> impl Strategy<Value = String> {
    let scalar = select(&SCALARS[..]).prop_map(str::to_owned);
    scalar.prop_recursive(6, 40, 5, |value| {
        let padded = (blank(), value, blank())
            .prop_map(|(a, value, b)| format!("{a}{value}{b}"))
            .boxed();
        let array = vec(padded.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(",")));
        prop_oneof![array, object(padded)]
    })
}

fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let field = (blank(), select(&KEYS[..]), blank(), value)
        .prop_map(|(a, key, b, value)| format!("{a}{key}{b}:{value}"));
    vec(field, 0..6).prop_map(|fields| format!("{{{}}}", fields.join(",")))
}

/// A line that is almost always a message.
fn message() -> impl Strategy<Value = String> {
    let name = || {
        select(vec![
            "\"c1\"",
            "\"n1\"",
            "\"é\"",
            "\"\\u006e1\"",
            "5",
            "\"\\ud800\"",
        ])
    };
    let kind = select(vec![
        "\"echo\"",
        "\"\\u0065cho\"",
        "\"\\ud800\"",
        "null",
        "[\"echo\"]",
    ]);
    let number = select(vec![
        "0",
        "-0",
        "12",
        "-5",
        "1.0",
        "1e2",
        "null",
        "\"1\"",
        "18446744073709551616",
        "{}",
    ]);
    let body = (kind, number.clone(), number, value()).prop_map(|(kind, id, reply, value)| {
        format!(r#"{{"type":{kind},"msg_id":{id},"x":{value},"in_reply_to":{reply}}}"#)
    });
    let fields = (name(), name(), body, value(), blank()).prop_map(|(src, dest, body, id, s)| {
        vec![
            format!("{s}\"src\":{s}{src}"),
            format!("\"dest\"{s}:{dest}{s}"),
            format!("\"body\":{body}"),
            format!("{s}\"id\":{id}"),
        ]
    });
    fields
        .prop_shuffle()
        .prop_map(|fields| format!("{{{}}}", fields.join(",")))
}

/// Replaces, inserts or removes bytes that have a meaning in JSON.
fn mutated(mut line: Vec<u8>, changes: &[(Index, u8, u8)]) -> Vec<u8> {
    for (at, byte, how) in changes {
        let at = at.index(line.len() + 1);
        match how {
            0 => line.insert(at, *byte),
            1 if at < line.len() => line[at] = *byte,
            2 if at < line.len() => _ = line.remove(at),
            3 => line.truncate(at),
            _ => {}
        }
    }
    line
}

fn changes() -> impl Strategy<Value = Vec<(Index, u8, u8)>> {
    let bytes = b"{}[]\",:\\/u0123456789abef.eE+-tn \t\r\x00\x1f\x7f\x80\xc3\xa9\xed\xf0\xff";
    vec((any::<Index>(), select(&bytes[..]), 0..4_u8), 1..4)
}

/// Lines of a few shapes, whose values differ in small and in strange ways.
fn line_of_a_shape() -> impl Strategy<Value = String> {
    const SHAPES: [&str; 7] = [
        r#"{"id":@,"src":@,"dest":@,"body":{"type":@,"msg_id":@,"echo":@}}"#,
        r#"{"id":@,"src":@,"dest":@,"body":{"type":@,"in_reply_to":@,"msg_id":@}}"#,
        r#"{ "dest": @, "body": { "x": @, "type": @ }, "src": @ }"#,
        r#"{"src":@,"dest":@,"body":{"type":@,"msg_id":@,"echo":@},"id":@}"#,
        r#"{"src":@,"dest":@,"body":{"type":@,"x":@,"x":@,"msg_id":@}} "#,
        r#"{"src":@,"dest":@,"body":{"type":@}}"#,
        r#"{"src":@,"dest":@,"body":{"a":@,"b":@,"c":@,"d":@,"type":@,"f":@,"g":@}}"#,
    ];
    // Most are values of a real message, so that most lines are messages.
    let value = prop_oneof![
        6 => select(vec!["\"c1\"", "\"n1\"", "\"echo\"", "\"\"", "\"a name of 17 byte\""]),
        4 => select(vec!["0", "7", "-12", "1234", "18446744073709551616"]),
        2 => select(&SCALARS[..]),
    ];
    (select(&SHAPES[..]), vec(value, 7)).prop_map(|(shape, values)| {
        let mut pieces = shape.split('@');
        let first = pieces.next().unwrap_or_default().to_owned();
        let filled = pieces.zip(values);
        filled.fold(first, |line, (piece, value)| line + value + piece)
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        // PROPTEST_CASES asks for more.
        cases: ProptestConfig::default().cases.max(1024),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn of_messages(line in message()) {
        same(line.as_bytes());
    }

    #[test]
    fn of_messages_that_were_damaged(line in message(), changes in changes()) {
        same(&mutated(line.into_bytes(), &changes));
    }

    #[test]
    fn of_any_object(line in object(value())) {
        same(line.as_bytes());
    }

    #[test]
    fn of_any_value_in_a_message(value in value(), changes in changes()) {
        let around = |value: &[u8]| {
            [b"{\"src\":\"a\",\"dest\":\"b\",\"body\":{\"x\":", value, b"}}"].concat()
        };
        same(&around(value.as_bytes()));
        same(&around(&mutated(value.into_bytes(), &changes)));
    }

    #[test]
    fn of_strings_in_a_message(text in vec(any::<u8>(), 0..80)) {
        same(&[b"{\"src\":\"a\",\"dest\":\"b\",\"body\":{\"x\":\"", &text[..], b"\"}}"].concat());
    }

    #[test]
    fn of_lines_that_look_like_earlier_ones(
        lines in vec((line_of_a_shape(), prop_oneof![Just(vec![]), changes()]), 1..20)
    ) {
        let lines = lines.into_iter();
        let lines: Vec<_> =
            lines.map(|(line, changes)| mutated(line.into_bytes(), &changes)).collect();
        same_with_a_memory(lines.iter().map(Vec::as_slice));
    }

    #[test]
    fn of_random_bytes(line in vec(any::<u8>(), 0..40)) {
        same(&line);
    }
}

#[test]
fn of_every_prefix_and_every_byte_in_every_place() {
    let line = r#"{"id":1.5e-3,"src":"c\u0031","dest":"né","body":{"type":"a","msg_id":-12,"x":[true,{"y":null}]}} "#
        .as_bytes();
    for at in 0..line.len() {
        same(&line[..at]);
        for byte in 0..=255 {
            let mut line = line.to_vec();
            line[at] = byte;
            same(&line);
            line.insert(at, b'"');
            same(&line);
        }
    }
}

#[test]
fn of_every_byte_in_every_place_after_the_line_itself() {
    let lines = [
        r#"{"id":1,"src":"c1","dest":"n1","body":{"type":"a","msg_id":12,"x":[true,{"y":null}]}} "#,
        r#"{"src":"é","dest":"n1","body":{"in_reply_to":30,"type":"a"},"id":"x"}"#,
    ];
    for line in lines {
        for at in 0..line.len() {
            for byte in 0..=255 {
                let mut other = line.as_bytes().to_vec();
                other[at] = byte;
                let mut longer = line.as_bytes().to_vec();
                longer.insert(at, byte);
                same_with_a_memory([line.as_bytes(), &other, &longer]);
            }
        }
    }
}

#[test]
fn of_depth() {
    for depth in [1, 63, 64, 65, 127, 128, 129, 1000, 100_000] {
        let arrays = "[".repeat(depth) + &"]".repeat(depth);
        let objects = "{\"k\":".repeat(depth) + "0" + &"}".repeat(depth);
        let mixed = "[{\"k\":".repeat(depth) + "0" + &"}]".repeat(depth);
        for value in [arrays, objects, mixed] {
            let line = format!(r#"{{"src":"a","dest":"b","body":{{"x":{value}}}}}"#);
            assert!(Envelope::parse(line.as_bytes()).is_ok());
            same(line.as_bytes());
            same(line.replacen("]}", "}]", 1).as_bytes());
            same(&line.as_bytes()[..line.len() - 3]);
        }
    }
}
