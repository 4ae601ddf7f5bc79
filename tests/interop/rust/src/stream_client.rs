//! The stream client: cases against a server with the actions of `stream_server.rs`.

use crate::Options;
use crate::raw;
use crate::report::Report;
use crate::stream_server::*;
use orb_tokio::TokioRT;
use razor_rpc_codec::MsgpCodec;
use razor_rpc_tcp::TcpClient;
use razor_stream::Codec;
use razor_stream::client::stream::ClientStream;
use razor_stream::client::task::{
    ClientTask, ClientTaskAction, ClientTaskCommon, ClientTaskDecode, ClientTaskDone, ClientTaskEncode,
};
use razor_stream::client::{ClientConfig, ClientDefault};
use razor_stream::error::{EncodedErr, RpcIntErr};
use razor_stream::proto::{RpcAction, RpcActionOwned};
use serde::Serialize;
use serde_bytes::ByteBuf;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const MIB: u64 = 1 << 20;

/// One request and, when it has come back through `done`, its result; everything as it is on the wire.
#[derive(Debug)]
struct Task {
    common: ClientTaskCommon,
    action: RpcActionOwned,
    msg: Option<Vec<u8>>,
    blob: Option<Vec<u8>>,
    reply_msg: Option<Vec<u8>>,
    reply_blob: Option<Vec<u8>>,
    failure: Option<Failure>,
    done: UnboundedSender<Task>,
}

#[derive(Debug, Clone, PartialEq)]
enum Failure {
    Code(u32),
    Bytes(Vec<u8>),
    Rpc(RpcIntErr),
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
        let msg = self.msg.as_deref().unwrap_or_default();
        buf.extend_from_slice(msg);
        Ok(msg.len())
    }

    fn get_req_blob(&self) -> Option<&[u8]> {
        self.blob.as_deref()
    }
}

impl ClientTaskDecode for Task {
    fn decode_resp<C: Codec>(&mut self, _codec: &C, buf: &[u8]) -> Result<(), ()> {
        self.reply_msg = Some(buf.to_vec());
        Ok(())
    }

    fn reserve_resp_blob(&mut self, size: i32) -> Option<&mut [u8]> {
        Some(self.reply_blob.insert(vec![0; size as usize]))
    }
}

impl ClientTaskDone for Task {
    fn set_custom_error<C: Codec>(&mut self, _codec: &C, e: EncodedErr, _last_index: usize, _conf_ver: u64) {
        self.failure = Some(match e {
            EncodedErr::Num(code) => Failure::Code(code),
            EncodedErr::Buf(bytes) => Failure::Bytes(bytes),
            EncodedErr::Static(text) => Failure::Bytes(text.as_bytes().to_vec()),
            EncodedErr::Rpc(e) => Failure::Rpc(e),
        });
    }

    fn set_rpc_error(&mut self, e: RpcIntErr) {
        self.failure = Some(Failure::Rpc(e));
    }

    fn set_ok(&mut self) {
        self.failure = None;
    }

    fn done(self) {
        let _ = self.done.clone().send(self);
    }
}

type Stream = ClientStream<ClientDefault<Task, MsgpCodec>, TcpClient<TokioRT>>;

/// Message and blob of the reply.
type Answer = Result<(Option<Vec<u8>>, Option<Vec<u8>>), Failure>;

struct Client {
    stream: Stream,
}

impl Client {
    async fn connect(addr: &str, task_timeout: usize, window: usize) -> Result<Self, RpcIntErr> {
        let config = ClientConfig { task_timeout, thresholds: window, ..Default::default() };
        let rt = TokioRT::new_with_handle(Handle::current());
        let facts = ClientDefault::new(config);
        Ok(Self { stream: Stream::connect(facts, &rt, addr, addr, None).await? })
    }

    async fn submit(
        &mut self, done: &UnboundedSender<Task>, action: RpcAction<'_>, msg: Option<Vec<u8>>, blob: Option<Vec<u8>>,
    ) {
        let task = Task {
            common: Default::default(),
            action: action.into(),
            msg,
            blob,
            reply_msg: None,
            reply_blob: None,
            failure: None,
            done: done.clone(),
        };
        // An error is in the task as well.
        let _ = self.stream.send_task(task, true).await;
    }

