//! The API client: cases against a server with the services of `types.rs`.

use crate::Options;
use crate::report::Report;
use crate::types::*;
use nix::errno::Errno;
use orb_tokio::TokioRT;
use razor_rpc::client::{APIClientCaller, APIConnPool, APIFact, APIFailoverPool, ClientConfig};
use razor_rpc::error::{RpcErrCodec, RpcError, RpcIntErr};
use razor_rpc_codec::MsgpCodec;
use razor_rpc_tcp::TcpClient;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};
use std::collections::HashMap;
use std::fmt::Debug;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

type Pool = APIConnPool<MsgpCodec, TcpClient<TokioRT>>;
type Failover = APIFailoverPool<MsgpCodec, TcpClient<TokioRT>>;
type Client = PeerClient<Pool>;

fn pool(addr: &str, task_timeout: usize) -> Pool {
    let config = ClientConfig { task_timeout, ..Default::default() };
    APIFact::<MsgpCodec>::new(config).new_conn_pool(&TokioRT::new_with_handle(Handle::current()), addr)
}

fn failover(addrs: &[&str], stateless: bool, retry_limit: usize) -> PeerClient<Failover> {
    let config = ClientConfig { task_timeout: 5, ..Default::default() };
    let addrs = addrs.iter().map(|addr| addr.to_string()).collect();
    let rt = TokioRT::new_with_handle(Handle::current());
    PeerClient::new(APIFact::<MsgpCodec>::new(config).new_failover(&rt, addrs, stateless, retry_limit))
}

fn user<T, E: RpcErrCodec>(e: E) -> Result<T, RpcError<E>> {
    Err(RpcError::User(e))
}

fn rpc<T, E: RpcErrCodec>(e: RpcIntErr) -> Result<T, RpcError<E>> {
    Err(RpcError::Rpc(e))
}

fn decode_error<T>() -> Result<T, RpcError<()>> {
    rpc(RpcIntErr::Decode)
}

