//! A failure → its three keys.
#![allow(missing_docs, clippy::expect_used)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use hephaestus::analyzer::{fingerprint, go};
use hephaestus::domain::Class;

fn fingerprints(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fingerprint");
    for (name, log) in [
        ("short stack", include_str!("../tests/corpus/death_index.log")),
        ("recursion", include_str!("../tests/corpus/death_overflow.log")),
    ] {
        let crash = go::parse_trace(log).expect("the log holds a crash");
        group.bench_function(name, |bencher| {
            bencher.iter(|| fingerprint(crash.class, black_box(&crash.trace.frames), &crash.message, None));
        });
    }
    let message = "order 1882 of user42: dial tcp 10.0.0.7:5432: connect: connection refused after 1.5s";
    group.bench_function("message alone", |bencher| {
        bencher.iter(|| fingerprint(Class::ConnectionRefused, &[], black_box(message), Some("main.run")));
    });
    group.finish();
}

criterion_group!(benches, fingerprints);
criterion_main!(benches);