    async fn exchange(&mut self, action: RpcAction<'_>, msg: Option<Vec<u8>>, blob: Option<Vec<u8>>) -> Answer {
        let (done, mut finished) = unbounded_channel();
        self.submit(&done, action, msg, blob).await;
        answer(finished.recv().await.expect("a task always comes back"))
    }

    async fn number(&mut self, action: i32, msg: &impl Serialize, blob: Option<Vec<u8>>) -> Answer {
        self.exchange(RpcAction::Num(action), Some(encode(msg)), blob).await
    }

    async fn string(&mut self, action: &str, msg: &impl Serialize) -> Answer {
        self.exchange(RpcAction::Str(action), Some(encode(msg)), None).await
    }
}

fn answer(task: Task) -> Answer {
    match task.failure {
        None => Ok((task.reply_msg, task.reply_blob)),
        Some(failure) => Err(failure),
    }
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    MsgpCodec::default().encode(value).expect("encodes")
}

fn ok(msg: Option<Vec<u8>>, blob: Option<Vec<u8>>) -> Answer {
    Ok((msg, blob))
}

fn ok_msg(msg: &impl Serialize) -> Answer {
    ok(Some(encode(msg)), None)
}

fn text(text: &str) -> Text {
    Text { text: text.to_string() }
}

fn io(offset: i64, len: u64) -> Io {
    Io { inode: 77, offset, len }
}

fn decode_error() -> Answer {
    Err(Failure::Rpc(RpcIntErr::Decode))
}

/// `n` bytes that are not a pattern of READ.
fn noise(n: u64) -> Vec<u8> {
    (0..n).map(|i| (i.wrapping_mul(i) >> 7) as u8 ^ i as u8).collect()
}

pub fn main(options: Options) -> ! {
    let runtime = options.runtime();
    let mut report = Report::new(&options);
    runtime.block_on(run(&mut report, &options));
    std::process::exit(report.finish())
}

/// Many calls that are mirrored, some with blobs, as fast as the window lets them go; prints how they ended.
pub fn load_main(options: Options) -> ! {
    let runtime = options.runtime();
    let (right, wrong) = runtime.block_on(load(&options)).expect("connects");
    println!("{{\"right\": {right}, \"wrong\": {wrong}}}");
    std::process::exit(0)
}

async fn load(options: &Options) -> Result<(u64, u64), RpcIntErr> {
    let mut client = Client::connect(&options.addr, options.task_timeout(), 128).await?;
    let (done, mut finished) = unbounded_channel::<Task>();
    let counting = tokio::spawn(async move {
        let (mut right, mut wrong) = (0, 0);
        while let Some(task) = finished.recv().await {
            if task.failure.is_none() && task.reply_msg == task.msg && task.reply_blob == task.blob {
                right += 1;
            } else {
                eprintln!("seq {}: {:?}", task.seq, task.failure);
                wrong += 1;
            }
        }
        (right, wrong)
    });
    for id in 0..options.calls {
        let blob = (id % 10 == 0).then(|| noise(1 + id * 7919 % 70_000));
        client.submit(&done, RpcAction::Num(MIRROR), Some(encode(&text(&id.to_string()))), blob).await;
    }
    drop(done);
    Ok(counting.await.expect("counts"))
}

async fn run(report: &mut Report, options: &Options) {
    let mut client = match Client::connect(&options.addr, options.task_timeout(), 128).await {
        Ok(client) => client,
        Err(e) => {
            report.equal("connect", async { Err::<(), _>(e) }, Ok(())).await;
            return;
        }
    };
    let c = &mut client;
    actions(report, c).await;
    blobs(report, c).await;
    errors(report, c).await;
    report.check("ping", ping(c), |got| got.as_ref().err().cloned()).await;
    report.equal("concurrent.200_delays", delays(&options.addr, options.task_timeout(), 256, 200), Ok(true)).await;
    report.equal("concurrent.window_of_4", delays(&options.addr, options.task_timeout(), 4, 40), Ok(true)).await;
    report.equal("concurrent.large_and_small", large_and_small(c), Ok(())).await;
    report.equal("close.pending_reply", close_pending(&options.addr), ok_msg(&Delay { ms: 300, id: 3 })).await;
    report.check("timeout.then_go_on", timeout(&options.addr), |got| got.as_ref().err().cloned()).await;
    raw::run(report, &options.addr).await;
}

