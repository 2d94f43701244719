//! Whole buffers through the analyzer where next to nothing is an error: what a healthy log costs.
#![allow(missing_docs, clippy::expect_used)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hephaestus::analyzer::{Analyzer, Config};

const PLAIN: &str =
    "2024/05/01 10:00:00.000000 server.go:88: GET /orders/17 200 1.2ms 10.0.0.1 curl/8.5.0 request 7f3a\n";
const JSON: &str = "{\"time\":\"2024-05-01T10:00:00Z\",\"level\":\"INFO\",\"msg\":\"request\",\"path\":\"/orders/17\",\"status\":200,\"took\":\"1.2ms\"}\n";
const CRI: &str = "2024-05-01T10:00:00.000000000Z stdout F {\"level\":\"info\",\"ts\":1714557600.1,\"msg\":\"request\",\"path\":\"/orders/17\"}\n";
/// Holds words that the gate looks for, and is no error.
const DECOY: &str =
    "2024/05/01 10:00:00.000000 server.go:90: no errors: panic button checked, 0 failed, error_count=0\n";

/// Words of an error in a record whose level says that it is none.
const JSON_DECOY: &str = "{\"time\":\"2024-05-01T10:00:00Z\",\"level\":\"INFO\",\"msg\":\"retried after Error: timeout\",\"error\":\"connection refused\",\"took\":\"1.2ms\"}\n";

fn gate(criterion: &mut Criterion) {
    let analyzer = Analyzer::new(&Config::default()).expect("the default configuration is sound");
    let mut group = criterion.benchmark_group("gate");
    for (name, line, decoy) in [
        ("plain", PLAIN, None),
        ("json", JSON, None),
        ("cri", CRI, None),
        ("plain with 6 % decoys", PLAIN, Some(DECOY)),
        ("json with 6 % decoys", JSON, Some(JSON_DECOY)),
    ] {
        let mut block = String::new();
        let mut number = 0;
        while block.len() < 8 << 20 {
            number += 1;
            block.push_str(decoy.filter(|_| number % 16 == 0).unwrap_or(line));
        }
        group.throughput(Throughput::Bytes(block.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut stream = analyzer.stream();
                let mut events = 0;
                for chunk in block.as_bytes().chunks(512 << 10) {
                    stream.push(chunk, &mut |_| events += 1);
                }
                stream.finish(&mut |_| events += 1);
                assert_eq!(black_box(events), 0);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, gate);
criterion_main!(benches);
