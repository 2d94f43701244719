//! The server as its clients see it: over TCP, over the control socket, by the command line and by the Go
//! program of the examples.

mod commands;
mod documented;
mod go_client;
mod hostile;
mod instance;
mod routes;
mod shelf;
mod streams;
