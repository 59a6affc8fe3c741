//! The messages of `onnx.proto` that an exported network needs, and their field numbers.
//!
//! Source: <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>, intermediate representation 8.

use crate::export::protobuf::Message;

/// Version of the format that operator set 17 belongs to.
const IR_VERSION: i64 = 8;
/// The operator set whose rules the nodes follow.
pub(super) const OPERATOR_SET: i64 = 17;

/// `TensorProto.DataType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataType {
    Float = 1,
    Uint8 = 2,
    Int64 = 7,
}

/// `AttributeProto` by its three types that are needed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Attribute {
    Float(&'static str, f32),
    Int(&'static str, i64),
    Ints(&'static str, Vec<i64>),
}

/// A side of a tensor: a number, or a name where any number will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side<'a> {
    Fixed(usize),
    Any(&'a str),
}

/// A length as ONNX counts.
pub(super) fn int(number: usize) -> i64 {
    i64::try_from(number).expect("BUG: a tensor is smaller than memory")
}

/// `NodeProto`.
pub(super) fn node(
    operation: &str,
    inputs: &[&str],
    output: &str,
    attributes: &[Attribute],
) -> Message {
    let node = inputs.iter().fold(Message::default(), |node, input| node.text(1, input));
    let attributes: Vec<Message> = attributes.iter().map(Attribute::message).collect();
    node.text(2, output).text(3, output).text(4, operation).messages(5, &attributes)
}

/// `TensorProto` with its numbers as little-endian bytes.
pub(super) fn tensor(name: &str, kind: DataType, shape: &[usize], bytes: &[u8]) -> Message {
    let shape: Vec<i64> = shape.iter().map(|&side| int(side)).collect();
    Message::default().ints(1, &shape).int(2, kind as i64).text(8, name).bytes(9, bytes)
}

/// `ValueInfoProto`: a tensor that goes in or comes out.
pub(super) fn value(name: &str, kind: DataType, sides: &[Side<'_>]) -> Message {
    let side = |side: &Side<'_>| match side {
        Side::Fixed(len) => Message::default().int(1, int(*len)),
        Side::Any(name) => Message::default().text(2, name),
    };
    let sides: Vec<Message> = sides.iter().map(side).collect();
    let tensor =
        Message::default().int(1, kind as i64).message(2, &Message::default().messages(1, &sides));
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
}

/// What a `GraphProto` is made of.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) nodes: Vec<Message>,
    pub(super) tensors: Vec<Message>,
    pub(super) inputs: Vec<Message>,
    pub(super) outputs: Vec<Message>,
}

/// `ModelProto` with facts for people, which change nothing.
pub(super) fn model(parts: &Parts, facts: &[(&str, String)]) -> Message {
    let graph = Message::default()
        .messages(1, &parts.nodes)
        .text(2, "network")
        .messages(5, &parts.tensors)
        .messages(11, &parts.inputs)
        .messages(12, &parts.outputs);
    let operators = Message::default().text(1, "").int(2, OPERATOR_SET);
    let facts: Vec<Message> =
        facts.iter().map(|(key, value)| Message::default().text(1, key).text(2, value)).collect();
    Message::default()
        .int(1, IR_VERSION)
        .text(2, "phytotron")
        .message(7, &graph)
        .message(8, &operators)
        .messages(14, &facts)
}

impl Attribute {
    fn message(&self) -> Message {
        let named = |name: &str| Message::default().text(1, name);
        match self {
            Self::Float(name, value) => named(name).float(2, *value).int(20, 1),
            Self::Int(name, value) => named(name).int(3, *value).int(20, 2),
            Self::Ints(name, values) => named(name).ints(8, values).int(20, 7),
        }
    }
}
