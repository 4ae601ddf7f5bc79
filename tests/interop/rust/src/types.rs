//! The contract of the API layer: values, errors, services. `../../README.md` says the same without Rust.

use nix::errno::Errno;
use razor_rpc::client::{endpoint_async, endpoint_client};
use razor_rpc::error::{EncodedErr, RpcErrCodec, RpcError};
use razor_stream::Codec;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::collections::HashMap;
use std::fmt;

// ---------------------------------------------------------------------------------------------------------- values

/// All four forms of an enum variant.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
pub enum Shape {
    #[default]
    Unit,
    Newtype(i64),
    Tuple(i64, String),
    Struct {
        a: i64,
        b: Option<String>,
    },
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
pub struct Inner {
    pub name: String,
    pub tags: Vec<String>,
    pub shape: Shape,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
pub struct NestedReq {
    pub id: u64,
    pub some: Option<i64>,
    pub none: Option<i64>,
    pub list: Vec<i64>,
    pub map: HashMap<String, u32>,
    pub bytes: ByteBuf,
    pub plain_u8: Vec<u8>,
    pub f32_: f32,
    pub f64_: f64,
    pub yes: bool,
    pub unit: (),
    pub pair: (i32, String),
    pub ch: char,
    pub inner: Inner,
    pub shapes: Vec<Shape>,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
pub struct NestedResp {
    pub req: Option<NestedReq>,
    /// The lengths of `list`, `map` and `bytes`.
    pub counts: HashMap<String, u32>,
    /// `bytes` backwards.
    pub rev_bytes: ByteBuf,
    /// The sum of the values of `map`.
    pub sum: u64,
    /// `f64_` / 2.
    pub half: f64,
    pub nothing: (),
    /// Always `Some([Some(1), None])`.
    pub opt_vec: Option<Vec<Option<i64>>>,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
pub struct Ints {
    pub i8_: i8,
    pub u8_: u8,
    pub i16_: i16,
    pub u16_: u16,
    pub i32_: i32,
    pub u32_: u32,
    pub i64_: i64,
    pub u64_: u64,
}

/// A struct that contains itself.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
pub struct Tree {
    pub name: String,
    pub note: Option<String>,
    pub marks: HashMap<String, i64>,
    pub children: Vec<Tree>,
}

/// A newtype struct: on the wire just the number.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
pub struct Meters(pub f64);

/// A unit struct: on the wire an empty array, not nil.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
pub struct Marker;

/// A tuple struct: an array.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
pub struct Pair(pub i32, pub String);

pub type Five = (i8, u16, String, Option<bool>, Vec<f64>);
pub type Cube = Vec<Vec<Vec<i32>>>;

// ---------------------------------------------------------------------------------------------------------- errors

/// An error out of a fixed list of texts, sent as `EncodedErr::Static`.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    NotFound,
    Denied,
    Busy,
}

impl Kind {
    pub fn text(&self) -> &'static str {
        match self {
            Kind::NotFound => "not_found",
            Kind::Denied => "permission_denied",
            Kind::Busy => "busy",
        }
    }

    pub fn from_text(text: &str) -> Option<Self> {
        [Kind::NotFound, Kind::Denied, Kind::Busy].into_iter().find(|kind| kind.text() == text)
    }
}

impl RpcErrCodec for Kind {
    fn encode<C: Codec>(&self, _codec: &C) -> EncodedErr {
        EncodedErr::Static(self.text())
    }

    fn decode<C: Codec>(_codec: &C, buf: Result<u32, &[u8]>) -> Result<Self, ()> {
        let text = std::str::from_utf8(buf.err().ok_or(())?).map_err(|_| ())?;
        Kind::from_text(text).ok_or(())
    }

    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A structured error: the codec's bytes in the place of the text.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Detail {
    pub code: i32,
    pub reason: String,
    pub hint: Option<String>,
}

impl RpcErrCodec for Detail {
    fn encode<C: Codec>(&self, codec: &C) -> EncodedErr {
        EncodedErr::Buf(codec.encode(self).expect("a plain struct encodes"))
    }

