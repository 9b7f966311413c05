//! Measures the line buffer and the output buffer. Two of the cases would be quadratic in
//! a simple implementation: single bytes, and a long line in many pieces.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use eddyline::wire::{LineBuffer, OutputBuffer};
use std::hint::black_box;

const MIB: usize = 1 << 20;

/// Feeds `text` in reads of at most `piece` bytes. Returns the number of lines.
fn feed(lines: &mut LineBuffer, mut text: &[u8], piece: usize) -> usize {
    let mut found = 0;
    while !text.is_empty() {
        let space = lines.space();
        let count = piece.min(space.len()).min(text.len());
        space[..count].copy_from_slice(&text[..count]);
        lines.filled(count);
        text = &text[count..];
        while let Some(line) = lines.next_line() {
            black_box(line);
            found += 1;
        }
    }
    found
}

fn lines(c: &mut Criterion) {
    let mut line = vec![b'x'; 99];
    line.push(b'\n');
    let short = line.repeat(10_000);
    let mut long = vec![b'x'; 15 * MIB];
    long.push(b'\n');
    let mut group = c.benchmark_group("framing/lines");
    group.sample_size(20);
    let cases = [
        ("100_bytes", &short, MIB),
        ("100_bytes_a_byte_at_a_time", &short, 1),
        ("15_MiB", &long, MIB),
        ("15_MiB_in_a_thousand_pieces", &long, 15 * MIB / 1000),
    ];
    for (name, text, piece) in cases {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| {
            let mut lines = LineBuffer::default();
            b.iter(|| feed(&mut lines, text, piece));
        });
    }
}

fn output(c: &mut Criterion) {
    let line = [b'x'; 100];
    c.bench_function("framing/output/1000_messages", |b| {
        b.iter_batched_ref(
            OutputBuffer::default,
            |output| {
                for _ in 0..1000 {
                    let mut draft = output.begin();
                    draft.extend_from_slice(&line);
                    output.commit(&mut draft);
                }
                output.consume(output.len());
            },
            BatchSize::NumIterations(1000),
        );
    });
}

criterion_group!(benches, lines, output);
criterion_main!(benches);
