//! The Rust contestant of scripts/bench: `peer server ADDR --form api|stream`, `peer client ADDR --shape … --seconds …`.
//!
//! Both speak the lines of benchlib/child.py: the server prints `{"address": …}`, the client one measurement; both end
//! when their stdin does.

mod client;
mod load;
mod server;

use razor_rpc::client::{endpoint_async, endpoint_client};
use razor_rpc::error::RpcError;
use serde_bytes::ByteBuf;
use std::collections::HashMap;
use std::io::Read;

/// Actions of the stream form: the blob comes back, is only counted, or is only sent.
pub const ECHO: i32 = 1;
pub const PUT: i32 = 2;
pub const GET: i32 = 3;
/// What GET answers with is as long as its message says.
pub const MAX_GET: u32 = 64 << 20;

endpoint_client!(BenchClient);

/// The service that razorg_side.py has too.
#[endpoint_async(BenchClient)]
pub trait Bench {
    async fn add(&self, args: (i64, i64)) -> Result<i64, RpcError<()>>;
    async fn echo(&self, data: ByteBuf) -> Result<ByteBuf, RpcError<()>>;
    async fn put(&self, data: ByteBuf) -> Result<u64, RpcError<()>>;
    async fn get(&self, size: u32) -> Result<ByteBuf, RpcError<()>>;
}

/// `--name value` options behind the role and the address.
pub struct Options {
    pub addr: String,
    values: HashMap<String, String>,
}

impl Options {
    pub fn text(&self, name: &str, default: &str) -> String {
        self.values.get(name).cloned().unwrap_or_else(|| default.to_string())
    }

    pub fn number(&self, name: &str, default: f64) -> f64 {
        self.values.get(name).map_or(default, |text| text.parse().expect("a number"))
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    // As many workers as there are cores for this process: one, where the bench pins it.
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get());
    tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build().expect("tokio")
}

fn main() {
    let mut args = std::env::args().skip(1);
    let role = args.next().expect("a role");
    let addr = args.next().expect("an address").replace("tcp://", "").replace("unix://", "");
    let mut values = HashMap::new();
    while let (Some(name), Some(value)) = (args.next(), args.next()) {
        values.insert(name.trim_start_matches('-').to_string(), value);
    }
    let options = Options { addr, values };
    std::thread::spawn(|| {
        let mut sink = [0u8; 1024];
        while matches!(std::io::stdin().read(&mut sink), Ok(n) if n > 0) {}
        std::process::exit(3)
    });
    match role.as_str() {
        "server" => server::main(options),
        "client" => client::main(options),
        _ => panic!("no such role: {role}"),
    }
}
