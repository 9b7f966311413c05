//! A sequence diagram of a conversation, as SVG: columns for nodes, arrows for messages.
//!
//! Time runs down the page, one row for each event. A second without events takes no more
//! room than a millisecond. Messages that a node sends to several others at once share a
//! row.

use crate::protocol::Envelope;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

/// How many messages are drawn: as many as a person will scroll through.
const MESSAGES_MAX: usize = 400;

/// How many columns are drawn. Messages from or to others are left out.
const COLUMNS_MAX: usize = 40;

/// The column of all clients, where there are too many for a column each.
pub(crate) const CLIENTS: &str = "clients";

/// Pixels.
const COLUMN_WIDTH: usize = 150;
const LEFT: usize = 110;
const TOP: usize = 50;
const ROW_HEIGHT: usize = 14;
/// Between a column and the end of a message that does not reach it.
const GAP: usize = 22;

/// How many characters of a message's type its arrow shows.
const LABEL_CHARS: usize = 24;

/// How many characters of a message are shown when the pointer is on it.
const TITLE_CHARS: usize = 400;

/// Something that happens in a conversation.
pub(crate) enum Mark<'a> {
    /// A message is sent.
    Sent {
        id: u64,
        src: &'a str,
        dest: &'a str,
        /// The message.
        line: &'a str,
    },
    /// The message of that number arrives.
    Arrived(u64),
    /// The message of that number will never arrive, for that reason.
    Dropped(u64, &'static str),
    /// A text across the picture: a fault.
    Note(&'a str),
}

/// The diagram of marks in order, each with its time in nanoseconds.
pub(crate) fn draw<'a>(marks: impl IntoIterator<Item = (u64, Mark<'a>)>) -> String {
    let picture = Picture::of(marks);
    let columns = picture.columns();
    picture.draw(&columns)
}

/// One message in the picture.
struct Arrow<'a> {
    src: &'a str,
    dest: &'a str,
    line: &'a str,
    sent_row: usize,
    end: End,
}

