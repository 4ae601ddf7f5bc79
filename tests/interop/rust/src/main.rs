//! `peer`: one binary, six roles.
//!
//!     peer stream-server ADDR        peer stream-client ADDR
//!     peer api-server    ADDR        peer api-client    ADDR [ADDR2]
//!     peer failover-client ADDR ADDR2
//!     peer stream-load   ADDR
//!
//! ADDR is `host:port` (`tcp://` may stand before it) or the absolute path of a Unix socket (`unix://` may stand
//! before it). Servers print `LISTENING <addr>` when they accept connections and run until their stdin ends or
//! SIGTERM arrives. Clients print one line of JSON for each case and exit 1 when one of them failed.

mod api_client;
mod api_server;
mod raw;
mod report;
mod serve;
mod stream_client;
mod stream_server;
mod types;

use std::process::exit;
use std::time::Duration;

const USAGE: &str =
    "usage: peer stream-server|stream-client|stream-load|api-server|api-client|failover-client ADDR [ADDR2] [options]
  servers: --name TEXT      what KvService calls this node (default: node)
           --inline         run API methods in the connection's reader, as the crate's own dispatch does
           --workers N      runtime threads (default 2)
  clients: --timeout-ms N   task timeout, rounded up to whole seconds because the crate counts in them (default 20000)
           --only PREFIX    run the cases whose name begins so; may be given more than once
           --skip PREFIX    leave out the cases whose name begins so; may be given more than once
           --reference      also the cases that hold only for a server made with the Rust crates
           --calls N        of stream-load (default 1000)
           --workers N      runtime threads (default 2)";

pub struct Options {
    pub addr: String,
    pub addr2: Option<String>,
    pub name: String,
    pub inline: bool,
    pub workers: usize,
    pub timeout: Duration,
    pub only: Vec<String>,
    pub skip: Vec<String>,
    pub reference: bool,
    pub calls: u64,
}

impl Options {
    /// The crate's `task_timeout`: whole seconds, never 0.
    pub fn task_timeout(&self) -> usize {
        self.timeout.as_millis().div_ceil(1000).max(1) as usize
    }

    pub fn runtime(&self) -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(self.workers).enable_all().build().expect("tokio")
    }
}

fn usage(why: &str) -> ! {
    eprintln!("peer: {why}\n{USAGE}");
    exit(2)
}

fn bare_address(given: &str) -> String {
    for scheme in ["tcp://", "unix://"] {
        if let Some(rest) = given.strip_prefix(scheme) {
            return rest.to_string();
        }
    }
    given.to_string()
}

fn parse(mut args: impl Iterator<Item = String>) -> (String, Options) {
    let Some(role) = args.next() else { usage("a role is missing") };
    let mut options = Options {
        addr: String::new(),
        addr2: None,
        name: "node".to_string(),
        inline: false,
        workers: 2,
        timeout: Duration::from_secs(20),
        only: Vec::new(),
        skip: Vec::new(),
        reference: false,
        calls: 1000,
    };
    let mut addresses = Vec::new();
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| usage(&format!("{arg} needs a value")));
        let number = |text: String| text.parse().unwrap_or_else(|_| usage(&format!("not a number: {text}")));
        match arg.as_str() {
            "--name" => options.name = value(),
            "--inline" => options.inline = true,
            "--reference" => options.reference = true,
            "--workers" => options.workers = number(value()) as usize,
            "--timeout-ms" => options.timeout = Duration::from_millis(number(value())),
            "--calls" => options.calls = number(value()),
            "--only" => options.only.push(value()),
            "--skip" => options.skip.push(value()),
            _ if arg.starts_with('-') => usage(&format!("unknown option {arg}")),
            _ => addresses.push(bare_address(&arg)),
        }
    }
    let mut addresses = addresses.into_iter();
    options.addr = addresses.next().unwrap_or_else(|| usage("the address is missing"));
    options.addr2 = addresses.next();
    if addresses.next().is_some() {
        usage("too many addresses");
    }
    (role, options)
}

fn main() {
    let (role, options) = parse(std::env::args().skip(1));
    match role.as_str() {
        "stream-server" => stream_server::main(options),
        "api-server" => api_server::main(options),
        "stream-client" => stream_client::main(options),
        "stream-load" => stream_client::load_main(options),
        "api-client" => api_client::main(options),
        "failover-client" => api_client::failover_main(options),
        _ => usage(&format!("unknown role {role}")),
    }
}
