//! The API server: the services of `types.rs`, each call in a task of its own so that slow ones do not hold up others.

use crate::Options;
use crate::serve::{self, Address};
use crate::types::*;
use nix::errno::Errno;
use orb_tokio::{AsyncExec, TokioRT};
use razor_rpc::error::{RpcError, RpcIntErr};
use razor_rpc::server::dispatch::Inline;
use razor_rpc::server::task::{APIServerReq, APIServerResp};
use razor_rpc::server::{ServiceMuxDyn, ServiceStatic, service};
use razor_rpc_codec::MsgpCodec;
use razor_stream::proto::RpcAction;
use razor_stream::server::RpcSvrReq;
use razor_stream::server::dispatch::Dispatch;
use razor_stream::server::task::RespNoti;
use serde_bytes::ByteBuf;
use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

struct Cal;

#[service]
impl CalService for Cal {
    async fn inc(&self, a: i64) -> Result<i64, RpcError<()>> {
        Ok(a.wrapping_add(1))
    }

    async fn add(&self, args: (i64, i64)) -> Result<i64, RpcError<()>> {
        Ok(args.0.wrapping_add(args.1))
    }

    async fn div(&self, args: (i64, i64)) -> Result<i64, RpcError<String>> {
        match args.1 {
            0 => Err("divide by zero".into()),
            b => Ok(args.0.wrapping_div(b)),
        }
    }
}

struct Echo;

#[service]
impl EchoService for Echo {
    async fn repeat(&self, text: String) -> Result<String, RpcError<()>> {
        Ok(text)
    }

    async fn io_error(&self, _text: String) -> Result<String, RpcError<Errno>> {
        Err(Errno::EIO.into())
    }

    async fn nested(&self, req: NestedReq) -> Result<NestedResp, RpcError<()>> {
        let count = |name: &str, n: usize| (name.to_string(), n as u32);
        Ok(NestedResp {
            counts: HashMap::from([
                count("list", req.list.len()),
                count("map", req.map.len()),
                count("bytes", req.bytes.len()),
            ]),
            rev_bytes: ByteBuf::from(req.bytes.iter().rev().copied().collect::<Vec<u8>>()),
            sum: req.map.values().map(|n| *n as u64).sum(),
            half: req.f64_ / 2.0,
            nothing: (),
            opt_vec: Some(vec![Some(1), None]),
            req: Some(req),
        })
    }

    async fn ints(&self, ints: Ints) -> Result<Ints, RpcError<()>> {
        Ok(ints)
    }

    async fn floats(&self, floats: (f32, f64)) -> Result<(f32, f64), RpcError<()>> {
        Ok(floats)
    }

    async fn opt(&self, text: Option<String>) -> Result<Option<String>, RpcError<()>> {
        Ok(text)
    }

    async fn bytes(&self, bytes: ByteBuf) -> Result<ByteBuf, RpcError<()>> {
        Ok(bytes)
    }

    async fn unit(&self, _nothing: ()) -> Result<(), RpcError<()>> {
        Ok(())
    }

    async fn slow(&self, ms: u64) -> Result<u64, RpcError<()>> {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        Ok(ms)
    }
}

struct Types;

/// Methods that return what they are given.
macro_rules! mirrors {
    ($trait:ident for $of:ty { $($method:ident: $value:ty),* $(,)? }) => {
        #[service]
        impl $trait for $of {
            $(async fn $method(&self, value: $value) -> Result<$value, RpcError<()>> {
                Ok(value)
            })*
        }
    };
}

mirrors!(TypeService for Types {
    int8: i8, int16: i16, int32: i32, int64: i64,
    uint8: u8, uint16: u16, uint32: u32, uint64: u64,
    float32: f32, float64: f64, boolean: bool, character: char,
    vec_u8: Vec<u8>, map_str: HashMap<String, i64>, map_int: HashMap<i32, String>,
    tuple1: (i64,), tuple5: Five, vec_opt: Vec<Option<i32>>, cube: Cube,
    tree: Tree, meters: Meters, marker: Marker, pair: Pair,
});

struct Enums;

