//! The driver on the smallest testbed: nodes without a network that echo at once.

use super::*;
use crate::protocol::ErrorCode;
use crate::workload::{Echo, Statistics};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Workers of the load.
const WORKERS: usize = 4;
/// One for each client of the load, and at least one for each of the two nodes.
const FINAL_WORKERS: usize = 4;

#[derive(Clone, Copy, PartialEq)]
enum Node {
    Echoes,
    /// Every fifth reply has a field too many.
    RepliesTooMuch,
    IsSilent,
    /// The network tells twice that a request gets no reply, with an error of this code.
    IsAbsent(ErrorCode),
    /// It is silent too, and the driver takes it for one that has answered before.
    IsDumb,
}

struct Mirror {
    node: Node,
    ends_when_broken: bool,
    now: Duration,
    /// Alarms come at multiples of this.
    tick: Duration,
    /// By time; what was added first comes first, and alarms come last.
    due: BTreeMap<(Duration, bool, u64), Happening>,
    added: u64,
    clients: usize,
    requests: u64,
    /// How many requests there were when faults began.
    before_faults: Option<u64>,
    blamed: usize,
}

impl Mirror {
    fn add(&mut self, at: Duration, is_alarm: bool, happening: Happening) {
        self.due.insert((at, is_alarm, self.added), happening);
        self.added += 1;
    }
}

impl Testbed for Mirror {
    fn nodes(&self) -> Vec<String> {
        vec!["n0".to_owned(), "n1".to_owned()]
    }

    fn boot(&mut self) {}

    fn is_running(&self, _: usize) -> bool {
        true
    }

    fn is_broken(&self) -> bool {
        self.ends_when_broken && self.blamed > 0
    }

    fn now(&self) -> Duration {
        self.now
    }

    fn advance(&mut self, until: Duration) -> Option<Happening> {
        let next = self.due.first_entry();
        let next = next.filter(|next| next.key().0 <= until);
        self.now = next.as_ref().map_or(until, |next| next.key().0);
        next.map(|next| next.remove())
    }

    fn set_alarm(&mut self, at: Duration, alarm: u64) {
        let nanos = at.as_nanos().next_multiple_of(self.tick.as_nanos());
        let at = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.add(at, true, Happening::Alarm(alarm));
    }

    fn open_client(&mut self) -> usize {
        self.clients += 1;
        self.clients - 1
    }

    fn client_name(&self, client: usize) -> Rc<str> {
        format!("c{client}").into()
    }

    fn close_client(&mut self, _: usize) {}