/// A call without an interface: any action, any argument, the error type `()`.
async fn untyped<Req, Resp>(pool: &Pool, action: &'static str, arg: Req) -> Result<Resp, RpcError<()>>
where
    Req: Serialize + Debug + Send + Sync,
    Resp: for<'a> Deserialize<'a> + Send + Debug + 'static + Default,
{
    pool.call(action, &arg).await
}

pub fn main(options: Options) -> ! {
    let runtime = options.runtime();
    let mut report = Report::new(&options);
    runtime.block_on(run(&mut report, &options));
    std::process::exit(report.finish())
}

async fn run(report: &mut Report, options: &Options) {
    let pool = pool(&options.addr, options.task_timeout());
    let client = PeerClient::new(pool.clone());
    calculator(report, &client).await;
    echoes(report, &client).await;
    numbers(report, &client, &pool).await;
    values(report, &client).await;
    enums(report, &client, &pool).await;
    errors(report, &client).await;
    refusals(report, &client, &pool).await;
    leniency(report, &pool).await;
    report.equal("concurrent.500_calls", concurrent(&client, 500), Ok(())).await;
    report.check("timeout.then_go_on", timeout(&options.addr), |got| got.as_ref().err().cloned()).await;
    if let Some(addr2) = &options.addr2 {
        failovers(report, &options.addr, addr2).await;
    }
}

async fn calculator(report: &mut Report, c: &Client) {
    let incs = [(0, 1), (41, 42), (-1, 0), (-33, -32), (127, 128), (65_535, 65_536), (i64::MAX, i64::MIN)];
    for (a, want) in incs.into_iter().chain([(i64::MIN, i64::MIN + 1)]) {
        report.equal(&format!("cal.inc_{a}"), c.inc(a), Ok(want)).await;
    }
    report.equal("cal.add", c.add((10, -20)), Ok(-10)).await;
    report.equal("cal.div", c.div((10, 2)), Ok(5)).await;
    report.equal("cal.div_towards_zero", c.div((-7, 2)), Ok(-3)).await;
    report.equal("cal.div_by_zero", c.div((10, 0)), user("divide by zero".to_string())).await;
}

fn sample() -> NestedReq {
    NestedReq {
        id: u64::MAX,
        some: Some(-1),
        none: None,
        list: vec![0, -1, 127, 128, -32, -33, 65_536, i64::MIN],
        map: HashMap::from([("a".to_string(), 1), ("b".to_string(), u32::MAX)]),
        bytes: ByteBuf::from(vec![0, 1, 254, 255]),
        plain_u8: vec![0, 1, 254, 255],
        f32_: 1.5,
        f64_: std::f64::consts::PI,
        yes: true,
        unit: (),
        pair: (-5, "p".to_string()),
        ch: 'é',
        inner: Inner {
            name: "näme".to_string(),
            tags: vec!["x".to_string(), String::new()],
            shape: Shape::Struct { a: 1, b: None },
        },
        shapes: vec![Shape::Unit, Shape::Newtype(7), Shape::Tuple(1, "t".to_string())],
    }
}

fn sample_reply(req: NestedReq, counts: [u32; 3], rev_bytes: &[u8], sum: u64) -> NestedResp {
    let names = ["list", "map", "bytes"].map(String::from);
    NestedResp {
        counts: names.into_iter().zip(counts).collect(),
        rev_bytes: ByteBuf::from(rev_bytes),
        sum,
        half: req.f64_ / 2.0,
        nothing: (),
        opt_vec: Some(vec![Some(1), None]),
        req: Some(req),
    }
}

async fn echoes(report: &mut Report, c: &Client) {
    // The borders of msgpack's four kinds of str, and beyond ASCII.
    for len in [0, 1, 31, 32, 255, 256, 65_535, 65_536, 100_000] {
        let text = "a".repeat(len);
        report.equal(&format!("echo.repeat_{len}"), c.repeat(text.clone()), Ok(text)).await;
    }
    for (name, text) in [("unicode", "héllo ✓ 🦀"), ("nul", "\0"), ("quotes", "\"'\\\n")] {
        report.equal(&format!("echo.repeat_{name}"), c.repeat(text.to_string()), Ok(text.to_string())).await;
    }
    report.equal("echo.io_error", c.io_error("x".to_string()), user(Errno::EIO)).await;

    let reply = sample_reply(sample(), [8, 2, 4], &[255, 254, 1, 0], 4_294_967_296);
    report.equal("echo.nested_sample", c.nested(sample()), Ok(reply)).await;
    let reply = sample_reply(NestedReq::default(), [0, 0, 0], &[], 0);
    report.equal("echo.nested_default", c.nested(NestedReq::default()), Ok(reply)).await;

    let min = Ints { i8_: i8::MIN, i16_: i16::MIN, i32_: i32::MIN, i64_: i64::MIN, ..Default::default() };
    let max = Ints {
        i8_: i8::MAX,
        u8_: u8::MAX,
        i16_: i16::MAX,
        u16_: u16::MAX,
        i32_: i32::MAX,
        u32_: u32::MAX,
        i64_: i64::MAX,
        u64_: u64::MAX,
    };
    report.equal("echo.ints_min", c.ints(min.clone()), Ok(min)).await;
    report.equal("echo.ints_max", c.ints(max.clone()), Ok(max)).await;

    // By their bits: NaN does not equal itself and -0.0 equals 0.0.
    for (name, a, b) in [
        ("plain", 1.5, std::f64::consts::PI),
        ("tiny_and_huge", f32::MIN_POSITIVE, f64::MAX),
        ("nan_inf", f32::NAN, f64::INFINITY),
        ("inf_minus_zero", f32::NEG_INFINITY, -0.0),
        ("f32_tenth", 0.1, 0.1),
    ] {
        let bits = async { c.floats((a, b)).await.map(|(a, b)| (a.to_bits(), b.to_bits())) };
        report.equal(&format!("echo.floats_{name}"), bits, Ok((a.to_bits(), b.to_bits()))).await;
    }
    report.equal("echo.opt_none", c.opt(None), Ok(None)).await;
    report.equal("echo.opt_some", c.opt(Some("s".to_string())), Ok(Some("s".to_string()))).await;
    report.equal("echo.opt_empty", c.opt(Some(String::new())), Ok(Some(String::new()))).await;
    for len in [0usize, 4, 255, 256, 65_536] {
        let bytes = ByteBuf::from((0..len).map(|i| (i * 7) as u8).collect::<Vec<u8>>());
        report.equal(&format!("echo.bytes_{len}"), c.bytes(bytes.clone()), Ok(bytes)).await;
    }
    report.equal("echo.unit", c.unit(()), Ok(())).await;
    report.equal("echo.slow", c.slow(5), Ok(5)).await;
}

async fn numbers(report: &mut Report, c: &Client, pool: &Pool) {
    // Both edges of each type come back; one beyond is refused.
    macro_rules! edges {
        ($($method:ident: $type:ty),*) => {$(
            let name = stringify!($method);
            report.equal(&format!("type.{name}_min"), c.$method(<$type>::MIN), Ok(<$type>::MIN)).await;
            report.equal(&format!("type.{name}_max"), c.$method(<$type>::MAX), Ok(<$type>::MAX)).await;
            report.equal(&format!("type.{name}_0"), c.$method(0), Ok(0)).await;
        )*};
    }
    edges!(int8: i8, int16: i16, int32: i32, int64: i64, uint8: u8, uint16: u16, uint32: u32, uint64: u64);
    macro_rules! beyond {
        ($($method:ident: $type:ty),*) => {$(
            let (name, action) = (stringify!($method), concat!("TypeService.", stringify!($method)));
            let below = untyped::<_, $type>(pool, action, <$type>::MIN as i64 - 1);
            report.equal(&format!("type.{name}_below"), below, decode_error()).await;
            let above = untyped::<_, $type>(pool, action, <$type>::MAX as i64 + 1);
            report.equal(&format!("type.{name}_above"), above, decode_error()).await;
        )*};
    }
    beyond!(int8: i8, int16: i16, int32: i32, uint8: u8, uint16: u16, uint32: u32);
    let above = untyped::<_, i64>(pool, "TypeService.int64", i64::MAX as u64 + 1);
    report.equal("type.int64_above", above, decode_error()).await;
    report.equal("type.uint64_below", untyped::<_, u64>(pool, "TypeService.uint64", -1i64), decode_error()).await;

    for (name, value) in [("tenth", 0.1f32), ("huge", -1e30), ("epsilon", f32::EPSILON)] {
        report.equal(&format!("type.float32_{name}"), c.float32(value), Ok(value)).await;
    }
    for (name, value) in [("tenth", 0.1f64), ("huge", -1e300), ("epsilon", f64::EPSILON)] {
        report.equal(&format!("type.float64_{name}"), c.float64(value), Ok(value)).await;
    }
    report.equal("type.boolean_true", c.boolean(true), Ok(true)).await;
    report.equal("type.boolean_false", c.boolean(false), Ok(false)).await;
}

async fn values(report: &mut Report, c: &Client) {
    for (name, ch) in [("ascii", 'a'), ("two_bytes", 'é'), ("three_bytes", '✓'), ("four_bytes", '🦀'), ("nul", '\0')]
    {
        report.equal(&format!("type.character_{name}"), c.character(ch), Ok(ch)).await;
    }
    for len in [0, 15, 16, 1000] {
        let numbers: Vec<u8> = (0..len).map(|i| i as u8).collect();
        report.equal(&format!("type.vec_u8_{len}"), c.vec_u8(numbers.clone()), Ok(numbers)).await;
    }
    for len in [0, 3, 15, 16, 300] {
        let by_name: HashMap<String, i64> = (0..len).map(|i| (format!("k{i}"), -i)).collect();
        report.equal(&format!("type.map_str_{len}"), c.map_str(by_name.clone()), Ok(by_name)).await;
    }
    let by_number: HashMap<i32, String> =
        [i32::MIN, -1, 0, 127, 128, i32::MAX].into_iter().map(|i| (i, i.to_string())).collect();
    report.equal("type.map_int", c.map_int(by_number.clone()), Ok(by_number)).await;
    report.equal("type.map_int_empty", c.map_int(HashMap::new()), Ok(HashMap::new())).await;
    report.equal("type.tuple1", c.tuple1((7,)), Ok((7,))).await;
    let five: Five = (-128, 65_535, "v".to_string(), None, vec![0.5, -2.0]);
    report.equal("type.tuple5", c.tuple5(five.clone()), Ok(five)).await;
    let options = vec![Some(1), None, Some(-1), None];
    report.equal("type.vec_opt", c.vec_opt(options.clone()), Ok(options)).await;
    let cube = vec![vec![], vec![vec![1], vec![]], vec![vec![2, 3], vec![4]]];
    report.equal("type.cube", c.cube(cube.clone()), Ok(cube)).await;
    let leaf = |name: &str, note: Option<&str>| Tree {
        name: name.to_string(),
        note: note.map(String::from),
        marks: HashMap::from([(name.to_string(), -1)]),
        children: vec![],
    };
    let tree = Tree { children: vec![leaf("l", None), leaf("r", Some("ñ"))], ..leaf("root", Some("")) };
    report.equal("type.tree", c.tree(tree.clone()), Ok(tree)).await;
    let mut deep = leaf("bottom", None);
    for _ in 0..50 {
        deep = Tree { children: vec![deep], ..Default::default() };
    }
    report.equal("type.tree_50_deep", c.tree(deep.clone()), Ok(deep)).await;
    report.equal("type.meters", c.meters(Meters(2.5)), Ok(Meters(2.5))).await;
    report.equal("type.marker", c.marker(Marker), Ok(Marker)).await;
    report.equal("type.pair", c.pair(Pair(-1, "p".to_string())), Ok(Pair(-1, "p".to_string()))).await;
}

async fn enums(report: &mut Report, c: &Client, pool: &Pool) {
    let all = [
        ("unit", Shape::Unit),
        ("newtype", Shape::Newtype(-7)),
        ("tuple", Shape::Tuple(1, "t".to_string())),
        ("struct", Shape::Struct { a: 2, b: Some("b".to_string()) }),
        ("struct_none", Shape::Struct { a: i64::MIN, b: None }),
    ];
    for (name, shape) in all.clone() {
        report.equal(&format!("enum.{name}"), c.shape(shape.clone()), Ok(shape)).await;
    }
    let list: Vec<Shape> = all.iter().map(|(_, shape)| shape.clone()).collect();
    report.equal("enum.list", c.list(list.clone()), Ok(list)).await;
    let table: HashMap<String, Shape> = all.into_iter().map(|(name, shape)| (name.to_string(), shape)).collect();
    report.equal("enum.table", c.table(table.clone()), Ok(table)).await;
    report.equal("enum.maybe_none", c.maybe(None), Ok(None)).await;
    report.equal("enum.maybe_unit", c.maybe(Some(Shape::Unit)), Ok(Some(Shape::Unit))).await;
    // Names and forms that the enum does not have. razorg has no type for a Rust enum: only a Rust server refuses.
    if report.reference {
        let shape = "EnumService.shape";
        report.equal("enum.unknown_unit", untyped::<_, Shape>(pool, shape, "Nope"), decode_error()).await;
        let unknown = HashMap::from([("Nope", 1)]);
        report.equal("enum.unknown_newtype", untyped::<_, Shape>(pool, shape, unknown), decode_error()).await;
        report.equal("enum.not_a_unit", untyped::<_, Shape>(pool, shape, "Newtype"), decode_error()).await;
    }
}

async fn errors(report: &mut Report, c: &Client) {
    // No larger ones, and no negative ones: before it looks at the flag, the crate's client fills a buffer with as many
    // zeros as the (unsigned) number says and keeps it, 4 GiB for -1; and -1 it could not decode (`rpc_decode`).
    for code in [0, 42, 65_535] {
        report.equal(&format!("err.code_{code}"), c.code(code), user(code)).await;
        report.equal(&format!("err.code_u32_{code}"), c.code_u32(code as u32), user(code as u32)).await;
    }
    for code in [0, 255] {
        report.equal(&format!("err.code_u8_{code}"), c.code_u8(code), user(code)).await;
    }
    for errno in [Errno::EPERM, Errno::ENOENT, Errno::ECONNRESET] {
        report.equal(&format!("err.errno_{errno:?}"), c.errno(errno as i32), user(errno)).await;
    }
    report.equal("err.unit", c.unit_err(()), user(())).await;
    for (name, text) in [("plain", "bad"), ("empty", ""), ("unicode", "nö ✗"), ("rpc_prefix", "rpc_custom")] {
        report.equal(&format!("err.text_{name}"), c.text(text.to_string()), user(text.to_string())).await;
    }
    let long = "e".repeat(100_000);
    report.equal("err.text_long", c.text(long.clone()), user(long)).await;
    for kind in [Kind::NotFound, Kind::Denied, Kind::Busy] {
        report.equal(&format!("err.kind_{}", kind.text()), c.kind(kind.text().to_string()), user(kind)).await;
    }
    report.equal("err.kind_none", c.kind("fine".to_string()), Ok(())).await;
    for (code, hint) in [(-7, None), (7, Some("hint".to_string()))] {
        let detail = Detail { code, reason: "because".to_string(), hint };
        report.equal(&format!("err.detail_{code}"), c.detail(code), user(detail)).await;
    }
    // A pool of one address hands redirects to the caller.
    let there = "10.0.0.1:99".to_string();
    report.equal("err.redirect", c.redirect(there.clone()), user(Routing::Redirect(there.clone()))).await;
    report.equal("err.retry_next", c.retry_next(there), user(Routing::Next)).await;
    report.equal("err.internal_none", c.internal("fine".to_string()), Ok(())).await;
    if report.reference {
        for e in INTERNAL {
            report.equal(&format!("err.internal_{e}"), c.internal(e.to_string()), rpc(e.clone())).await;
        }
        // A razorg server refuses to send a user's text that equals an internal name.
        report.equal("err.text_spoof", c.text("rpc_timeout".to_string()), rpc(RpcIntErr::Timeout)).await;
    }
}

const INTERNAL: &[RpcIntErr] = &[
    RpcIntErr::Unreachable,
    RpcIntErr::IO,
    RpcIntErr::Timeout,
    RpcIntErr::Method,
    RpcIntErr::Service,
    RpcIntErr::Encode,
    RpcIntErr::Decode,
    RpcIntErr::Internal,
    RpcIntErr::Version,
];

async fn refusals(report: &mut Report, c: &Client, pool: &Pool) {
    let service = untyped::<_, ()>(pool, "NoService.nothing", ());
    report.equal("unknown.service", service, rpc(RpcIntErr::Service)).await;
    report.equal("unknown.method", untyped::<_, i64>(pool, "CalService.nope", 1), rpc(RpcIntErr::Method)).await;
    // Split at the first dot: the method would be `inc.more`.
    report.equal("unknown.second_dot", untyped::<_, i64>(pool, "CalService.inc.more", 1), rpc(RpcIntErr::Method)).await;
    report.equal("unknown.case", untyped::<_, i64>(pool, "calservice.inc", 1), rpc(RpcIntErr::Service)).await;
    report.equal("unknown.empty_method", untyped::<_, i64>(pool, "CalService.", 1), rpc(RpcIntErr::Method)).await;
    report.equal("unknown.no_dot", untyped::<_, i64>(pool, "NoDotHere", 1), decode_error()).await;

    let (inc, add, ints) = ("CalService.inc", "CalService.add", "EchoService.ints");
    report.equal("bad.str_for_int", untyped::<_, i64>(pool, inc, "text"), decode_error()).await;
    report.equal("bad.float_for_int", untyped::<_, i64>(pool, inc, 1.0f64), decode_error()).await;
    report.equal("bad.bool_for_int", untyped::<_, i64>(pool, inc, true), decode_error()).await;
    report.equal("bad.nil_for_int", untyped::<_, i64>(pool, inc, ()), decode_error()).await;
    report.equal("bad.tuple_too_long", untyped::<_, i64>(pool, add, (1, 2, 3)), decode_error()).await;
    report.equal("bad.tuple_too_short", untyped::<_, i64>(pool, add, (1,)), decode_error()).await;
    report.equal("bad.nil_for_tuple", untyped::<_, i64>(pool, add, ()), decode_error()).await;
    report.equal("bad.nil_for_string", untyped::<_, String>(pool, "EchoService.repeat", ()), decode_error()).await;
    report.equal("bad.int_for_string", untyped::<_, String>(pool, "EchoService.repeat", 1), decode_error()).await;
    let missing = HashMap::from([("i8_", 1)]);
    report.equal("bad.missing_fields", untyped::<_, Ints>(pool, ints, missing), decode_error()).await;
    let (unit, nothing) = ("EchoService.unit", Vec::<i32>::new());
    report.equal("bad.array_for_unit", untyped::<_, ()>(pool, unit, nothing), decode_error()).await;
    report.equal("bad.int_for_bool", untyped::<_, bool>(pool, "TypeService.boolean", 1), decode_error()).await;
    let keys = HashMap::from([("not a number", "v")]);
    let result = untyped::<_, HashMap<i32, String>>(pool, "TypeService.map_int", keys);
    report.equal("bad.str_key_for_int", result, decode_error()).await;
    report.equal("bad.then_go_on", c.inc(1), Ok(2)).await;
}

async fn leniency(report: &mut Report, pool: &Pool) {
    let ints = Ints { i8_: 1, u8_: 2, i16_: 3, u16_: 4, i32_: 5, u32_: 6, i64_: 7, u64_: 8 };
    let array = untyped(pool, "EchoService.ints", [1, 2, 3, 4, 5, 6, 7, 8]);
    report.equal("lenient.struct_as_array", array, Ok(ints)).await;

    #[derive(Serialize, Debug)]
    struct Longer {
        unknown: Vec<i32>,
        children: Vec<Tree>,
        marks: HashMap<String, i64>,
        name: String,
    }
    // `note`, an Option, is not there; `unknown` is; the order is another.
    let longer = Longer { unknown: vec![1], children: vec![], marks: HashMap::new(), name: "n".to_string() };
    let tree = Tree { name: "n".to_string(), ..Default::default() };
    report.equal("lenient.fields", untyped(pool, "TypeService.tree", longer), Ok(tree)).await;

    let bin = ByteBuf::from(b"abc".to_vec());
    report.equal("lenient.str_for_bin", untyped(pool, "EchoService.bytes", "abc"), Ok(bin)).await;
    let text = "abc".to_string();
    report.equal("lenient.bin_for_str", untyped(pool, "EchoService.repeat", Bytes::new(b"abc")), Ok(text)).await;
    report.equal("lenient.int_for_float", untyped(pool, "TypeService.float64", 3), Ok(3.0)).await;
    report.equal("lenient.f32_for_f64", untyped(pool, "TypeService.float64", 0.5f32), Ok(0.5)).await;
}

/// Many calls at once over one client, quick and slow ones mixed; every caller gets its own answer.
async fn concurrent(client: &Client, count: i64) -> Result<(), String> {
    let mut tasks = Vec::new();
    for i in 0..count {
        let client = client.clone();
        tasks.push(tokio::spawn(async move {
            let ms = (i * 37 % 50) as u64;
            match i % 3 {
                0 => client.slow(ms).await.map(|got| got == ms).map_err(|e| e.to_string()),
                1 => client.inc(i).await.map(|got| got == i + 1).map_err(|e| e.to_string()),
                _ => client
                    .repeat(format!("call {i}"))
                    .await
                    .map(|got| got == format!("call {i}"))
                    .map_err(|e| e.to_string()),
            }
        }));
    }
    for (i, task) in tasks.into_iter().enumerate() {
        match task.await.map_err(|e| e.to_string())? {
            Ok(true) => {}
            Ok(false) => return Err(format!("call {i} got the answer of another")),
            Err(e) => return Err(format!("call {i}: {e}")),
        }
    }
    Ok(())
}

/// A call that takes too long is given up after 1 to 2 s, its late reply is dropped, and the pool goes on.
async fn timeout(addr: &str) -> Result<Duration, String> {
    let client = PeerClient::new(pool(addr, 1));
    let begun = Instant::now();
    let late = client.slow(2500).await;
    let took = begun.elapsed();
    if late != rpc(RpcIntErr::Timeout) {
        return Err(format!("not a timeout: {late:?}"));
    }
    for pause in [0, 1500] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let got = client.inc(1).await;
        if got != Ok(2) {
            return Err(format!("{pause} ms after the timeout: {got:?}"));
        }
    }
    Ok(took)
}

