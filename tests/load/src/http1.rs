//! As much HTTP/1.1 as a load generator needs: keep-alive, one message at a time, bodies with a `Content-Length`.
//!
//! Both ends use it: the generator for requests and answers, the platforms for the reverse. It copies nothing and
//! allocates nothing for a message; chunked bodies are refused, since neither end sends any.

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use std::net::SocketAddr;

use crate::error::LoadError;

/// Larger messages are refused: nothing here is near it.
const LARGEST_MESSAGE: usize = 1024 * 1024;
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// A request or an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message<'b> {
    /// The request line or the status line.
    pub(crate) start: &'b str,
    /// The body.
    pub(crate) body: &'b [u8],
}

impl Message<'_> {
    /// Whether it is an answer with this status.
    pub(crate) fn has_status(&self, status: &str) -> bool {
        self.start.split(' ').nth(1) == Some(status)
    }
}

/// A connection that is kept alive.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
    /// Bytes of the buffer that the last message handed out occupies.
    taken: usize,
}

impl Connection {
    /// Opens one.
    pub(crate) async fn open(to: SocketAddr) -> Result<Self, LoadError> {
        let stream = TcpStream::connect(to)
            .await
            .map_err(LoadError::io("connect"))?;
        Self::over(stream)
    }

    /// Takes one over.
    pub(crate) fn over(stream: TcpStream) -> Result<Self, LoadError> {
        stream
            .set_nodelay(true)
            .map_err(LoadError::io("set TCP_NODELAY"))?;
        Ok(Self {
            stream,
            buffer: BytesMut::with_capacity(4096),
            taken: 0,
        })
    }

    /// Writes a whole message.
    pub(crate) async fn send(&mut self, message: &[u8]) -> Result<(), LoadError> {
        self.stream
            .write_all(message)
            .await
            .map_err(LoadError::io("write"))
    }

    /// Reads the next message; `None` when the other end closed between two messages.
    pub(crate) async fn receive(&mut self) -> Result<Option<Message<'_>>, LoadError> {
        self.buffer.advance(self.taken);
        self.taken = 0;
        let frame = loop {
            if let Some(frame) = Frame::of(&self.buffer)? {
                break frame;
            }
            self.buffer.reserve(4096);
            let read = self
                .stream
                .read_buf(&mut self.buffer)
                .await
                .map_err(LoadError::io("read"))?;
            match read {
                0 if self.buffer.is_empty() => return Ok(None),
                0 => return Err(LoadError::Protocol("the connection broke inside a message")),
                _ => {}
            }
        };
        self.taken = frame.head + frame.body;
        Ok(Some(frame.message(&self.buffer)?))
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Message<'_>, LoadError> {
        self.send(request).await?;
        let answer = self.receive().await?;
        answer.ok_or(LoadError::Protocol(
            "the connection closed without an answer",
        ))
    }
}

/// Where a complete message lies in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    /// Bytes of the head, the empty line included.
    head: usize,
    /// Bytes of the body.
    body: usize,
}

impl Frame {
    /// The first message of a buffer, if all of it is there.
    fn of(buffer: &[u8]) -> Result<Option<Self>, LoadError> {
        let end = buffer
            .windows(END_OF_HEAD.len())
            .position(|window| window == END_OF_HEAD);
        let Some(end) = end else {
            let waits = buffer.len() <= LARGEST_MESSAGE;
            return waits
                .then_some(None)
                .ok_or(LoadError::Protocol("the head is too long"));
        };
        let frame = Self {
            head: end + END_OF_HEAD.len(),
            body: content_length(&buffer[..end])?,
        };
        Ok((buffer.len() >= frame.head + frame.body).then_some(frame))
    }

    fn message<'b>(&self, buffer: &'b [u8]) -> Result<Message<'b>, LoadError> {
        let line = buffer.split(|byte| *byte == b'\r').next();
        let start = line.and_then(|line| std::str::from_utf8(line).ok());
        Ok(Message {
            start: start.ok_or(LoadError::Protocol("the first line is not text"))?,
            body: &buffer[self.head..self.head + self.body],
        })
    }
}

/// What the head says of the body's length; nothing said is no body.
fn content_length(head: &[u8]) -> Result<usize, LoadError> {
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Err(LoadError::Protocol("a chunked body"));
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            return std::str::from_utf8(&value[1..])
                .ok()
                .and_then(|value| value.trim().parse().ok())
                .filter(|length| *length <= LARGEST_MESSAGE)
                .ok_or(LoadError::Protocol("an unusable Content-Length"));
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use rstest::rstest;

    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nDate: now\r\ncontent-LENGTH: 5\r\n\r\nhello";

    #[test]
    fn a_message_is_complete_with_the_last_byte_of_its_body() {
        for length in 0..ANSWER.len() {
            assert_eq!(Frame::of(&ANSWER[..length]).unwrap(), None, "{length}");
        }
        let two = [ANSWER, b"HTTP/1.1 503 x\r\n\r\n"].concat();
        let first = Frame::of(&two).unwrap().unwrap();
        let message = first.message(&two).unwrap();
        assert_eq!(
            (message.start, message.body),
            ("HTTP/1.1 200 OK", &b"hello"[..])
        );
        assert!(message.has_status("200"));
        let rest = &two[first.head + first.body..];
        let message = Frame::of(rest).unwrap().unwrap().message(rest).unwrap();
        assert!(message.has_status("503") && message.body.is_empty());
    }

    #[rstest]
    #[case::chunked("Transfer-Encoding: chunked")]
    #[case::not_a_number("Content-Length: five")]
    #[case::enormous("Content-Length: 99999999999")]
    fn what_it_does_not_speak_is_refused(#[case] header: &str) {
        let answer = format!("HTTP/1.1 200 OK\r\n{header}\r\n\r\n");
        assert!(matches!(
            Frame::of(answer.as_bytes()),
            Err(LoadError::Protocol(_))
        ));
    }
}
