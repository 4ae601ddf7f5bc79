//! What both servers share: the announcement, and when to stop.

use crate::Options;
use nix::sys::signal::{SigSet, Signal};
use orb_tokio::TokioRT;
use razor_rpc_tcp::TcpServer;
use razor_stream::server::dispatch::Dispatch;
use razor_stream::server::{RpcServer, ServerConfig, ServerDefault};
use std::io::{Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc::unbounded_channel;

enum Stop {
    /// Whoever started us has gone or wants us gone: at once.
    StdinEnded,
    /// Let the connections finish first, as the crate does it.
    Terminated,
}

/// The address that is listened at; empty until the port is known.
pub type Address = Arc<OnceLock<String>>;

/// Listens at the address of `options` and runs until stdin ends or SIGTERM arrives. `dispatch` is given the runtime
/// to spawn on and the server's address.
pub fn run<D: Dispatch>(options: &Options, dispatch: impl FnOnce(TokioRT, Address) -> D) -> ! {
    // Before any thread exists, so that all of them inherit the mask and only the waiting thread sees the signal.
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    signals.thread_block().expect("block signals");

    let runtime = options.runtime();
    let (stop, mut stopped) = unbounded_channel();
    let on_signal = stop.clone();
    std::thread::spawn(move || {
        signals.wait().expect("sigwait");
        let _ = on_signal.send(Stop::Terminated);
    });
    std::thread::spawn(move || {
        let mut sink = [0u8; 1024];
        while matches!(std::io::stdin().read(&mut sink), Ok(n) if n > 0) {}
        let _ = stop.send(Stop::StdinEnded);
    });

    runtime.block_on(async {
        let config = ServerConfig { server_close_wait: Duration::from_secs(10), ..Default::default() };
        let mut server = RpcServer::new(ServerDefault::new(config));
        let rt = TokioRT::new_with_handle(Handle::current());
        let address = Address::default();
        let dispatch = dispatch(rt.clone(), address.clone());
        let addr = match server.listen::<TcpServer<TokioRT>, D>(rt, &options.addr, dispatch).await {
            Ok(addr) => addr,
            Err(e) => {
                eprintln!("peer: cannot listen at {}: {e}", options.addr);
                std::process::exit(1);
            }
        };
        let _ = address.set(addr.clone());
        println!("LISTENING {addr}");
        std::io::stdout().flush().expect("flush");
        if let Some(Stop::Terminated) = stopped.recv().await {
            server.close::<TokioRT>().await;
        }
        if std::fs::symlink_metadata(&addr).is_ok_and(|meta| meta.file_type().is_socket()) {
            let _ = std::fs::remove_file(&addr);
        }
        std::process::exit(0)
    })
}
