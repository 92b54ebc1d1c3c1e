//! Calls by name, with messages that are known by their descriptors alone.

use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor, SerializeOptions};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status};

use crate::connect::Api;
use crate::declared::{Json, Kind, Object};
use crate::error::{Error, Result};

/// Calls a method of a kind of thing. Request and answer are proto3 JSON with the protos' own names, defaults included.
pub(crate) async fn call(api: &Api, kind: Kind, verb: &str, request: Object) -> Result<Object> {
    let (path, input, output) = kind.method(verb)?;
    let request = DynamicMessage::deserialize(input, Json::Object(request))
        .map_err(|error| Error::usage(format!("{}: {error}", kind.noun())))?;
    let path = path
        .parse()
        .map_err(|_| Error::Json(format!("{path} is no path")))?;
    let mut grpc = Grpc::new(api.connection());
    // A service that is not ready has lost its connection: the call says so.
    grpc.ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let answer = grpc.unary(Request::new(request), path, Dynamic(output)).await?;
    object(&answer.into_inner())
}

/// A message as JSON, with the protos' own names and with defaults.
fn object(message: &DynamicMessage) -> Result<Object> {
    let options = SerializeOptions::new()
        .skip_default_fields(false)
        .use_proto_field_name(true);
    let json = message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|error| Error::Json(error.to_string()))?;
    match json {
        Json::Object(object) => Ok(object),
        _ => Err(Error::Json("a message is no object".to_owned())),
    }
}

/// Encodes any message, and decodes the one it has the descriptor of.
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = DynamicEncoder;
    type Decoder = Self;

    fn encoder(&mut self) -> Self::Encoder {
        DynamicEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        Self(self.0.clone())
    }
}

struct DynamicEncoder;

impl Encoder for DynamicEncoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(buffer)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        DynamicMessage::decode(self.0.clone(), buffer)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}
