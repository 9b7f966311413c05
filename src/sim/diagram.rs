//! The sequence diagram of a trace.

use super::trace::{Event, Trace};
use crate::diagram::{self, Mark};
use crate::time::Instant;

impl Trace {
    /// The sequence diagram of a span of time, as SVG.
    ///
    /// Nodes are columns, messages are arrows, and faults are lines across. A dropped
    /// message ends in a cross. The pointer on an arrow shows its message. At most
    /// 400 messages are drawn, and the picture says how many more there were.
    ///
    /// ```
    /// # use eddyline::{Context, Node, Request, Result, sim::Simulation};
    /// # use std::rc::Rc;
    /// # struct Ping;
    /// # impl Node for Ping {
    /// #     fn new(_: &Context) -> Self { Ping }
    /// #     async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
    /// #         cx.reply(&request, &())
    /// #     }
    /// # }
    /// use eddyline::time::Instant;
    ///
    /// let mut cluster = Simulation::new(1).trace().build::<Ping>();
    /// cluster.call("n0", "ping", &())?;
    /// let svg = cluster.trace().to_svg(Instant::ZERO..Instant::MAX);
    /// assert!(svg.starts_with("<svg") && svg.contains("ping_ok"));
    /// # Ok::<(), eddyline::Error>(())
    /// ```
    pub fn to_svg(&self, span: std::ops::Range<Instant>) -> String {
        let records = self.records().iter();
        let records = records.filter(|record| span.contains(&record.at));
        diagram::draw(records.filter_map(|record| {
            let mark = match &record.event {
                Event::Sent {
                    id,
                    src,
                    dest,
                    line,
                } => Mark::Sent {
                    id: *id,
                    src,
                    dest,
                    line,
                },
                Event::Arrived(id) => Mark::Arrived(*id),
                Event::Dropped(id, loss) => Mark::Dropped(*id, loss.name()),
                Event::Fault(text) => Mark::Note(text),
                Event::Log(..) => return None,
            };
            Some((record.at.as_nanos(), mark))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::trace::Loss;
    use super::*;

    fn sent(id: u64, src: &str, dest: &str) -> Event {
        let body = r#"{"type":"a<b","x":1}"#;
        let line = format!(r#"{{"src":"{src}","dest":"{dest}","body":{body}}}"#);
        let (src, dest, line) = (src.into(), dest.into(), line.into());
        Event::Sent {
            id,
            src,
            dest,
            line,
        }
    }

    #[test]
    fn messages_drops_and_faults_are_drawn_and_names_are_escaped() {
        let mut trace = Trace::default();
        trace.push(Instant::from_millis(1), sent(1, "n0", "n10"));
        trace.push(Instant::from_millis(1), sent(2, "n10", "lin-kv"));
        trace.push(Instant::from_millis(2), Event::Arrived(1));
        trace.push(Instant::from_millis(3), Event::Dropped(2, Loss::Cut));
        trace.push(Instant::from_millis(4), Event::Fault("n1 & n2".to_owned()));
        let svg = trace.to_svg(Instant::ZERO..Instant::MAX);
        assert_eq!(svg.matches("class=\"message\"").count(), 1);
        assert_eq!(svg.matches("class=\"dropped\"").count(), 1);
        assert_eq!(svg.matches("marker-end").count(), 2);
        assert!(svg.contains("a&lt;b") && !svg.contains("a<b"));
        assert!(svg.contains("n1 &amp; n2") && svg.contains("partition"));
        assert!(svg.contains("0.003000 s"));
    }

    #[test]
    fn a_long_conversation_is_cut_short_and_the_picture_says_so() {
        let mut trace = Trace::default();
        for id in 0..10_000 {
            trace.push(Instant::from_millis(id), sent(id, "n0", "n1"));
        }
        let svg = trace.to_svg(Instant::ZERO..Instant::MAX);
        assert!(svg.contains("and 9600 messages more"));
        assert!(svg.len() < 400 * 1_000, "{}", svg.len());
    }
}
