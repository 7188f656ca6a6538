//! The body of an answer: one piece of data at most, and trailers where the protocol has them.

use bytes::Bytes;
use hyper::{
    HeaderMap,
    body::{Body, Frame, SizeHint},
};
use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

/// What is left to be sent of an answer's body.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    // INVARIANT: not empty.
    data: Option<Bytes>,
    // Boxed: few answers have any, and every answer is moved about.
    trailers: Option<Box<HeaderMap>>,
}

impl Outgoing {
    /// Data, and nothing after it.
    pub(super) fn new(data: impl Into<Bytes>) -> Self {
        Self { data: Some(data.into()).filter(|data| !data.is_empty()), trailers: None }
    }

    /// Bytes of data that are left.
    pub(super) fn bytes(&self) -> u64 {
        self.data.as_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX))
    }

    /// Data, and trailers after it.
    pub(super) fn with_trailers(data: impl Into<Bytes>, trailers: HeaderMap) -> Self {
        Self { trailers: Some(Box::new(trailers)), ..Self::new(data) }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match self.data.take() {
            Some(data) => Some(Frame::data(data)),
            None => self.trailers.take().map(|trailers| Frame::trailers(*trailers)),
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        // A length would be announced in a header, which an answer with trailers does without.
        if self.trailers.is_some() {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use std::{future::poll_fn, pin::pin};

    /// The frames of a body, with the lengths that it announces before each.
    async fn frames(body: Outgoing) -> Vec<String> {
        let mut body = pin!(body);
        let mut seen = Vec::new();
        loop {
            let (length, ended) = (body.size_hint().exact(), body.is_end_stream());
            match poll_fn(|context| body.as_mut().poll_frame(context)).await {
                Some(Ok(frame)) => seen.push(format!("{length:?} {ended} {frame:?}")),
                None => return seen,
            }
        }
    }

    #[tokio::test]
    async fn data_comes_first_trailers_last_and_the_end_is_told() {
        let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
        assert_eq!(frames(Outgoing::default()).await, [""; 0]);
        assert_eq!(frames(Outgoing::new("")).await, [""; 0]);
        assert_eq!(frames(Outgoing::new("ab")).await, [r#"Some(2) false Frame { kind: Data(b"ab") }"#]);
        let both = frames(Outgoing::with_trailers("ab", trailers.clone())).await;
        assert_eq!(both.len(), 2);
        assert!(both.iter().all(|frame| frame.starts_with("None false")), "{both:?}");
        assert!(both[0].contains("Data") && both[1].contains("grpc-status"), "{both:?}");
        assert_eq!(frames(Outgoing::with_trailers("", trailers)).await.len(), 1);
        assert!(Outgoing::default().is_end_stream());
    }
}