async fn actions(report: &mut Report, c: &mut Client) {
    let open = |path: &str| Open { path: path.to_string() };
    report.equal("open", c.number(OPEN, &open("/tmp/file"), None), ok(None, None)).await;
    report.equal("open.missing", c.number(OPEN, &open("/missing"), None), Err(Failure::Code(ENOENT))).await;
    // A blob that nobody asked for is read and dropped.
    report.equal("open.needless_blob", c.number(OPEN, &open("/tmp"), Some(vec![1; 100])), ok(None, None)).await;

    let read = |len| Some(encode(&ReadReply { ret_size: len }));
    report.equal("read.100", c.number(READ, &io(0, 100), None), ok(read(100), Some(pattern(0, 100)))).await;
    report.equal("read.0", c.number(READ, &io(0, 0), None), ok(read(0), None)).await;
    report
        .equal("read.negative_offset", c.number(READ, &io(-40, 3), None), ok(read(3), Some(vec![216, 217, 218])))
        .await;
    let far = i64::MAX - 1;
    report.equal("read.offset_i64_max", c.number(READ, &io(far, 2), None), ok(read(2), Some(vec![254, 255]))).await;
    report.equal("read.offset_i64_min", c.number(READ, &io(i64::MIN, 2), None), ok(read(2), Some(vec![0, 1]))).await;

    let written = |blob: &[u8]| ok_msg(&WriteReply { ret_size: blob.len() as u64, checksum: adler32(blob) });
    let five = vec![0, 1, 2, 3, 4];
    report.equal("write.5", c.number(WRITE, &io(0, 5), Some(five.clone())), written(&five)).await;
    let invalid = || Err(Failure::Code(EINVAL));
    report.equal("write.no_blob", c.number(WRITE, &io(0, 0), None), invalid()).await;
    // On the wire an empty blob is no blob.
    report.equal("write.empty_blob", c.number(WRITE, &io(0, 0), Some(vec![])), invalid()).await;
    report.equal("write.wrong_length", c.number(WRITE, &io(0, 6), Some(five)), invalid()).await;

    report.equal("raw_blob.8", c.number(RAW, &io(1, 8), None), ok(None, Some(pattern(1, 8)))).await;
    report.equal("raw_blob.0", c.number(RAW, &io(1, 0), None), ok(None, None)).await;
    report.equal("delay.5", c.number(DELAY, &Delay { ms: 5, id: 1 }, None), ok_msg(&Delay { ms: 5, id: 1 })).await;

    report.equal("echo", c.string(ECHO, &text("hi")), ok_msg(&text("hi"))).await;
    report.equal("echo.empty", c.string(ECHO, &text("")), ok_msg(&text(""))).await;
    let long = text(&"läng ".repeat(200_000));
    report.equal("echo.1_mib", c.string(ECHO, &long), ok_msg(&long)).await;
    report.equal("foreign_action", c.string(FOREIGN, &text("hé")), ok_msg(&text("Ünï✓ hé"))).await;
    report.equal("long_action", c.string(&"a".repeat(LONG_ACTION), &text("hi")), ok_msg(&text("hi"))).await;
}

