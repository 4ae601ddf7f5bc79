//! The server: the service (`--form api`), or actions with blobs (`--form stream`), both run inline in the reader.

use crate::{Bench, ECHO, GET, MAX_GET, Options, PUT, runtime};
use orb_tokio::TokioRT;
use razor_rpc::error::RpcError;
use razor_rpc::server::dispatch::Inline;
use razor_rpc::server::{ServiceMuxDyn, service};
use razor_rpc_codec::MsgpCodec;
use razor_rpc_tcp::TcpServer;
use razor_stream::Codec;
use razor_stream::error::EncodedErr;
use razor_stream::proto::RpcAction;
use razor_stream::server::dispatch::Dispatch;
use razor_stream::server::task::{RespNoti, ServerTaskEncode, ServerTaskResp};
use razor_stream::server::{RpcServer, RpcSvrReq, ServerConfig, ServerDefault};
use serde_bytes::ByteBuf;
use std::io::Write;
use std::sync::Arc;
use tokio::runtime::Handle;

struct Handlers;

#[service]
impl Bench for Handlers {
    async fn add(&self, args: (i64, i64)) -> Result<i64, RpcError<()>> {
        Ok(args.0 + args.1)
    }

    async fn echo(&self, data: ByteBuf) -> Result<ByteBuf, RpcError<()>> {
        Ok(data)
    }

    async fn put(&self, data: ByteBuf) -> Result<u64, RpcError<()>> {
        Ok(data.len() as u64)
    }

    async fn get(&self, size: u32) -> Result<ByteBuf, RpcError<()>> {
        Ok(ByteBuf::from(vec![7; size.min(MAX_GET) as usize]))
    }
}

#[derive(Debug)]
struct Reply {
    seq: u64,
    blob: Option<Vec<u8>>,
}

impl ServerTaskResp for Reply {}

impl ServerTaskEncode for Reply {
    fn encode_resp<'a, 'b, C: Codec>(
        &'a mut self, _codec: &'b C, _buf: &'b mut Vec<u8>,
    ) -> (u64, Result<(usize, Option<&'a [u8]>), EncodedErr>) {
        (self.seq, Ok((0, self.blob.as_deref())))
    }
}

#[derive(Clone)]
struct Blobs;

impl Dispatch for Blobs {
    type RespTask = Reply;
    type Codec = MsgpCodec;

    async fn dispatch_req<'a>(
        &'a self, codec: &Arc<MsgpCodec>, req: RpcSvrReq<'a>, noti: RespNoti<Reply>,
    ) -> Result<(), ()> {
        let blob = match req.action {
            RpcAction::Num(ECHO) => req.blob.map(Vec::from),
            RpcAction::Num(PUT) => None,
            RpcAction::Num(GET) => {
                let size: u32 = codec.decode(req.msg)?;
                Some(vec![7; size.min(MAX_GET) as usize])
            }
            _ => return Err(()),
        };
        noti.done(Reply { seq: req.seq, blob });
        Ok(())
    }
}

async fn serve<D: Dispatch>(addr: &str, dispatch: D) -> ! {
    let mut server = RpcServer::new(ServerDefault::new(ServerConfig::default()));
    let rt = TokioRT::new_with_handle(Handle::current());
    let address = server.listen::<TcpServer<TokioRT>, D>(rt, addr, dispatch).await.expect("listen");
    println!("{{\"address\": \"tcp://{address}\"}}");
    std::io::stdout().flush().expect("flush");
    std::future::pending().await
}

pub fn main(options: Options) {
    let form = options.text("form", "api");
    runtime().block_on(async {
        if form == "stream" {
            serve(&options.addr, Blobs).await
        }
        let mut services = ServiceMuxDyn::<MsgpCodec>::new();
        services.add(Arc::new(Handlers));
        serve(&options.addr, Inline::new(Arc::new(services))).await
    })
}
