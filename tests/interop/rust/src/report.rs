//! One line of JSON for each case: `{"case": name, "ok": true, "got": "..."}`.

use crate::Options;
use std::fmt::{self, Debug, Write};
use std::future::Future;
use std::time::Duration;

/// A case that takes longer than this has failed; nothing the clients ask for takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(60);
/// About so many bytes of `got` are printed.
const GOT_LIMIT: usize = 300;

pub struct Report {
    only: Vec<String>,
    skip: Vec<String>,
    pub reference: bool,
    cases: usize,
    failed: usize,
}

impl Report {
    pub fn new(options: &Options) -> Self {
        Self {
            only: options.only.clone(),
            skip: options.skip.clone(),
            reference: options.reference,
            cases: 0,
            failed: 0,
        }
    }

    pub fn wants(&self, case: &str) -> bool {
        let begins = |prefixes: &[String]| prefixes.iter().any(|prefix| case.starts_with(prefix.as_str()));
        (self.only.is_empty() || begins(&self.only)) && !begins(&self.skip)
    }

    /// Runs `what` and compares its result with `want`.
    pub async fn equal<T: PartialEq + Debug>(&mut self, case: &str, what: impl Future<Output = T>, want: T) {
        self.check(case, what, |got| if *got == want { None } else { Some(format!("want {}", short(&want))) }).await
    }

    /// Runs `what`; `fault` looks at the result and says what is wrong with it.
    pub async fn check<T: Debug>(
        &mut self, case: &str, what: impl Future<Output = T>, fault: impl FnOnce(&T) -> Option<String>,
    ) {
        if !self.wants(case) {
            return;
        }
        match tokio::time::timeout(PATIENCE, what).await {
            Err(_) => self.line(case, false, &format!("nothing after {} s", PATIENCE.as_secs())),
            Ok(got) => match fault(&got) {
                None => self.line(case, true, &short(&got)),
                Some(fault) => self.line(case, false, &format!("{}; {fault}", short(&got))),
            },
        }
    }

    fn line(&mut self, case: &str, ok: bool, got: &str) {
        self.cases += 1;
        if !ok {
            self.failed += 1;
        }
        println!("{{\"case\": {}, \"ok\": {ok}, \"got\": {}}}", json_string(case), json_string(got));
    }

    /// The exit code for the whole run.
    pub fn finish(self) -> i32 {
        eprintln!("peer: {} cases, {} failed", self.cases, self.failed);
        if self.failed > 0 || self.cases == 0 { 1 } else { 0 }
    }
}

/// The beginning of the Debug form; the rest is never made, values can be megabytes.
fn short(value: &impl Debug) -> String {
    struct Head(String);
    impl fmt::Write for Head {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.push_str(text);
            if self.0.len() > GOT_LIMIT { Err(fmt::Error) } else { Ok(()) }
        }
    }
    let mut head = Head(String::new());
    if write!(head, "{value:?}").is_ok() {
        return head.0;
    }
    let cut: String = head.0.chars().take(GOT_LIMIT).collect();
    cut + "…"
}

fn json_string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
