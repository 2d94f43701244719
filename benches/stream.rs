//! `hephaestus run` as a whole: how fast, how late, how large. It drives the built binary, over real files and
//! its web server, and prints a table.
//!
//! `cargo bench --bench stream` takes about three minutes; names of measurements (`throughput`, `latency`,
//! `idle`) after `--` leave the others out.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const MIB: f64 = (1 << 20) as f64;
const HEALTHY: &str = "{\"time\":\"2024-05-01T10:00:00Z\",\"level\":\"INFO\",\"msg\":\"request\",\"path\":\"/orders/17\",\"status\":200,\"took\":\"1.2ms\"}\n";
const FAILURE: &str = "{\"time\":\"2024-05-01T10:00:00Z\",\"level\":\"ERROR\",\"msg\":\"order not saved\",\"order\":17,\"took\":\"1.2ms\"}\n";
/// Clock ticks of `/proc/PID/stat` in a second, which Linux shows to programs as this whatever its own are.
const TICKS: f64 = 100.0;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    println!("| measured | figure |\n|---|---|");
    if is_wanted("throughput") {
        healthy_log();
        storm();
    }
    if is_wanted("latency") {
        latency("another line follows", HEALTHY);
        latency("the last line of the log", "");
    }
    if is_wanted("idle") {
        for files in [1, 100, 1_000] {
            idle(files);
        }
    }
}

/// A log that stands there at once, with one error at its end.
fn healthy_log() {
    let place = Place::new();
    let lines = (512 << 20) / HEALTHY.len();
    let size = place.prepare(|out| {
        (0..lines).for_each(|_| out.write_all(HEALTHY.as_bytes()).unwrap());
        write!(out, "{FAILURE}{HEALTHY}").unwrap();
    });
    let running = place.start();
    let (seconds, cpu) = running.timed(|| {
        place.put("app.log");
        running.await_counted(1);
    });
    let speed = size as f64 / MIB / seconds;
    println!("| healthy log of {:.0} MiB | {speed:.0} MiB/s, {cpu:.2} s of CPU |", size as f64 / MIB);
}

/// One error again and again.
fn storm() {
    let place = Place::new();
    let events = 2_000_000_u64;
    let size = place.prepare(|out| {
        (0..events).for_each(|_| out.write_all(FAILURE.as_bytes()).unwrap());
        out.write_all(HEALTHY.as_bytes()).unwrap();
    });
    let running = place.start();
    let (seconds, cpu) = running.timed(|| {
        place.put("app.log");
        running.await_counted(events);
    });
    println!(
        "| storm of {events} errors in {:.0} MiB, counted exactly | {:.0} MiB/s, {:.0} errors/s, {cpu:.2} s of CPU |",
        size as f64 / MIB,
        size as f64 / MIB / seconds,
        events as f64 / seconds,
    );
}