    fn decode<C: Codec>(codec: &C, buf: Result<u32, &[u8]>) -> Result<Self, ()> {
        codec.decode(buf.err().ok_or(())?)
    }

    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// An error that tells a FailoverPool where to go next.
#[derive(Debug, Clone, PartialEq)]
pub enum Routing {
    /// `redirect_<address>`: this node instead.
    Redirect(String),
    /// `retry_next`: any other node.
    Next,
}

impl RpcErrCodec for Routing {
    fn encode<C: Codec>(&self, _codec: &C) -> EncodedErr {
        match self {
            Routing::Redirect(addr) => EncodedErr::Buf([b"redirect_", addr.as_bytes()].concat()),
            Routing::Next => EncodedErr::Static("retry_next"),
        }
    }

    fn decode<C: Codec>(_codec: &C, buf: Result<u32, &[u8]>) -> Result<Self, ()> {
        match std::str::from_utf8(buf.err().ok_or(())?).map_err(|_| ())? {
            "retry_next" => Ok(Routing::Next),
            text => text.strip_prefix("redirect_").map(|addr| Routing::Redirect(addr.to_string())).ok_or(()),
        }
    }

    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{self:?}")
    }

    fn should_failover(&self) -> Result<Option<&str>, ()> {
        match self {
            Routing::Redirect(addr) => Ok(Some(addr)),
            Routing::Next => Ok(None),
        }
    }
}

// -------------------------------------------------------------------------------------------------------- services

endpoint_client!(PeerClient);

// Each trait below is a service: its name and the names of its methods are what travels. Every method has exactly one
// argument, as the crate's macro wants it; several are a tuple.

#[endpoint_async(PeerClient)]
pub trait CalService {
    /// a + 1, wrapping.
    async fn inc(&self, a: i64) -> Result<i64, RpcError<()>>;
    /// a + b, wrapping.
    async fn add(&self, args: (i64, i64)) -> Result<i64, RpcError<()>>;
    /// a / b towards zero, wrapping; `divide by zero`.
    async fn div(&self, args: (i64, i64)) -> Result<i64, RpcError<String>>;
}

#[endpoint_async(PeerClient)]
pub trait EchoService {
    async fn repeat(&self, text: String) -> Result<String, RpcError<()>>;
    /// Always EIO.
    async fn io_error(&self, text: String) -> Result<String, RpcError<Errno>>;
    async fn nested(&self, req: NestedReq) -> Result<NestedResp, RpcError<()>>;
    async fn ints(&self, ints: Ints) -> Result<Ints, RpcError<()>>;
    async fn floats(&self, floats: (f32, f64)) -> Result<(f32, f64), RpcError<()>>;
    async fn opt(&self, text: Option<String>) -> Result<Option<String>, RpcError<()>>;
    async fn bytes(&self, bytes: ByteBuf) -> Result<ByteBuf, RpcError<()>>;
    async fn unit(&self, nothing: ()) -> Result<(), RpcError<()>>;
    /// Sleeps so many milliseconds and returns them.
    async fn slow(&self, ms: u64) -> Result<u64, RpcError<()>>;
}

#[endpoint_async(PeerClient)]
pub trait TypeService {
    async fn int8(&self, value: i8) -> Result<i8, RpcError<()>>;
    async fn int16(&self, value: i16) -> Result<i16, RpcError<()>>;
    async fn int32(&self, value: i32) -> Result<i32, RpcError<()>>;
    async fn int64(&self, value: i64) -> Result<i64, RpcError<()>>;
    async fn uint8(&self, value: u8) -> Result<u8, RpcError<()>>;
    async fn uint16(&self, value: u16) -> Result<u16, RpcError<()>>;
    async fn uint32(&self, value: u32) -> Result<u32, RpcError<()>>;
    async fn uint64(&self, value: u64) -> Result<u64, RpcError<()>>;
    async fn float32(&self, value: f32) -> Result<f32, RpcError<()>>;
    async fn float64(&self, value: f64) -> Result<f64, RpcError<()>>;
    async fn boolean(&self, value: bool) -> Result<bool, RpcError<()>>;
    async fn character(&self, value: char) -> Result<char, RpcError<()>>;
    async fn vec_u8(&self, value: Vec<u8>) -> Result<Vec<u8>, RpcError<()>>;
    async fn map_str(&self, value: HashMap<String, i64>) -> Result<HashMap<String, i64>, RpcError<()>>;
    async fn map_int(&self, value: HashMap<i32, String>) -> Result<HashMap<i32, String>, RpcError<()>>;
    async fn tuple1(&self, value: (i64,)) -> Result<(i64,), RpcError<()>>;
    async fn tuple5(&self, value: Five) -> Result<Five, RpcError<()>>;
    async fn vec_opt(&self, value: Vec<Option<i32>>) -> Result<Vec<Option<i32>>, RpcError<()>>;
    async fn cube(&self, value: Cube) -> Result<Cube, RpcError<()>>;
    async fn tree(&self, value: Tree) -> Result<Tree, RpcError<()>>;
    async fn meters(&self, value: Meters) -> Result<Meters, RpcError<()>>;
    async fn marker(&self, value: Marker) -> Result<Marker, RpcError<()>>;
    async fn pair(&self, value: Pair) -> Result<Pair, RpcError<()>>;
}

#[endpoint_async(PeerClient)]
pub trait EnumService {
    async fn shape(&self, value: Shape) -> Result<Shape, RpcError<()>>;
    async fn list(&self, value: Vec<Shape>) -> Result<Vec<Shape>, RpcError<()>>;
    async fn table(&self, value: HashMap<String, Shape>) -> Result<HashMap<String, Shape>, RpcError<()>>;
    async fn maybe(&self, value: Option<Shape>) -> Result<Option<Shape>, RpcError<()>>;
}

/// Every method fails, with an error made of its argument.
#[endpoint_async(PeerClient)]
pub trait ErrService {
    async fn code(&self, code: i32) -> Result<(), RpcError<i32>>;
    async fn code_u32(&self, code: u32) -> Result<(), RpcError<u32>>;
    async fn code_u8(&self, code: u8) -> Result<(), RpcError<u8>>;
    async fn errno(&self, errno: i32) -> Result<(), RpcError<Errno>>;
    async fn unit_err(&self, nothing: ()) -> Result<(), RpcError<()>>;
    async fn text(&self, text: String) -> Result<(), RpcError<String>>;
    /// The text of a `Kind`; any other succeeds.
    async fn kind(&self, text: String) -> Result<(), RpcError<Kind>>;
    /// `Detail { code, reason: "because", hint: if code > 0 then "hint" }`.
    async fn detail(&self, code: i32) -> Result<(), RpcError<Detail>>;
    async fn redirect(&self, addr: String) -> Result<(), RpcError<Routing>>;
    async fn retry_next(&self, addr: String) -> Result<(), RpcError<Routing>>;
    /// The framework's error of this wire name; any other succeeds.
    async fn internal(&self, name: String) -> Result<(), RpcError<()>>;
}

/// For pools of several nodes. A node is called what `--name` says.
#[endpoint_async(PeerClient)]
pub trait KvService {
    async fn who(&self, nothing: ()) -> Result<String, RpcError<()>>;
    /// (key, leader): the node's name when it listens at the address `leader`, else a redirect to it.
    async fn put(&self, args: (String, String)) -> Result<String, RpcError<Routing>>;
    /// `retry_next` from the node of this name, its name from any other.
    async fn skip(&self, name: String) -> Result<String, RpcError<Routing>>;
}
