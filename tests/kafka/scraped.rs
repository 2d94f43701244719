//! A real Prometheus scrapes a real agent, a real fixer and a real `run`, as the README says.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::Value;

use super::node::Node;
use super::*;
use crate::harness::{blocks, project, succeed};
use crate::helm::metrics::{metrics_in, metrics_of_the_chart};
use crate::helm::tools::{prometheus, promtool};
use crate::stream::depot::{Depot, append};

/// How the README has a scrape checked.
pub(crate) const CHECK: &str = "curl -s localhost:9464/metrics | promtool check metrics";

/// A Prometheus that runs.
struct Prometheus {
    process: Child,
    address: String,
    folder: tempfile::TempDir,
}

impl Prometheus {
    /// As the README configures it, for these targets.
    fn start(targets: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [config] = &blocks("README.md", "Prometheus", "yaml")[..] else { panic!("one configuration") };
        let (ours, rules) = ("['localhost:9464']", "[helm/");
        assert!(config.contains(ours) && config.contains(rules), "{config}");
        let targets: Vec<_> = targets.iter().map(|target| format!("'{target}'")).collect();
        let config = config.replace(ours, &format!("[{}]", targets.join(", ")));
        let config = config.replace(rules, &format!("[{}/helm/", project().display()));
        let path = folder.path().join("prometheus.yml");
        std::fs::write(
            &path,
            format!("global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}\n{config}"),
        )
        .unwrap();
        succeed(promtool().args(["check", "config"]).arg(&path));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = prometheus();
        command.arg(format!("--config.file={}", path.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let process = command.spawn().unwrap();
        Self { process, address, folder }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// What it answers; null where it does not.
    fn ask(&self, route: &str, query: &str) -> Value {
        let url = format!("http://{}/api/v1/{route}", self.address);
        let output =
            Command::new("curl").args(["--silent", "--get", &url, "--data-urlencode", query]).output();
        serde_json::from_slice(&output.unwrap().stdout).unwrap_or_default()
    }

    /// Waits until something is so of what it answers.
    #[track_caller]
    fn await_answer(&self, route: &str, query: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let answer = self.ask(route, query);
            if is_so(&answer["data"]) {
                return answer["data"].clone();
            }
            assert!(begun.elapsed() < PATIENCE, "{route} {query}: {answer:#}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The names of the metrics that it has from a target.
    fn names_of(&self, target: &str) -> BTreeSet<String> {
        let answer = self.ask("series", &format!("match[]={{instance=\"{target}\"}}"));
        let series = answer["data"].as_array().unwrap();
        let names = series.iter().map(|series| series["__name__"].as_str().unwrap());
        metrics_in(&names.collect::<Vec<_>>().join(" "))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// What an instance shows, checked as the README says.
fn scrape(address: &str) -> String {
    let path = Path::new(promtool().get_program()).parent().unwrap().to_owned();
    let path = format!("{}:{}", path.display(), std::env::var("PATH").unwrap());
    let check = CHECK.replace("localhost:9464", address);
    let said = succeed(Command::new("sh").args(["-ec", &check]).env("PATH", path));
    assert!(said.stdout.is_empty() && said.stderr.is_empty(), "{address}: {said:?}");
    let shown = succeed(Command::new("curl").args(["-s", &format!("{address}/metrics")]));
    String::from_utf8(shown.stdout).unwrap()
}

/// The metrics that the page of metrics lists.
fn metrics_of_the_page() -> BTreeSet<String> {
    let page = std::fs::read_to_string(project().join("docs/metrics.md")).unwrap();
    let rows: String = page.lines().filter(|line| line.starts_with("| `hephaestus_")).collect();
    metrics_in(&rows)
}

/// The value of a series whose labels include these.
fn value(shown: &str, name: &str, labels: &str) -> f64 {
    let is_it = |line: &&str| line.starts_with(&format!("{name}{{")) && line.contains(labels);
    let lines = shown.lines().filter(is_it);
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_agent_fixer_and_run_and_finds_all_that_is_named() {
    let used = broker::shared().await;
    let config = used.broker.prepared("scraped").await;
    tokio::task::block_in_place(|| {
        let (depot, folder) = (Depot::new(), tempfile::tempdir().unwrap());
        let log = folder.path().join("app.log");
        append(&log, &depot.nil_map());
        let (log, repository) = (log.to_str().unwrap(), depot.repository());
        let agent = Node::new(&config, &["agent", log]);
        let fixer = Node::new(&config, &["fixer", "--repo", repository.to_str().unwrap()]);
        let whole = Node::embedded(&["run", log]);
        let foreign: BaseProducer =
            rdkafka::ClientConfig::new().set("bootstrap.servers", &config.brokers[0]).create().unwrap();
        let topic = format!("{}.errors.v1", config.topic_prefix);
        foreign.send(BaseRecord::to(&topic).key("k").payload("not ours")).unwrap();
        foreign.flush(PATIENCE).unwrap();
        let is_proven = |list: &Value| list["suggestions"][0]["verdict"] == "proven";
        fixer.await_json(&["suggestions", "list"], is_proven);
        whole.await_json(&["groups", "list"], |list| list["groups"][0]["count"] == 1);

        let nodes = [&agent, &fixer, &whole].map(Node::address);
        let server = Prometheus::start(&nodes);
        server.await_answer("query", "query=count(up == 1)", |data| data["result"][0]["value"][1] == "3");
        let rules = server
            .await_answer("rules", "type=alert", |data| data["groups"][0]["rules"][0]["health"] == "ok");
        let rules = rules["groups"][0]["rules"].as_array().unwrap();
        assert!(rules.len() > 5 && rules.iter().all(|rule| rule["health"] != "err"), "{rules:#?}");
        // A message that could not be read is what the alert is for.
        server.await_answer("query", "query=ALERTS{alertname=\"HephaestusDeadLetters\"}", |data| {
            data["result"][0]["metric"]["reason"] == "unreadable"
        });

        let all: BTreeSet<String> = nodes.iter().flat_map(|node| server.names_of(node)).collect();
        let shown = nodes.each_ref().map(|node| scrape(node));
        let scraped: BTreeSet<String> = shown.iter().flat_map(|text| metrics_in(text)).collect();
        let (page, chart) = (metrics_of_the_page(), metrics_of_the_chart());
        assert!(page.len() > 20 && chart.is_subset(&page), "{page:?}");
        let missing = |from: &BTreeSet<String>| page.difference(from).cloned().collect::<Vec<_>>();
        assert_eq!(missing(&scraped), [""; 0], "named in docs/metrics.md");
        assert_eq!(missing(&all), [""; 0], "Prometheus has not");
        assert_eq!(scraped.difference(&page).count(), 0, "shown and not documented");

        // What a fix took.
        let [_, of_fixer, _] = &shown;
        for stage in ["diagnose", "survey", "reproduce", "confirm", "validate", "challenge"] {
            let label = format!("stage=\"{stage}\"");
            assert!(
                value(of_fixer, "hephaestus_fix_stage_seconds_count", &label) >= 1.0,
                "{stage}: {of_fixer}"
            );
        }
        assert!(
            value(of_fixer, "hephaestus_fix_stage_seconds_sum", "stage=\"reproduce\"") > 0.1,
            "{of_fixer}"
        );
        for result in ["success", "failure"] {
            let label = format!("result=\"{result}\"");
            assert!(value(of_fixer, "hephaestus_sandbox_runs_total", &label) >= 1.0, "{result}: {of_fixer}");
        }
    });
}
