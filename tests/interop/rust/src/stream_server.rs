//! The stream server: numeric and string actions with raw messages and blobs.

use crate::Options;
use crate::serve;
use orb_tokio::{AsyncExec, TokioRT};
use razor_rpc_codec::MsgpCodec;
use razor_stream::Codec;
use razor_stream::error::EncodedErr;
use razor_stream::proto::RpcAction;
use razor_stream::server::RpcSvrReq;
use razor_stream::server::dispatch::Dispatch;
use razor_stream::server::task::{RespNoti, ServerTaskEncode, ServerTaskResp};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::sync::Arc;
use std::time::Duration;

pub const OPEN: i32 = 1;
pub const READ: i32 = 2;
pub const WRITE: i32 = 3;
pub const RAW: i32 = 4;
pub const DELAY: i32 = 5;
pub const MIRROR: i32 = 6;
pub const FAIL: i32 = 7;
pub const ECHO: &str = "echo";
pub const FOREIGN: &str = "Ünï✓";
/// A string action of this many `a` is known too.
pub const LONG_ACTION: usize = 1000;

pub const ENOENT: u32 = 2;
pub const EINVAL: u32 = 22;

/// The largest blob that READ and RAW make up.
const MAX_READ: u64 = 256 << 20;

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Open {
    pub path: String,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Io {
    pub inode: u64,
    pub offset: i64,
    pub len: u64,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct ReadReply {
    pub ret_size: u64,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct WriteReply {
    pub ret_size: u64,
    /// Adler-32 of the blob.
    pub checksum: u32,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Delay {
    pub ms: u64,
    #[serde(default)]
    pub id: u64,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Text {
    pub text: String,
}

/// The first that is not nil becomes the error.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
pub struct Fail {
    #[serde(default)]
    pub code: Option<u32>,
    #[serde(default)]
    pub text: Option<String>,
    #[serde(default)]
    pub bytes: Option<ByteBuf>,
}

/// What READ and RAW answer: `(offset + i) & 0xff`.
pub fn pattern(offset: i64, len: u64) -> Vec<u8> {
    (0..len as i64).map(|i| offset.wrapping_add(i) as u8).collect()
}

pub fn adler32(data: &[u8]) -> u32 {
    let (mut a, mut b) = (1u32, 0u32);
    for chunk in data.chunks(5552) {
        for byte in chunk {
            a += *byte as u32;
            b += a;
        }
        a %= 65521;
        b %= 65521;
    }
    b << 16 | a
}

#[derive(Debug)]
struct Reply {
    seq: u64,
    msg: Option<Vec<u8>>,
    blob: Option<Vec<u8>>,
    err: Option<EncodedErr>,
}

impl ServerTaskResp for Reply {}

impl ServerTaskEncode for Reply {
    fn encode_resp<'a, 'b, C: Codec>(
        &'a mut self, _codec: &'b C, buf: &'b mut Vec<u8>,
    ) -> (u64, Result<(usize, Option<&'a [u8]>), EncodedErr>) {
        if let Some(err) = self.err.take() {
            return (self.seq, Err(err));
        }
        let msg = self.msg.as_deref().unwrap_or_default();
        buf.extend_from_slice(msg);
        (self.seq, Ok((msg.len(), self.blob.as_deref())))
    }
}

#[derive(Clone)]
struct Files {
    rt: TokioRT,
}

impl Dispatch for Files {
    type RespTask = Reply;
    type Codec = MsgpCodec;

    async fn dispatch_req<'a>(
        &'a self, codec: &Arc<MsgpCodec>, req: RpcSvrReq<'a>, noti: RespNoti<Reply>,
    ) -> Result<(), ()> {
        let mut reply = Reply { seq: req.seq, msg: None, blob: None, err: None };
        let blob: Option<Vec<u8>> = req.blob.map(Vec::from);
        match req.action {
            RpcAction::Num(OPEN) => {
                let open: Open = codec.decode(req.msg)?;
                if open.path == "/missing" {
                    reply.err = Some(EncodedErr::Num(ENOENT));
                }
            }
            RpcAction::Num(action @ (READ | RAW)) => {
                let io: Io = codec.decode(req.msg)?;
                if io.len > MAX_READ {
                    reply.err = Some(EncodedErr::Num(EINVAL));
                } else {
                    if action == READ {
                        reply.msg = Some(codec.encode(&ReadReply { ret_size: io.len })?);
                    }
                    reply.blob = Some(pattern(io.offset, io.len));
                }
            }
            RpcAction::Num(WRITE) => {
                let io: Io = codec.decode(req.msg)?;
                match blob {
                    Some(blob) if blob.len() as u64 == io.len => {
                        let written = WriteReply { ret_size: io.len, checksum: adler32(&blob) };
                        reply.msg = Some(codec.encode(&written)?);
                    }
                    _ => reply.err = Some(EncodedErr::Num(EINVAL)),
                }
            }
            RpcAction::Num(DELAY) => {
                let delay: Delay = codec.decode(req.msg)?;
                reply.msg = Some(codec.encode(&delay)?);
                self.rt.spawn_detach(async move {
                    tokio::time::sleep(Duration::from_millis(delay.ms)).await;
                    noti.done(reply);
                });
                return Ok(());
            }
            RpcAction::Num(MIRROR) => {
                reply.msg = Some(req.msg.to_vec());
                reply.blob = blob;
            }
            RpcAction::Num(FAIL) => {
                let fail: Fail = codec.decode(req.msg)?;
                reply.err = fail
                    .code
                    .map(EncodedErr::Num)
                    .or(fail.text.map(|text| EncodedErr::Buf(text.into_bytes())))
                    .or(fail.bytes.map(|bytes| EncodedErr::Buf(bytes.into_vec())));
            }
            RpcAction::Str(ECHO) => reply.msg = Some(codec.encode::<Text>(&codec.decode(req.msg)?)?),
            RpcAction::Str(FOREIGN) => {
                let given: Text = codec.decode(req.msg)?;
                reply.msg = Some(codec.encode(&Text { text: format!("{FOREIGN} {}", given.text) })?);
            }
            RpcAction::Str(action) if action.len() == LONG_ACTION && action.bytes().all(|byte| byte == b'a') => {
                reply.msg = Some(codec.encode::<Text>(&codec.decode(req.msg)?)?)
            }
            _ => return Err(()),
        }
        noti.done(reply);
        Ok(())
    }
}

pub fn main(options: Options) -> ! {
    serve::run(&options, |rt, _| Files { rt })
}
