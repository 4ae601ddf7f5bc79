//! The client's three ways to call: the service, the stream with blobs, the stream with many requests in flight.

use crate::load::{Load, Sample};
use crate::{Bench, BenchClient, ECHO, GET, Options, PUT, runtime};
use orb_tokio::TokioRT;
use razor_rpc::client::{APIConnPool, APIFact, ClientConfig};
use razor_rpc_codec::MsgpCodec;
use razor_rpc_tcp::TcpClient;
use razor_stream::Codec;
use razor_stream::client::ClientDefault;
use razor_stream::client::stream::ClientStream;
use razor_stream::client::task::{
    ClientTask, ClientTaskAction, ClientTaskCommon, ClientTaskDecode, ClientTaskDone, ClientTaskEncode,
};
use razor_stream::error::{EncodedErr, RpcIntErr};
use razor_stream::proto::{RpcAction, RpcActionOwned};
use serde_bytes::ByteBuf;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

type Pool = APIConnPool<MsgpCodec, TcpClient<TokioRT>>;
type Stream = ClientStream<ClientDefault<Task, MsgpCodec>, TcpClient<TokioRT>>;

#[derive(Debug)]
struct Task {
    common: ClientTaskCommon,
    action: RpcActionOwned,
    msg: Vec<u8>,
    blob: Option<Arc<Vec<u8>>>,
    answer_bytes: usize,
    failed: bool,
    done: UnboundedSender<Task>,
    buffer: Vec<u8>,
    sent: Sample,
}

impl ClientTask for Task {}

impl Deref for Task {
    type Target = ClientTaskCommon;
    fn deref(&self) -> &ClientTaskCommon {
        &self.common
    }
}

impl DerefMut for Task {
    fn deref_mut(&mut self) -> &mut ClientTaskCommon {
        &mut self.common
    }
}

impl ClientTaskAction for Task {
    fn get_action<'a>(&'a self) -> RpcAction<'a> {
        self.action.to_action()
    }
}

impl ClientTaskEncode for Task {
    fn encode_req<C: Codec>(&self, _codec: &C, buf: &mut Vec<u8>) -> Result<usize, ()> {
        buf.extend_from_slice(&self.msg);
        Ok(self.msg.len())
    }

    fn get_req_blob(&self) -> Option<&[u8]> {
        self.blob.as_deref().map(Vec::as_slice)
    }
}

impl ClientTaskDecode for Task {
    fn decode_resp<C: Codec>(&mut self, codec: &C, buf: &[u8]) -> Result<(), ()> {
        codec.decode::<i64>(buf).map(|sum| self.answer_bytes = sum as usize)
    }

    fn reserve_resp_blob(&mut self, size: i32) -> Option<&mut [u8]> {
        self.answer_bytes = size as usize;
        self.buffer = vec![0; size as usize];
        Some(&mut self.buffer)
    }
}

impl ClientTaskDone for Task {
    fn set_custom_error<C: Codec>(&mut self, _codec: &C, _e: EncodedErr, _last_index: usize, _conf_ver: u64) {
        self.failed = true;
    }

    fn set_rpc_error(&mut self, _e: RpcIntErr) {
        self.failed = true;
    }

    fn set_ok(&mut self) {}

    fn done(self) {
        let _ = self.done.clone().send(self);
    }
}

/// `workers` tasks, each with one call of the service at a time.
async fn call_service(options: &Options, load: Arc<Load>) {
    let config = ClientConfig { thresholds: load.callers.max(128), ..Default::default() };
    let rt = TokioRT::new_with_handle(Handle::current());
    let pool: Pool = APIFact::<MsgpCodec>::new(config).new_conn_pool(&rt, &options.addr);
    let client = BenchClient::new(pool);
    let tasks: Vec<_> = (0..load.callers)
        .map(|index| {
            let (client, load) = (client.clone(), load.clone());
            tokio::spawn(async move {
                let left = (index % 100) as i64 + 1;
                let payload = ByteBuf::from(vec![index as u8; load.size]);
                while !load.stopping() {
                    let started = load.start();
                    let right = match load.way.as_str() {
                        "add" => client.add((left, 2)).await.expect("add") == left + 2,
                        "both" => client.echo(payload.clone()).await.expect("echo").len() == load.size,
                        "up" => client.put(payload.clone()).await.expect("put") == load.size as u64,
                        _ => client.get(load.size as u32).await.expect("get").len() == load.size,
                    };
                    assert!(right, "wrong answer");
                    load.finish(started);
                }
            })
        })
        .collect();
    load.measure().await;
    for task in tasks {
        task.await.expect("a caller");
    }
}

/// One stream on which `callers` requests are kept in flight: what is answered is sent again.
async fn keep_in_flight(options: &Options, load: Arc<Load>) {
    let config = ClientConfig { thresholds: load.callers + 24, ..Default::default() };
    let rt = TokioRT::new_with_handle(Handle::current());
    let facts = ClientDefault::new(config);
    let mut stream = Stream::connect(facts, &rt, &options.addr, &options.addr, None).await.expect("connect");
    let (done, mut finished) = unbounded_channel();
    let codec = MsgpCodec::default();
    let blob = Arc::new(vec![7u8; load.size]);
    let make = |load: &Load| {
        let (action, msg, blob) = match load.way.as_str() {
            "add" => (RpcAction::Str("Bench.add"), codec.encode(&(40i64, 2i64)).expect("encodes"), None),
            "both" => (RpcAction::Num(ECHO), Vec::new(), Some(blob.clone())),
            "up" => (RpcAction::Num(PUT), Vec::new(), Some(blob.clone())),
            _ => (RpcAction::Num(GET), codec.encode(&(load.size as u32)).expect("encodes"), None),
        };
        Task {
            common: Default::default(),
            action: action.into(),
            msg,
            blob,
            answer_bytes: 0,
            failed: false,
            done: done.clone(),
            buffer: Vec::new(),
            sent: load.start(),
        }
    };
    let wanted = match load.way.as_str() {
        "add" => 42,
        "up" => 0,
        _ => load.size,
    };
    let runner = load.clone();
    let driver = async move {
        for _ in 0..runner.callers {
            let _ = stream.send_task(make(&runner), true).await;
        }
        let mut left = runner.callers;
        while left > 0 {
            // Whatever has come is answered for before the batch is flushed.
            let mut next = finished.recv().await;
            while let Some(task) = next {
                assert!(!task.failed && task.answer_bytes == wanted, "wrong answer: {task:?}");
                runner.finish(task.sent);
                let following = finished.try_recv().ok();
                if runner.stopping() {
                    left -= 1;
                } else {
                    let _ = stream.send_task(make(&runner), following.is_none()).await;
                }
                next = following;
            }
        }
    };
    tokio::join!(driver, load.measure());
}

pub fn main(options: Options) {
    let load = Arc::new(Load::new(&options));
    runtime().block_on(async {
        match options.text("form", "api").as_str() {
            "api" => call_service(&options, load.clone()).await,
            _ => keep_in_flight(&options, load.clone()).await,
        }
    });
    load.print();
    std::process::exit(0)
}
