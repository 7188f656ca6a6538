//! What a request brings and nobody reads.
//!
//! hyper looks once for the rest of a body when its answer is made. Where the rest is on its way still, it closes the connection without
//! a word, and a client that keeps its connections sends the next request to nobody. So the rest is taken here, for a moment; where
//! more of it is to come, the answer says that it is the last one.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{
    Request,
    body::{Body, Frame, Incoming, SizeHint},
    header::EXPECT,
};
use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::timeout;

/// How long the rest may go on arriving.
const PASSING: Duration = Duration::from_millis(500);
/// How much of it.
const MOST_PASSED: usize = 256 * 1024;

/// The body of a request, for whoever answers it.
#[derive(Debug)]
pub(super) struct Lent(Arc<Mutex<Shared>>);

/// The same body, for afterwards.
#[derive(Debug)]
pub(super) struct Rest {
    body: Arc<Mutex<Shared>>,
    /// The client sends the body only once it is told to.
    waits: bool,
}

#[derive(Debug)]
struct Shared {
    body: Incoming,
    /// Whether anybody has asked for it.
    begun: bool,
}

/// Lends the body of a request to whoever answers it.
pub(super) fn lend(request: Request<Incoming>) -> (Request<Lent>, Rest) {
    let waits = request.headers().contains_key(EXPECT);
    let (head, body) = request.into_parts();
    let body = Arc::new(Mutex::new(Shared { body, begun: false }));
    (Request::from_parts(head, Lent(Arc::clone(&body))), Rest { body, waits })
}

impl Lent {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut shared = self.lock();
        shared.begun = true;
        Pin::new(&mut shared.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.lock().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().body.size_hint()
    }
}

impl Rest {
    /// Takes what nobody has read. Tells whether nothing more is to come, so that the connection can go on.
    pub(super) async fn take(self) -> bool {
        // Who still has it goes on to read it.
        let Some(shared) = Arc::into_inner(self.body) else { return true };
        let Shared { mut body, begun } = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        if body.is_end_stream() {
            return true;
        }
        if self.waits && !begun {
            return false;
        }
        let passing = async {
            let mut passed = 0;
            loop {
                match body.frame().await {
                    None => return true,
                    Some(Ok(frame)) if passed <= MOST_PASSED => passed += frame.data_ref().map_or(0, Bytes::len),
                    Some(_) => return false,
                }
            }
        };
        timeout(PASSING, passing).await.unwrap_or(false)
    }
}