    fn request(&mut self, client: usize, node: usize, request: &Request, msg_id: u64) {
        self.requests += 1;
        if matches!(self.node, Node::IsSilent | Node::IsDumb) {
            return;
        }
        if let Node::IsAbsent(code) = self.node {
            for after in [1, 2] {
                let error = Error::new(code, "");
                let undone = Happening::Undone {
                    client,
                    msg_id,
                    error,
                };
                self.add(self.now + Duration::from_millis(after), false, undone);
            }
            return;
        }
        let too_much = self.node == Node::RepliesTooMuch && self.requests.is_multiple_of(5);
        let echo = serde_json::from_str::<BTreeMap<&str, &RawValue>>(request.fields.get());
        let echo = echo.unwrap()["echo"];
        let more = if too_much { r#","more":1"# } else { "" };
        let body = format!(r#"{{"type":"echo_ok","in_reply_to":{msg_id},"echo":{echo}{more}}}"#);
        let line = format!(r#"{{"src":"n{node}","dest":"c{client}","body":{body}}}"#);
        let line = line.into_bytes();
        let at = self.now + Duration::from_millis(1);
        self.add(at, false, Happening::Received { client, line });
    }

    fn recycle_line(&mut self, _: Vec<u8>) {}

    fn blame(&mut self, _: usize, why: String, line: &str) {
        let is_too_much = why.contains("more") && line.contains("more");
        assert!(is_too_much || why.contains("setup"), "{why}");
        self.blamed += 1;
    }

    fn begin_faults(&mut self) {
        assert_eq!(self.before_faults, None, "faults begin once");
        self.before_faults = Some(self.requests);
    }

    fn end_faults(&mut self) {}

    fn statistics(&self) -> Statistics {
        Statistics::default()
    }
}

fn mirror(node: Node, ends_when_broken: bool) -> Mirror {
    Mirror {
        node,
        ends_when_broken,
        now: Duration::ZERO,
        tick: Duration::from_nanos(1),
        due: BTreeMap::new(),
        added: 0,
        clients: 0,
        requests: 0,
        before_faults: None,
        blamed: 0,
    }
}

fn load(rate: f64, is_on_real_time: bool) -> Load {
    Load {
        clients: Some(WORKERS),
        rate,
        duration: Duration::from_secs(10),
        recovery: Duration::from_secs(1),
        is_on_real_time,
    }
}

fn run(node: Node, ends_when_broken: bool) -> (Mirror, Finished<crate::workload::EchoSummary>) {
    let mut mirror = mirror(node, ends_when_broken);
    let load = load(100.0, false);
    let driver = Driver::new(&mut mirror, Echo::new(), &load, 1, Duration::ZERO);
    let finished = driver.run();
    (mirror, finished)
}

#[test]
fn a_load_has_its_rate_and_every_operation_its_reply() {
    let (mirror, finished) = run(Node::Echoes, true);
    let operations = finished.history.operations().len();
    assert!((900..1_100).contains(&operations), "{operations}");
    assert_eq!(finished.checked.unwrap().echoed, operations);
    assert_eq!(finished.history.latency(1.0), Duration::from_millis(1));
    assert_eq!(mirror.clients, WORKERS + FINAL_WORKERS);
}

#[test]
fn faults_begin_when_each_node_has_its_setup() {
    let (mut mirror, load) = (mirror(Node::Echoes, false), load(100.0, true));
    // A broadcast tells each node its neighbours first: here without a reply.
    let broadcast = crate::workload::Broadcast::new();
    let nodes = mirror.nodes().len() as u64;
    mirror.node = Node::IsDumb;
    let mut driver = Driver::new(&mut mirror, broadcast, &load, 1, Duration::ZERO);
    driver.set_up();
    driver.put_under_load();
    assert_eq!(mirror.before_faults, Some(nodes));
}

#[test]
fn a_load_has_its_rate_when_alarms_are_late() {
    let operations = |tick: Duration| {
        let (mut mirror, load) = (mirror(Node::Echoes, false), load(2_000.0, true));
        mirror.tick = tick;
        let mut driver = Driver::new(&mut mirror, Echo::new(), &load, 1, Duration::ZERO);
        driver.put_under_load();
        driver.history.operations().len()
    };
    let late = operations(Duration::from_millis(1));
    assert!((18_000..22_000).contains(&late), "{late}");
    // Two operations a millisecond, and at most 1,000 of the 6,000 that are due after three
    // seconds.
    let stood_still = operations(Duration::from_secs(3));
    assert_eq!(stood_still, 3 * LATE_MAX);
}

#[test]
fn a_client_is_replaced_after_each_timeout() {
    let (mirror, finished) = run(Node::IsSilent, true);
    let operations = finished.history.operations();
    // Each of four workers gives up after five seconds, twice.
    assert_eq!(operations.len(), 8);
    assert!(operations.iter().all(|operation| !operation.is_fail()));
    assert_eq!(mirror.clients, WORKERS + 8 + FINAL_WORKERS);
    assert!(finished.checked.unwrap_err().total() > 0);
}

#[test]
fn a_request_without_a_reply_occupies_no_client_until_its_timeout() {
    for (code, is_definite) in [
        (ErrorCode::NodeNotFound, true),
        (ErrorCode::TemporarilyUnavailable, true),
        (ErrorCode::Timeout, false),
    ] {
        let (mut mirror, load) = (mirror(Node::IsAbsent(code), false), load(100.0, true));
        let mut driver = Driver::new(&mut mirror, Echo::new(), &load, 1, Duration::ZERO);
        driver.put_under_load();
        let operations = driver.history.operations();
        assert!((900..1_100).contains(&operations.len()), "{code:?}");
        for operation in operations {
            let lasted = operation.completed.saturating_sub(operation.invoked);
            assert_eq!(operation.is_fail(), is_definite);
            assert_eq!(lasted, Duration::from_millis(1));
        }
        // Only an unknown outcome costs the client its name.
        let replaced = if is_definite { 0 } else { operations.len() };
        assert_eq!(mirror.clients, WORKERS + replaced);
    }
}

#[test]
fn the_testbed_decides_whether_a_broken_rule_ends_the_run() {
    let (mirror, finished) = run(Node::RepliesTooMuch, true);
    assert_eq!((mirror.requests, mirror.blamed), (5, 1));
    assert_eq!(finished.checked.unwrap_err().total(), 0);
    let (mirror, finished) = run(Node::RepliesTooMuch, false);
    assert!(mirror.requests > 900 && mirror.blamed > 180);
    assert!(finished.checked.is_ok());
}

#[test]
fn on_real_time_a_worker_has_the_same_operations_however_long_they_take() {
    let by_worker = |node: Node| {
        let (mut mirror, load) = (mirror(node, false), load(100.0, true));
        let mut driver = Driver::new(&mut mirror, Echo::new(), &load, 1, Duration::ZERO);
        driver.put_under_load();
        let mut operations: Vec<Vec<String>> = vec![Vec::new(); WORKERS];
        for (operation, worker) in driver.history.operations().iter().zip(&driver.made_by) {
            operations[*worker].push(operation.request.fields.get().to_owned());
        }
        operations
    };
    // Replies of the one come after a millisecond, those of the other never.
    let (quick, silent) = (by_worker(Node::Echoes), by_worker(Node::IsSilent));
    for (quick, silent) in quick.iter().zip(&silent) {
        assert!(quick.len() > 200 && silent.len() == 2);
        assert_eq!(quick[..2], silent[..]);
    }
}

#[test]
fn on_real_time_a_node_that_answers_nothing_gets_one_final_try_with_all_others() {
    let time_of_finale = |node: Node| {
        let (mut mirror, load) = (mirror(node, false), load(1.0, true));
        let counter = crate::workload::Counter::g();
        let mut driver = Driver::new(&mut mirror, counter, &load, 1, Duration::ZERO);
        driver.has_answered = vec![node == Node::IsDumb; 2];
        driver.finish();
        let tries = driver.history.operations().len();
        let undone = driver.undone.total();
        (tries, undone, mirror.now)
    };
    let clients = FINAL_WORKERS;
    let one = Duration::from_secs(5);
    assert_eq!(time_of_finale(Node::IsSilent), (clients, clients, one));
    let five = 5 * one + 4 * Duration::from_secs(1);
    assert_eq!(time_of_finale(Node::IsDumb), (5 * clients, clients, five));
    // That a request gets no reply is known after a millisecond, so each try costs only its pause.
    let five = Duration::from_millis(4 * 1_000 + 5);
    let absent = Node::IsAbsent(ErrorCode::NodeNotFound);
    assert_eq!(time_of_finale(absent), (5 * clients, clients, five));
}

#[test]
fn operations_that_wait_for_a_worker_have_a_bound() {
    let (mut mirror, load) = (mirror(Node::IsSilent, true), load(1_000.0, true));
    let mut driver = Driver::new(&mut mirror, Echo::new(), &load, 1, Duration::ZERO);
    driver.put_under_load();
    let queues = driver.workers.iter().map(|worker| worker.queue.len());
    assert_eq!(queues.max(), Some(QUEUED_MAX));
}

#[test]
fn operations_that_wait_for_all_workers_have_a_bound() {
    let (mut mirror, mut load) = (mirror(Node::IsSilent, true), load(15_000.0, true));
    load.clients = Some(200);
    let mut driver = Driver::new(&mut mirror, Echo::new(), &load, 1, Duration::ZERO);
    driver.put_under_load();
    let queues = driver.workers.iter().map(|worker| worker.queue.len());
    let (all, longest) = (queues.clone().sum::<usize>(), queues.max());
    assert_eq!((all, driver.queued), (ALL_QUEUED_MAX, ALL_QUEUED_MAX));
    assert!(longest < Some(QUEUED_MAX), "{longest:?}");
}
