//! Cases with frames made by hand: what a well-behaved client never sends, and the pong that the crate's client hides.

use crate::report::Report;
use crate::stream_server::{DELAY, Delay, ECHO, OPEN, Open, Text};
use razor_rpc_codec::MsgpCodec;
use razor_stream::Codec;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

const STRING: u32 = 1 << 31;
const PATIENCE: Duration = Duration::from_secs(10);

trait Socket: Read + Write + Send {
    fn end_of_requests(&self) -> io::Result<()>;
}

impl Socket for TcpStream {
    fn end_of_requests(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Socket for UnixStream {
    fn end_of_requests(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

fn connect(addr: &str) -> io::Result<Box<dyn Socket>> {
    if addr.starts_with('/') {
        let socket = UnixStream::connect(addr)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        return Ok(Box::new(socket));
    }
    let socket = TcpStream::connect(addr)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(Box::new(socket))
}

#[derive(Clone)]
struct Request {
    magic: u16,
    ver: u8,
    format: u8,
    action: u32,
    seq: u64,
    client_id: u64,
    name: Vec<u8>,
    msg: Vec<u8>,
    blob: Vec<u8>,
}

impl Request {
    fn number(action: i32, seq: u64, msg: Vec<u8>) -> Self {
        let (name, blob) = (Vec::new(), Vec::new());
        Self { magic: 19749, ver: 1, format: 0, action: action as u32, seq, client_id: 0, name, msg, blob }
    }

    fn string(name: &[u8], seq: u64, msg: Vec<u8>) -> Self {
        Self { action: STRING | name.len() as u32, name: name.to_vec(), ..Self::number(0, seq, msg) }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(self.magic.to_le_bytes());
        out.extend([self.ver, self.format]);
        out.extend(self.action.to_le_bytes());
        out.extend(self.seq.to_le_bytes());
        out.extend(self.client_id.to_le_bytes());
        out.extend((self.msg.len() as u32).to_le_bytes());
        out.extend((self.blob.len() as u32).to_le_bytes());
        [&out[..], &self.name, &self.msg, &self.blob].concat()
    }
}

/// What came back: the replies, as `seq=… flag=… msg=… blob=…`, then `eof` if the server closed.
fn read_replies(socket: &mut dyn Socket, at_most: usize) -> io::Result<Vec<String>> {
    let mut seen = Vec::new();
    while seen.len() < at_most {
        let mut head = [0u8; 20];
        match socket.read_exact(&mut head) {
            Ok(()) => {}
            // A reset counts as an end: the server closed with our bytes unread.
            Err(e) if matches!(e.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                seen.push("eof".to_string());
                break;
            }
            Err(e) => return Err(e),
        }
        let four = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap());
        let seq = u64::from_le_bytes(head[8..16].try_into().unwrap());
        if head[..3] != [0x25, 0x4d, 1] {
            return Err(io::Error::other(format!("not a response head: {head:02x?}")));
        }
        let (flag, number, blob_len) = (head[3], four(4), four(16));
        let mut body = vec![0; if flag == 0 { number as usize } else { 0 } + blob_len as usize];
        socket.read_exact(&mut body)?;
        seen.push(format!("seq={seq} flag={flag} number={number} blob={blob_len} {}", body.escape_ascii()));
    }
    Ok(seen)
}

/// Sends `parts` one after the other and reads up to `at_most` replies.
fn talk(addr: &str, parts: &[Vec<u8>], end: bool, at_most: usize) -> Result<Vec<String>, String> {
    let run = || {
        let mut socket = connect(addr)?;
        for part in parts {
            socket.write_all(part)?;
            socket.flush()?;
        }
        if end {
            socket.end_of_requests()?;
        }
        read_replies(socket.as_mut(), at_most)
    };
    run().map_err(|e: io::Error| e.to_string())
}

fn encode(value: &impl serde::Serialize) -> Vec<u8> {
    MsgpCodec::default().encode(value).expect("encodes")
}

fn ok(seq: u64, msg: &[u8]) -> String {
    format!("seq={seq} flag=0 number={} blob=0 {}", msg.len(), msg.escape_ascii())
}

fn decode_error(seq: u64) -> String {
    format!("seq={seq} flag=2 number=0 blob=10 rpc_decode")
}

fn eof() -> String {
    "eof".to_string()
}

pub async fn run(report: &mut Report, addr: &str) {
    let ping = |seq| Request::number(0, seq, Vec::new());
    let open = |seq| Request::number(OPEN, seq, encode(&Open { path: "/x".to_string() }));
    let echo = |seq| Request::string(ECHO.as_bytes(), seq, encode(&Text { text: "hi".to_string() }));
    let slow = |seq, ms| Request::number(DELAY, seq, encode(&Delay { ms, id: 7 }));
    let hi = encode(&Text { text: "hi".to_string() });
    let waited = |ms| encode(&Delay { ms, id: 7 });

    // Replies may come in any order, so they are compared sorted, except where the order is the point.
    // Each: name, what is sent, whether our side is closed after it, how many replies are read, what must come.
    type Case = (&'static str, Vec<Vec<u8>>, bool, usize, Vec<String>);
    let mut cases: Vec<Case> = vec![
        ("raw.ping", vec![ping(1).bytes()], false, 1, vec![ok(1, b"")]),
        // Action 0 counts as a ping unless there is a message; a blob is read and dropped.
        (
            "raw.ping_with_blob",
            vec![Request { blob: vec![9; 5], ..ping(1) }.bytes(), ping(2).bytes()],
            false,
            2,
            vec![ok(1, b""), ok(2, b"")],
        ),
        ("raw.action_0_with_message", vec![Request::number(0, 1, vec![0xc0]).bytes()], false, 1, vec![decode_error(1)]),
        (
            "raw.empty_message_for_a_struct",
            vec![Request::number(OPEN, 1, vec![]).bytes()],
            false,
            1,
            vec![decode_error(1)],
        ),
        ("raw.empty_action", vec![Request::string(b"", 1, vec![0xc0]).bytes()], false, 1, vec![decode_error(1)]),
        ("raw.byte_by_byte", echo(1).bytes().into_iter().map(|b| vec![b]).collect(), false, 1, vec![ok(1, &hi)]),
        (
            "raw.three_in_one_write",
            vec![[open(1).bytes(), ping(2).bytes(), echo(3).bytes()].concat()],
            false,
            3,
            vec![ok(1, b""), ok(2, b""), ok(3, &hi)],
        ),
        // The server gives back whatever seq it was given.
        (
            "raw.any_seq",
            vec![open(u64::MAX).bytes(), open(0).bytes(), open(5).bytes(), open(5).bytes()],
            false,
            4,
            vec![ok(u64::MAX, b""), ok(0, b""), ok(5, b""), ok(5, b"")],
        ),
        (
            "raw.format_and_client_id_ignored",
            vec![Request { format: 255, client_id: u64::MAX, ..echo(1) }.bytes()],
            false,
            1,
            vec![ok(1, &hi)],
        ),
        ("raw.wrong_magic", vec![Request { magic: 1, ..ping(1) }.bytes()], false, 1, vec![eof()]),
        ("raw.wrong_version", vec![Request { ver: 2, ..ping(1) }.bytes()], false, 1, vec![eof()]),
        ("raw.action_not_utf8", vec![Request::string(b"\xff\xfe", 1, vec![0xc0]).bytes()], false, 1, vec![eof()]),
        // What was accepted before the end is still answered.
        ("raw.half_close", vec![slow(1, 200).bytes()], true, 2, vec![ok(1, &waited(200)), eof()]),
        (
            "raw.pending_before_wrong_magic",
            vec![slow(1, 200).bytes(), Request { magic: 1, ..ping(2) }.bytes()],
            false,
            2,
            vec![ok(1, &waited(200)), eof()],
        ),
        ("raw.connect_and_leave", vec![], true, 1, vec![eof()]),
        ("raw.half_a_head_and_leave", vec![ping(1).bytes()[..16].to_vec()], true, 1, vec![eof()]),
    ];
    // Replies come in the order in which they are ready; the waits make that certain here.
    cases.push((
        "raw.out_of_order",
        vec![[slow(1, 300).bytes(), slow(2, 100).bytes(), echo(3).bytes()].concat()],
        false,
        3,
        vec![ok(3, &hi), ok(2, &waited(100)), ok(1, &waited(300))],
    ));

    for (name, parts, end, at_most, mut want) in cases {
        let addr = addr.to_string();
        let in_order = name == "raw.out_of_order";
        let talk = async move {
            let seen = tokio::task::spawn_blocking(move || talk(&addr, &parts, end, at_most)).await.unwrap();
            seen.map(|mut seen| {
                if !in_order {
                    seen.sort();
                }
                seen
            })
        };
        if !in_order {
            want.sort();
        }
        report.equal(name, talk, Ok(want)).await;
    }
}
