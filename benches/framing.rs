//! Bytes → lines.
#![allow(missing_docs, clippy::expect_used)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hephaestus::collector::Framer;

fn framing(criterion: &mut Criterion) {
    let line = "{\"time\":\"2024-05-01T10:00:00Z\",\"level\":\"INFO\",\"msg\":\"request\",\"path\":\"/orders/17\",\"status\":200}\n";
    let block = line.repeat((4 << 20) / line.len());
    let mut group = criterion.benchmark_group("framing");
    group.throughput(Throughput::Bytes(block.len() as u64));
    group.bench_function("lines of 100 bytes in chunks of 512 KiB", |bencher| {
        bencher.iter(|| {
            let mut framer = Framer::new(0, 1 << 20);
            let mut bytes = 0;
            for chunk in block.as_bytes().chunks(512 << 10) {
                framer.push(chunk, |line| bytes += line.bytes.len());
            }
            framer.finish(|line| bytes += line.bytes.len());
            black_box(bytes)
        });
    });
    group.finish();
}

criterion_group!(benches, framing);
criterion_main!(benches);
