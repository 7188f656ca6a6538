//! How connections of HTTP/1 end when the process stops: nobody is cut off who asks at that moment.
//!
//! A client that keeps its connection sends the next request without asking whether the server still listens. Where an idle
//! connection were closed at the word to stop, a request that is on its way just then would be lost, and its client could not know
//! whether it was answered. So the connection is kept for a moment more, and the answer to whatever comes in it says that it is the
//! last. HTTP/2 has words of its own for this.

use hyper::{
    Response,
    body::{Body, Incoming},
    header::{CONNECTION, HeaderValue},
    rt::{Read, Write},
    server::conn::http1::Connection,
    service::HttpService,
};
use std::{error::Error, pin::pin, time::Duration};
use tokio::time::sleep;

/// How long a connection on which nothing is asked is kept after the word to stop. A client that is busy asks again long before.
const LAST_CALL: Duration = Duration::from_millis(100);

/// Resolves when a client that has not asked anything yet need not be waited for any longer.
pub(super) async fn is_over(stopped: impl Future<Output = ()>) {
    stopped.await;
    sleep(LAST_CALL).await;
}

/// Serves a connection to its end: until the client closes it, is silent for too long, or `stopped` resolves and it idles afterwards.
/// Answers that leave after `stopped` must be marked with [`close`].
pub(super) async fn serve<I, S>(connection: Connection<I, S>, stopped: impl Future<Output = ()>) -> hyper::Result<()>
where
    I: Read + Write + Unpin,
    S: HttpService<Incoming, Error: Into<Box<dyn Error + Send + Sync>>>,
    S::ResBody: Body<Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        served = connection.as_mut() => return served,
        () = is_over(stopped) => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// Tells the client that this answer is the last of its connection.
pub(super) fn close<B>(answer: &mut Response<B>) {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}
