//! `grpc-timeout`: how long the client waits for its answer.

use super::status::{Code, Status};
use crate::http::body::poll_once;
use hyper::{HeaderMap, header::HeaderName};
use std::{
    future::Future,
    pin::pin,
    time::{Duration, Instant},
};

static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The protocol's limit on the number.
const MOST_DIGITS: usize = 8;

/// When a call is to be answered, if it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// The deadline of a call that came at `started`.
    pub(super) fn of(headers: &HeaderMap, started: Instant) -> Result<Self, Status> {
        let Some(given) = headers.get(&GRPC_TIMEOUT) else { return Ok(Self(None)) };
        let timeout = given.to_str().ok().and_then(parse).ok_or_else(|| {
            let given = String::from_utf8_lossy(given.as_bytes());
            Status::invalid(format!("`{given}` is no `grpc-timeout`: at most 8 digits and one of H, M, S, m, u, n"))
        })?;
        // What lies beyond all clocks is no deadline.
        Ok(Self(started.checked_add(timeout)))
    }

    /// What the work comes to, or that it takes too long.
    pub(super) async fn bound<T>(self, work: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        let Some(end) = self.0 else { return work.await };
        if end <= Instant::now() {
            return Err(passed());
        }
        let mut work = pin!(work);
        // Nearly every call is answered without waiting: then no timer is set.
        if let Some(done) = poll_once(work.as_mut()).await {
            return done;
        }
        tokio::time::timeout_at(end.into(), work).await.unwrap_or_else(|_| Err(passed()))
    }
}

fn passed() -> Status {
    Status::new(Code::DeadlineExceeded, "the deadline of the call has passed")
}

fn parse(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let number = text.strip_suffix(unit)?;
    if number.is_empty() || number.len() > MOST_DIGITS || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        'H' => Duration::from_secs(number * 3600),
        'M' => Duration::from_secs(number * 60),
        'S' => Duration::from_secs(number),
        'm' => Duration::from_millis(number),
        'u' => Duration::from_micros(number),
        'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_the_protocol_has_them() {
        for (text, wanted) in [
            ("250m", Some(Duration::from_millis(250))),
            ("0n", Some(Duration::ZERO)),
            ("7u", Some(Duration::from_micros(7))),
            ("99999999H", Some(Duration::from_hours(99_999_999))),
            ("1M", Some(Duration::from_mins(1))),
            ("2S", Some(Duration::from_secs(2))),
            ("100000000S", None),
            ("", None),
            ("S", None),
            ("5", None),
            ("-5S", None),
            ("+5S", None),
            ("1.5S", None),
            ("5s", None),
            ("5 S", None),
            ("5µ", None),
        ] {
            assert_eq!(parse(text), wanted, "{text}");
        }
    }

    #[tokio::test]
    async fn work_that_takes_longer_than_the_client_waits_is_given_up() {
        let started = Instant::now();
        let within = |text: &str| {
            let headers = HeaderMap::from_iter([(GRPC_TIMEOUT.clone(), text.parse().unwrap())]);
            Deadline::of(&headers, started)
        };
        assert_eq!(Deadline::of(&HeaderMap::new(), started), Ok(Deadline(None)));
        assert_eq!(within("1H").unwrap().bound(async { Ok(7) }).await, Ok(7));
        assert_eq!(within("0S").unwrap().bound(async { Ok(7) }).await, Err(passed()));
        let never = std::future::pending::<Result<i32, Status>>();
        assert_eq!(within("20m").unwrap().bound(never).await, Err(passed()));
        assert_eq!(within("soon").unwrap_err().code, Code::InvalidArgument);
    }
}
