//! Four kinds of files, and the ways in which a loop could use them.

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read, write};
use rustix::pipe::pipe;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;

fn show(name: &str, fd: BorrowedFd<'_>) {
    let epoll = epoll::create(CreateFlags::CLOEXEC).expect("epoll");
    let epoll = epoll::add(&epoll, fd, EventData::new_u64(0), EventFlags::IN);
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let opened = open(path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty());
    let mut chunk = [0; 16];
    let place = opened.as_ref().map(|fd| match read(fd, &mut chunk) {
        Ok(count) => String::from_utf8_lossy(&chunk[..count]).into_owned(),
        Err(error) => word(Err(error)),
    });
    let place = place.unwrap_or_else(|_| "-".to_owned());
    let opened = word(opened.map(|_| ()));
    println!("{name:<10} {:<10} {opened:<14} {place}", word(epoll));
}

fn word(result: Result<(), Errno>) -> String {
    match result {
        Ok(()) => "ok".to_owned(),
        Err(Errno::PERM) => "EPERM".to_owned(),
        Err(Errno::NXIO) => "ENXIO".to_owned(),
        Err(Errno::AGAIN) => "EAGAIN".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn main() -> std::io::Result<()> {
    println!("           epoll      open again     the first read then");
    let (reader, _writer) = pipe()?;
    show("pipe", reader.as_fd());
    let (socket, _peer) = UnixStream::pair()?;
    show("socket", socket.as_fd());
    show("/dev/null", File::open("/dev/null")?.as_fd());
    let path = std::env::temp_dir().join(format!("kinds-{}", std::process::id()));
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)?;
    write(&file, b"old text")?; // the offset is 8 now
    show("file", file.as_fd());
    std::fs::remove_file(path)
}
