//! Hephaestus: a log agent that ends with a proven fix.
//!
//! A crash log of a service goes in; out comes one finding per defect, with its cause and a patch that was
//! proven in a sandbox. The command line is a thin user of this library.
//!
//! # The house
//!
//! One module is one room, with one job; a room imports only from floors below its own. From the ground
//! up: [`domain`], [`telemetry`] and [`storage`]; [`collector`], [`analyzer`], [`bus`], [`knowledge`],
//! [`repository`], [`sandbox`]; [`generator`] and [`validator`]; [`fixer`]; [`server`]; [`config`] and
//! [`app`]; [`cli`].
//!
//! # Finding the errors in a log
//!
//! ```
//! use hephaestus::analyzer::{Analyzer, Config};
//!
//! let log = b"panic: assignment to entry in nil map\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:7 +0x1d\nexit status 2\n";
//! let analyzer = Analyzer::new(&Config::default())?;
//! let (mut stream, mut events) = (analyzer.stream(), Vec::new());
//! stream.push(log, &mut |event| events.push(event));
//! stream.finish(&mut |event| events.push(event));
//! assert_eq!(events[0].class.as_str(), "nil_map_write");
//! assert_eq!(events[0].title, "nil map write in main.main");
//! # Ok::<(), hephaestus::analyzer::Error>(())
//! ```

pub mod analyzer;
pub mod app;
pub mod bus;
pub mod cli;
pub mod collector;
pub mod config;
pub mod domain;
pub mod fixer;
pub mod generator;
pub mod knowledge;
pub mod repository;
pub mod sandbox;
pub mod server;
pub mod storage;
pub mod telemetry;
pub mod validator;

pub use app::embed::{Builder, Hephaestus};
