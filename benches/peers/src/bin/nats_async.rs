//! The echo on async-nats: a subscription, and a `publish` for each reply.
//!
//! It parses and answers as the bare loop does, so all else that it costs is the client's. Its
//! runtime has one thread, which costs it the least. It takes `--nats` and ignores the other
//! options of a node.

use futures_util::StreamExt;
use peers::bare::answer;
use std::error::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip_while(|word| word != "--nats");
    let url = words.nth(1).ok_or("--nats is missing")?;
    let client = async_nats::connect(url).await?;
    let mut requests = client.subscribe("eddyline.bench.n1.*").await?;
    let mut msg_id = 0;
    while let Some(request) = requests.next().await {
        let src = request.subject.rsplit('.').next().ok_or("no sender")?;
        let subject = format!("eddyline.bench.{src}.n1");
        let mut reply = Vec::with_capacity(request.payload.len() + 32);
        answer(&request.payload, msg_id, &mut reply)?;
        reply.pop();
        msg_id += 1;
        client.publish(subject, reply.into()).await?;
    }
    Ok(())
}
