//! HTTP/1 on one connection.

use super::gather::Gathered;
use crate::http::{callers::Visit, desk::Desk, last_call, service};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{cell::Cell, convert::Infallible, rc::Rc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};

/// hyper keeps no smaller buffers.
const SMALLEST_BUFFER: usize = 8192;

/// Serves a connection until the client closes it, is silent for too long, or the listener stops.
pub(super) async fn serve<S>(
    desk: Rc<Desk>,
    visit: Rc<Visit>,
    stream: Gathered<S>,
    mut stop: watch::Receiver<bool>,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let limits = desk.limits();
    let (guest, host) = (Rc::clone(&visit), Rc::clone(&desk));
    let stopping = Rc::new(Cell::new(*stop.borrow()));
    let is_last = Rc::clone(&stopping);
    let service = service_fn(move |request| {
        let answer = service::answer(Rc::clone(&desk), Rc::clone(&visit), request);
        let is_last = Rc::clone(&is_last);
        async move {
            let mut answer = answer.await?;
            if is_last.get() {
                last_call::close(&mut answer);
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes.max(SMALLEST_BUFFER))
        .max_header_size(limits.header_bytes)
        // A client that has sent its last byte still waits for its answer.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    last_call::serve(connection, async move {
        tokio::select! {
            // An error means that the sender is gone, which is a stop as well.
            _ = stop.wait_for(|stopped| *stopped) => {}
            () = guest.peer.expired(|| host.now()) => {}
        }
        stopping.set(true);
    })
    .await
}
