//! Every metric, its name, its labels and its meaning, in one place.
//!
//! Names follow Prometheus' conventions: base units, `_total` for counters. Labels are closed sets: never
//! a path, a pod, a fingerprint or a message, so the number of series is bounded.

use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    Opts, Registry, TextEncoder,
};

/// The media type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Seconds from a write to a log until its event is durable, and the like.
const LATENCY_SECONDS: [f64; 12] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// Seconds of one stage of an attempt.
const STAGE_SECONDS: [f64; 9] = [0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];

/// Why metrics could not be set up or written.
#[derive(Debug, thiserror::Error)]
#[error("metrics: {0}")]
pub struct Error(#[from] prometheus::Error);

/// Registers a metric and gives it back.
fn add<M: Collector + Clone + 'static>(
    registry: &Registry,
    metric: prometheus::Result<M>,
) -> Result<M, Error> {
    let metric = metric?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, Error> {
    add(registry, IntCounter::new(name, help))
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
    add(registry, IntCounterVec::new(Opts::new(name, help), labels))
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, Error> {
    add(registry, IntGauge::new(name, help))
}

fn histogram(name: &str, help: &str, buckets: &[f64]) -> HistogramOpts {
    HistogramOpts::new(name, help).buckets(buckets.to_vec())
}

/// Declares the metrics: field, how it is made, name and help.
macro_rules! metrics {
    ($($field:ident: $type:ty = $make:expr, $name:literal, $help:literal;)*) => {
        /// The metrics of one instance. Cloning gives another handle to the same numbers.
        #[derive(Debug, Clone)]
        pub struct Metrics {
            registry: Registry,
            $(#[doc = $help] pub $field: $type,)*
        }

        impl Metrics {
            /// Metrics at zero, in a registry of their own.
            ///
            /// # Errors
            /// When the process' own figures cannot be read.
            pub fn new() -> Result<Self, Error> {
                let registry = Registry::new();
                registry.register(Box::new(
                    prometheus::process_collector::ProcessCollector::for_self(),
                ))?;
                $(let $field = $make(&registry, concat!("hephaestus_", $name), $help)?;)*
                let metrics = Self { registry, $($field),* };
                metrics.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);
                Ok(metrics)
            }
        }
    };
}

metrics! {
    build_info: GaugeVec =
        |registry: &Registry, name: &str, help: &str| add(registry, GaugeVec::new(Opts::new(name, help), &["version"])),
        "build_info", "Always 1; its label tells the version.";
    source_bytes_read: IntCounter = counter, "source_bytes_read_total", "Bytes read from logs.";
    source_lines: IntCounter = counter, "source_lines_total", "Lines read from logs.";
    source_unread_bytes: IntGauge = gauge, "source_unread_bytes", "Bytes that wait in followed files.";
    source_oldest_unacknowledged_seconds: Gauge =
        |registry: &Registry, name: &str, help: &str| add(registry, Gauge::new(name, help)),
        "source_oldest_unacknowledged_seconds", "Age of the oldest event that is not yet durable.";
    files_open: IntGauge = gauge, "files_open", "Log files that are held open.";
    files_tracked: IntGauge = gauge, "files_tracked", "Log files that are followed.";
    file_rotations: IntCounterVec =
        |registry: &Registry, name: &str, help: &str| counters(registry, name, help, &["kind"]),
        "file_rotations_total", "Rotations seen, by kind.";
    checkpoint_writes: IntCounter = counter, "checkpoint_writes_total", "Checkpoints made durable.";
    checkpoint_failures: IntCounter = counter, "checkpoint_failures_total", "Checkpoints that could not be written.";
    lines_truncated: IntCounter = counter, "lines_truncated_total", "Lines cut at the limit.";
    multiline_flushes: IntCounterVec =
        |registry: &Registry, name: &str, help: &str| counters(registry, name, help, &["reason"]),
        "multiline_flushes_total", "Failures of several lines given before their end was seen, by reason.";
    events_detected: IntCounterVec =
        |registry: &Registry, name: &str, help: &str| counters(registry, name, help, &["language", "severity"]),
        "events_detected_total", "Error events found in logs.";
    events_deduplicated: IntCounter = counter, "events_deduplicated_total", "Events that came again and were not counted twice.";
    events_lost: IntCounterVec =
        |registry: &Registry, name: &str, help: &str| counters(registry, name, help, &["reason"]),
        "events_lost_total", "Stretches of a log that could not be read, and messages too large to be kept or deleted before they were read, by reason.";
    bus_published: IntCounterVec =
        |registry: &Registry, name: &str, help: &str| counters(registry, name, help, &["bus"]),
        "bus_published_total", "Messages that the bus has made durable.";
    bus_retried: IntCounter = counter, "bus_retried_total", "Writes to the bus that had to be repeated.";
    bus_dead_letters: IntCounterVec =
        |registry: &Registry, name: &str, help: &str| counters(registry, name, help, &["reason"]),
        "bus_dead_letters_total", "Messages that no consumer could read, by reason.";
    bus_delivery_seconds: Histogram =
        |registry: &Registry, name: &str, help: &str|
            add(registry, Histogram::with_opts(histogram(name, help, &LATENCY_SECONDS))),
        "bus_delivery_seconds", "From handing a message to the bus until it is durable.";
    bus_queue_bytes: IntGauge = gauge, "bus_queue_bytes", "Bytes that wait to be made durable.";
    backpressure_seconds: prometheus::Counter =
        |registry: &Registry, name: &str, help: &str| add(registry, prometheus::Counter::new(name, help)),
        "backpressure_seconds_total", "Time that reading stood still because later stages were full.";
    consumer_lag: IntGauge = gauge, "consumer_lag", "Messages published and not yet consumed.";
    groups_active: IntGauge = gauge, "groups_active", "Groups that are remembered.";
    fix_attempts: IntCounterVec =
        |registry: &Registry, name: &str, help: &str| counters(registry, name, help, &["provenance", "verdict"]),
        "fix_attempts_total", "Attempts at a fix that have ended.";
    fix_stage_seconds: HistogramVec =
        |registry: &Registry, name: &str, help: &str|
            add(registry, HistogramVec::new(histogram(name, help, &STAGE_SECONDS), &["stage"])),
        "fix_stage_seconds", "Time of the stages of an attempt.";
    sandbox_runs: IntCounterVec =
        |registry: &Registry, name: &str, help: &str| counters(registry, name, help, &["tier", "result"]),
        "sandbox_runs_total", "Commands run in the sandbox.";
}

impl Metrics {
    /// All metrics in Prometheus' text format.
    ///
    /// # Errors
    /// When a metric is inconsistent.
    pub fn encode(&self) -> Result<String, Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_every_metric_with_its_help() {
        let metrics = Metrics::new().unwrap();
        metrics.source_bytes_read.inc_by(7);
        metrics.events_detected.with_label_values(&["go", "high"]).inc();
        let text = metrics.encode().unwrap();
        for line in [
            "# HELP hephaestus_source_bytes_read_total Bytes read from logs.",
            "hephaestus_source_bytes_read_total 7",
            "hephaestus_events_detected_total{language=\"go\",severity=\"high\"} 1",
            concat!("hephaestus_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "# TYPE process_resident_memory_bytes gauge",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
