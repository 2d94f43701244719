//! Lines that are errors → events: every line is parsed, judged and named.
#![allow(missing_docs, clippy::expect_used)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hephaestus::analyzer::{Analyzer, Config, go};

fn parsing(criterion: &mut Criterion) {
    let analyzer = Analyzer::new(&Config::default()).expect("the default configuration is sound");
    let mut group = criterion.benchmark_group("parsing");
    for (name, log) in [
        ("json errors", include_str!("../tests/corpus/logged_slogjson.log")),
        ("pairs", include_str!("../tests/corpus/logged_slogtext.log")),
        ("plain errors", include_str!("../tests/corpus/logged_golog.log")),
        ("deaths", include_str!("../tests/corpus/death_nilptr.log")),
        ("stacks in json", include_str!("../tests/corpus/recovered_mwjson.log")),
    ] {
        let block = log.repeat((1 << 20) / log.len());
        group.throughput(Throughput::Bytes(block.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut stream = analyzer.stream();
                stream.push(block.as_bytes(), &mut |event| drop(black_box(event)));
                stream.finish(&mut |event| drop(black_box(event)));
                assert!(stream.stats().events > 0);
            });
        });
    }
    let output = include_str!("../tests/corpus/death_fault.log");
    group.throughput(Throughput::Bytes(output.len() as u64));
    group.bench_function("one crash in a program's output", |bencher| {
        bencher.iter(|| go::parse_trace(black_box(output)))
    });
    group.finish();
}

criterion_group!(benches, parsing);
criterion_main!(benches);