/// A failover pool that asks `who` for each line of stdin, so that the other end decides what happens in between.
pub fn failover_main(options: Options) -> ! {
    let runtime = options.runtime();
    runtime.block_on(async {
        let nodes: Vec<&str> = [Some(options.addr.as_str()), options.addr2.as_deref()].into_iter().flatten().collect();
        let pool = failover(&nodes, true, 3);
        for _ in std::io::stdin().lines() {
            match pool.who(()).await {
                Ok(name) => println!("ok {name}"),
                Err(error) => println!("error {error:?}"),
            }
        }
    });
    std::process::exit(0)
}

/// Two nodes of different names.
async fn failovers(report: &mut Report, first: &str, second: &str) {
    let names = async {
        let mut names = Vec::new();
        for addr in [first, second] {
            names.push(PeerClient::new(pool(addr, 5)).who(()).await);
        }
        names
    };
    let (a, b) = match &names.await[..] {
        [Ok(a), Ok(b)] if a != b => (a.clone(), b.clone()),
        other => {
            let other = format!("{other:?}");
            report.equal("failover.names", async { other }, "two different names".to_string()).await;
            return;
        }
    };
    let key = |leader: &str| ("key".to_string(), leader.to_string());
    let nodes = [first, second];

    let stay = failover(&nodes, false, 3);
    report.equal("failover.leader_is_first", stay.put(key(first)), Ok(a.clone())).await;
    report.equal("failover.redirect", stay.put(key(second)), Ok(b.clone())).await;
    // The pool remembers the leader.
    report.equal("failover.stays_with_leader", stay.who(()), Ok(b.clone())).await;
    let one = failover(&[first], false, 3);
    report.equal("failover.redirect_to_unknown_address", one.put(key(second)), Ok(b.clone())).await;

    let both = failover(&nodes, true, 3);
    let skips = async {
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(both.skip(a.clone()).await);
        }
        seen
    };
    let want: Vec<_> = (0..4).map(|_| Ok(b.clone())).collect();
    report.equal("failover.next", skips, want).await;
    let rounds = async {
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(both.who(()).await.unwrap_or_default());
        }
        seen.sort();
        seen
    };
    let mut want = vec![a.clone(), a.clone(), b.clone(), b.clone()];
    want.sort();
    report.equal("failover.round_robin", rounds, want).await;

    // Nobody listens at the first address; every call ends at the node that lives.
    let nobody = if first.starts_with('/') { "/nonexistent/razorg.sock" } else { "127.0.0.1:1" };
    let half = failover(&[nobody, first], true, 3);
    let calls = async {
        let mut seen = Vec::new();
        for _ in 0..6 {
            seen.push(half.who(()).await);
        }
        seen
    };
    let want: Vec<_> = (0..6).map(|_| Ok(a.clone())).collect();
    report.equal("failover.dead_node", calls, want).await;
}