enum End {
    /// It was still on its way when the picture ends.
    Open,
    Arrived(usize),
    /// The reason.
    Dropped(usize, &'static str),
}

/// The content of one row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shared<'a> {
    /// Messages of this sender.
    Sent(&'a str),
    /// An arrival, a drop or a fault. Each has its own row.
    Alone(usize),
}

/// Everything to draw.
#[derive(Default)]
struct Picture<'a> {
    /// The time in nanoseconds, and the content, of each row.
    rows: Vec<(u64, Shared<'a>)>,
    arrows: Vec<Arrow<'a>>,
    /// Texts across a row: faults.
    notes: Vec<(usize, &'a str)>,
    left_out: usize,
}

impl<'a> Picture<'a> {
    fn of(marks: impl IntoIterator<Item = (u64, Mark<'a>)>) -> Picture<'a> {
        let mut picture = Picture::default();
        let mut arrow_of: HashMap<u64, usize> = HashMap::new();
        for (at, mark) in marks {
            match mark {
                Mark::Sent { .. } if picture.arrows.len() == MESSAGES_MAX => {
                    picture.left_out += 1;
                }
                Mark::Sent {
                    id,
                    src,
                    dest,
                    line,
                } => {
                    let sent_row = picture.row(at, Shared::Sent(src));
                    arrow_of.insert(id, picture.arrows.len());
                    picture.arrows.push(Arrow {
                        src,
                        dest,
                        line,
                        sent_row,
                        end: End::Open,
                    });
                }
                Mark::Arrived(id) => {
                    if let Some(&arrow) = arrow_of.get(&id) {
                        let row = picture.row_alone(at);
                        // Of a doubled message, the first copy is drawn.
                        if let End::Open = picture.arrows[arrow].end {
                            picture.arrows[arrow].end = End::Arrived(row);
                        }
                    }
                }
                Mark::Dropped(id, why) => {
                    if let Some(&arrow) = arrow_of.get(&id) {
                        let row = picture.row_alone(at);
                        picture.arrows[arrow].end = End::Dropped(row, why);
                    }
                }
                Mark::Note(text) if picture.left_out == 0 => {
                    let row = picture.row_alone(at);
                    picture.notes.push((row, text));
                }
                Mark::Note(_) => {}
            }
        }
        picture
    }

    /// The row for this content at this instant: the last one, or a new one below it.
    fn row(&mut self, at: u64, shared: Shared<'a>) -> usize {
        if self.rows.last() != Some(&(at, shared)) {
            self.rows.push((at, shared));
        }
        self.rows.len() - 1
    }

    fn row_alone(&mut self, at: u64) -> usize {
        let number = self.rows.len();
        self.row(at, Shared::Alone(number))
    }

    /// All senders and receivers, from left to right: clients, nodes, services.
    fn columns(&self) -> BTreeMap<(u8, usize, &'a str), ()> {
        let mut columns = BTreeMap::new();
        for arrow in &self.arrows {
            for name in [arrow.src, arrow.dest] {
                columns.insert(place(name), ());
            }
        }
        while columns.len() > COLUMNS_MAX {
            columns.pop_first();
        }
        columns
    }

    fn draw(&self, columns: &BTreeMap<(u8, usize, &'a str), ()>) -> String {
        let x_of: HashMap<&str, usize> = columns
            .keys()
            .enumerate()
            .map(|(column, (_, _, name))| (*name, LEFT + column * COLUMN_WIDTH + 40))
            .collect();
        let width = LEFT + columns.len().max(2) * COLUMN_WIDTH;
        let height = TOP + (self.rows.len() + 3) * ROW_HEIGHT;
        let mut svg = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             font-family=\"sans-serif\" font-size=\"11\">\n{STYLE}\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        );
        self.draw_columns(&mut svg, columns, &x_of, height);
        self.draw_rows(&mut svg, width);
        for arrow in &self.arrows {
            if let (Some(&from), Some(&to)) = (x_of.get(arrow.src), x_of.get(arrow.dest)) {
                arrow.draw(&mut svg, from, to, self.rows.len());
            }
        }
        if self.left_out > 0 {
            let y = height - ROW_HEIGHT;
            let left_out = self.left_out;
            let _ = writeln!(
                svg,
                "<text x=\"{LEFT}\" y=\"{y}\">… and {left_out} messages more</text>"
            );
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn draw_columns(
        &self,
        svg: &mut String,
        columns: &BTreeMap<(u8, usize, &'a str), ()>,
        x_of: &HashMap<&str, usize>,
        height: usize,
    ) {
        for (_, _, name) in columns.keys() {
            let x = x_of.get(name).copied().unwrap_or_default();
            let (label_y, bottom) = (TOP - 20, height - ROW_HEIGHT);
            let name = escape(name, LABEL_CHARS);
            let _ = writeln!(
                svg,
                "<line class=\"life\" x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{bottom}\"/>\
                 <text class=\"name\" x=\"{x}\" y=\"{label_y}\">{name}</text>",
                TOP - 10,
            );
        }
    }

    fn draw_rows(&self, svg: &mut String, width: usize) {
        let mut last = None;
        for (row, (at, _)) in self.rows.iter().enumerate() {
            if last.replace(*at) == Some(*at) {
                continue;
            }
            let micros = at / 1_000;
            let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
            let y = y_of(row) + 4;
            let _ = writeln!(
                svg,
                "<text class=\"time\" x=\"{}\" y=\"{y}\">{seconds}.{micros:06} s</text>",
                LEFT - 20
            );
        }
        for (row, note) in &self.notes {
            let y = y_of(*row);
            let note = escape(note, TITLE_CHARS);
            let _ = writeln!(
                svg,
                "<line class=\"fault\" x1=\"{LEFT}\" y1=\"{y}\" x2=\"{width}\" y2=\"{y}\"/>\
                 <text class=\"note\" x=\"{LEFT}\" y=\"{}\">{note}</text>",
                y - 3,
            );
        }
    }
}

impl Arrow<'_> {
    fn draw(&self, svg: &mut String, from: usize, to: usize, rows: usize) {
        let begin = y_of(self.sent_row);
        let (class, to, end, why) = match self.end {
            End::Arrived(row) => ("message", to, y_of(row), ""),
            // A message that does not arrive ends just before its receiver's column, and a
            // dropped one in a cross.
            End::Dropped(row, why) => ("dropped", before(to, from), y_of(row), why),
            End::Open => ("open", before(to, from), y_of(rows), "on its way"),
        };
        let envelope = Envelope::parse(self.line.as_bytes()).ok();
        let kind = envelope.and_then(|envelope| envelope.header.kind);
        let label = escape(kind.as_deref().unwrap_or("?"), LABEL_CHARS);
        let title = escape(self.line, TITLE_CHARS);
        let marker = match class {
            "message" => " marker-end=\"url(#head)\"",
            "dropped" => " marker-end=\"url(#cross)\"",
            _ => "",
        };
        // Nearer to the end, where the arrows of one sender have spread out.
        let (label_x, label_y) = ((from + 2 * to) / 3, (begin + 2 * end) / 3 - 3);
        let _ = writeln!(
            svg,
            "<g class=\"{class}\"><title>{title}{}{why}</title>\
             <line x1=\"{from}\" y1=\"{begin}\" x2=\"{to}\" y2=\"{end}\"{marker}/>\
             <text x=\"{label_x}\" y=\"{label_y}\">{label}</text></g>",
            if why.is_empty() { "" } else { " — " },
        );
    }
}

/// A little before the column `to`, coming from `from`.
fn before(to: usize, from: usize) -> usize {
    if from < to { to - GAP } else { to + GAP }
}

/// The place of a name: clients by number, then nodes by number, then services.
fn place(name: &str) -> (u8, usize, &str) {
    let number = |prefix: char| name.strip_prefix(prefix)?.parse().ok();
    match (number('c'), number('n')) {
        _ if name == CLIENTS => (0, 0, name),
        (Some(number), _) => (0, number, name),
        (_, Some(number)) => (1, number, name),
        (None, None) => (2, 0, name),
    }
}

fn y_of(row: usize) -> usize {
    TOP + (row + 1) * ROW_HEIGHT
}

/// The beginning of a text, escaped for XML.
fn escape(text: &str, chars: usize) -> String {
    let mut escaped = String::new();
    for (count, char) in text.chars().enumerate() {
        if count == chars {
            escaped.push('…');
            break;
        }
        match char {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            // XML has no way to write most control characters.
            char if char.is_control() => escaped.push('\u{FFFD}'),
            char => escaped.push(char),
        }
    }
    escaped
}

const STYLE: &str = "<defs>\
<marker id=\"head\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" markerHeight=\"7\" \
orient=\"auto\"><path d=\"M0 1 L10 5 L0 9 z\" fill=\"#357\"/></marker>\
<marker id=\"cross\" viewBox=\"0 0 10 10\" refX=\"5\" refY=\"5\" markerWidth=\"9\" markerHeight=\"9\">\
<path d=\"M1 1 L9 9 M9 1 L1 9\" stroke=\"#c22\" stroke-width=\"2\"/></marker></defs>\n\
<style>.life{stroke:#bbb}.name{text-anchor:middle;font-weight:bold;font-size:13px}\
.time{text-anchor:end;fill:#888;font-size:10px}.message line{stroke:#357}\
.dropped line{stroke:#c22;stroke-dasharray:5 3}.dropped text{fill:#c22}\
.open line{stroke:#999;stroke-dasharray:2 3}.open text{fill:#999}\
g text,.note{paint-order:stroke;stroke:#fff;stroke-width:3px}g text{text-anchor:middle}\
.fault{stroke:#d80;stroke-dasharray:8 4}.note{fill:#a60;font-weight:bold}\
g:hover line{stroke-width:3}</style>\n";