async fn blobs(report: &mut Report, c: &mut Client) {
    // Around the 8 KiB buffer of the crates and the 16-bit and 64 KiB borders.
    for len in [1, 8171, 8172, 8191, 8192, 8193, 12_000, 65_535, 65_536] {
        let blob = noise(len);
        let same = ok(Some(vec![0xc0]), Some(blob.clone()));
        report.equal(&format!("mirror.{len}"), c.number(MIRROR, &(), Some(blob)), same).await;
    }
    let blob = noise(8 * MIB);
    let same = ok(Some(encode(&text("big"))), Some(blob.clone()));
    report.equal("mirror.8_mib", c.number(MIRROR, &text("big"), Some(blob)), same).await;
    report.equal("mirror.no_blob", c.number(MIRROR, &text("small"), None), ok_msg(&text("small"))).await;
    let only_blob = c.exchange(RpcAction::Num(MIRROR), None, Some(vec![7; 3]));
    report.equal("mirror.no_message", only_blob, ok(None, Some(vec![7; 3]))).await;
    report.equal("mirror.nothing", c.exchange(RpcAction::Num(MIRROR), None, None), ok(None, None)).await;
    if report.reference {
        // For the crate a message is opaque; these bytes are not even msgpack. razorg decodes and encodes it.
        let odd = vec![0xc1, 0xff, 0x00];
        let sent = c.exchange(RpcAction::Num(MIRROR), Some(odd.clone()), None);
        report.equal("mirror.message_is_opaque", sent, ok(Some(odd), None)).await;
    }

    let read = ok(Some(encode(&ReadReply { ret_size: 8 * MIB })), Some(pattern(3, 8 * MIB)));
    report.equal("read.8_mib", c.number(READ, &io(3, 8 * MIB), None), read).await;
    let blob = noise(8 * MIB);
    let written = ok_msg(&WriteReply { ret_size: 8 * MIB, checksum: adler32(&blob) });
    report.equal("write.8_mib", c.number(WRITE, &io(0, 8 * MIB), Some(blob)), written).await;
}

async fn errors(report: &mut Report, c: &mut Client) {
    let code = |n| Fail { code: Some(n), ..Default::default() };
    // No larger ones: before it looks at the flag, the crate's client fills a buffer with as many zeros as the number
    // says and keeps it, 4 GiB for u32::MAX.
    for n in [0, 1, 255, 256, 65_536] {
        report.equal(&format!("fail.code_{n}"), c.number(FAIL, &code(n), None), Err(Failure::Code(n))).await;
    }
    let say = |s: &str| Fail { text: Some(s.to_string()), ..Default::default() };
    for (name, s) in [("plain", "no such thing"), ("empty", ""), ("unicode", "nö ✗"), ("rpc_prefix", "rpc_custom")] {
        let want = Err(Failure::Bytes(s.as_bytes().to_vec()));
        report.equal(&format!("fail.text_{name}"), c.number(FAIL, &say(s), None), want).await;
    }
    if report.reference {
        // razorg has no error that is neither text nor a value of the codec.
        let raw = Fail { bytes: Some(ByteBuf::from(vec![0xff, 0x00, 0x80])), ..Default::default() };
        let want = Err(Failure::Bytes(vec![0xff, 0x00, 0x80]));
        report.equal("fail.bytes", c.number(FAIL, &raw, None), want).await;
        // A razorg server refuses to send a user's text that equals an internal name.
        let spoofed = Err(Failure::Rpc(RpcIntErr::Timeout));
        report.equal("fail.text_spoof", c.number(FAIL, &say("rpc_timeout"), None), spoofed).await;
    }
    report.equal("unknown.number", c.number(99, &text("x"), None), decode_error()).await;
    report.equal("unknown.number_i32_max", c.number(i32::MAX, &(), None), decode_error()).await;
    report.equal("unknown.string", c.string("nope", &text("x")), decode_error()).await;
    report.equal("unknown.empty_string", c.string("", &text("x")), decode_error()).await;
    report.equal("bad.argument_type", c.number(OPEN, &[1, 2], None), decode_error()).await;
    report.equal("bad.missing_field", c.number(READ, &text("x"), None), decode_error()).await;
    report.equal("bad.no_message", c.exchange(RpcAction::Num(OPEN), None, None), decode_error()).await;
    report.equal("bad.then_go_on", c.string(ECHO, &text("still here")), ok_msg(&text("still here"))).await;
    report.equal("lenient.struct_as_array", c.number(READ, &(77, 5, 1), None), read_one(5)).await;
    let more = FourFields { more: vec![1], inode: 77, len: 1, offset: 6 };
    report.equal("lenient.unknown_field_any_order", c.number(READ, &more, None), read_one(6)).await;
}

