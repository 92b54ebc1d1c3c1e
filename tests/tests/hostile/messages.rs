//! Messages that are too large, too deep, or none at all, from somebody who is not signed in.

use std::convert::Infallible;
use std::iter;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::{Stream, StreamExt as _, stream};
use http_body_util::{BodyExt as _, StreamBody};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tower::ServiceExt as _;

use crate::scene::{Scene, reason};

/// A method that anybody may call.
const LOGIN: &str = "/dataguardian.v1.AuthService/Login";
const GIGABYTE: u32 = 1 << 30;
/// One piece of what is sent.
const PIECE: usize = 1 << 20;
/// The longest that a refusal takes.
const SOON: Duration = Duration::from_secs(20);

/// A message as gRPC frames it: whether it is compressed, its length, and its bytes.
fn framed(compressed: bool, message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(compressed.into());
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

/// How a call ends that sends these bytes.
async fn send(
    channel: Channel,
    encoding: &str,
    bytes: impl Stream<Item = Bytes> + Send + 'static,
) -> Result<Status> {
    let frames = bytes.map(|bytes| Ok::<_, Infallible>(http_body::Frame::data(bytes)));
    let request = http::Request::post(LOGIN)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-encoding", encoding)
        .body(tonic::body::Body::new(StreamBody::new(frames)))?;
    let call = async {
        let response = channel.oneshot(request).await?;
        if let Some(status) = Status::from_header_map(response.headers()) {
            return Ok(status);
        }
        let body = response.into_body().collect().await?;
        let trailers = body.trailers().context("trailers")?;
        Status::from_header_map(trailers).context("a status")
    };
    tokio::time::timeout(SOON, call)
        .await
        .context("an answer in time")?
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_none_are_refused_and_cost_nothing() -> Result<()> {
    let mut scene = Scene::set().await?;
    // One of a gigabyte, all of which is sent if the other side takes it.
    let mut head = BytesMut::new();
    head.put_u8(0);
    head.put_u32(GIGABYTE);
    let piece = Bytes::from(vec![b'a'; PIECE]);
    let pieces = iter::once(head.freeze()).chain(iter::repeat_n(piece, GIGABYTE as usize / PIECE));
    let large = send(scene.connect().await?, "identity", stream::iter(pieces)).await?;
    ensure!(
        large.code() == Code::OutOfRange || large.code() == Code::ResourceExhausted,
        "{large:?}"
    );
    scene.others_are_served().await?;

    // One that grows to a gigabyte when it is unpacked.
    let packed = gzipped_zeroes(GIGABYTE)?;
    ensure!(packed.len() < 2 << 20, "{} bytes", packed.len());
    let bomb = send(
        scene.connect().await?,
        "gzip",
        stream::iter([framed(true, &packed)]),
    )
    .await?;
    ensure!(bomb.code() != Code::Ok, "{bomb:?}");
    scene.others_are_served().await?;

    // Groups in groups (field 9, wire types 3 and 4), as deep as a message may be long.
    let depth = 500_000;
    let nested: Vec<u8> = iter::repeat_n(0x4b, depth)
        .chain(iter::repeat_n(0x4c, depth))
        .collect();
    for (what, message) in [
        ("nesting", nested),
        // Fields 1 and 2 are texts.
        ("no UTF-8", vec![0x0a, 2, 0xff, 0xfe]),
        ("cut off", vec![0x0a, 0xff, 0xff, 0xff, 0x7f, b'a']),
        (
            "a length beyond all",
            vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        ),
        ("a field of number 0", vec![0x02, 1, b'a']),
    ] {
        let refused = send(
            scene.connect().await?,
            "identity",
            stream::iter([framed(false, &message)]),
        )
        .await?;
        ensure!(refused.code() == Code::InvalidArgument, "{what}: {refused:?}");
        ensure!(!reason(&refused).is_empty(), "{what}: {refused:?}");
        scene.others_are_served().await?;
    }
    scene.memory_is_bounded()
}

/// So many zeroes, by gzip(1).
fn gzipped_zeroes(count: u32) -> Result<Vec<u8>> {
    let script = format!("head -c {count} /dev/zero | gzip -9");
    let output = std::process::Command::new("sh").args(["-c", &script]).output()?;
    ensure!(output.status.success(), "gzip: {output:?}");
    Ok(output.stdout)
}
