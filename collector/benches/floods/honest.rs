//! Honest callers: half servers, with single events and batches of 20; half pages, with one to three
//! events and their public key in the body, each from another address.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use crate::Failure;
use crate::http::{Connection, post};
use crate::server::Server;

/// Connections of servers, and as many of pages.
const CONNECTIONS: usize = 32;
/// Requests that are made before the first leg, and then sent again and again: events without an id are
/// all new.
const REQUESTS: usize = 2_000;

/// What a leg showed.
#[derive(Default)]
pub(crate) struct Leg {
    pub(crate) times: Vec<Duration>,
    /// Events that were not recorded.
    pub(crate) refused: usize,
    /// Requests that got no answer at all; their events count as refused.
    pub(crate) failed: usize,
    /// What the last refusal said.
    pub(crate) complaint: String,
}

impl Leg {
    pub(crate) fn add(&mut self, more: Self) {
        self.times.extend(more.times);
        self.times.sort_unstable();
        self.refused += more.refused;
        self.failed += more.failed;
        if !more.complaint.is_empty() {
            self.complaint = more.complaint;
        }
    }

    pub(crate) fn p99(&self) -> Duration {
        let place = self.times.len() * 99 / 100;
        self.times.get(place).copied().unwrap_or_default()
    }
}

struct Request {
    bytes: Vec<u8>,
    events: usize,
}

pub(crate) struct Honest {
    runtime: Runtime,
    address: SocketAddr,
    requests: Rc<[Request]>,
}

impl Honest {
    pub(crate) fn new(server: &Server) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self {
            runtime,
            address: server.address,
            requests: (0..REQUESTS)
                .map(|number| request(server, number))
                .collect(),
        })
    }

    /// Requests a second where everybody sends as fast as answers come.
    pub(crate) fn peak(&self, seconds: Duration) -> Result<f64, Failure> {
        let started = Instant::now();
        let leg = self.go(seconds, None)?;
        if leg.refused > 0 {
            return Err(format!(
                "honest events were refused without a flood: {}",
                leg.complaint
            )
            .into());
        }
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        Ok(leg.times.len() as f64 / started.elapsed().as_secs_f64())
    }

    /// Sends so many requests a second; begins once `settling` has passed.
    pub(crate) fn run(
        &self,
        rate: f64,
        seconds: Duration,
        settling: Option<Duration>,
    ) -> Result<Leg, Failure> {
        if let Some(settling) = settling {
            std::thread::sleep(settling);
        }
        self.go(seconds, Some(rate))
    }

    fn go(&self, seconds: Duration, rate: Option<f64>) -> Result<Leg, Failure> {
        let local = LocalSet::new();
        let start = Instant::now();
        let all = CONNECTIONS * 2;
        #[expect(clippy::cast_precision_loss, reason = "a few connections")]
        let pause = rate.map(|rate| Duration::from_secs_f64(all as f64 / rate));
        let callers: Vec<_> = (0..all)
            .map(|number| {
                let schedule = Schedule {
                    // Not all at the same moment.
                    first: pause.map_or(start, |pause| {
                        start + pause.mul_f64(number as f64 / all as f64)
                    }),
                    pause,
                    end: start + seconds,
                };
                let requests = Rc::clone(&self.requests);
                local.spawn_local(call(self.address, requests, number, schedule))
            })
            .collect();
        let mut leg = Leg::default();
        self.runtime.block_on(local.run_until(async {
            for caller in callers {
                leg.add(caller.await?);
            }
            Ok::<_, Failure>(())
        }))?;
        Ok(leg)
    }
}

/// When one caller sends.
struct Schedule {
    first: Instant,
    /// From one request to the next; `None` is as soon as the answer is there.
    pause: Option<Duration>,
    end: Instant,
}

async fn call(
    address: SocketAddr,
    requests: Rc<[Request]>,
    number: usize,
    schedule: Schedule,
) -> Leg {
    let mut connection = Connection::new(address);
    let mut leg = Leg::default();
    let mut due = schedule.first;
    let mut next = number;
    while due < schedule.end {
        tokio::time::sleep_until(due.into()).await;
        let request = &requests[next % requests.len()];
        // An odd caller stays an odd one: a server or a page.
        next += CONNECTIONS * 2;
        let answer = connection.ask(&[&request.bytes]).await;
        // From when it was due: a server that stands still makes all wait that would have come.
        leg.times.push(due.elapsed());
        match answer {
            Ok(answer) if answer.status == 200 => {
                let text = String::from_utf8_lossy(&answer.body);
                let rejected = text.matches(r#""status":"rejected""#).count();
                if rejected > 0 {
                    leg.refused += rejected;
                    leg.complaint = text.into_owned();
                }
            }
            Ok(answer) => {
                leg.refused += request.events;
                leg.complaint = String::from_utf8_lossy(&answer.body).into_owned();
            }
            Err(error) => {
                leg.refused += request.events;
                leg.failed += 1;
                leg.complaint = error.to_string();
            }
        }
        due = match schedule.pause {
            Some(pause) => due + pause,
            None => Instant::now(),
        };
    }
    leg
}

fn request(server: &Server, number: usize) -> Request {
    if number.is_multiple_of(2) {
        server_request(server, number)
    } else {
        page_request(server, number)
    }
}

fn event(number: usize) -> String {
    format!(
        r#""email":"reader{number}@example.com","event":"trial_started","messageId":"msg_welcome_{}","properties":{{"plan":"pro","trialDays":14,"visit":"{:016x}"}}"#,
        number % 7,
        (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    )
}

fn server_request(server: &Server, number: usize) -> Request {
    let headers = format!(
        "Authorization: Bearer {}\r\nContent-Type: application/json\r\n",
        server.secret
    );
    // Every fourth sends a batch.
    let (path, body, events) = if number.is_multiple_of(8) {
        let events: Vec<String> = (0..20)
            .map(|one| format!(r#"{{"type":"track",{}}}"#, event(number * 20 + one)))
            .collect();
        let body = format!(r#"{{"events":[{}]}}"#, events.join(","));
        ("/v1/track/batch", body, 20)
    } else {
        ("/v1/track/event", format!("{{{}}}", event(number)), 1)
    };
    made(path, &headers, &body, events)
}

fn page_request(server: &Server, number: usize) -> Request {
    let key = &server.public[number % server.public.len()];
    // Addresses of the range for benchmarks (RFC 2544), each in a network of its own.
    let headers = format!(
        "X-Forwarded-For: 198.{}.{}.7\r\nOrigin: https://shop.example\r\nContent-Type: text/plain\r\nUser-Agent: Mozilla/5.0 (X11; Linux \
         x86_64; rv:145.0) Gecko/20100101 Firefox/145.0\r\n",
        18 + number % 2,
        number / 2 % 256
    );
    let count = 1 + number % 3;
    let events: Vec<String> = (0..count)
        .map(|one| format!(r#"{{"type":"track","age":5,{}}}"#, event(number * 3 + one)))
        .collect();
    let body = format!(r#"{{"key":"{key}","events":[{}]}}"#, events.join(","));
    made("/v1/track/batch", &headers, &body, count)
}

fn made(path: &str, headers: &str, body: &str, events: usize) -> Request {
    let mut bytes = post(path, headers, body.len());
    bytes.extend_from_slice(body.as_bytes());
    Request { bytes, events }
}