#[derive(Serialize)]
struct FourFields {
    more: Vec<u8>,
    inode: u64,
    len: u64,
    offset: i64,
}

fn read_one(byte: u8) -> Answer {
    ok(Some(encode(&ReadReply { ret_size: 1 })), Some(vec![byte]))
}

/// The crate hides the pong (raw.ping looks at it); here pings go between requests and nothing gets out of step.
async fn ping(c: &mut Client) -> Result<(), String> {
    for i in 0..5 {
        c.stream.ping().await.map_err(|e| format!("ping {i}: {e}"))?;
        let said = text(&format!("after ping {i}"));
        let got = c.string(ECHO, &said).await;
        if got != ok_msg(&said) {
            return Err(format!("after ping {i}: {got:?}"));
        }
    }
    Ok(())
}

/// Many requests at once, each with its own delay: every one gets its own reply. True when some overtook others.
async fn delays(addr: &str, task_timeout: usize, window: usize, count: u64) -> Result<bool, String> {
    let mut client = Client::connect(addr, task_timeout, window).await.map_err(|e| e.to_string())?;
    let (done, mut finished) = unbounded_channel();
    for id in 0..count {
        let delay = Delay { ms: id * 37 % 100, id };
        client.submit(&done, RpcAction::Num(DELAY), Some(encode(&delay)), None).await;
    }
    drop(done);
    let order = collect(&mut finished).await?;
    if order.len() as u64 != count {
        return Err(format!("{} of {count} came back", order.len()));
    }
    Ok(!order.is_sorted())
}

/// The seqs in the order of arrival; an error when a reply is not that of its request.
async fn collect(finished: &mut UnboundedReceiver<Task>) -> Result<Vec<u64>, String> {
    let mut order = Vec::new();
    while let Some(task) = finished.recv().await {
        if task.failure.is_some() || task.reply_msg != task.msg {
            return Err(format!("seq {}: {:?} {:02x?}", task.seq, task.failure, task.reply_msg));
        }
        order.push(task.seq);
    }
    Ok(order)
}

/// Blobs of 2 MiB and small requests mixed on one connection.
async fn large_and_small(c: &mut Client) -> Result<(), String> {
    let (done, mut finished) = unbounded_channel();
    let blob = noise(2 * MIB);
    for i in 0..60 {
        let large = (i % 10 == 0).then(|| blob.clone());
        c.submit(&done, RpcAction::Num(MIRROR), Some(encode(&text(&i.to_string()))), large).await;
    }
    drop(done);
    let mut seen = 0;
    while let Some(task) = finished.recv().await {
        if task.failure.is_some() || task.reply_msg != task.msg || task.reply_blob != task.blob {
            return Err(format!("seq {}: {:?}", task.seq, task.failure));
        }
        seen += 1;
    }
    if seen == 60 { Ok(()) } else { Err(format!("{seen} of 60 came back")) }
}

/// The stream is dropped while a reply is on its way; the reply is delivered nevertheless.
async fn close_pending(addr: &str) -> Answer {
    let mut client = Client::connect(addr, 5, 128).await.map_err(Failure::Rpc)?;
    let (done, mut finished) = unbounded_channel();
    let msg = encode(&Delay { ms: 300, id: 3 });
    client.submit(&done, RpcAction::Num(DELAY), Some(msg), None).await;
    drop(client);
    answer(finished.recv().await.expect("a task always comes back"))
}

/// A request that takes too long is given up, its late reply is dropped, and the stream goes on.
async fn timeout(addr: &str) -> Result<Duration, String> {
    let mut client = Client::connect(addr, 1, 128).await.map_err(|e| e.to_string())?;
    let begun = Instant::now();
    let late = client.number(DELAY, &Delay { ms: 2500, id: 1 }, None).await;
    let took = begun.elapsed();
    if late != Err(Failure::Rpc(RpcIntErr::Timeout)) {
        return Err(format!("not a timeout: {late:?}"));
    }
    for pause in [0, 1500] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let got = client.string(ECHO, &text("on")).await;
        if got != ok_msg(&text("on")) {
            return Err(format!("{pause} ms after the timeout: {got:?}"));
        }
    }
    Ok(took)
}