/// From the write of a line that was never seen before to its event being durable on the bus.
fn latency(what: &str, behind: &str) {
    let place = Place::new();
    let mut log = OpenOptions::new().create(true).append(true).open(place.log("app.log")).unwrap();
    log.write_all(HEALTHY.as_bytes()).unwrap();
    let running = place.start();
    let samples = if behind.is_empty() { 20 } else { 300 };
    let mut times = Vec::new();
    for sample in 0..samples {
        // Not in step with anything.
        std::thread::sleep(Duration::from_micros(40_000 + sample * 7_919 % 60_000));
        let before = running.published();
        let line = format!("{{\"level\":\"error\",\"msg\":\"cannot save {}\"}}\n{behind}", word(sample));
        let begun = Instant::now();
        log.write_all(line.as_bytes()).unwrap();
        while running.published() == before {
            std::thread::sleep(Duration::from_micros(500));
        }
        times.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    println!(
        "| written to published, {what} ({samples} times) | p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms |",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

/// Files in which nothing happens any more.
fn idle(files: u32) {
    let place = Place::new();
    for number in 0..files {
        let mut log = File::create(place.log(&format!("{number}.log"))).unwrap();
        log.write_all(HEALTHY.repeat(10).as_bytes()).unwrap();
    }
    // Errors in the last one, so that everything has been in use; the default interval of looking for files.
    place.configure("");
    let mut last = OpenOptions::new().append(true).open(place.log("0.log")).unwrap();
    write!(last, "{FAILURE}{HEALTHY}").unwrap();
    let running = place.start();
    running.await_counted(1);
    std::thread::sleep(Duration::from_secs(15));
    let length = if files == 100 { 60 } else { 10 };
    let before = running.thread_seconds();
    std::thread::sleep(Duration::from_secs(length));
    let cpu = running.thread_seconds() - before;
    println!(
        "| {files} idle files | {:.1} MiB resident ({:.1} MiB of it its own), {:.4} % of a core over {length} s |",
        running.status("VmRSS"),
        running.status("RssAnon"),
        cpu / length as f64 * 100.0
    );
}

/// A word of letters for a number: digits would be masked.
fn word(number: u64) -> String {
    (0..6).map(|place| char::from(b'a' + (number / 26_u64.pow(place) % 26) as u8)).collect()
}

/// Logs and a state directory.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(place.0.path().join("logs")).unwrap();
        place.configure("collector: {polling_interval: 1s}\n");
        place
    }

    fn configure(&self, more: &str) {
        let state = self.0.path().join("state");
        let settings = format!("state_dir: {}\nserver: {{listen: '127.0.0.1:0'}}\n{more}", state.display());
        std::fs::write(self.0.path().join("hephaestus.yaml"), settings).unwrap();
    }

    fn log(&self, name: &str) -> PathBuf {
        self.0.path().join("logs").join(name)
    }

    /// Writes a log that is not found yet; gives its size.
    fn prepare(&self, write: impl FnOnce(&mut BufWriter<File>)) -> u64 {
        let path = self.0.path().join("prepared");
        let mut out = BufWriter::new(File::create(&path).unwrap());
        write(&mut out);
        out.into_inner().unwrap().sync_all().unwrap();
        path.metadata().unwrap().len()
    }

    fn put(&self, name: &str) {
        std::fs::rename(self.0.path().join("prepared"), self.log(name)).unwrap();
    }

    fn start(&self) -> Running {
        let errors = self.0.path().join("stderr");
        let mut command = Command::new(env!("CARGO_BIN_EXE_hephaestus"));
        command.arg("--config").arg(self.0.path().join("hephaestus.yaml")).arg("run").arg(self.log("*"));
        command.env_remove("HEPHAESTUS_LOG").current_dir(self.0.path());
        command.stdout(Stdio::null()).stderr(File::create(&errors).unwrap());
        let child = command.spawn().unwrap();
        Running { child, address: address(&errors) }
    }
}

/// Where the web server listens, as it is told at the start.
fn address(errors: &Path) -> String {
    loop {
        let said = std::fs::read_to_string(errors).unwrap();
        if let Some(address) = said.split_once("http://").and_then(|(_, rest)| rest.split_once(';')) {
            return address.0.to_owned();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A running instance.
struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").expect("an answer has a head").1.to_owned()
    }

    /// Waits until so many errors are counted.
    fn await_counted(&self, wanted: u64) {
        loop {
            let list: Value = serde_json::from_str(&self.get("/api/v1/groups")).unwrap();
            let groups = list["groups"].as_array().unwrap().iter();
            let counted: u64 = groups.map(|group| group["count"].as_u64().unwrap()).sum();
            assert!(counted <= wanted, "{counted} were counted of {wanted}");
            if counted == wanted {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// How many messages the bus has made durable.
    fn published(&self) -> f64 {
        let metrics = self.get("/metrics");
        let counter = metrics.lines().find_map(|line| line.strip_prefix("hephaestus_bus_published_total{"));
        counter.and_then(|line| line.split_once("} ")).map_or(0.0, |(_, value)| value.parse().unwrap())
    }

    /// How long something took, and the seconds of CPU time that the instance used meanwhile.
    fn timed(&self, work: impl FnOnce()) -> (f64, f64) {
        let (cpu, begun) = (self.cpu_seconds(), Instant::now());
        work();
        (begun.elapsed().as_secs_f64(), self.cpu_seconds() - cpu)
    }

    fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name before may hold anything but ends with the last parenthesis; user and system time follow.
        let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / TICKS
    }

    /// The CPU time of the threads that there are, to the nanosecond: for when none comes or goes.
    fn thread_seconds(&self) -> f64 {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let of_thread = |path: PathBuf| -> f64 {
            let schedule = std::fs::read_to_string(path.join("schedstat")).unwrap();
            schedule.split(' ').next().unwrap().parse().unwrap()
        };
        threads.map(|thread| of_thread(thread.unwrap().path())).sum::<f64>() / 1e9
    }

    /// A line of its status, in MiB.
    fn status(&self, name: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