mirrors!(EnumService for Enums {
    shape: Shape, list: Vec<Shape>, table: HashMap<String, Shape>, maybe: Option<Shape>,
});

struct Errs;

#[service]
impl ErrService for Errs {
    async fn code(&self, code: i32) -> Result<(), RpcError<i32>> {
        Err(code.into())
    }

    async fn code_u32(&self, code: u32) -> Result<(), RpcError<u32>> {
        Err(code.into())
    }

    async fn code_u8(&self, code: u8) -> Result<(), RpcError<u8>> {
        Err(code.into())
    }

    async fn errno(&self, errno: i32) -> Result<(), RpcError<Errno>> {
        Err(Errno::from_raw(errno).into())
    }

    async fn unit_err(&self, _nothing: ()) -> Result<(), RpcError<()>> {
        Err(().into())
    }

    async fn text(&self, text: String) -> Result<(), RpcError<String>> {
        Err(text.into())
    }

    async fn kind(&self, text: String) -> Result<(), RpcError<Kind>> {
        Kind::from_text(&text).map_or(Ok(()), |kind| Err(kind.into()))
    }

    async fn detail(&self, code: i32) -> Result<(), RpcError<Detail>> {
        let hint = (code > 0).then(|| "hint".to_string());
        Err(Detail { code, reason: "because".to_string(), hint }.into())
    }

    async fn redirect(&self, addr: String) -> Result<(), RpcError<Routing>> {
        Err(Routing::Redirect(addr).into())
    }

    async fn retry_next(&self, _addr: String) -> Result<(), RpcError<Routing>> {
        Err(Routing::Next.into())
    }

    async fn internal(&self, name: String) -> Result<(), RpcError<()>> {
        RpcIntErr::from_str(&name).map_or(Ok(()), |e| Err(RpcError::Rpc(e)))
    }
}

struct Kv {
    name: String,
    address: Address,
}

#[service]
impl KvService for Kv {
    async fn who(&self, _nothing: ()) -> Result<String, RpcError<()>> {
        Ok(self.name.clone())
    }

    async fn put(&self, args: (String, String)) -> Result<String, RpcError<Routing>> {
        let (_key, leader) = args;
        if self.address.get() == Some(&leader) { Ok(self.name.clone()) } else { Err(Routing::Redirect(leader).into()) }
    }

    async fn skip(&self, name: String) -> Result<String, RpcError<Routing>> {
        if name == self.name { Err(Routing::Next.into()) } else { Ok(self.name.clone()) }
    }
}

/// As the crate's `Inline`, with a task for each call. (`APIDispatch` cannot be made outside its crate.)
#[derive(Clone)]
struct Spawned {
    rt: TokioRT,
    services: Arc<ServiceMuxDyn<MsgpCodec>>,
}

impl Dispatch for Spawned {
    type RespTask = APIServerResp;
    type Codec = MsgpCodec;

    async fn dispatch_req<'a>(
        &'a self, codec: &Arc<MsgpCodec>, req: RpcSvrReq<'a>, noti: RespNoti<APIServerResp>,
    ) -> Result<(), ()> {
        let RpcAction::Str(action) = req.action else { return Err(()) };
        let (service, method) = action.split_once('.').ok_or(())?;
        let call = APIServerReq {
            seq: req.seq,
            service: service.to_string(),
            method: method.to_string(),
            req: Some(req.msg.to_vec()),
            codec: codec.clone(),
            noti,
        };
        let services = self.services.clone();
        self.rt.spawn_detach(async move { services.serve(call).await });
        Ok(())
    }
}

pub fn main(options: Options) -> ! {
    let services = |address: Address| {
        let mut services = ServiceMuxDyn::<MsgpCodec>::new();
        services.add(Arc::new(Cal));
        services.add(Arc::new(Echo));
        services.add(Arc::new(Types));
        services.add(Arc::new(Enums));
        services.add(Arc::new(Errs));
        services.add(Arc::new(Kv { name: options.name.clone(), address }));
        Arc::new(services)
    };
    if options.inline {
        serve::run(&options, |_, address| Inline::new(services(address)))
    } else {
        serve::run(&options, |rt, address| Spawned { rt, services: services(address) })
    }
}
