//! The stop-watch: what benchlib/drive.py measures, in Rust, printed as the same line of JSON.

use crate::Options;
use nix::libc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// When a call began, if it is one of those that are timed.
pub type Sample = Option<Instant>;

#[derive(Clone, Copy, Default)]
struct Reading {
    calls: u64,
    wall: f64,
    client_cpu: f64,
    server_cpu: f64,
}

pub struct Load {
    pub callers: usize,
    pub size: usize,
    /// `add`, or the direction of the payload: `both`, `up`, `down`.
    pub way: String,
    /// One call in so many is timed.
    every: u64,
    warmup: Duration,
    seconds: Duration,
    server_pid: i32,
    began: Instant,
    started: AtomicU64,
    finished: AtomicU64,
    measuring: AtomicBool,
    stop: AtomicBool,
    latencies: Mutex<Vec<f32>>,
    readings: Mutex<(Reading, Reading)>,
}

fn clock(id: libc::clockid_t) -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    if unsafe { libc::clock_gettime(id, &mut time) } != 0 {
        return 0.0;
    }
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

impl Load {
    pub fn new(options: &Options) -> Self {
        let size = options.number("size", 0.0) as usize;
        Self {
            callers: options.number("callers", 1.0) as usize,
            size,
            way: options.text("way", "add"),
            every: if size >= 1024 { 1 } else { 10 },
            warmup: Duration::from_secs_f64(options.number("warmup", 0.5)),
            seconds: Duration::from_secs_f64(options.number("seconds", 2.0)),
            server_pid: options.number("server-pid", 0.0) as i32,
            began: Instant::now(),
            started: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            measuring: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            latencies: Mutex::new(Vec::with_capacity(1 << 20)),
            readings: Mutex::default(),
        }
    }

    pub fn stopping(&self) -> bool {
        self.stop.load(Relaxed)
    }

    pub fn start(&self) -> Sample {
        (self.started.fetch_add(1, Relaxed) % self.every == 0).then(Instant::now)
    }

    pub fn finish(&self, sample: Sample) {
        self.finished.fetch_add(1, Relaxed);
        if let Some(started) = sample
            && self.measuring.load(Relaxed)
        {
            self.latencies.lock().unwrap().push(started.elapsed().as_secs_f32());
        }
    }

    fn reading(&self) -> Reading {
        Reading {
            calls: self.finished.load(Relaxed),
            wall: self.began.elapsed().as_secs_f64(),
            client_cpu: clock(libc::CLOCK_PROCESS_CPUTIME_ID),
            server_cpu: if self.server_pid != 0 { clock((!self.server_pid << 3) | 2) } else { 0.0 },
        }
    }

    /// Warm up, measure, tell the callers to end.
    pub async fn measure(&self) {
        tokio::time::sleep(self.warmup).await;
        self.measuring.store(true, Relaxed);
        let before = self.reading();
        tokio::time::sleep(self.seconds).await;
        let after = self.reading();
        self.measuring.store(false, Relaxed);
        *self.readings.lock().unwrap() = (before, after);
        self.stop.store(true, Relaxed);
    }

    pub fn print(&self) {
        let (before, after) = *self.readings.lock().unwrap();
        let mut latencies = std::mem::take(&mut *self.latencies.lock().unwrap());
        latencies.sort_by(f32::total_cmp);
        // At most so many go to the parent, evenly spread over the sorted ones; always the extremes.
        let points: Vec<String> = match latencies.len() {
            0 => Vec::new(),
            count => (0..=1000).map(|n| format!("{:.7}", latencies[n * (count - 1) / 1000])).collect(),
        };
        println!(
            "{{\"calls\": {}, \"seconds\": {}, \"client_cpu_seconds\": {}, \"server_cpu_seconds\": {}, \"latencies\": [{}]}}",
            after.calls - before.calls,
            after.wall - before.wall,
            after.client_cpu - before.client_cpu,
            if self.server_pid != 0 { (after.server_cpu - before.server_cpu).to_string() } else { "null".to_string() },
            points.join(", ")
        );
    }
}
