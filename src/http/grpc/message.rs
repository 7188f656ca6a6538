//! Messages on the wire: a byte that says whether it is compressed, its length, itself.

use super::status::{Code, Status};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use prost::Message;

/// The length of what stands before a message.
pub(super) const PREFIX: usize = 5;

/// The only message of a body.
pub(super) fn only(mut body: Bytes) -> Result<Bytes, Status> {
    if body.is_empty() {
        return Err(Status::invalid("the call has no message"));
    }
    if body.len() < PREFIX {
        return Err(Status::invalid("the message ends within its prefix"));
    }
    match body.get_u8() {
        0 => {}
        1 => return Err(Status::new(Code::Unimplemented, "the message is compressed, which is not supported")),
        other => {
            return Err(Status::invalid(format!("the prefix of the message begins with {other}, not with 0 or 1")));
        }
    }
    let announced = usize::try_from(body.get_u32()).unwrap_or(usize::MAX);
    if announced != body.len() {
        return Err(Status::invalid(format!(
            "the message is said to have {announced} bytes, {} have come: a call takes one message",
            body.len()
        )));
    }
    Ok(body)
}

/// Reads a message of this kind.
pub(super) fn decode<M: Message + Default>(message: Bytes, kind: &str) -> Result<M, Status> {
    M::decode(message).map_err(|error| Status::invalid(format!("the message is no {kind}: {error}")))
}

/// A message with its prefix.
pub(super) fn framed(message: &impl Message) -> Result<Bytes, Status> {
    let length = message.encoded_len();
    let mut out = BytesMut::with_capacity(PREFIX + length);
    out.put_u8(0);
    out.put_u32(u32::try_from(length).map_err(|_| Status::new(Code::Internal, "internal error"))?);
    message.encode(&mut out).map_err(|_| Status::new(Code::Internal, "internal error"))?;
    Ok(out.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::grpc::wire::health::Request;

    #[test]
    fn a_body_is_one_message_that_is_not_compressed() {
        let message = framed(&Request { service: "abc".to_owned() }).unwrap();
        assert_eq!(&*message, b"\0\0\0\0\x05\x0a\x03abc");
        assert_eq!(decode::<Request>(only(message).unwrap(), "it").unwrap().service, "abc");
        assert_eq!(only(Bytes::from_static(b"\0\0\0\0\0")), Ok(Bytes::new()));
        for (body, code, message) in [
            (&b""[..], Code::InvalidArgument, "the call has no message"),
            (b"\0\0\0", Code::InvalidArgument, "the message ends within its prefix"),
            (b"\x01\0\0\0\x01x", Code::Unimplemented, "the message is compressed, which is not supported"),
            (b"\x02\0\0\0\x01x", Code::InvalidArgument, "the prefix of the message begins with 2, not with 0 or 1"),
            (
                b"\0\xff\xff\xff\xffx",
                Code::InvalidArgument,
                "the message is said to have 4294967295 bytes, 1 have come: a call takes one message",
            ),
            (
                b"\0\0\0\0\x01x\0\0\0\0\x01x",
                Code::InvalidArgument,
                "the message is said to have 1 bytes, 7 have come: a call takes one message",
            ),
        ] {
            let message = message.to_owned().into();
            assert_eq!(only(Bytes::from_static(body)), Err(Status { code, message }), "{body:?}");
        }
        for (bytes, why) in [
            (&b"\x0a\x05ab"[..], "buffer underflow"),
            (b"\x0a\x01\xff", "invalid string value: data is not UTF-8 encoded"),
            (b"\x08\x01", "invalid wire type"),
        ] {
            let error = decode::<Request>(Bytes::from_static(bytes), "`HealthCheckRequest`").unwrap_err();
            assert_eq!(error.code, Code::InvalidArgument);
            assert!(error.message.starts_with("the message is no `HealthCheckRequest`: "), "{}", error.message);
            assert!(error.message.contains(why), "{}", error.message);
        }
        // Fields that are not known are skipped.
        assert!(decode::<Request>(Bytes::from_static(b"\x10\x07\x1a\x01x"), "it").is_ok());
    }
}
