//! A poll in front of a blocking read, and a neighbour that reads in between.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{read, write};
use rustix::pipe::pipe;
use std::sync::mpsc;
use std::time::Duration;

fn main() -> std::io::Result<()> {
    // Without O_NONBLOCK, and shared with the neighbour.
    let (ours, input) = pipe()?;
    let neighbours = ours.try_clone()?;
    write(&input, b"first")?;
    let now = Timespec::default();
    let is_readable = poll(&mut [PollFd::new(&ours, PollFlags::IN)], Some(&now))? == 1;
    println!("poll:           {is_readable}");
    let mut chunk = [0; 64];
    println!(
        "the neighbour:  reads {} bytes",
        read(&neighbours, &mut chunk)?
    );
    let (sender, result) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut chunk = [0; 64];
        let count = read(&ours, &mut chunk);
        sender.send(count).expect("main waits for it");
    });
    match result.recv_timeout(Duration::from_millis(300)) {
        Ok(count) => println!("our read:       {count:?}"),
        Err(_) => println!("our read:       sleeps, still after 300 ms"),
    }
    write(&input, b"more")?;
    println!(
        "4 bytes come:   {:?}",
        result.recv().expect("the thread lives")
    );
    reader.join().expect("it has not panicked");
    Ok(())
}
