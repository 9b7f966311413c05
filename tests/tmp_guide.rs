#![allow(clippy::unwrap_used, missing_docs)]
mod x {
    use eddyline::{
        Context, Node, Request, Result,
        sim::{Latency, Partition, Simulation, seeds, workload},
    };
    use std::{cell::RefCell, collections::BTreeSet, rc::Rc};
    use {
        serde::{Deserialize, Serialize},
        serde_json::json,
        std::time::Duration,
    };
    struct Broadcast {
        numbers: RefCell<BTreeSet<u64>>,
    }
    #[derive(Serialize, Deserialize)]
    struct Message {
        message: u64,
    }
    #[derive(Serialize)]
    struct ReadOk<'a> {
        messages: &'a BTreeSet<u64>,
    }
    impl Node for Broadcast {
        fn new(_: &Context) -> Self {
            Broadcast {
                numbers: RefCell::default(),
            }
        }
        async fn handle(self: Rc<Self>, cx: Context, request: Request) -> Result<()> {
            match request.kind() {
                "read" => {
                    return cx.reply(
                        &request,
                        &ReadOk {
                            messages: &self.numbers.borrow(),
                        },
                    );
                }
                "topology" => return cx.reply(&request, &()),
                _ => {}
            }
            let Message { message } = request.body()?;
            self.numbers.borrow_mut().insert(message);
            if request.kind() == "forward" {
                return Ok(());
            }
            for peer in cx.peers() {
                cx.send(peer, "forward", &Message { message })?;
            }
            cx.reply(&request, &())
        }
    }
    #[test]
    fn a_number_reaches_all_nodes() {
        let simulation = Simulation::new(1)
            .nodes(3)
            .latency(Latency::constant_ms(10));
        let mut cluster = simulation.build::<Broadcast>();
        cluster
            .call("n0", "broadcast", &json!({ "message": 7 }))
            .unwrap();
        cluster.run_for(Duration::from_secs(1));
        assert_eq!(
            cluster.call("n2", "read", &()).unwrap()["messages"],
            json!([7])
        );
    }

    #[test]
    fn it_survives_a_partition() {
        let seconds = Duration::from_secs;
        for seed in seeds(5) {
            let simulation = Simulation::new(seed)
                .nodes(5)
                .latency(Latency::exponential_ms(20))
                .partition(Partition::Halves, seconds(2)..seconds(4));
            simulation
                .run::<Broadcast, _>(workload::Broadcast::new())
                .unwrap();
        }
    }
}
